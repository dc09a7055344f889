"""Programs from Go modules: which Go is used, and the product that one folder of `modules/` stands for."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from labsoftware.cache import Cache
from labsoftware.product import BuildError, Product, Work

SOFTWARE = Path(__file__).parent.parent
MODULES = SOFTWARE / "modules"

# From 1.21 on, Go fetches the newer Go that a module asks for by itself (https://go.dev/doc/toolchain).
OLDEST_GO = (1, 21)

# A C compiler for another machine than this one, and the Debian packages that bring it.
CROSS_COMPILER = "aarch64-linux-gnu-gcc"
CROSS_PACKAGES = ("gcc-aarch64-linux-gnu", "libc6-dev-arm64-cross")

# The linker's -s -w would throw the debugging data away; not making it saves a fifth of a build. The program is the
# same, so this is no part of a product's recipe.
NO_DWARF = "-dwarf=false"


def parse_go_version(text: str) -> tuple[int, ...]:
    """(1, 26, 8) of 'go version go1.26.8 linux/amd64'."""
    found = re.search(r"\bgo(\d+(?:\.\d+)+)", text)
    if not found:
        raise BuildError(f"'go version' printed {text.strip()!r}, in which there is no version")
    return tuple(int(part) for part in found.group(1).split("."))


def host_go() -> str:
    """Version of the Go that is installed, as '1.26.8'; BuildError with the way out if it is none or too old."""
    if not shutil.which("go"):
        raise BuildError("Go is not installed; on Debian: apt-get install golang-go")
    version = parse_go_version(subprocess.run(["go", "version"], capture_output=True, text=True, check=True).stdout)
    text = ".".join(map(str, version))
    if version < OLDEST_GO:
        raise BuildError(
            f"Go {text} is installed, but 1.21 or newer is needed (it then fetches the release that a module wants"
            " by itself); on Debian 12: apt-get install -t bookworm-backports golang-go"
        )
    return text


def required(go_mod: str, module: str) -> str:
    """Version (without its v and +incompatible) that the text of a go.mod requires of a module."""
    found = re.search(rf"^(?:require|\t)\s*{re.escape(module)} v(\S+)", go_mod, re.MULTILINE)
    if not found:
        raise BuildError(f"no requirement of {module} in go.mod")
    return found.group(1).removesuffix("+incompatible")


def version_of(folder: str, module: str) -> str:
    """Version of a module in modules/<folder>/go.mod, without its v."""
    return required((MODULES / folder / "go.mod").read_text(encoding="utf-8"), module)


def go_environment(cache: Cache, architecture: str, cgo: bool) -> dict[str, str]:
    """Settings for the go command: caches of the lab's own, nothing of the user's own flags."""
    return {
        "GOMODCACHE": str(cache.root / "gomod"),
        "GOCACHE": str(cache.root / "gobuild"),
        "GOFLAGS": "-mod=readonly -modcacherw -buildvcs=false",
        "GOTOOLCHAIN": "auto",
        "GOWORK": "off",
        "GOOS": "linux",
        "GOARCH": architecture,
        "CGO_ENABLED": "1" if cgo else "0",
        **({"CC": CROSS_COMPILER} if cgo and architecture == "arm64" else {}),
        # Collecting garbage less often makes the compiler a tenth quicker.
        "GOGC": "400",
    }


def go_product(
    name: str,
    folder: Path,
    packages: Mapping[str, str],
    *,
    go: str,
    architecture: str = "amd64",
    cgo: bool = False,
    tags: str = "",
    ldflags: str = "",
    gcflags: str = "",
    files: Mapping[str, str] | None = None,
    links: Mapping[str, str] | None = None,
    seconds: int = 30,
    outputs: Mapping[str, Sequence[str]] | None = None,
    overlaid: Mapping[str, str] | None = None,
    without: Mapping[str, Sequence[str]] | None = None,
) -> Product:
    """Programs of one go.mod.

    packages: import path -> file name of the program (architecture other than amd64: in a folder of that name).
    files: file name in the result -> 'module/path:path inside that module', for unit files and the like.
    outputs: file name in the result -> a command of the result whose output it gets, which proves that it runs, too.
    overlaid: folder beside go.mod -> 'product:path' of a module's files, over which that folder's own are laid; go.mod
        has a replacement by the folder.
    without: 'module/path:file inside that module' -> packages that this file imports for their effect alone, and that
        are left out of the program: drivers of clouds, which are a good part of some builds.
    """
    files, outputs, overlaid, without = files or {}, outputs or {}, overlaid or {}, without or {}
    static = " -linkmode external -extldflags -static" if cgo else ""
    flags = f"-s -w{static} {ldflags}".rstrip()

    def build(work: Work) -> None:
        environment = go_environment(work.cache, architecture, cgo)
        with work.scratch() as scratch:
            place = _laid_over(work, scratch / "go", folder, overlaid) if overlaid else folder
            if without:
                place = _thinned(work, scratch / "thinned", place, environment, without)
            work.run(
                *("go", "build", "-trimpath", "-p", str(work.jobs), "-tags", tags, "-ldflags", flags),
                *(f"-gcflags={given} {NO_DWARF}" for given in ("all=", gcflags) if given),
                *("-o", f"{scratch}{os.sep}", *packages),
                cwd=place,
                env=environment,
            )
            for package, program in packages.items():
                (work.out / program).parent.mkdir(exist_ok=True)
                (scratch / program_name(package)).rename(work.out / program)
        for program, source in files.items():
            module, _, path = source.partition(":")
            found = _folder_of(work, module, folder, environment) / path
            (shutil.copytree if found.is_dir() else shutil.copyfile)(found, work.out / program)
        for name, command in outputs.items():
            (work.out / name).write_text(work.run(work.out / command[0], *command[1:]), encoding="utf-8")

    return Product(
        name=name,
        build=build,
        recipe=(
            *(f"go {go}", architecture, f"cgo {cgo}", tags, flags, gcflags),
            *(repr(sorted(table.items())) for table in (packages, files, outputs)),
            *(repr(sorted(table.items())) for table in (overlaid, without) if table),
        ),
        needs=tuple(source.partition(":")[0] for source in overlaid.values()),
        inputs=(folder,),
        seconds=seconds,
        links=links or {},
        compiles=True,
        host_packages=CROSS_PACKAGES if cgo and architecture == "arm64" else (),
    )


def _folder_of(work: Work, module: str, place: Path, environment: Mapping[str, str]) -> Path:
    """Where the files of a module are, in the version of the go.mod in `place`; it is downloaded if it is not there."""
    work.run("go", "mod", "download", module, cwd=place, env=environment)
    return Path(work.run("go", "list", "-m", "-f", "{{.Dir}}", module, cwd=place, env=environment).strip())


def _thinned(
    work: Work, copy: Path, place: Path, environment: Mapping[str, str], without: Mapping[str, Sequence[str]]
) -> Path:
    """A copy of a folder with go.mod, in which modules are replaced by copies whose files lack some imports."""
    shutil.copytree(place, copy)
    for source, packages in without.items():
        module, _, path = source.partition(":")
        own = copy / module.replace("/", "-")
        if not own.exists():
            shutil.copytree(_folder_of(work, module, place, environment), own)
            work.run("go", "mod", "edit", f"-replace={module}=./{own.name}", cwd=copy, env=environment)
        file = own / path
        file.write_text(without_imports(file.read_text(encoding="utf-8"), packages), encoding="utf-8")
    return copy


def without_imports(text: str, packages: Sequence[str]) -> str:
    """A Go file without its lines `_ "package"`; BuildError when there is no such line."""
    for package in packages:
        text, found = re.subn(rf'^[ \t]*_ "{re.escape(package)}"\n', "", text, flags=re.MULTILINE)
        if not found:
            raise BuildError(f"no import of {package} for its effect alone, which was to be left out")
    return text


def _laid_over(work: Work, place: Path, folder: Path, overlaid: Mapping[str, str]) -> Path:
    """A copy of a folder with go.mod, in which some of its own folders are completed to whole modules."""
    for name, source in overlaid.items():
        shutil.copytree(work.file(source), place / name)
    work.run("chmod", "-R", "u+w", place)
    return shutil.copytree(folder, place, dirs_exist_ok=True)


def files_product(name: str, folder: Path, files: Mapping[str, str], links: Mapping[str, str] | None = None) -> Product:
    """Files of modules that are not built: only those modules are fetched, and nothing that they need.

    files: file name in the result -> 'module/path:path in that module'; go.mod has its version, go.sum its checksum.
    """

    def build(work: Work) -> None:
        for target, source in files.items():
            module, _, path = source.partition(":")
            wanted = f"{module}@v{version_of(folder.name, module)}"
            told = work.run(
                *("go", "mod", "download", "-json", wanted), cwd=folder, env=go_environment(work.cache, "amd64", False)
            )
            place = Path(json.loads(told)["Dir"], path)
            (shutil.copytree if place.is_dir() else shutil.copyfile)(place, work.out / target)

    return Product(
        name=name, build=build, recipe=(repr(sorted(files.items())),), inputs=(folder,), seconds=10, links=links or {}
    )


def program_name(package: str) -> str:
    """Name that `go build` gives the program of an import path: its last element, major version suffixes skipped."""
    elements = package.split("/")
    if re.fullmatch(r"v[2-9]\d*", elements[-1]):
        elements.pop()
    return elements[-1]
