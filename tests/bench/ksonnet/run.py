#!/usr/bin/env python3
"""How long rendering takes, beside the real ks, beside the other evaluators, and beyond an empty play.

    tests/bench/ksonnet/run.py [--app FOLDER] [--environment NAME] [--runs N]

Without --app, an app of the test registry with twelve components is made. KS=PATH names a ks binary to compare with;
OPENAPI=PATH an OpenAPI description (swagger.json) to generate k.libsonnet from, with OPENAPI_VERSION if it tells none.
Ratios are printed; nothing is asserted.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(REPOSITORY / ".lab" / "collections"), str(REPOSITORY / "tests" / "unit" / "ksonnet")]

from app_builder import Builder, standard

from ansible_collections.bramble.kube.plugins.module_utils.ksonnet import klibsonnet
from ansible_collections.bramble.kube.plugins.module_utils.ksonnet.evaluator import BINDINGS, available
from ansible_collections.bramble.kube.plugins.module_utils.ksonnet.render import Request, render
from ansible_collections.bramble.kube.plugins.module_utils.ksonnet.yamlio import canonical

PLAY = """- hosts: localhost
  gather_facts: false
  vars: {ansible_python_interpreter: "{{ ansible_playbook_python }}"}
  tasks: %s
"""


def timed(work: Callable[[], Any], runs: int) -> tuple[float, Any]:
    """Median seconds of ``runs`` runs, and the last result."""
    seconds = []
    for _run in range(runs):
        start = time.perf_counter()
        result = work()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds), result


def sample_app(folder: Path) -> Path:
    builder = Builder(folder / "app", folder / "cache")
    wanted = standard()
    wanted["components"] = [
        {"name": f"site{number}", "prototype": "site", "params": {"image": "img:1"}} for number in range(12)
    ]
    wanted["environments"] = [{"name": "default", "namespace": "bench"}]
    builder.apply(**wanted)
    return builder.root


def run_quietly(command: list[str], folder: Path) -> None:
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def play(folder: Path, name: str, tasks: str) -> Callable[[], None]:
    path = folder / f"{name}.yml"
    path.write_text(PLAY % tasks)
    command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "localhost,", "-c", "local", str(path)]

    return lambda: run_quietly(command, REPOSITORY)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--app", type=Path)
    parser.add_argument("--environment", default="default")
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        app = options.app or sample_app(folder)
        compare(folder, app.resolve(), options.environment, options.runs)
        if os.environ.get("OPENAPI"):
            libraries(folder, Path(os.environ["OPENAPI"]), os.environ.get("OPENAPI_VERSION", ""), options.runs)


def compare(folder: Path, app: Path, environment: str, runs: int) -> None:
    rows = []
    expected = None
    for binding in BINDINGS:
        if not available(binding):
            print(f"{binding}: not installed")
            continue
        request = Request(str(app), environment, evaluator=binding)
        seconds, result = timed(lambda request=request: render(request).objects, runs if binding == "rjsonnet" else 2)
        objects = sorted(map(canonical, result))
        expected = expected or objects
        rows.append((f"render, {binding}", seconds, f"{len(objects)} objects, equal: {objects == expected}"))
    options = f"app_dir: '{app}', environment: '{environment}', dest: '{folder / 'out.yaml'}'"
    task = f"[{{bramble.kube.ksonnet_render: {{{options}}}}}]"
    empty_play, render_play = play(folder, "empty", "[]"), play(folder, "render", task)
    render_play()
    pairs = [(timed(empty_play, 1)[0], timed(render_play, 1)[0]) for _run in range(runs)]
    rows.append(("empty play", statistics.median(a for a, _b in pairs), ""))
    rows.append(("play with ksonnet_render", statistics.median(b for _a, b in pairs), "unchanged"))
    rows.append(("beyond the empty play", statistics.median(b - a for a, b in pairs), ""))
    if os.environ.get("KS"):
        seconds, _done = timed(lambda: run_quietly([os.environ["KS"], "show", environment], app), 2)
        rows.append(("ks show", seconds, ""))
    base = rows[-1][1] if os.environ.get("KS") else rows[0][1]
    print(f"\n{app.name}, environment {environment}, median of {runs} runs")
    for label, seconds, note in rows:
        print(f"{label:28} {seconds:8.3f} s   x{base / seconds:8.2f}   {note}")
    print("x: how many times faster than " + rows[-1 if os.environ.get("KS") else 0][0])


def libraries(folder: Path, path: Path, version: str, runs: int) -> None:
    data = path.read_bytes()
    made, library = timed(lambda: klibsonnet.generate(data, version), runs)
    klibsonnet.cached(data, version, str(folder / "libraries"))
    kept, _library = timed(lambda: klibsonnet.cached(data, version, str(folder / "libraries")), runs)
    print(f"\nk.libsonnet for {library.version} ({len(library.k8s)} characters)")
    print(f"{'generated':28} {made:8.3f} s\n{'from the cache':28} {kept:8.3f} s")


if __name__ == "__main__":
    main()
