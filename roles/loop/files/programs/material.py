# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A model's cases as training and check see them: its code loaded, its data read, split and summed up."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy
from judge import psi
from volume import ROOT, Stop, digest, is_held_out

NEEDED = ("data", "version", "train", "show", "KIND", "LABELS")


class Cases(NamedTuple):
    """Some cases: inputs, right answers, lasting names, names of slices."""

    X: Any
    y: Any
    ids: list[str]
    slices: list[str]


def load_code(folder: Path) -> ModuleType:
    """Import a model's model.py.

    :raises Stop: when it is not one.
    """
    sys.path.insert(0, str(folder))
    sys.dont_write_bytecode = True
    try:
        code = importlib.import_module("model")
    except Exception as error:
        raise Stop(f"model.py cannot be loaded: {type(error).__name__}: {error}") from error
    missing = [name for name in NEEDED if not hasattr(code, name)]
    if missing:
        raise Stop(f"model.py has no {', '.join(missing)}; it must define {', '.join(NEEDED)}.")
    return code


def take(X: Any, places: list[int]) -> Any:
    """Some of the inputs, in the form in which they came (array, data frame, list)."""
    if hasattr(X, "iloc"):
        return X.iloc[places]
    if isinstance(X, numpy.ndarray):
        return X[places]
    return [X[place] for place in places]


def read_cases(code: ModuleType, model: str, corrections: list[dict[str, Any]], root: Path = ROOT) -> Cases:
    """All cases of a model.

    :raises Stop: when model.py gives none, or lists of different lengths, or one name twice.
    """
    folder = root / "data" / model
    try:
        found = code.data(folder, corrections)
    except Exception as error:
        raise Stop(f"data() of model.py failed: {type(error).__name__}: {error}") from error
    ids = [str(name) for name in found.ids]
    lengths = {"X": len(found.X), "y": len(found.y), "ids": len(ids), "slices": len(found.slices)}
    if len(set(lengths.values())) != 1 or not ids:
        raise Stop(f"data() of model.py must give as many X as y, ids and slices, and at least one; it gave {lengths}.")
    if len(set(ids)) != len(ids):
        raise Stop("data() of model.py gives one id to two cases; ids must be single and lasting.")
    return Cases(found.X, numpy.asarray(found.y), ids, [str(name) for name in found.slices])


def part(cases: Cases, places: list[int]) -> Cases:
    """Some of the cases."""
    return Cases(
        take(cases.X, places),
        cases.y[places],
        [cases.ids[place] for place in places],
        [cases.slices[place] for place in places],
    )


def split(cases: Cases, corrections: list[dict[str, Any]]) -> tuple[Cases, Cases]:
    """The cases to train with, and those held out.

    :raises Stop: when one of the two would be empty.
    """
    corrected = {entry["case"] for entry in corrections}
    held_out = [number for number, name in enumerate(cases.ids) if is_held_out(name, corrected)]
    kept = set(held_out)
    training = [number for number in range(len(cases.ids)) if number not in kept]
    if not held_out or not training:
        raise Stop(f"{len(cases.ids)} cases are too few: a fifth of them is held out to examine the model with.")
    return part(cases, training), part(cases, held_out)


def fingerprint(cases: Cases) -> str:
    """Digest of cases: the same cases have the same one."""
    X = cases.X.to_numpy() if hasattr(cases.X, "iloc") else cases.X
    values = numpy.asarray(X) if not isinstance(X, list) else None
    if values is not None and values.dtype != object:
        inputs = digest(str((values.dtype, values.shape)).encode() + numpy.ascontiguousarray(values).tobytes())
    else:
        inputs = digest(repr([list(map(str, row)) if not isinstance(row, str) else row for row in X]).encode())
    answers = [text(value) for value in cases.y]
    return digest(json.dumps([inputs, answers, cases.ids, cases.slices], ensure_ascii=False).encode())


def text(value: Any) -> str:
    """An answer as text: 8, 8.0 and numpy's 8 are "8"."""
    value = value.item() if hasattr(value, "item") else value
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value.decode() if isinstance(value, bytes) else str(value)


def features(cases: Cases) -> dict[str, numpy.ndarray]:
    """What may drift, by name: the columns of a table, the length of texts, and the right answers."""
    X = cases.X
    if hasattr(X, "iloc"):
        found = {str(name): X[name].to_numpy() for name in X.columns}
    elif len(X) and isinstance(X[0], str):
        found = {"length": numpy.array([len(text) for text in X])}
    else:
        flat = numpy.asarray(X).reshape(len(X), -1)
        found = {f"x{number}": flat[:, number] for number in range(flat.shape[1])}
    return {**found, "answer": numpy.array([text(value) for value in cases.y])}


def reference(cases: Cases) -> dict[str, dict[str, Any]]:
    """The distribution of each feature: tenths for numbers, the twenty most frequent values for everything else."""
    told: dict[str, dict[str, Any]] = {}
    for name, values in features(cases).items():
        if numpy.issubdtype(values.dtype, numpy.number) and len(numpy.unique(values)) > 2:
            edges = numpy.unique(numpy.nanquantile(values.astype(float), numpy.linspace(0, 1, 11)[1:-1]))
            told[name] = {"edges": [float(edge) for edge in edges]}
        else:
            names, counts = numpy.unique(values.astype(str), return_counts=True)
            order = numpy.argsort(-counts, kind="stable")[:20]
            told[name] = {"values": [str(names[place]) for place in order]}
        told[name]["shares"] = shares(told[name], values)
    return told


def shares(bins: dict[str, Any], values: numpy.ndarray) -> list[float]:
    """Which part of the values falls into each bin; the last bin of names is for all others."""
    if "edges" in bins:
        places = numpy.searchsorted(bins["edges"], values.astype(float), side="right")
        counts = numpy.bincount(places, minlength=len(bins["edges"]) + 1)
    else:
        known = {name: place for place, name in enumerate(bins["values"])}
        places = numpy.array([known.get(str(value), len(known)) for value in values])
        counts = numpy.bincount(places, minlength=len(known) + 1)
    return [round(float(count) / max(1, len(values)), 5) for count in counts]


def drift(before: dict[str, dict[str, Any]], cases: Cases) -> dict[str, float]:
    """Population stability index of each feature that both have, the largest first."""
    found = features(cases)
    told = {
        name: psi(bins["shares"], shares(bins, found[name]))
        for name, bins in before.items()
        if name in found and ("values" in bins or numpy.issubdtype(found[name].dtype, numpy.number))
    }
    return dict(sorted(told.items(), key=lambda item: -item[1]))


def question(X: Any) -> dict[str, Any]:
    """Inputs as a request of the V2 protocol: one tensor, or one for each column of a data frame."""

    def tensor(name: str, values: numpy.ndarray) -> dict[str, Any]:
        kinds = {"f": "FP64", "i": "INT64", "u": "INT64", "b": "BOOL"}
        kind = kinds.get(values.dtype.kind, "BYTES")
        data = values.reshape(-1).tolist()
        data = [str(value) for value in data] if kind == "BYTES" else data
        return {"name": name, "shape": list(values.shape), "datatype": kind, "data": data}

    if hasattr(X, "iloc"):
        inputs = [tensor(str(name), X[name].to_numpy()) for name in X.columns]
        return {"parameters": {"content_type": "pd"}, "inputs": inputs}
    return {"inputs": [tensor("x", numpy.asarray(X))]}
