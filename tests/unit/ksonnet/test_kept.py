"""A kept rendering is used where rendering would give the same; whatever was changed, the result is the real one."""

from __future__ import annotations

import json
import os
import random
import secrets
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from app_builder import Builder, standard

from ansible_collections.bramble.kube.plugins.module_utils.common import checksum_file
from ansible_collections.bramble.kube.plugins.module_utils.ksonnet import files, kept, options
from ansible_collections.bramble.kube.plugins.module_utils.ksonnet import render as rendering
from ansible_collections.bramble.kube.plugins.module_utils.ksonnet.run import render, run

REPOSITORY = Path(__file__).resolve().parents[3]


def request(app: Builder, dest: Path | None, **more: Any) -> dict[str, Any]:
    params = {name: spec.get("default") for name, spec in options.RENDER.items()}
    return {**params, "app_dir": str(app.root), "environment": "default", "dest": dest and str(dest), **more}


class Kept:
    """An app that was rendered to a file, and a count of the renderings since."""

    def __init__(self, app: Builder, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.app, self.dest = app, folder / "objects.yaml"
        self.record = folder / ".objects.yaml.rendered"
        self.renderings = 0
        real = rendering.render

        def counted(request: rendering.Request) -> rendering.Result:
            self.renderings += 1
            return real(request)

        monkeypatch.setattr(rendering, "render", counted)
        self.first = self.run()
        assert self.first["changed"] and self.renderings == 1, self.first

    def run(self, check: bool = False, diff: bool = False, **more: Any) -> dict[str, Any]:
        return run(render, request(self.app, self.dest, **more), check, diff)

    def renders(self, **more: Any) -> bool:
        """Whether the app is rendered again; what comes out is held to a rendering that nothing is kept of."""
        before = self.renderings
        result = self.run(**more)
        done = self.renderings > before
        real = run(render, request(self.app, None, **more), False, False)
        assert {**result, **real, "changed": result.get("changed")} == {"changed": None, **result}
        if not result.get("failed"):
            text = rendering.to_text(real["objects"], more.get("format", "yaml"))
            assert self.dest.read_text() == text
            assert checksum_file.holds(str(self.dest))
        return done


@pytest.fixture
def rendered(app: Builder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kept:
    return Kept(app, tmp_path, monkeypatch)


def test_an_unchanged_app_is_not_rendered_again(rendered: Kept) -> None:
    again = rendered.run(diff=True)
    text = rendered.dest.read_text()
    names = {"before_header": str(rendered.dest), "after_header": str(rendered.dest)}
    assert again == {**rendered.first, "changed": False, "diff": {**names, "before": text, "after": text}}
    assert rendered.renderings == 1
    assert not rendered.renders()
    assert rendered.record.stat().st_mode & 0o777 == 0o600


def test_what_is_not_asked_about_does_not_matter(rendered: Kept) -> None:
    rendered.app.write("README.md", "hello")
    rendered.app.write("vendor/test/web/unused.libsonnet", "{}")
    path = rendered.app.root / "components/site.jsonnet"
    path.write_text(path.read_text())
    assert not rendered.renders()


def append(name: str, text: str) -> Callable[[Kept], None]:
    def change(rendered: Kept) -> None:
        path = rendered.app.root / name
        path.write_text(path.read_text() + text)

    return change


CHANGES: dict[str, Callable[[Kept], Any]] = {
    "a component": append("components/site.jsonnet", "\n"),
    "a new component": lambda it: it.app.write("components/new.jsonnet", "{}"),
    "a component that goes": lambda it: (it.app.root / "components/my-note.jsonnet").unlink(),
    "parameters": append("components/params.libsonnet", " "),
    "the environment's parameters": append("environments/default/params.libsonnet", " "),
    "app.yaml": append("app.yaml", "\n# hello\n"),
    "app.override.yaml": lambda it: it.app.write("app.override.yaml", "{}"),
    "a package's library": append("vendor/test/web/web.libsonnet", "\n"),
    "k.libsonnet": append("lib/v1.7.0/k.libsonnet", "\n"),
    "a file that is found before another": lambda it: it.app.write("components/k.libsonnet", "error 'mine'"),
    "a link to the same text": lambda it: linked(it.app.root / "vendor/test/web/web.libsonnet", it.dest.parent),
    "dest": lambda it: it.dest.write_text(it.dest.read_text() + "\n"),
    "dest is removed": lambda it: it.dest.unlink(),
    "the record is removed": lambda it: it.record.unlink(),
    "the record is another's": lambda it: it.record.write_text("{}"),
    "the record is cut": lambda it: it.record.write_bytes(it.record.read_bytes()[:-1]),
}


def linked(path: Path, folder: Path) -> None:
    """The file becomes a link to a copy outside the app, which may not be read."""
    shutil.copy(path, folder / "copy")
    path.unlink()
    path.symlink_to(folder / "copy")


@pytest.mark.parametrize("change", CHANGES.values(), ids=list(CHANGES))
def test_what_was_changed_is_rendered(rendered: Kept, change: Callable[[Kept], Any]) -> None:
    change(rendered)
    assert rendered.renders()


@pytest.mark.parametrize(
    "more",
    [
        {"environment": "eu/prod"},
        {"components": ["site"]},
        {"params": {"site": {"image": "img:2"}}},
        {"ext_vars": {"a": "b"}},
        {"format": "json"},
        {"drop_wrong_namespaces": True},
        {"ks_version": "0.11"},
        {"evaluator": "rjsonnet"},
        {"limits": {"depth": 400}},
        {"library_dirs": ["/"]},
    ],
    ids=lambda more: next(iter(more)),
)
def test_another_request_is_rendered(rendered: Kept, more: dict[str, Any]) -> None:
    assert rendered.renders(**more)


def test_a_relative_folder_is_another_one_elsewhere(
    rendered: Kept, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert rendered.renders(app_dir=rendered.app.root.name)
    assert not rendered.renders(app_dir=rendered.app.root.name)
    other = tmp_path / "other" / rendered.app.root.name
    shutil.copytree(rendered.app.root, other)
    monkeypatch.chdir(other.parent)
    assert rendered.renders(app_dir=rendered.app.root.name)


def test_another_release_of_what_renders(rendered: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept.importlib.metadata, "version", lambda name: "1000")
    assert rendered.renders()
    assert not rendered.renders()
    monkeypatch.setattr("yaml.__version__", "1000")
    assert rendered.renders()


def test_other_code(rendered: Kept, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for room in kept._ROOMS:
        shutil.copytree(Path(kept._HERE).parent / room, tmp_path / "code" / room)
    monkeypatch.setattr(kept, "_HERE", str(tmp_path / "code" / "ksonnet"))
    assert not rendered.renders()
    file = tmp_path / "code/manifests/yamltext.py"
    file.write_text(file.read_text() + "\n")
    assert rendered.renders()
    # from an archive, as a module that was started has it
    monkeypatch.setattr(kept, "_HERE", str(tmp_path / "module.zip" / "ksonnet"))
    before = rendered.record.read_bytes()
    assert rendered.renders() and rendered.renders()
    assert rendered.record.read_bytes() == before


def test_check_mode_uses_it_and_writes_none(rendered: Kept) -> None:
    assert not rendered.run(check=True)["changed"] and rendered.renderings == 1
    append("components/params.libsonnet", " ")(rendered)
    before = rendered.record.read_bytes()
    assert not rendered.run(check=True)["changed"] and rendered.renderings == 2
    assert rendered.record.read_bytes() == before


def test_a_checksum_that_was_removed_comes_back(rendered: Kept) -> None:
    Path(f"{rendered.dest}.sha256").unlink()
    result = rendered.run()
    assert result["changed"] and rendered.renderings == 1
    assert checksum_file.holds(str(rendered.dest))


def test_without_dest_nothing_is_kept(app: Builder, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    assert not run(render, request(app, None), False, False).get("failed")
    assert sorted(tmp_path.rglob("*")) == before


def test_a_file_that_is_written_meanwhile(tmp_path: Path) -> None:
    asked = files.Files()
    path = tmp_path / "file"
    assert not asked.is_file(str(path)) and asked.steady
    path.write_text("x")
    assert asked.is_file(str(path)) and not asked.steady


AROUND = """
import json, os, sys
sys.path[:0] = {path!r}
from ansible_collections.bramble.kube.plugins.module_utils.ksonnet import files, kept, options, run
app, dest, seen = sys.argv[1:4]
log = os.open(seen, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
def hook(event, arguments):
    if event in ("open", "os.listdir", "os.scandir") and isinstance(arguments[0], str) and arguments[0].startswith(app):
        os.write(log, (arguments[0] + "\\n").encode())
sys.addaudithook(hook)
params = {{name: spec.get("default") for name, spec in options.RENDER.items()}}
params.update(app_dir=app, environment="default", dest=dest, drop_wrong_namespaces=True)
result = run.run(run.render, params, False, False)
assert not result.get("failed"), result
below = "ansible_collections.bramble.kube.plugins.module_utils."
rooms = {{name.split(".")[5] for name in sys.modules if name.startswith(below)}}
print(json.dumps(sorted(rooms)))
"""


@pytest.mark.parametrize("api_version", ["0.1.0", "0.3.0"])
def test_nothing_is_read_unasked(build: Builder, tmp_path: Path, api_version: str) -> None:
    """Whatever is opened or listed in an app is among the answers, and all code that runs is in the digest."""
    build.apply(**standard(api_version, {"0.1.0": "v1.7.0", "0.3.0": "v1.20.0"}[api_version]))
    code = AROUND.format(path=[str(REPOSITORY / ".lab/collections")])
    dest, seen = tmp_path / "objects.yaml", tmp_path / "seen"
    command = [sys.executable, "-c", code, str(build.root), str(dest), str(seen)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == sorted(kept._ROOMS)
    answers = json.loads((tmp_path / ".objects.yaml.rendered").read_bytes().partition(b"\n")[2])["answers"]
    asked = {os.path.normpath(path) for question in ("content", "names") for path in answers.get(question, {})}
    asked |= {folder for top in answers.get("walk", {}).values() for folder, _folders, _names in top}
    opened = {os.path.normpath(line) for line in seen.read_text().splitlines()}
    assert len(opened) > 8 and opened <= asked, sorted(opened - asked)


def test_random_damage(rendered: Kept) -> None:
    """Anything is changed, removed, added or taken back, at random: what comes out is always a real rendering's."""
    seed = os.environ.get("KEPT_SEED") or secrets.token_hex(4)
    print(f"KEPT_SEED={seed}")
    chance = random.Random(seed)
    root = rendered.app.root
    original = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    beside = [rendered.dest, rendered.record, Path(f"{rendered.dest}.sha256")]
    skipped = 0
    for _turn in range(40):
        for _change in range(chance.choice((0, 1, 1, 2))):
            path = chance.choice([*original, *beside, *beside])
            content = path.read_bytes() if path.is_file() else b"{}"
            at = chance.randrange(len(content) + 1)
            now = chance.choice(("byte", "cut", "end", "remove", "touch", "elsewhere", "back", "back"))
            if now == "byte":
                content = content[:at] + bytes([chance.randrange(32, 127)]) + content[at + 1 :]
            elif now == "cut":
                content = content[:at]
            elif now == "end":
                content += chance.choice((b"\n", b" ", b"x", b"\xff"))
            elif now == "elsewhere":
                path = root / chance.choice(("components", "vendor", "environments", "lib")) / path.name
            elif now == "back":
                for changed in [path for path in root.rglob("*") if path.is_file() and path not in original]:
                    changed.unlink()
                for name, text in original.items():
                    name.write_bytes(text)
                continue
            if now == "remove":
                path.unlink(missing_ok=True)
            else:
                path.write_bytes(content)
        real = run(render, request(rendered.app, None), False, False)
        before = rendered.renderings
        result = rendered.run()
        skipped += rendered.renderings == before
        assert result.get("failed") == real.get("failed") and result.get("msg") == real.get("msg")
        if real.get("failed"):
            continue
        assert [result[name] for name in real if name != "changed"] == [
            real[name] for name in real if name != "changed"
        ]
        if real["objects"]:
            assert rendered.dest.read_text() == rendering.to_text(real["objects"], "yaml")
            assert checksum_file.holds(str(rendered.dest))
    assert 0 < skipped < 40
