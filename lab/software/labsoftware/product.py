"""What the driver builds: products, each a folder of files that depends on a recipe, input files and other products."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from labsoftware.cache import Cache, content_key

# Commands at work, so that a build that is given up can end them.
_running: set[subprocess.Popen[str]] = set()


def end_commands() -> None:
    """End every command that some product's build waits for."""
    for process in list(_running):
        process.terminate()


class BuildError(Exception):
    """Something a person has to know, in a sentence."""


def clock(seconds: float) -> str:
    """'3:07' of 187.2."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


@dataclasses.dataclass(frozen=True)
class Product:
    """One thing to build.

    `build` fills a new folder; it is called again only when `recipe`, a file of `inputs` or a needed product changed.
    `published` says whether what the product put outside its folder (into `served/`) is still there.
    `links` are stable names: path below the cache -> file in the product's folder.
    `host_packages` are Debian packages that its build calls beside those of the file host-packages.
    """

    name: str
    build: Callable[[Work], None]
    recipe: tuple[str, ...] = ()
    inputs: tuple[Path, ...] = ()
    needs: tuple[str, ...] = ()
    seconds: int = 1
    links: Mapping[str, str] = dataclasses.field(default_factory=dict)
    published: Callable[[Cache, Path], bool] = lambda cache, folder: True
    compiles: bool = False
    host_packages: tuple[str, ...] = ()


def keys(products: Mapping[str, Product]) -> dict[str, str]:
    """Content key of each product; it covers the keys of everything that the product needs."""
    known: dict[str, str] = {}

    def key(name: str) -> str:
        if name not in known:
            product = products[name]
            recipe = [name, *product.recipe, *(f"{need} {key(need)}" for need in product.needs)]
            known[name] = content_key(recipe, product.inputs)
        return known[name]

    for name in products:
        key(name)
    return known


def closure(products: Mapping[str, Product], wanted: Sequence[str]) -> dict[str, Product]:
    """The wanted products and all that they need, directly or not."""
    chosen: dict[str, Product] = {}

    def add(name: str) -> None:
        if name not in chosen:
            for need in products[name].needs:
                add(need)
            chosen[name] = products[name]

    for name in wanted:
        add(name)
    return chosen


@dataclasses.dataclass
class Work:
    """What a product's build function gets: its new folder, the folders of its needs, and a log."""

    cache: Cache
    product: Product
    out: Path
    folders: Mapping[str, Path]
    log: Path
    jobs: int
    processor_seconds: float = 0
    began: float = dataclasses.field(default_factory=time.monotonic)

    def elapsed(self) -> str:
        return clock(time.monotonic() - self.began)

    def file(self, reference: str) -> Path:
        """The file that `product:path` names."""
        product, _, path = reference.partition(":")
        found = self.folders[product] / path
        if not found.exists():
            raise BuildError(f"{self.product.name}: {product} made no file {path}")
        return found

    def run(self, *command: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> str:
        """Run a command at low priority; returns what it prints, everything goes to the log as well."""
        arguments = ["nice", "-n", "10", *map(str, command)]
        with self.log.open("a", encoding="utf-8") as log:
            log.write("$ " + " ".join(map(str, command)) + "\n")
            log.flush()
            process = subprocess.Popen(
                arguments,
                cwd=cwd,
                env={**os.environ, **(env or {})},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
            _running.add(process)
            output = process.stdout.read()
            process.stdout.close()
            _running.discard(process)
            # wait4 and not wait: it also tells the processor time of the command and all its children.
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            self.processor_seconds += usage.ru_utime + usage.ru_stime
            log.write(output)
        if process.returncode != 0:
            raise BuildError(f"{self.product.name}: {command[0]} ended with code {process.returncode}")
        return output

    @contextlib.contextmanager
    def scratch(self) -> Iterator[Path]:
        """A folder for in-between files, on the same file system as the result."""
        folder = self.out.with_name(self.out.name + ".scratch")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
