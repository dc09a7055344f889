# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The 28 tests of the ML Test Score and how each one is judged here.

Source: E. Breck, S. Cai, E. Nielsen, M. Salib, D. Sculley: The ML Test Score, a rubric for ML production readiness
and technical debt reduction, IEEE Big Data 2017. A test done by hand earns half a point, an automated one a whole
point; each of the four sections is summed up, and the score is the least of the four sums.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

SECTIONS = ("data", "model", "infra", "monitor")


class Test(NamedTuple):
    """One test.

    :ivar title: what must hold.
    :ivar how: how the check judges it; for a question to a person, what to look at.
    :ivar automated: whether the check judges it; the others wait for a person's answer.
    """

    title: str
    how: str
    automated: bool = True


TESTS: dict[str, Test] = {
    "data-1": Test(
        "What is expected of each feature is written down and checked",
        "model.py declares SCHEMA, and all of the data, training and held-out, keeps to it.",
    ),
    "data-2": Test(
        "Every feature is of use",
        "Each feature is shuffled among the held-out cases; one whose shuffling costs nothing and that never changes "
        "is of no use.",
    ),
    "data-3": Test("No feature costs more than it is worth", "Who pays for each input, and is it worth that?", False),
    "data-4": Test(
        "Features keep to the rules for data that apply here",
        "Which rules (law, contract, policy) apply to the inputs, and who has looked?",
        False,
    ),
    "data-5": Test(
        "Personal data is protected along the whole way",
        "Who can read the data, the volume and the pages with its cases?",
        False,
    ),
    "data-6": Test("A new feature can be added quickly", "How long did the last one take, from idea to live?", False),
    "data-7": Test(
        "The code that makes features is tested",
        "The test classes named TestData… in the model's folder are run.",
    ),
    "model-1": Test(
        "Every change of the model's code is reviewed by somebody else",
        "Where can the review of this code (its digest is in the evidence) be seen?",
        False,
    ),
    "model-2": Test(
        "Better scores here mean better results in use",
        "Which number of the real use moved with the score, and when was that looked at?",
        False,
    ),
    "model-3": Test(
        "The settings of the training were searched for, not guessed",
        "The trained model is, or contains, a search over at least two settings.",
    ),
    "model-4": Test(
        "It is known what an older model costs",
        "The release that is live is scored on today's held-out cases beside the new one.",
    ),
    "model-5": Test(
        "A simpler model is not as good",
        "A linear model (or, for numbers, a linear regression) is trained on the same data and scored.",
    ),
    "model-6": Test(
        "The model is good enough on every important slice",
        "No slice of at least 20 held-out cases is more than 0.1 below the whole.",
    ),
    "model-7": Test(
        "The model treats people fairly",
        "Whom does a wrong answer hurt, and are some people hurt more often than others?",
        False,
    ),
    "infra-1": Test(
        "Training again gives the same model", "It is trained once more, and both answer all held-out cases."
    ),
    "infra-2": Test(
        "The code of the model is tested",
        "The test classes named TestModel… in the model's folder are run.",
    ),
    "infra-3": Test(
        "The whole way from data to answer is tested",
        "This very release went it: data, training, file, server; its server's answers are those of the training.",
    ),
    "infra-4": Test(
        "Quality is checked before a model is served",
        "The gate has thresholds for this model, and each score that they name was measured.",
    ),
    "infra-5": Test(
        "One answer can be followed step by step",
        "One held-out case is sent through each step of the model's pipeline.",
    ),
    "infra-6": Test(
        "A new model answers a few before it answers all",
        "The gate gives this model time as a shadow and a share as a canary, and something is live to compare with.",
    ),
    "infra-7": Test(
        "The earlier model can be brought back quickly",
        "The file of the release that is live is there, has its digest, and answers.",
    ),
    "monitor-1": Test(
        "A change of what the model builds on is noticed",
        "The versions of Python and of the libraries are compared with those of the release that is live.",
    ),
    "monitor-2": Test(
        "Inputs in use are held to what training expected",
        "Who is told when an input in use is not like the training's, and how?",
        False,
    ),
    "monitor-3": Test(
        "Training and serving compute the same features",
        "Held-out cases are sent to the real server; its answers are those of the model in the training.",
    ),
    "monitor-4": Test(
        "A model does not get too old unnoticed",
        "The gate trains this model again by a schedule, after corrections, or on drift.",
    ),
    "monitor-5": Test(
        "The numbers are sound",
        "All answers are finite numbers or names, and a change of a millionth in the inputs changes no answer.",
    ),
    "monitor-6": Test(
        "Training and serving do not get slower or larger",
        "Training time, latency and memory are at most half as much again as those of the release that is live.",
    ),
    "monitor-7": Test(
        "Answers in use do not get worse",
        "How are answers in use compared with what turned out to be right?",
        False,
    ),
}


def points_of(spec: Mapping[str, Any]) -> dict[str, float]:
    """Points of each test of a release: what the check found, or half a one for a person's answer.

    No answer makes up for a test that the check found not to hold.

    :param spec: the release's.
    """
    checked, answers = (spec.get("evidence") or {}).get("tests") or {}, spec.get("answers") or {}
    told = {}
    for name in TESTS:
        one = checked.get(name) or {}
        told[name] = max(float(one.get("points") or 0), 0.5 if name in answers and not one.get("failed") else 0.0)
    return told


def failed(spec: Mapping[str, Any]) -> frozenset[str]:
    """Tests that the check found not to hold."""
    checked = (spec.get("evidence") or {}).get("tests") or {}
    return frozenset(name for name in TESTS if (checked.get(name) or {}).get("failed"))


def apart(spec: Mapping[str, Any]) -> bool:
    """Whether the release that is live could not be asked in the check, so that nothing was compared."""
    return "infra-7" in failed(spec)


def next_half(spec: Mapping[str, Any]) -> dict[str, str]:
    """What the next half point takes: a test of each of the weakest sections, and what to do about it.

    :returns: id → "answer" (a person can), "fix" (the check found that it does not hold) or "automate".
    """
    points, broken = points_of(spec), failed(spec)
    least, sums = score(points)
    chosen = {}
    for section in (section for section in SECTIONS if sums[section] == least):
        tests = [name for name in TESTS if name.startswith(f"{section}-")]
        ways = {
            "answer": [name for name in tests if not points[name] and name not in broken],
            "fix": [name for name in tests if name in broken],
            "automate": [name for name in tests if points[name] == 0.5],
        }
        way, named = next(((way, names) for way, names in ways.items() if names), ("", []))
        if named:
            chosen[named[0]] = way
    return chosen


def score(points: Mapping[str, float]) -> tuple[float, dict[str, float]]:
    """The score, and the sum of each section.

    :param points: id of a test → 0, 0.5 or 1; a missing one counts as 0.
    """
    sums = {
        section: sum(points.get(name, 0) for name in TESTS if name.startswith(f"{section}-")) for section in SECTIONS
    }
    return min(sums.values()), sums
