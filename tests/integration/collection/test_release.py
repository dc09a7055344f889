"""tools/release, in a clone of its own."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import checkout
import pytest
import yaml


def git(folder: Path, *arguments: str) -> str:
    named = ("-c", "user.name=A maintainer", "-c", "user.email=maintainer@example.org")
    return subprocess.run(["git", *named, *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of this checkout as a repository with one commit."""
    folder = checkout.copy(tmp_path_factory.mktemp("release"))
    (folder / ".venv").symlink_to(checkout.ROOT / ".venv")
    git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "config", "user.name", "A maintainer")
    git(folder, "config", "user.email", "maintainer@example.org")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "All of it")
    return folder


def release(clone: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "HOME": str(clone.parent)}
    return subprocess.run(
        [clone / "tools" / "release", *arguments], cwd=clone, env=environment, capture_output=True, text=True
    )


@pytest.mark.parametrize("version", ["", "1.0", "v1.0.0", "1.0.0-rc1"])
def test_what_is_no_version_is_refused(clone: Path, version: str) -> None:
    done = release(clone, version)
    assert done.returncode == 1 and "use a version of three numbers" in done.stderr


def test_a_release_is_a_changelog_a_commit_a_tag_and_an_archive(clone: Path) -> None:
    (clone / "left-over").write_text("")
    assert "git status" in release(clone, "9.8.7").stderr
    (clone / "left-over").unlink()
    done = release(clone, "9.8.7")
    assert done.returncode == 0, done.stdout + done.stderr
    assert git(clone, "status", "--porcelain") == ""
    assert git(clone, "tag").split() == ["v9.8.7"]
    assert git(clone, "ls-files", "changelogs").split() == ["changelogs/changelog.yaml", "changelogs/config.yaml"]
    assert yaml.safe_load((clone / "galaxy.yml").read_text())["version"] == "9.8.7"
    assert "version: v9.8.7" in (clone / "docs" / "own-repository.md").read_text()
    changes = (clone / "CHANGELOG.rst").read_text()
    assert "v9.8.7" in changes and "bramble.kube.cluster" in changes
    assert "C(" not in changes, "what only the documentation of modules reads"
    assert list((clone / "changelogs" / "fragments").glob("*.yml")) == []
    assert (clone / ".lab" / "dist" / "bramble-kube-9.8.7.tar.gz").stat().st_size > 100_000
    assert "there is a tag v9.8.7 already" in release(clone, "9.8.7").stderr
    assert "has nothing new" in release(clone, "9.8.8").stderr
