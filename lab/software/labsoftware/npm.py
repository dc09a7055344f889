"""Image layers from npm: what a folder of `npm/` locks, installed by npm."""

from __future__ import annotations

import shutil

from labsoftware.golang import SOFTWARE
from labsoftware.images import HERE, pack_layer
from labsoftware.product import Product, Work

NPM = SOFTWARE / "npm"


def npm_layer(name: str, folder: str) -> Product:
    """/srv/<folder>/node_modules, exactly as package-lock.json has it; scripts of packages do not run."""

    def build(work: Work) -> None:
        with work.scratch() as scratch:
            place = scratch / "root/srv" / folder
            shutil.copytree(NPM / folder, place)
            flags = ("--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
            work.run("npm", "ci", *flags, "--cache", scratch / "cache", cwd=place)
            pack_layer(work, scratch / "root")

    return Product(name=name, build=build, inputs=(NPM / folder, HERE / "npm.py"), seconds=8)
