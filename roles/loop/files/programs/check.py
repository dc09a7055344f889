# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Examines a trained model in the image that will serve it, and leaves the evidence and the cases worth a look.

usage: check.py MODEL RELEASE

$LOOP_RULES is the gate's entry of the model as JSON, $LOOP_LIVE the name of the release that is live (or empty) and
$LOOP_LIVE_DIGESTS its digests as JSON. The model is asked through the real server, serve.py.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import joblib
import judge
import numpy
import train
from http_call import ask
from material import Cases, drift, fingerprint, load_code, part, question, read_cases, reference, split, text
from rubric import TESTS
from volume import ROOT, Stop, digest, file_digest, read_json, release_folder, write_json

SINGLE = 100  # questions asked one by one, for the latency
PROBES = 50  # questions kept for the switch
AT_ONCE = 100  # cases in one question
START = 120  # seconds until a server must answer
ANSWER = 60.0  # seconds for one answer
SIMPLE_SECONDS, AGAIN_SECONDS = 60, 120  # longest training that is done once more


class Served:
    """A release behind the real server, for a `with` block.

    :ivar latencies: milliseconds of each question so far.
    """

    def __init__(self, model: str, release: str, digests: Mapping[str, str]) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.latencies: list[float] = []
        self._model, self._release = model, release
        self._words = Path(tempfile.mkdtemp(prefix="check-")) / "words"
        program = str(Path(__file__).with_name("serve.py"))
        self._command = [
            *(sys.executable, program, model, release, digests["model"], digests["code"], str(self.port)),
        ]

    def __enter__(self) -> Served:
        environment = {**os.environ, "LOOP_LAST_WORDS": str(self._words)}
        self._process = subprocess.Popen(self._command, env=environment, stdout=subprocess.DEVNULL)
        end = time.monotonic() + START
        while time.monotonic() < end:
            if self._process.poll() is not None:
                words = self._words.read_text().strip() if self._words.exists() else "its server ended at once."
                raise Stop(f"{self._release} cannot be served: {words}")
            try:
                self._ask("GET", f"/v2/models/{self._model}/ready")
                return self
            except (OSError, Stop):
                time.sleep(0.1)
        self._process.kill()
        raise Stop(f"the server of {self._release} did not answer within {START} s.")

    def __exit__(self, *_error: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(15)
        except subprocess.TimeoutExpired:
            self._process.kill()

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        content = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        begin = time.perf_counter()
        answer = ask(method, f"http://127.0.0.1:{self.port}{path}", content, headers, seconds=ANSWER)
        self.latencies.append((time.perf_counter() - begin) * 1000)
        if answer.status != 200:
            words = answer.body.decode(errors="replace")[:200]
            raise Stop(f"the server of {self._release} answered {answer.status}: {words}")
        return json.loads(answer.body) if answer.body else None

    def answers(self, X: Any) -> list[str]:
        """Answers to all these inputs."""
        answer = self._ask("POST", f"/v2/models/{self._model}/infer", question(X))
        return [text(value) for value in answer["outputs"][0]["data"]]

    def memory(self) -> float:
        """The most memory that the server has had so far, in MiB."""
        for line in Path(f"/proc/{self._process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return round(int(line.split()[1]) / 1024, 1)
        return 0.0


def ask_all(served: Served, cases: Cases) -> list[str]:
    """Answers to all cases, asked in portions."""
    found: list[str] = []
    for begin in range(0, len(cases.ids), AT_ONCE):
        places = list(range(begin, min(begin + AT_ONCE, len(cases.ids))))
        found += served.answers(part(cases, places).X)
    if len(found) != len(cases.ids):
        raise Stop(f"the server gave {len(found)} answers to {len(cases.ids)} cases.")
    return found


def confidences(estimator: Any, X: Any) -> list[float | None]:
    """How sure the model is of each answer, 0 to 1: its own probability, else the lead of the first answer."""
    try:
        if hasattr(estimator, "predict_proba"):
            return [round(float(value), 4) for value in numpy.max(estimator.predict_proba(X), axis=1)]
        if hasattr(estimator, "decision_function"):
            margins = numpy.asarray(estimator.decision_function(X), dtype=float)
            if margins.ndim == 1:
                margins = numpy.stack([-margins, margins], axis=1)
            powers = numpy.exp(margins - margins.max(axis=1, keepdims=True))
            return [round(float(value), 4) for value in (powers / powers.sum(axis=1, keepdims=True)).max(axis=1)]
    except (AttributeError, NotImplementedError):
        pass
    return [None] * len(X)


class Likeness:
    """When two answers count as the same: text for classes; for numbers within a tenth of their spread."""

    def __init__(self, labels: list[str], y: Any) -> None:
        self._width = None if labels else 0.1 * (float(numpy.std(numpy.asarray(y, dtype=float))) or 1.0)

    def __call__(self, one: str, other: str) -> bool:
        if self._width is None:
            return one == other
        return abs(float(one) - float(other)) <= self._width


Judged = tuple[float | None, str]


class Examined(NamedTuple):
    """What the tests of the rubric may look at."""

    model: str
    release: str
    code: Any
    estimator: Any
    training: Cases | None  # None: the data has changed since the training
    held_out: Cases
    rows: list[dict[str, Any]]
    in_memory: list[str]  # the model's answers without the server
    told: dict[str, Any]  # train.json
    scores: dict[str, float]
    slices: list[dict[str, Any]]
    rules: dict[str, Any]
    live: str
    live_told: dict[str, Any]  # train.json of the live release
    live_result: dict[str, Any]  # its result.json
    same: Likeness
    apart: str  # why the live release could not be asked; empty when it was


# The tests of the rubric: points and a note; 0 when it does not hold, None when that cannot be told ----------------


def data_1(seen: Examined) -> Judged:
    schema = getattr(seen.code, "SCHEMA", None)
    if not schema:
        return None, "model.py declares no SCHEMA."
    for cases in (seen.training, seen.held_out):
        if cases is not None and (broken := against_schema(schema, cases.X)):
            return 0, broken
    return 1, f"All cases keep to SCHEMA: {', '.join(f'{key} {value}' for key, value in schema.items())}."


def against_schema(schema: Mapping[str, Any], X: Any) -> str:
    """What does not keep to a schema, as a sentence; empty when all does.

    :param schema: {"features": number, "least": number, "most": number} for arrays, {column: {"least", "most",
        "values", "missing": bool}} for data frames.
    """
    if hasattr(X, "iloc"):
        for name, rule in schema.items():
            if name not in X.columns:
                return f"The column {name} is missing."
            column = X[name]
            if not rule.get("missing") and column.isna().any():
                return f"The column {name} has gaps."
            present = column.dropna()
            if "values" in rule and not set(map(str, present.unique())) <= set(map(str, rule["values"])):
                return f"The column {name} has values that SCHEMA does not name."
            if ("least" in rule and (present < rule["least"]).any()) or (
                "most" in rule and (present > rule["most"]).any()
            ):
                return f"The column {name} has values from {present.min()} to {present.max()}."
        return ""
    values = numpy.asarray(X)
    if "features" in schema and values.reshape(len(values), -1).shape[1] != schema["features"]:
        return f"There are {values.reshape(len(values), -1).shape[1]} features, not {schema['features']}."
    if values.dtype.kind in "fiu":
        if not numpy.isfinite(values.astype(float)).all():
            return "Some values are infinite or not numbers."
        if values.min() < schema.get("least", -numpy.inf) or values.max() > schema.get("most", numpy.inf):
            return f"Values go from {values.min():g} to {values.max():g}."
    return ""


def data_2(seen: Examined) -> Judged:
    X = seen.held_out.X
    if isinstance(X, list) or (not hasattr(X, "iloc") and numpy.asarray(X).ndim != 2):
        return None, "The features are not columns; a person must judge this."
    values = X.copy()
    dice = numpy.random.default_rng(1)
    useless, end = [], time.monotonic() + SIMPLE_SECONDS
    columns = list(X.columns) if hasattr(X, "iloc") else list(range(X.shape[1]))
    for column in columns:
        if time.monotonic() > end:
            return None, f"There was no time for all {len(columns)} features."
        kept = (values[column] if hasattr(X, "iloc") else values[:, column]).copy()
        mixed = dice.permutation(kept)
        if hasattr(X, "iloc"):
            values[column] = mixed
        else:
            values[:, column] = mixed
        answers = [text(value) for value in seen.estimator.predict(values)]
        if hasattr(X, "iloc"):
            values[column] = kept
        else:
            values[:, column] = kept
        if answers == seen.in_memory:
            useless.append(str(column))
    if useless:
        return 0, f"{len(useless)} of {len(columns)} features change no answer, such as {', '.join(useless[:3])}."
    return 1, f"Shuffling any of the {len(columns)} features changes answers."


def _tested(seen: Examined, prefix: str) -> Judged:
    folder = release_folder(seen.release) / "code"
    if not list(folder.glob("test_*.py")):
        return None, "The model's folder has no test_*.py."
    program = (
        "import sys, unittest\n"
        "sys.dont_write_bytecode = True\n"
        "class Chosen(unittest.TestLoader):\n"
        "    def loadTestsFromTestCase(self, case):\n"
        f"        return super().loadTestsFromTestCase(case) if case.__name__.startswith({prefix!r}) "
        "else self.suiteClass()\n"
        "found = Chosen().discover('.', 'test_*.py')\n"
        "result = unittest.TextTestRunner(verbosity=0).run(found)\n"
        "print(result.testsRun, len(result.failures) + len(result.errors))\n"
    )
    try:
        done = subprocess.run(
            [sys.executable, "-c", program],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=AGAIN_SECONDS,
            check=False,
        )
        run, failed = map(int, done.stdout.split()[-2:])
    except (subprocess.TimeoutExpired, ValueError):
        return 0, f"The tests {prefix}… did not come to an end."
    if not run:
        return None, f"There is no test {prefix}…"
    if failed:
        return 0, f"{failed} of {run} tests {prefix}… failed."
    return 1, f"{run} tests {prefix}… passed."


def data_7(seen: Examined) -> Judged:
    return _tested(seen, "TestData")


def model_3(seen: Examined) -> Judged:
    for found in [seen.estimator, *(step for _name, step in getattr(seen.estimator, "steps", []))]:
        tried = len(getattr(found, "cv_results_", {}).get("params", []))
        if tried > 1:
            return 1, f"The best of {tried} settings was taken: {found.best_params_}."
    return None, "The model does not come from a search."


def model_4(seen: Examined) -> Judged:
    if seen.apart:
        return None, seen.apart
    compared = [row for row in seen.rows if "old" in row]
    if not compared:
        return None, "Nothing is live yet."
    if seen.live_told.get("digests", {}).get("data") == seen.told["digests"]["data"]:
        return None, f"{seen.live} was trained on the same data, so age cannot be told."
    before = judge.share(sum(row["wasRight"] for row in compared), len(compared))
    after = judge.share(sum(row["right"] for row in compared), len(compared))
    return 1, f"On today's cases {seen.live} has {before}, the new one {after}."


def model_5(seen: Examined) -> Judged:
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if seen.training is None:
        return None, "The data has changed since the training."
    X = seen.training.X
    if isinstance(X, list) or numpy.asarray(X).dtype.kind not in "fiub" or numpy.asarray(X).ndim != 2:
        return None, "There is no plain linear model for such inputs; a person must judge this."
    simple = LogisticRegression(max_iter=100) if len(seen.code.LABELS) else Ridge()
    simple = make_pipeline(StandardScaler(), simple).fit(X, seen.training.y)
    answers = [text(value) for value in simple.predict(seen.held_out.X)]
    right = sum(seen.same(answer, row["truth"]) for answer, row in zip(answers, seen.rows))
    score = judge.share(right, len(answers))
    if score < seen.scores["accuracy"]:
        return 1, f"A linear model has {score}, this one {seen.scores['accuracy']}."
    return 0, f"A linear model is as good: {score}, this one {seen.scores['accuracy']}."


def model_6(seen: Examined) -> Judged:
    large = [one for one in seen.slices if one["cases"] >= judge.LEAST_SLICE]
    if len(large) < 2:
        return None, f"There are not two slices with at least {judge.LEAST_SLICE} held-out cases."
    weak = [one for one in large if one["score"] < seen.scores["accuracy"] - 0.1]
    if weak:
        return 0, f"The slice {weak[0]['name']} has {weak[0]['score']}, the whole {seen.scores['accuracy']}."
    return 1, f"The worst of {len(large)} slices, {large[0]['name']}, has {large[0]['score']}."


def infra_1(seen: Examined) -> Judged:
    if seen.training is None:
        return None, "The data has changed since the training."
    if seen.told["seconds"] > AGAIN_SECONDS:
        return None, f"The training took {seen.told['seconds']} s, too long for a second one."
    again = seen.code.train(seen.training.X, seen.training.y)
    answers = [text(value) for value in again.predict(seen.held_out.X)]
    different = sum(one != other for one, other in zip(answers, seen.in_memory))
    if different:
        return 0, f"Trained again, {different} of {len(answers)} answers are different."
    return 1, f"Trained again, all {len(answers)} answers are the same."


def infra_2(seen: Examined) -> Judged:
    return _tested(seen, "TestModel")


def infra_3(seen: Examined) -> Judged:
    different = sum(row["new"] != answer for row, answer in zip(seen.rows, seen.in_memory))
    if different:
        return 0, f"The server gives {different} of {len(seen.rows)} answers that the model itself does not give."
    return 1, f"From the data to the server's {len(seen.rows)} answers, in one go."


def infra_4(seen: Examined) -> Judged:
    thresholds = seen.rules.get("thresholds") or {}
    missing = sorted(set(thresholds) - set(seen.scores))
    if not thresholds:
        return None, "The gate has no threshold."
    if missing:
        return 0, f"No score {', '.join(missing)} was measured."
    return 1, f"The gate compares {', '.join(sorted(thresholds))}."


def infra_5(seen: Examined) -> Judged:
    pipeline = getattr(seen.estimator, "best_estimator_", seen.estimator)
    if not hasattr(pipeline, "steps"):
        return None, f"A {type(pipeline).__name__} has no steps to follow."
    value = part(seen.held_out, [0]).X
    told = []
    for name, step in pipeline.steps[:-1]:
        value = step.transform(value)
        told.append(f"{name} gives {'×'.join(map(str, getattr(value, 'shape', (len(value),))))} values")
    told.append(f"{pipeline.steps[-1][0]} answers {text(pipeline.steps[-1][1].predict(value)[0])}")
    return 1, f"Case {seen.held_out.ids[0]}: {', '.join(told)}."


def infra_6(seen: Examined) -> Judged:
    share, seconds = seen.rules.get("canaryShare") or 0, seen.rules.get("canarySeconds") or 0
    if not seen.live:
        return None, "Nothing is live yet, so the first one answers everything at once."
    if not 0 < share < 1 or not seconds:
        return 0, "The gate gives this model no time as a canary."
    return 1, f"It answers {share:.0%} for {seconds:g} s first."


def infra_7(seen: Examined) -> Judged:
    if not seen.live:
        return None, "Nothing is live yet that could be brought back."
    if seen.apart:
        return 0, seen.apart
    return 1, f"{seen.live} was started from its file and answered."


def monitor_1(seen: Examined) -> Judged:
    before, after = seen.live_told.get("versions"), seen.told["versions"]
    if not before:
        return None, "Nothing is live yet to compare with."
    moved = [f"{name} {before.get(name)} → {after.get(name)}" for name in after if before.get(name) != after.get(name)]
    return 1, f"Since {seen.live}: {', '.join(moved) or 'no library has changed'}."


def monitor_3(seen: Examined) -> Judged:
    return infra_3(seen)


def monitor_4(seen: Examined) -> Judged:
    rules = {name: value for name, value in (seen.rules.get("data") or {}).items() if value}
    if not {"everySeconds", "corrections", "drift"} & set(rules):
        return None, "The gate never trains this model again by itself."
    return 1, f"Trained again by rule: {', '.join(f'{name} {value:g}' for name, value in sorted(rules.items()))}."


def monitor_5(seen: Examined) -> Judged:
    X = seen.held_out.X
    if isinstance(X, list) or numpy.asarray(X).dtype.kind not in "fiu":
        return None, "The inputs are not numbers; a person must judge this."
    values = numpy.asarray(X, dtype=float)
    near = values + 1e-6 * numpy.std(values)
    answers = [
        text(value)
        for value in seen.estimator.predict(type(X)(near, columns=X.columns) if hasattr(X, "iloc") else near)
    ]
    moved = sum(not seen.same(one, other) for one, other in zip(answers, seen.in_memory))
    sure = [value for value in confidences(seen.estimator, X) if value is not None]
    if not all(numpy.isfinite(sure)) or any(answer in ("nan", "inf", "-inf") for answer in answers):
        return 0, "Some answers are infinite or not numbers."
    if moved:
        return 0, f"A change of a millionth changes {moved} of {len(answers)} answers."
    return 1, f"All {len(answers)} answers are finite, and a change of a millionth changes none."


def monitor_6(seen: Examined) -> Judged:
    before = seen.live_result.get("evidence", {}).get("scores", {})
    if not before:
        return None, "Nothing is live yet to compare with."
    pairs = {
        "training": (seen.live_told["seconds"] + 1, seen.told["seconds"], "s"),
        "latency": (before["latencyMs95"] + 1, seen.scores["latencyMs95"], "ms"),
        "memory": (before["memoryMiB"], seen.scores["memoryMiB"], "MiB"),
    }
    grown = [f"{name} {new:g} {unit}" for name, (old, new, unit) in pairs.items() if new > 1.5 * old]
    if grown:
        return 0, f"Half as much again as {seen.live}, or more: {', '.join(grown)}."
    return 1, f"Beside {seen.live}: {', '.join(f'{name} {new:g} {unit}' for name, (_old, new, unit) in pairs.items())}."


def run_tests(seen: Examined) -> dict[str, dict[str, Any]]:
    """Points and note of each of the 28; those that the check found not to hold have "failed" as well.

    What a person must answer, or cannot be told, has no points, and nothing against it.
    """
    told = {}
    for name, test in TESTS.items():
        if not test.automated:
            told[name] = {"points": 0, "note": f"A person must answer: {test.how}"}
            continue
        try:
            points, note = globals()[name.replace("-", "_")](seen)
        except Exception as error:  # a test that fails is no point, and no reason to lose the others
            points, note = None, f"The test itself failed: {type(error).__name__}: {error}"
        told[name] = {"points": points or 0, "note": note[:300], **({"failed": True} if points == 0 else {})}
    return told


# The check -----------------------------------------------------------------------------------------------------------


def make_rows(held_out: Cases, new: list[str], sure: list[Any], old: list[str] | None, known: set[str], same: Likeness):
    """A row for each held-out case; without "old" where the live release has been trained on it."""
    rows = []
    for place, name in enumerate(held_out.ids):
        truth = text(held_out.y[place])
        row = {"id": name, "slice": held_out.slices[place], "truth": truth, "new": new[place]}
        row.update(confidence=sure[place], right=same(new[place], truth))
        if old is not None and name not in known:
            row.update(old=old[place], wasRight=same(old[place], truth), differs=not same(old[place], new[place]))
        rows.append(row)
    return rows


def shown_cases(code: Any, held_out: Cases, rows: list[dict[str, Any]], release: str) -> dict[str, Any]:
    """cases.json."""
    places = {name: place for place, name in enumerate(held_out.ids)}
    cases = []
    for row in judge.choose(rows, release):
        [x] = (
            part(held_out, [places[row["id"]]]).X
            if not hasattr(held_out.X, "iloc")
            else [held_out.X.iloc[places[row["id"]]]]
        )
        kept = {key: row[key] for key in ("id", "truth", "old", "new", "confidence", "slice", "why") if key in row}
        cases.append({**kept, "show": code.show(x)})
    told = {"kind": code.KIND, "labels": [str(label) for label in code.LABELS], "cases": cases}
    if getattr(code, "QUESTIONS", None):
        told["questions"] = list(code.QUESTIONS)
    template = release_folder(release) / "code" / "case.json"
    if template.exists():
        try:
            told["template"] = json.loads(template.read_bytes())
        except ValueError as error:
            raise Stop(f"case.json beside model.py is no JSON: {error}") from error
    return told


def measure(served: Served, held_out: Cases) -> dict[str, float]:
    """Latency of single questions and the server's memory."""
    served.answers(part(held_out, [0]).X)  # the first question pays for imports
    served.latencies.clear()
    for place in range(min(SINGLE, len(held_out.ids))):
        served.answers(part(held_out, [place]).X)
    return {
        "latencyMs50": round(judge.percentile(served.latencies, 0.5), 1),
        "latencyMs95": round(judge.percentile(served.latencies, 0.95), 1),
    }


def run(model: str, release: str) -> str:
    """Check; returns a sentence.

    :raises Stop: when trying again would not help.
    """
    folder = release_folder(release)
    if read_json(folder / "result.json"):
        return f"{release} was checked already"
    told = read_json(folder / "train.json")
    if not told:
        raise Stop(f"{release} has not been trained.")
    if file_digest(folder / "model.joblib") != told["digests"]["model"]:
        raise Stop(f"the model file of {release} changed after the training.")
    rules = json.loads(os.environ.get("LOOP_RULES") or "{}")
    live = os.environ.get("LOOP_LIVE") or ""
    live_digests = json.loads(os.environ.get("LOOP_LIVE_DIGESTS") or "{}")
    code = load_code(folder / "code")
    labels = [str(label) for label in code.LABELS]
    held_out = Cases(*joblib.load(folder / "heldout.joblib"))
    estimator = joblib.load(folder / "model.joblib")
    same = Likeness(labels, held_out.y)

    with Served(model, release, told["digests"]) as served:
        scores = measure(served, held_out)
        new = ask_all(served, held_out)
        scores["memoryMiB"] = served.memory()
    old, apart = None, ""
    live_told = read_json(release_folder(live) / "train.json") or {} if live else {}
    if live:
        try:
            with Served(model, live, live_digests) as served:
                old = ask_all(served, held_out)
        except Stop as stop:  # made for another image, or its file is lost: the more is a new one wanted
            apart = str(stop)
    known = set(live_told.get("trained", []))
    rows = make_rows(held_out, new, confidences(estimator, held_out.X), old, known, same)

    scores["accuracy"] = judge.share(sum(row["right"] for row in rows), len(rows))
    compared = [row for row in rows if "old" in row]
    if compared:
        scores["agreement"] = judge.share(sum(not row["differs"] for row in compared), len(compared))
    corrections = [json.loads(line) for line in (folder / "corrections.jsonl").read_text().splitlines()]
    cases = read_cases(code, model, corrections, ROOT)
    training: Cases | None = split(cases, corrections)[0]
    if fingerprint(cases) != told["digests"]["data"]:
        training = None
    before = read_json(release_folder(live) / "reference.json") if live else None
    if before:
        moved = drift(before, cases)
    else:
        moved = drift(reference(training), held_out) if training else {}
    if moved:
        scores["drift"] = next(iter(moved.values()))

    slices = judge.slices(rows)
    in_memory = [text(value) for value in estimator.predict(held_out.X)]
    live_result = read_json(release_folder(live) / "result.json") or {} if live else {}
    seen = Examined(
        *(model, release, code, estimator, training, held_out, rows, in_memory, told, scores, slices, rules),
        *(live, live_told, live_result, same, apart),
    )
    shown = shown_cases(code, held_out, rows, release)
    write_json(folder / "cases.json", shown)
    write_json(folder / "probe.json", probes(held_out, new))
    compared_with_live = judge.changed(rows, live) if compared else None
    evidence = {
        "digests": told["digests"],
        "dataVersion": told["dataVersion"][:500],
        "trainedBy": told["trainedBy"],
        "scores": scores,
        "slices": slices[:50],
        "confusion": judge.confusion(rows, labels[:50]),
        "tests": run_tests(seen),
        "cases": {
            "file": f"releases/{release}/cases.json",
            "digest": digest((folder / "cases.json").read_bytes()),
        },
    }
    if compared_with_live:
        evidence["changed"] = compared_with_live
    sentence = judge.in_words(scores, compared_with_live, len(rows), apart)
    # Comes last: with it the check is done.
    write_json(
        folder / "result.json",
        {
            "evidence": evidence,
            "sentence": sentence,
            "drift": dict(list(moved.items())[:10]),
            "versions": train.versions(),
            "corrections": told["corrections"],
            "people": told["people"],
        },
    )
    return sentence


def probes(held_out: Cases, answers: list[str]) -> list[dict[str, Any]]:
    """Single questions with their answers, for the switch."""
    return [
        {"id": held_out.ids[place], "question": question(part(held_out, [place]).X), "answer": answers[place]}
        for place in range(min(PROBES, len(answers)))
    ]


if __name__ == "__main__":
    sys.exit(train.main(run, *sys.argv[1:]))
