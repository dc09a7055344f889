# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives in every form in which tar makes them, read as if they had been unpacked."""

from __future__ import annotations

import io
import json
import os
import subprocess
import tarfile
from pathlib import Path

import pytest
from played_machine import Played

from ansible_collections.bramble.kube.plugins.module_utils.common.errors import Stop
from ansible_collections.bramble.kube.plugins.module_utils.common.system import Done
from ansible_collections.bramble.kube.plugins.module_utils.manifests import kustomize
from ansible_collections.bramble.kube.plugins.module_utils.manifests.kustomize import digest, lay_out, pick


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """A release's folder: files, a hard link, and links to a file, to a folder and out of the folder."""
    top = tmp_path / "release-1"
    (top / "manifests/base").mkdir(parents=True)
    (top / "manifests/overlay").mkdir()
    (top / "LICENSE").write_text("a license")
    (top / "manifests/base/a.yaml").write_text("kind: A\n")
    (top / "manifests/base/kustomization.yaml").write_text("resources: [a.yaml]\n")
    os.link(top / "manifests/base/a.yaml", top / "manifests/base/same.yaml")
    (top / "manifests/overlay/a.yaml").symlink_to("../base/a.yaml")
    (top / "manifests/overlay/base").symlink_to("../base")
    (top / "manifests/LICENSE").symlink_to("../LICENSE")
    return top


def packed(release: Path, *names: str) -> bytes:
    command = ["tar", "-cz", "-C", str(release.parent), *names]
    return subprocess.run(command, capture_output=True, check=True).stdout


def listed(release: Path) -> str:
    """The checksum by the command in the documentation."""
    command = "find manifests -type f | LC_ALL=C sort | xargs sha256sum | sha256sum"
    return subprocess.run(command, cwd=release, shell=True, capture_output=True, text=True, check=True).stdout.split()[
        0
    ]


@pytest.mark.parametrize("name", ["release-1", "./release-1", "."])
def test_it_is_what_tar_would_unpack(release: Path, tmp_path: Path, name: str) -> None:
    folder = pick(packed(release, name), "manifests")
    assert digest(folder.files) == listed(release)
    place = tmp_path / "place"
    lay_out(folder, str(place))
    for path in ("base/a.yaml", "base/same.yaml", "overlay/a.yaml", "overlay/base/a.yaml"):
        assert (place / "manifests" / path).read_text() == "kind: A\n"
    assert (place / "manifests/overlay/base").is_symlink()
    assert folder.left_out == ["manifests/LICENSE"] and not os.path.lexists(place / "manifests/LICENSE")


def test_a_folder_that_only_begins_like_it_is_another(release: Path) -> None:
    (release / "manifests-old").mkdir()
    (release / "manifests-old/b.yaml").write_text("kind: B\n")
    (release / "manifests/base/out.yaml").symlink_to("../../manifests-old/b.yaml")
    folder = pick(packed(release, "release-1"), "manifests")
    assert not any("manifests-old" in path for path in folder.files)
    assert "manifests/base/out.yaml" in folder.left_out


def archive(*members: tuple[str, str, bytes]) -> bytes:
    """An archive with members that tar itself would not make: name, target of a link, content."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as tar:
        for name, target, content in members:
            info = tarfile.TarInfo(name)
            if target:
                info.type, info.linkname = tarfile.SYMTYPE, target
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return made.getvalue()


@pytest.mark.parametrize("name", ["top/manifests/../../../x", "/top/manifests/x", "./top/manifests/a/../x"])
def test_a_file_outside_is_refused(name: str) -> None:
    with pytest.raises(Stop, match=r"file outside of itself|no folder"):
        pick(archive((name, "", b"x")), "manifests")


def test_no_file_is_written_through_a_link(tmp_path: Path) -> None:
    folder = pick(archive(("t/m/a", "b", b""), ("t/m/a/x", "", b"x"), ("t/m/b/y", "", b"y")), "m")
    with pytest.raises(FileExistsError):
        lay_out(folder, str(tmp_path / "place"))


def test_a_link_that_another_link_leads_out_is_refused(tmp_path: Path) -> None:
    folder = pick(archive(("t/m/d/e/a", "../..", b""), ("t/m/d/e/a/x", "../../../y", b""), ("t/m/y", "", b"y")), "m")
    with pytest.raises(Stop, match="leads out of it"):
        lay_out(folder, str(tmp_path / "place"))


@pytest.mark.parametrize("content", [b"", b"no archive", archive(("t/other/x", "", b"x"))])
def test_damaged_or_without_the_folder(content: bytes) -> None:
    with pytest.raises(Stop, match=r"damaged|no folder"):
        pick(content, "manifests")


def test_a_cut_archive_is_damaged_unless_only_its_padding_is_gone(release: Path) -> None:
    whole = packed(release, "release-1")
    refused = 0
    for length in range(len(whole)):
        try:
            folder = pick(whole[:length], "manifests")
        except Stop:
            refused += 1
        else:
            assert folder == pick(whole, "manifests"), length
    assert refused > len(whole) / 2


BUILT = "apiVersion: v1\nkind: ConfigMap\n"


@pytest.fixture
def pi(played: Played, release: Path, monkeypatch: pytest.MonkeyPatch) -> Played:
    """A machine with kubectl, to which an archive with one overlay comes."""
    played.put("/usr/bin/kubectl", "#!", 0o755)
    archive = packed(release, "release-1")
    played.sha256 = digest(pick(archive, "manifests").files)
    monkeypatch.setattr(kustomize, "fetch", lambda url, most, silence: archive)
    played.seen = []

    def kubectl(words: list[str]) -> str:
        folder = Path(words[-1])
        played.seen.append((folder, {path.name: path.read_text() for path in folder.iterdir()}))
        return BUILT

    played.says("kubectl kustomize", kubectl)
    return played


def options(pi: Played, **changed) -> dict:
    return {
        "url": "https://x/y.tar.gz",
        "folder": "manifests",
        "overlay": "manifests/base",
        "kustomization": None,
        "files_sha256": pi.sha256,
        "timeout": 60,
        **changed,
    }


def test_the_overlay_is_built_and_nothing_of_it_stays(pi: Played) -> None:
    assert kustomize.run(pi, options(pi), False) == {"changed": False, "manifests": BUILT}
    ((folder, files),) = pi.seen
    assert sorted(files) == ["a.yaml", "kustomization.yaml", "same.yaml"]
    assert not folder.exists()


def test_a_kustomization_of_the_users_lies_beside_it(pi: Played) -> None:
    own = {"resources": ["../manifests/base"]}
    kustomize.run(pi, options(pi, overlay=None, kustomization=own), False)
    ((folder, files),) = pi.seen
    assert folder.name == kustomize.OWN_FOLDER
    assert json.loads(files["kustomization.yaml"]) == own


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"files_sha256": "00"}, "its files have the checksum [0-9a-f]{64}, and not the expected 00"),
        ({"folder": "other"}, "the archive has no folder other"),
        (
            {"overlay": None, "kustomization": {"resources": ["https://github.com/a/b"]}},
            "its kustomization takes https://github.com/a/b in bramble/kustomization.yaml, which may change",
        ),
    ],
)
def test_what_is_not_what_was_expected_is_not_built(pi: Played, changed: dict, words: str) -> None:
    with pytest.raises(Stop, match=rf"^https://x/y\.tar\.gz: {words}.*\.$"):
        kustomize.run(pi, options(pi, **changed), False)
    assert pi.asked == []


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            Done(1, "", "Error: no\n"),
            r"kustomize failed: Error: no \(links that point outside its folder were left out: manifests/LICENSE\)",
        ),
        ("\n", "kustomize built no object from it"),
    ],
)
def test_what_is_not_built_is_told(pi: Played, answer: Done | str, words: str) -> None:
    pi.says("kubectl kustomize", answer)
    with pytest.raises(Stop, match=rf"^https://x/y\.tar\.gz: {words}\.$"):
        kustomize.run(pi, options(pi), False)


def test_without_kubectl_check_mode_only_says_so(pi: Played) -> None:
    pi.at("/usr/bin/kubectl").unlink()
    assert kustomize.run(pi, options(pi), True) == {
        "changed": False,
        "manifests": "",
        "msg": "They would be built, once kubectl is installed.",
    }
    with pytest.raises(Stop, match=r"^There is no kubectl on this machine: the role kubeadm installs it\.$"):
        kustomize.run(pi, options(pi), False)
