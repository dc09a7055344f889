"""Image layers from PyPI: what a file of `python/` names, for the Python of Debian trixie."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from labsoftware.golang import SOFTWARE
from labsoftware.images import debian_layer, pack_layer
from labsoftware.product import BuildError, Product, Work

PYTHON = SOFTWARE / "python"
# The Python of Debian trixie, where its own packages and those of the administrator live (Debian's Python policy).
VERSION = "3.13"
PACKAGES = f"usr/local/lib/python{VERSION}/dist-packages"
LIBRARIES = "usr/lib/x86_64-linux-gnu"


def interpreter_layer() -> Product:
    """Debian's Python without pip, a shell, and what compiled wheels expect of every Linux (PEP 600)."""
    return debian_layer("layer-python", "trixie", "amd64", (f"python{VERSION}", "libstdc++6", "busybox-static"))


def uv_product() -> Product:
    """uv, which installs wheels for a Python and a machine other than its own."""

    def build(work: Work) -> None:
        with work.scratch() as scratch:
            pip = (python_with_pip(), "-m", "pip", "download", "--quiet", "--disable-pip-version-check")
            exact = ("--no-deps", "--require-hashes", "--only-binary", ":all:")
            work.run(*pip, *exact, "--dest", scratch, "--requirement", PYTHON / "uv.txt")
            with zipfile.ZipFile(next(scratch.glob("uv-*.whl"))) as wheel:
                member = next(name for name in wheel.namelist() if name.endswith(".data/scripts/uv"))
                (work.out / "uv").write_bytes(wheel.read(member))
        (work.out / "uv").chmod(0o755)
        work.run(work.out / "uv", "--version")

    return Product(name="uv", build=build, inputs=(PYTHON / "uv.txt",), seconds=10)


def python_with_pip() -> str:
    """A Python on this machine that has pip: the checkout's own first."""
    candidates = [str(SOFTWARE.parents[1] / ".venv/bin/python"), sys.executable, "python3"]
    for candidate in candidates:
        if shutil.which(candidate):
            asked = subprocess.run([candidate, "-m", "pip", "--version"], capture_output=True, check=False)
            if asked.returncode == 0:
                return candidate
    raise BuildError(
        "no Python with pip was found: 'make setup-dev' makes one, or on Debian: apt-get install python3-pip"
    )


def python_layer(name: str, requirements: str, seconds: int, where: str = PACKAGES) -> Product:
    """The packages of python/<requirements>, compiled, without their own tests, programs in /usr/local/bin."""

    def build(work: Work) -> None:
        with work.scratch() as scratch:
            place = scratch / "root" / where
            uv = (work.file("uv:uv"), "pip", "install", "--quiet", "--no-config", "--cache-dir", scratch / "cache")
            target = ("--python-version", VERSION, "--python-platform", "x86_64-manylinux_2_40", "--target", place)
            exact = ("--no-deps", "--require-hashes", "--only-binary", ":all:", "--link-mode", "hardlink")
            work.run(*uv, *target, *exact, "--requirement", PYTHON / requirements)
            local = scratch / "root/usr/local"
            for folder in ("bin", "etc", "share"):
                if (place / folder).exists():
                    (place / folder).rename(local / folder)
            for script in (local / "bin").glob("*"):
                first, _, rest = script.read_bytes().partition(b"\n")
                if first.startswith(b"#!") and b"python" in first:
                    script.write_bytes(b"#!/usr/bin/python3\n" + rest)
            (place / ".lock").unlink(missing_ok=True)
            for tests in [path for path in place.rglob("tests") if path.is_dir()]:
                shutil.rmtree(tests, ignore_errors=True)
            compile_all(work, scratch, place)
            pack_layer(work, scratch / "root")

    return Product(
        name=name,
        build=build,
        recipe=(requirements, "1") if where == PACKAGES else (requirements, where, "1"),
        inputs=(Path(__file__), PYTHON / requirements),
        needs=("uv", "layer-python"),
        seconds=seconds,
    )


def compile_all(work: Work, scratch: Path, place: Path) -> None:
    """Byte code of every file, made by the very Python that will read it, so that no container compiles at its start.

    It is called by its own loader with its own libraries, because this machine may have older ones.
    """
    debian = scratch / "debian"
    debian.mkdir()
    work.run("tar", "--extract", "--file", work.file("layer-python:layer.tar.gz"), "--directory", debian)
    libraries = debian / LIBRARIES
    loader = (libraries / "ld-linux-x86-64.so.2", "--library-path", libraries)
    # A layer's files have no time of their own, so byte code is tied to nothing instead (PEP 552, unchecked).
    how = ("-q", "--invalidation-mode", "unchecked-hash", "-s", scratch / "root", "-p", "/")
    work.run(
        *loader,
        debian / f"usr/bin/python{VERSION}",
        "-m",
        "compileall",
        *how,
        place,
        env={"PYTHONHOME": str(debian / "usr")},
    )
