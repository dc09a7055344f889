# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A kube-apiserver from before server-side apply was stable, built from its Go module when a test first needs it.

Three things stand in the way of a plain `go build` of a release of that age, and are repaired on a copy of its source:
the modules of staging/ are published ones (v0.21.14 for v1.21.14), vendor/ is a list without content, and the file
pkg/generated/openapi/zz_generated.openapi.go is not in the module; its own openapi-gen makes it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

from lab_cluster import CACHE, ROOT

RELEASE = "1.21.14"
SUMS = ROOT / "tests" / "integration" / "push" / "old_kubernetes" / "go.sum"
# Modules whose types the API server shows in its OpenAPI document.
API_MODULES = ("api", "apimachinery", "apiextensions-apiserver", "kube-aggregator")
GENERATED = "pkg/generated/openapi"


FOLDER = CACHE / "artifacts" / "old-kubernetes" / RELEASE
PROGRAM = FOLDER / "kube-apiserver"


def old_api_server_if_built() -> Path | None:
    """Path of the program, if it was built before."""
    return PROGRAM if PROGRAM.exists() else None


def old_api_server() -> Path:
    """Path of the program; built on first use (a quarter of an hour of processor time), kept in the lab's cache."""
    if not PROGRAM.exists():
        source = FOLDER / "source"
        _copy_source(source)
        _generate(source, FOLDER)
        _build(source, Path(f"{PROGRAM}.new"))
        shutil.rmtree(source)
        Path(f"{PROGRAM}.new").rename(PROGRAM)
    return PROGRAM


def _go(folder: Path, *arguments: str) -> str:
    environment = {
        **os.environ,
        "GOMODCACHE": str(CACHE / "gomod"),
        "GOCACHE": str(CACHE / "gobuild"),
        "GOFLAGS": "-modcacherw -mod=mod",
        "GOWORK": "off",
        "CGO_ENABLED": "0",
    }
    done = subprocess.run(
        ["go", *arguments], cwd=folder, env=environment, check=True, stdout=subprocess.PIPE, text=True
    )
    return done.stdout


def _module(folder: Path, name: str, version: str) -> Path:
    return Path(json.loads(_go(folder, "mod", "download", "-json", f"{name}@v{version}"))["Dir"])


def _copy_source(source: Path) -> None:
    shutil.rmtree(source, ignore_errors=True)
    source.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(_module(source.parent, "k8s.io/kubernetes", RELEASE), source)
    shutil.rmtree(source / "vendor", ignore_errors=True)
    modules = source / "go.mod"
    published = r"\1 => \1 v0." + RELEASE.removeprefix("1.")
    modules.chmod(0o644)
    modules.write_text(re.sub(r"(k8s\.io/[a-z-]+) => \./staging/src/\S+", published, modules.read_text()))
    shutil.copyfile(SUMS, source / "go.sum")


def _generate(source: Path, folder: Path) -> None:
    """Write the missing file, as build/root/Makefile.generated_files does."""
    tagged = []
    for name in API_MODULES:
        module = _module(source, f"k8s.io/{name}", "0." + RELEASE.removeprefix("1."))
        for path in sorted(module.rglob("*.go")):
            if "+k8s:openapi-gen=" in path.read_text() and not path.name.endswith("_test.go"):
                tagged.append(f"k8s.io/{name}/{path.parent.relative_to(module)}")
    _go(
        source,
        *("run", "k8s.io/kube-openapi/cmd/openapi-gen", "--logtostderr", "-i", ",".join(dict.fromkeys(tagged))),
        *("-p", f"k8s.io/kubernetes/{GENERATED}", "-O", "zz_generated.openapi", "-h", os.devnull, "-r", os.devnull),
        *("--output-base", str(folder / "generated")),
    )
    name = "zz_generated.openapi.go"
    shutil.copyfile(folder / "generated" / "k8s.io" / "kubernetes" / GENERATED / name, source / GENERATED / name)
    shutil.rmtree(folder / "generated")


def _build(source: Path, program: Path) -> None:
    major, minor, _patch = RELEASE.split(".")
    values = {"gitVersion": f"v{RELEASE}", "gitMajor": major, "gitMinor": minor}
    # --version tells the one, /version the other.
    packages = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    flags = " ".join(f"-X {package}.{name}={value}" for package in packages for name, value in values.items())
    # Without the cloud providers of that time, which are most of what there is to compile.
    _go(
        source,
        *("build", "-tags", "providerless", "-trimpath", "-ldflags", f"-s -w {flags}", "-o", str(program)),
        "./cmd/kube-apiserver",
    )
