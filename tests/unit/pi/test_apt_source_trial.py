# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The folder in which a machine's apt tries a repository, and what becomes of one that it takes or refuses."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from ansible_collections.bramble.kube.plugins.module_utils.common.errors import Stop
from ansible_collections.bramble.kube.plugins.module_utils.common.system import System
from ansible_collections.bramble.kube.plugins.module_utils.pi.steps import apt_source
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


OPTIONS = {
    "name": "kubernetes",
    "label": "Kubernetes' repository",
    "settings": "kubeadm_apt",
    "url": "https://pkgs.k8s.io/core:/stable:/v1.37/deb/",
    "suite": "/",
    "components": [],
    "state": "present",
}
SOURCE, OTHER = "etc/apt/sources.list.d/kubernetes.sources", "etc/apt/sources.list.d/by-hand.list"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine on which somebody has named the repository by hand."""
    (tmp_path / "etc/apt/sources.list.d").mkdir(parents=True)
    (tmp_path / "etc/apt/keyrings").mkdir()
    (tmp_path / OTHER).write_text(f"deb {OPTIONS['url']} /\n")
    monkeypatch.setattr(apt_source, "known_key", lambda _options: b"key\n")
    return tmp_path


def files(root: Path) -> dict[str, str]:
    return {str(path.relative_to(root)): path.read_text() for path in root.rglob("*") if path.is_file()}


def test_one_that_apt_takes_is_added_and_its_other_entries_are_switched_off(root: Path, monkeypatch) -> None:
    monkeypatch.setattr(apt_source, "refused", lambda *_: ("", False))
    result = apt_source.run(System(str(root)), OPTIONS, False)
    there = files(root)
    assert result["changed"] and there[OTHER].startswith("#")
    assert OPTIONS["url"] in there[SOURCE]
    assert "key\n" in there.values()
    assert not apt_source.run(System(str(root)), OPTIONS, False)["changed"]


def test_one_that_apt_refuses_changes_nothing(root: Path, monkeypatch) -> None:
    before = files(root)
    monkeypatch.setattr(apt_source, "refused", lambda *_: ("It is not signed.", True))
    with pytest.raises(Stop, match=r"It is not signed\. Nothing was changed\."):
        apt_source.run(System(str(root)), OPTIONS, False)
    assert files(root) == before


UNSIGNED = "E: The repository 'https://pkgs.k8s.io/core:/stable:/v1.37/deb  Release' is not signed.\n"
AWAY = "E: Failed to fetch https://pkgs.k8s.io/x/InRelease  Could not resolve 'pkgs.k8s.io'\n"


@pytest.mark.parametrize(
    ("said", "tries", "lasting"),
    [([UNSIGNED], 1, True), ([AWAY, AWAY, AWAY], 3, False), ([AWAY, ""], 2, False), ([AWAY, UNSIGNED], 2, True)],
    ids=["for good", "away", "away for a moment", "away, then for good"],
)
def test_what_cannot_pass_is_told_at_once(root: Path, monkeypatch, said: list[str], tries: int, lasting: bool) -> None:
    asked, pauses = [], []
    monkeypatch.setattr(apt_source, "trial", lambda *_: asked.append(1) or said[len(asked) - 1])
    monkeypatch.setattr(apt_source.time, "sleep", pauses.append)
    why, found = apt_source.refused(System(str(root)), OPTIONS, "", "/key.asc", b"key\n")
    assert (len(asked), len(pauses), found) == (tries, tries - 1, lasting)
    assert bool(why) == bool(said[-1])


@pytest.mark.parametrize("state", ["present", "renewed"])
def test_one_of_ours_that_apt_no_longer_takes_is_switched_off_and_comes_back(root: Path, monkeypatch, state) -> None:
    options = {**OPTIONS, "state": state}
    monkeypatch.setattr(apt_source, "refused", lambda *_: ("", False))
    apt_source.run(System(str(root)), OPTIONS, False)
    before = files(root)[SOURCE]
    monkeypatch.setattr(apt_source, "refused", lambda *_: ("It is not signed.", True))
    if state == "present":
        with pytest.raises(Stop, match=r"It is not signed\. It is switched off in \S+, so that apt works"):
            apt_source.run(System(str(root)), options, False)
    else:
        result = apt_source.run(System(str(root)), options, False)
        assert result["changed"] and "It is switched off in /etc/apt/sources.list.d/kubernetes" in result["warned"][0]
    assert files(root)[SOURCE] == before.replace("Types:", "Enabled: no\nTypes:")
    monkeypatch.setattr(apt_source, "refused", lambda *_: ("", False))
    apt_source.run(System(str(root)), OPTIONS, False)
    assert files(root)[SOURCE] == before


def test_one_of_ours_that_is_away_for_a_while_stays_on(root: Path, monkeypatch) -> None:
    monkeypatch.setattr(apt_source, "refused", lambda *_: ("", False))
    apt_source.run(System(str(root)), OPTIONS, False)
    before = files(root)
    monkeypatch.setattr(apt_source, "refused", lambda *_: ("It cannot be reached.", False))
    assert apt_source.run(System(str(root)), {**OPTIONS, "state": "renewed"}, False)["warned"]
    assert files(root) == before
