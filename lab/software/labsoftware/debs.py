"""Debian packages: the control file from a template, the tree from built programs and the files beside the template."""

from __future__ import annotations

import dataclasses
import os
import shutil
import stat
from collections.abc import Mapping
from pathlib import Path

from labsoftware.product import Product, Work

HERE = Path(__file__).parent
TEMPLATES = HERE.parent / "debs"


@dataclasses.dataclass(frozen=True)
class Deb:
    """One package.

    name: also the folder of `debs/` with its `control`, its maintainer scripts and its tree `files/`.
    programs: path in the package -> 'product:file' or 'product:folder/' for all files of a folder.
    replace: text in a unit file taken from upstream -> what it is in a package, per path.
    """

    name: str
    version: str
    programs: Mapping[str, str]
    replace: Mapping[str, Mapping[str, str]] = dataclasses.field(default_factory=dict)
    architecture: str = "amd64"

    @property
    def file_name(self) -> str:
        """As apt repositories name it: no epoch."""
        return f"{self.name}_{self.version.partition(':')[2] or self.version}_{self.architecture}.deb"


def control(template: str, deb: Deb, installed_kib: int) -> str:
    """The control file: the template's fields, with those that only the build knows put after Package."""
    lines = template.strip().splitlines()
    if lines[0] != f"Package: {deb.name}":
        raise ValueError(f"the control template of {deb.name} must begin with 'Package: {deb.name}'")
    fields = [f"Version: {deb.version}", f"Architecture: {deb.architecture}", f"Installed-Size: {installed_kib}"]
    return "\n".join([lines[0], *fields, *lines[1:]]) + "\n"


def conffiles(tree: Path) -> str:
    """Every file below /etc is a configuration file that dpkg must not overwrite (Debian Policy 10.7)."""
    return "".join(f"/{p.relative_to(tree)}\n" for p in sorted(tree.glob("etc/**/*")) if p.is_file())


def build_deb(work: Work, deb: Deb, destination: Path) -> None:
    """Write `destination`/<name>_<version>_<architecture>.deb."""
    template = TEMPLATES / deb.name
    with work.scratch() as tree:
        if (template / "files").is_dir():
            shutil.copytree(template / "files", tree, dirs_exist_ok=True)
        for path, reference in deb.programs.items():
            source = work.file(reference)
            sources = sorted(p for p in source.iterdir() if p.is_file()) if source.is_dir() else [source]
            for one in sources:
                target = tree / path / one.name if source.is_dir() else tree / path
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(one, target)
                if path in deb.replace:
                    text = target.read_text(encoding="utf-8")
                    for old, new in deb.replace[path].items():
                        text = text.replace(old, new)
                    target.write_text(text, encoding="utf-8")
        files = [p for p in tree.rglob("*") if p.is_file()]
        size = sum(p.stat().st_size for p in files) // 1024 + 1
        for path in [*tree.rglob("*"), tree]:
            executable = path.is_dir() or path.stat().st_mode & stat.S_IXUSR
            path.chmod(0o755 if executable else 0o644)
        debian = tree / "DEBIAN"
        debian.mkdir(mode=0o755)
        text = (template / "control").read_text(encoding="utf-8")
        (debian / "control").write_text(control(text, deb, size), encoding="utf-8")
        if conffiles(tree):
            (debian / "conffiles").write_text(conffiles(tree), encoding="utf-8")
        for script in ("preinst", "postinst", "prerm", "postrm"):
            if (template / script).exists():
                shutil.copy(template / script, debian / script)
                (debian / script).chmod(0o755)
        # Fast to pack and to unpack: these packages travel over a loopback device.
        work.run(
            *("dpkg-deb", "--root-owner-group", "-Zgzip", "-z1", "--build", tree, destination / deb.file_name),
            env={"SOURCE_DATE_EPOCH": os.environ.get("SOURCE_DATE_EPOCH", "1767225600")},
        )


def debs_product(name: str, debs: tuple[Deb, ...], seconds: int = 8) -> Product:
    """A folder of .deb files."""

    def build(work: Work) -> None:
        for deb in debs:
            build_deb(work, deb, work.out)

    needs = {reference.partition(":")[0] for deb in debs for reference in deb.programs.values()}
    return Product(
        name=name,
        build=build,
        recipe=tuple(repr(deb) for deb in debs),
        inputs=(HERE / "debs.py", *(TEMPLATES / deb.name for deb in debs)),
        needs=tuple(sorted(needs)),
        seconds=seconds,
    )
