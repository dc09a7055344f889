"""Command line, schedule and progress of the lab's software build."""

from __future__ import annotations

import argparse
import concurrent.futures
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from labsoftware import products as table
from labsoftware.cache import Cache, link
from labsoftware.golang import host_go
from labsoftware.images import LocalRegistry
from labsoftware.product import BuildError, Product, Work, clock, closure, end_commands, keys

REPOSITORY = Path(__file__).parents[3]
HEARTBEAT_SECONDS = 30
# Measured: module cache, build cache and results of one Kubernetes release and everything else, and 2 GB for comfort.
FIRST_BUILD_GB = 14
MORE_BUILD_GB = 6


def say(text: str) -> None:
    print(f"software: {text}", flush=True)


def arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="lab/software/build",
        description="Build the packages and images that the lab's virtual Pis install, as far as they are out of date.",
    )
    parser.add_argument(
        "--kubernetes",
        metavar="VERSION",
        action="append",
        help="Kubernetes release, repeatable (default: KUBEADM_VERSION, or kubeadm_version of the role kubeadm)",
    )
    parser.add_argument(
        "--jobs", type=int, default=os.cpu_count() or 2, help="products built at a time (default: one for each core)"
    )
    parser.add_argument(
        "--list", action="store_true", help="print the products and whether they are up to date, build nothing"
    )
    parser.add_argument(
        "--trim", action="store_true", help="afterwards, delete compiler caches and results that nothing needs any more"
    )
    parser.add_argument(
        "product",
        nargs="*",
        help="only these products and what they need (default: all but packages for arm64 and "
        f"{', '.join(table.ON_DEMAND)})",
    )
    return parser.parse_args(argv)


def host_packages() -> list[str]:
    """The Debian packages that every build calls."""
    lines = (table.SOFTWARE / "host-packages").read_text(encoding="utf-8").splitlines()
    names = [line.split("#")[0].strip() for line in lines if line.split("#")[0].strip()]
    return names + [package for command, package in (("go", "golang-go"), ("npm", "npm")) if not shutil.which(command)]


def install(names: Sequence[str]) -> None:
    """Install those of these Debian packages that are missing."""
    query = ["dpkg-query", "--show", "--showformat", "${Package} ${db:Status-Status}\n", *names]
    known = subprocess.run(query, capture_output=True, text=True, check=False).stdout
    missing = [name for name in names if f"{name} installed\n" not in known]
    if not missing:
        return
    say(f"installing {' '.join(missing)}")
    sudo = [] if os.geteuid() == 0 else ["sudo"]
    for command in (
        ["apt-get", "-qq", "update"],
        ["apt-get", "-qq", "install", "--yes", "--no-install-recommends", *missing],
    ):
        result = subprocess.run(
            [*sudo, "env", "DEBIAN_FRONTEND=noninteractive", *command],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        if result.returncode:
            raise BuildError(f"'{' '.join(command)}' failed: {result.stderr.strip().splitlines()[-1:]}")


def check_disk(cache: Cache, to_compile: int) -> None:
    """A clear sentence before a build that would fill the disk."""
    needed = FIRST_BUILD_GB if not (cache.root / "gobuild").exists() else MORE_BUILD_GB
    free = shutil.disk_usage(cache.root).free / 1e9
    if to_compile and free < needed:
        raise BuildError(
            f"{cache.root} has {free:.1f} GB free, the build needs about {needed} GB (compiler caches included);"
            " make room, set BRAMBLE_LAB_CACHE to a folder on a larger disk, or try 'lab/software/build --trim' first"
        )


def lock(cache: Cache) -> IO[str]:
    """One build at a time in one cache."""
    cache.root.mkdir(parents=True, exist_ok=True)
    file = (cache.root / ".software.lock").open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say("another build is at work in this cache, waiting for it")
        fcntl.flock(file, fcntl.LOCK_EX)
    return file


def up_to_date(cache: Cache, product: Product, folder: Path) -> bool:
    return folder.is_dir() and product.published(cache, folder)


def make_links(cache: Cache, product: Product, folder: Path) -> None:
    for path, target in product.links.items():
        link(cache.root / path, folder / target)


def weights(products: Mapping[str, Product]) -> dict[str, int]:
    """Seconds from the start of a product to the end of all that waits for it: the longest way goes first."""
    users: dict[str, list[str]] = {name: [] for name in products}
    for name, product in products.items():
        for need in product.needs:
            if need in users:
                users[need].append(name)
    known: dict[str, int] = {}

    def weight(name: str) -> int:
        if name not in known:
            known[name] = products[name].seconds + max((weight(user) for user in users[name]), default=0)
        return known[name]

    return {name: weight(name) for name in products}


def make(work: Work, folder: Path) -> None:
    """Build one product beside its place and put it there when it is whole."""
    shutil.rmtree(work.out, ignore_errors=True)
    work.out.mkdir(parents=True)
    work.log.parent.mkdir(parents=True, exist_ok=True)
    work.log.write_text("", encoding="utf-8")
    work.product.build(work)
    shutil.rmtree(folder, ignore_errors=True)
    work.out.rename(folder)


class Build:
    """One run: products that are out of date, in parallel, each after what it needs."""

    def __init__(self, cache: Cache, chosen: Mapping[str, Product], folders: Mapping[str, Path], jobs: int) -> None:
        self.cache, self.chosen, self.folders, self.jobs = cache, chosen, folders, jobs
        self.todo = {name: p for name, p in chosen.items() if not up_to_date(cache, p, folders[name])}
        weight = weights(self.todo)
        self.waiting = sorted(self.todo, key=lambda name: -weight[name])
        self.running: dict[concurrent.futures.Future[None], Work] = {}
        self.built: set[str] = set()

    def run(self) -> None:
        with concurrent.futures.ThreadPoolExecutor(self.jobs) as pool:
            try:
                beat = time.monotonic()
                while self.waiting or self.running:
                    self.start(pool)
                    done, _ = concurrent.futures.wait(self.running, 5, concurrent.futures.FIRST_COMPLETED)
                    for future in done:
                        self.finish(future)
                    if done:
                        beat = time.monotonic()
                    elif time.monotonic() - beat >= HEARTBEAT_SECONDS:
                        beat = time.monotonic()
                        at_work = (f"{work.product.name} ({work.elapsed()})" for work in self.running.values())
                        self.progress("still at " + ", ".join(at_work))
            except BaseException:
                # The pool waits for its threads, and these for their commands.
                end_commands()
                raise

    def start(self, pool: concurrent.futures.Executor) -> None:
        """Begin the products whose needs are met, the longest way first, as many as there are places."""
        for name in list(self.waiting):
            if len(self.running) >= self.jobs:
                return
            if all(need in self.built or need not in self.todo for need in self.chosen[name].needs):
                self.waiting.remove(name)
                self.progress(f"{name} ...")
                work = self.work(name)
                self.running[pool.submit(make, work, self.folders[name])] = work

    def finish(self, future: concurrent.futures.Future[None]) -> None:
        """Take note of a product that is built, or say why it could not be."""
        work = self.running.pop(future)
        name = work.product.name
        try:
            future.result()
        except (BuildError, OSError, ValueError) as error:
            self.explain(work, error)
            raise BuildError(f"{name} could not be built; what is already built is kept, so run this again") from error
        self.built.add(name)
        make_links(self.cache, work.product, self.folders[name])
        self.progress(f"{name} done in {work.elapsed()} (processor time {clock(work.processor_seconds)})")

    def progress(self, text: str) -> None:
        say(f"[{len(self.built)}/{len(self.todo)}] {text}")

    def work(self, name: str) -> Work:
        product, folder = self.chosen[name], self.folders[name]
        out = folder.with_name(f".{folder.name}.new")
        needs = {need: self.folders[need] for need in product.needs}
        return Work(self.cache, product, out, needs, self.cache.logs / f"{name}.log", self.jobs)

    def explain(self, work: Work, error: Exception) -> None:
        """The last lines of the log, where the cause usually stands."""
        lines = work.log.read_text(encoding="utf-8", errors="replace").splitlines() if work.log.exists() else []
        for line in lines[-20:]:
            say(f"  | {line}")
        say(f"{error} (log: {work.log})")


def trim(cache: Cache, folders: Mapping[str, Path]) -> None:
    """Delete what a later build can make again: Go's caches, and results for other recipes of the products at hand."""
    before = shutil.disk_usage(cache.root).free
    keep = {folder.name for folder in folders.values()}
    for name in folders:
        for folder in (cache.artifacts / name).glob("*"):
            if folder.name not in keep:
                shutil.rmtree(folder, ignore_errors=True)
    for name in ("gobuild", "gomod"):
        # Not by rmtree: modules that another Go has unpacked are read-only folders.
        if (cache.root / name).exists():
            subprocess.run(["chmod", "-R", "u+w", cache.root / name], check=False)
            shutil.rmtree(cache.root / name, ignore_errors=True)
    say(f"trimmed {(shutil.disk_usage(cache.root).free - before) / 1e9:.1f} GB")


def main(argv: Sequence[str]) -> int:
    options = arguments(argv)
    # Ended from outside (a CI job's time limit), it cleans up as it does for Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return run(options)
    except BuildError as error:
        say(str(error))
        return 1
    except KeyboardInterrupt:
        say("interrupted; what is already built is kept")
        return 130
    finally:
        LocalRegistry.stop()


def run(options: argparse.Namespace) -> int:
    begin = time.monotonic()
    cache = Cache.from_environment(os.environ)
    default = os.environ.get("KUBEADM_VERSION") or table.default_release(REPOSITORY)
    wanted_releases = options.kubernetes or ([default] if default else [])
    if not wanted_releases:
        raise BuildError(
            "which Kubernetes? roles/kubeadm/defaults/main.yml has no kubeadm_version, so name one: --kubernetes 1.37.2"
        )
    for version in wanted_releases:
        table.check_release(version)
    if options.jobs < 1:
        raise BuildError(f"--jobs {options.jobs}: at least 1")
    install(host_packages())
    products = table.all_products(wanted_releases, default or wanted_releases[0], host_go())
    unknown = [name for name in options.product if name not in products]
    if unknown:
        raise BuildError(f"no product named {', '.join(unknown)}; there are: {', '.join(products)}")
    chosen = closure(products, options.product or table.wanted(products))
    key = keys(chosen)
    folders = {name: cache.artifacts / name / key[name] for name in chosen}
    build = Build(cache, chosen, folders, options.jobs)
    if options.list:
        for name in chosen:
            print(f"{'out of date' if name in build.todo else 'up to date':12} {name}")
        return 0
    if build.todo or options.trim:
        with lock(cache):
            # Looked at again: another build may have done it while this one waited.
            build = Build(cache, chosen, folders, options.jobs)
            check_disk(cache, sum(product.compiles for product in build.todo.values()))
            if build.todo:
                install(sorted({name for product in build.todo.values() for name in product.host_packages}))
                say(f"{len(build.todo)} of {len(chosen)} products to build, in {cache.root}")
            build.run()
            if options.trim:
                trim(cache, folders)
    for name, product in chosen.items():
        make_links(cache, product, folders[name])
    say(
        f"Kubernetes {', '.join(wanted_releases)}: {len(chosen)} products up to date"
        f" ({clock(time.monotonic() - begin)})"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
