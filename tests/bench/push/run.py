#!/usr/bin/env python3
"""Measures manifest_push beside kubernetes.core, kubectl and a bare HTTP floor, against one real API server.

    tests/bench/push/run.py                      every set, both latencies: what docs/push.md shows (half an hour)
    tests/bench/push/run.py --sets 501 --latencies 0 --contenders module,floor

Every contender goes through the same toxiproxy, with and without its latency, as a user of its own, so that the audit
log counts its requests. Times of Ansible are those beyond an empty play; ratios matter, not times.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[2]
sys.path.insert(0, str(HERE))
sys.path.insert(0, str(REPOSITORY / "tests" / "integration" / "push"))

import make_sets
from apiserver import ApiServer, program
from faults import Toxiproxy

PHASES = ("first", "unchanged", "one changed")
WORKERS = 8
POLICY = """apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived, ResponseStarted]
rules:
- level: Metadata
  users: [bench]
- level: None
"""
PLAYS = {
    "module": "    - bramble.kube.manifest_push:\n        src: ['{set}']\n        kubeconfig: '{kubeconfig}'\n",
    "core src": "    - kubernetes.core.k8s:\n        src: '{set}'\n        kubeconfig: '{kubeconfig}'\n",
    "core apply": (
        "    - kubernetes.core.k8s:\n        src: '{set}'\n        apply: true\n        kubeconfig: '{kubeconfig}'\n"
    ),
    "empty": "",
}
LABELS = {
    "floor": "bare HTTP floor",
    "module": "bramble.kube.manifest_push",
    "core src": "kubernetes.core.k8s (src)",
    "core apply": "kubernetes.core.k8s (apply)",
    "kubectl": "kubectl apply",
    "kubectl ssa": "kubectl apply --server-side",
}


@dataclass
class Cell:
    """One measurement: seconds, HTTP requests, peak memory in MB; `estimated` when it was not run."""

    seconds: float
    requests: int = 0
    memory: float = 0.0
    estimated: bool = False


class Bench:
    """Runs contenders against one server."""

    def __init__(self, api: ApiServer, toxic: Toxiproxy, folder: Path, repeat: int) -> None:
        self.api = api
        self.toxic = toxic
        self.folder = folder
        self.repeat = repeat
        self.kubeconfig = api.write_kubeconfig("bench.kubeconfig", f"https://127.0.0.1:{toxic.port}", "bench")
        self.empty = 0.0
        self._spaces = 0

    def measure_empty(self) -> None:
        """The median of an empty play, which Ansible needs whatever it does."""
        self.empty = statistics.median(self._run(self._command("empty", Path(), ""))[0] for _try in range(5))

    def contender(self, name: str, size: int) -> list[Cell]:
        """First push, unchanged, one changed; each the median of its tries."""
        tries = self.repeat if name in ("module", "floor") and size <= 1000 else 1
        runs = [self._phases(name, size) for _try in range(tries)]
        return [
            sorted((run[phase] for run in runs), key=lambda cell: cell.seconds)[len(runs) // 2]
            for phase in range(len(PHASES))
        ]

    def _phases(self, name: str, size: int) -> list[Cell]:
        self._spaces += 1
        space = f"bench-{self._spaces}"
        one, other = self.folder / f"{space}.yaml", self.folder / f"{space}-changed.yaml"
        make_sets.write(one, size, space)
        make_sets.write(other, size, space, "2")
        cells = []
        for phase in PHASES:
            before = self._audited()
            seconds, memory, output = self._run(self._command(name, other if phase == "one changed" else one, phase))
            if name == "floor":
                seconds = float(output.split()[-1])
            elif name in PLAYS:
                seconds -= self.empty
            cells.append(Cell(seconds, self._audited() - before, memory))
        return cells

    def _command(self, name: str, path: Path, phase: str) -> list[str]:
        if name == "floor":
            words = phase.split()
            return [sys.executable, str(HERE / "floor.py"), self.kubeconfig, str(path), words[-1], str(WORKERS)]
        if name in PLAYS:
            play = self.folder / "play.yml"
            tasks = PLAYS[name].format(set=path, kubeconfig=self.kubeconfig)
            head = "- hosts: localhost\n  gather_facts: false\n  vars:\n"
            head += "    ansible_python_interpreter: '{{ ansible_playbook_python }}'\n"
            play.write_text(head + ("  tasks:\n" + tasks if tasks else "  tasks: []\n"))
            return [str(REPOSITORY / ".venv/bin/ansible-playbook"), "-i", "localhost,", "-c", "local", str(play)]
        server_side = ["--server-side"] if name == "kubectl ssa" else []
        return [program("kubectl"), f"--kubeconfig={self.kubeconfig}", "apply", *server_side, "-f", str(path)]

    def _run(self, command: list[str]) -> tuple[float, float, str]:
        """Run a command: seconds, peak memory in MB of the process that does the work, output."""
        environment = {**os.environ, "ANSIBLE_CONFIG": str(REPOSITORY / "ansible.cfg")}
        start = time.perf_counter()
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=REPOSITORY, env=environment
        )
        peaks: dict[int, tuple[bool, float]] = {}
        stop = threading.Event()
        sampler = threading.Thread(target=_sample, args=(process.pid, peaks, stop))
        sampler.start()
        output = process.communicate()[0]
        seconds = time.perf_counter() - start
        stop.set()
        sampler.join()
        if process.returncode:
            raise RuntimeError(f"{' '.join(command)} failed:\n{output[-3000:]}")
        modules = [peak for is_module, peak in peaks.values() if is_module]
        return seconds, max(modules or [peak for _is_module, peak in peaks.values()] or [0.0]), output

    def _audited(self) -> int:
        """Requests of the contenders so far."""
        time.sleep(0.3)  # the log is written in batches
        try:
            with open(self.api.path("audit.log"), "rb") as stream:
                return sum(1 for _line in stream)
        except FileNotFoundError:
            return 0


def _sample(root: int, peaks: dict[int, tuple[bool, float]], stop: threading.Event) -> None:
    """Note the peak memory of a process and its descendants; Ansible's modules are told from Ansible itself."""
    while not stop.wait(0.02):
        waiting = [root]
        while waiting:
            pid = waiting.pop()
            try:
                text = Path(f"/proc/{pid}/status").read_text()
                line = Path(f"/proc/{pid}/cmdline").read_bytes()
                children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
            except OSError:
                continue
            waiting.extend(int(child) for child in children)
            peak = next((int(entry.split()[1]) / 1024 for entry in text.splitlines() if entry.startswith("VmHWM")), 0.0)
            # An Ansible module runs as python AnsiballZ_… (or, pipelined, from standard input), below a shell.
            is_module = b"AnsiballZ" in line and line.split(b"\0")[0].find(b"python") >= 0
            peaks[pid] = (is_module, peak)


def table(
    results: dict[tuple[int, int, str], list[Cell]], sizes: list[int], latencies: list[int], names: list[str]
) -> str:
    """The results as Markdown."""
    lines = []
    for latency in latencies:
        for size in sizes:
            lines += ["", f"### {size} objects, {latency} ms added", ""]
            lines.append(
                "| | first push | × floor | unchanged | one changed | requests (first / unchanged / changed) | peak memory |"
            )
            lines.append("|---|--:|--:|--:|--:|--:|--:|")
            floor = results.get((latency, size, "floor"))
            for name in names:
                cells = results.get((latency, size, name))
                if not cells:
                    continue
                times = [f"{'≈ ' if cell.estimated else ''}{cell.seconds:.2f} s" for cell in cells]
                ratio = f"{cells[0].seconds / floor[0].seconds:.2f}" if floor else ""
                requests = "" if cells[0].estimated else " / ".join(str(cell.requests) for cell in cells)
                memory = "" if cells[0].estimated else f"{max(cell.memory for cell in cells):.0f} MB"
                lines.append(
                    f"| {LABELS[name]} | {times[0]} | {ratio} | {times[1]} | {times[2]} | {requests} | {memory} |"
                )
    return "\n".join(lines)


def main(arguments: list[str]) -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    numbers: Callable[[str], list[int]] = lambda text: [int(word) for word in text.split(",")]  # noqa: E731
    parser.add_argument("--sets", type=numbers, default=[25, 501, 5000])
    parser.add_argument("--latencies", type=numbers, default=[0, 20])
    parser.add_argument("--contenders", type=lambda text: text.split(","), default=list(LABELS))
    parser.add_argument("--repeat", type=int, default=3, help="tries of the module and the floor, the median counts")
    parser.add_argument(
        "--patience", type=float, default=150, help="seconds beyond which a phase of 5,000 is estimated"
    )
    parser.add_argument("--json", type=Path, help="write the numbers here, too")
    options = parser.parse_args(arguments)
    results: dict[tuple[int, int, str], list[Cell]] = {}
    with tempfile.TemporaryDirectory(prefix="bramble-kube-bench-") as name:
        folder = Path(name)
        api = ApiServer(
            f"--audit-policy-file={folder / 'policy.yaml'}",
            "--audit-log-mode=batch",
            "--audit-log-batch-max-wait=100ms",
            "--max-requests-inflight=2000",
        )
        (folder / "policy.yaml").write_text(POLICY)
        api.flags += (f"--audit-log-path={api.path('audit.log')}",)
        try:
            api.start()
            api.make_user("bench", "/O=system:masters/CN=bench")
            toxic = Toxiproxy(api.port)
            try:
                bench = Bench(api, toxic, folder, options.repeat)
                measure(bench, options, results)
            finally:
                toxic.close()
        finally:
            api.stop()
    print(f"\nempty play: {bench.empty:.2f} s, taken off the times of Ansible")
    print(table(results, options.sets, options.latencies, options.contenders))
    if options.json:
        rows = [[*key, [vars(cell) for cell in cells]] for key, cells in results.items()]
        options.json.write_text(json.dumps({"empty": bench.empty, "results": rows}))


def measure(bench: Bench, options: argparse.Namespace, results: dict[tuple[int, int, str], list[Cell]]) -> None:
    """Every contender on every set at every latency; what would take too long is estimated from a smaller set."""
    for latency in options.latencies:
        if latency:
            bench.toxic.add("latency", latency=latency)
        bench.measure_empty()
        for size in sorted(options.sets):
            for name in options.contenders:
                smaller = [key for key in results if key[0] == latency and key[2] == name and key[1] < size]
                if smaller:
                    base = max(smaller, key=lambda key: key[1])
                    factor = size / base[1]
                    estimate = [Cell(cell.seconds * factor, estimated=True) for cell in results[base]]
                    if sum(cell.seconds for cell in estimate) > options.patience * len(PHASES):
                        results[latency, size, name] = estimate
                        continue
                results[latency, size, name] = bench.contender(name, size)
                shown = ", ".join(
                    f"{phase} {cell.seconds:.2f} s" for phase, cell in zip(PHASES, results[latency, size, name])
                )
                print(f"{latency} ms, {size} objects, {LABELS[name]}: {shown}", file=sys.stderr, flush=True)
        if latency:
            bench.toxic.remove("latency")


if __name__ == "__main__":
    main(sys.argv[1:])
