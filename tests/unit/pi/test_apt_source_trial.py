# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The folder in which a machine's apt tries a repository."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from ansible_collections.bramble.kube.plugins.module_utils.pi.steps.apt_source import trial


@pytest.mark.parametrize("umask", [0o022, 0o027, 0o077])
def test_apts_own_user_can_read_what_is_tried_whatever_roots_umask_is(umask: int) -> None:
    modes = {}

    def call(words: list[str], timeout: float) -> SimpleNamespace:
        sources = next(word for word in words if word.startswith("Dir::Etc::sourcelist="))
        folder = Path(sources.partition("=")[2]).parent
        modes.update({path.name: path.stat().st_mode & 0o777 for path in (folder, *folder.iterdir())})
        assert f"Signed-By: {folder}/key.asc" in (folder / "one.sources").read_text(encoding="utf-8")
        return SimpleNamespace(code=0, output="", errors="")

    before = os.umask(umask)
    try:
        assert trial(SimpleNamespace(call=call), "Signed-By: /k.asc\n", "/k.asc", b"key") == ""
    finally:
        os.umask(before)
    assert sorted(modes.values()) == [0o644, 0o644, 0o755, 0o755]
