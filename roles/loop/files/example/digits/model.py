# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tells handwritten digits apart: the example. Its 1,797 pictures of 8 × 8 pixels come with scikit-learn.

A model is a folder with a model.py like this one. Beside it may be test_*.py (run by each check).
"""

from __future__ import annotations

from collections import namedtuple

import numpy
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.svm import SVC

KIND = "image"  # how a case is shown: image, table, text or series
LABELS = [str(digit) for digit in range(10)]
SCHEMA = {"features": 64, "least": 0, "most": 16}  # what every case keeps to

Data = namedtuple("Data", "X y ids slices")


def data(folder, corrections):
    """All cases: X, the right answers, a lasting name of each case, and the slice that it belongs to.

    :param folder: the model's folder on the volume; new pictures could be read from there.
    :param corrections: what people said is right: a list of {"case", "label", "by", "at"}, the newest last.
    """
    digits = load_digits()
    ids = [f"digit-{number}" for number in range(len(digits.target))]
    said = {entry["case"]: entry["label"] for entry in corrections}
    y = numpy.array([int(said.get(name, answer)) for name, answer in zip(ids, digits.target)])
    return Data(digits.data, y, ids, [str(answer) for answer in y])


def version(folder, corrections):
    """A name for the state of the data, for people."""
    return f"scikit-learn's digits, {len(corrections)} corrections"


def train(X, y):
    """A model with `predict`, trained on these cases."""
    pipeline = make_pipeline(MinMaxScaler(), SVC())
    return GridSearchCV(pipeline, {"svc__C": [1, 10], "svc__gamma": ["scale", 0.1]}, cv=3).fit(X, y)


def show(x):
    """One case as people see it."""
    return {"width": 8, "height": 8, "pixels": [round(float(value) / 16, 3) for value in x]}
