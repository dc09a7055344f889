# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with loop_models and people, one sentence each, and the Gate that comes of what is right."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader

from ansible_collections.bramble.kube.plugins.module_utils.loop import code, settings
from ansible_collections.bramble.kube.plugins.module_utils.loop.settings import errors, gate

ROOT = Path(__file__).resolve().parents[3]
PEOPLE = [
    {"name": "ada", "groups": ["trainer"]},
    {"name": "ben", "groups": ["reviewer"]},
    {"name": "cleo", "groups": ["trainer", "reviewer"]},
]
DIGITS = [{"name": "digits"}]


def test_the_example_needs_a_name_and_a_reviewer():
    assert errors(DIGITS, PEOPLE) == []
    assert errors([], []) == []


@pytest.mark.parametrize(
    ("people", "sentence"),
    [
        ("ada", "people is 'ada'; use a list, such as [{name: ada, groups: [reviewer]}]."),
        (["ada"], "people: entry 1 has no name; write {name: ada, groups: [reviewer]}."),
        ([{"name": False, "groups": ["viewer"]}], "people: the name of entry 1 was read as false; put it in quotes."),
        ([{"name": 83, "groups": ["viewer"]}], "people: the name of entry 1 was read as 83; put it in quotes."),
        ([{"groups": ["viewer"]}], "people: entry 1 has no name; write {name: ada, groups: [reviewer]}."),
        (
            [{"name": "Ada", "groups": ["viewer"]}],
            "people: Ada must be small letters, digits and hyphens, begin with a letter and be at most 32 long.",
        ),
        (
            [{"name": "../ada", "groups": ["viewer"]}],
            "people: ../ada must be small letters, digits and hyphens, begin with a letter and be at most 32 long.",
        ),
        (
            [{"name": "kubernetes-admin", "groups": ["viewer"]}],
            "people: kubernetes-admin is a name that Kubernetes' own parts may have; choose another one.",
        ),
        (
            [{"name": "vic", "groups": ["viewer"]}, {"name": "vic", "groups": ["operator"]}],
            "people: vic is there twice; put all groups into one entry.",
        ),
        ([{"name": "vic"}], "people: vic has no groups; give at least one of trainer, reviewer, operator or viewer."),
        (
            [{"name": "vic", "groups": ["review"]}],
            "people: vic is in the group review, which does not exist; use trainer, reviewer, operator or viewer.",
        ),
        (
            [{"name": "vic", "groups": ["viewer"], "group": 1}],
            "people: vic has group, which is not a setting; did you mean groups.",
        ),
    ],
)
def test_people_who_are_wrong(people, sentence):
    assert errors([], people) == [sentence]


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        ("digits", "entry 1 has no name; write {name: digits}"),
        (
            {"name": "Digits"},
            "Digits must be small letters, digits and hyphens, begin with a letter, end with a letter or digit and be "
            "at most 40 long",
        ),
        ({"name": "digits", "review": 1}, "digits has review, which is not a setting; did you mean reviews"),
        (
            {"name": "digits", "code": "/nowhere", "thresholds": {}},
            "digits: there is no model.py in the folder /nowhere (code)",
        ),
        (
            {"name": "digits", "thresholds": [1]},
            "digits: thresholds is [1]; write {accuracy: {min: 0.9}}",
        ),
        (
            {"name": "digits", "thresholds": {"a b": {"min": 1}}},
            "digits: thresholds.a b is not a score's name; it has letters and digits, and begins with a letter",
        ),
        (
            {"name": "digits", "thresholds": {"accuracy": 0.9}},
            "digits: thresholds.accuracy is 0.9; use min, max, or both",
        ),
        (
            {"name": "digits", "thresholds": {"accuracy": {"min": "0.9"}}},
            "digits: thresholds.accuracy is {'min': '0.9'}; min and max are numbers",
        ),
        (
            {"name": "digits", "thresholds": {"accuracy": {"min": float("nan")}}},
            "digits: thresholds.accuracy is {'min': nan}; min and max are numbers",
        ),
        (
            {"name": "digits", "thresholds": {"accuracy": {"min": 0.9, "max": 0.8}}},
            "digits: thresholds.accuracy has a min above its max; no release could reach both",
        ),
        (
            {"name": "digits", "required_tests": ["infra-8"]},
            "digits: required_tests is ['infra-8']; use a list of data-1 to data-7, model-1 to model-7, infra-1 to "
            "infra-7 or monitor-1 to monitor-7",
        ),
        ({"name": "digits", "reviewers": ["vic"]}, "digits: reviewers has vic, who is not in people"),
        ({"name": "digits", "reviewers": ["ada"]}, "digits: reviewers has ada, who is not in the group reviewer"),
        (
            {"name": "digits", "reviewers": ["cleo"]},
            "digits: cleo alone may decide, and is a trainer, too, so nobody could decide about a release that cleo "
            "asks for; add a reviewer, or set alone: true",
        ),
        (
            {"name": "digits", "reviews": 2},
            "digits: reviews is 2, but there may be only 1 who can review; add reviewers",
        ),
        ({"name": "digits", "alone": "yes"}, "digits: alone is 'yes'; use true or false"),
        ({"name": "digits", "reviews": True}, "digits: reviews is true; use a number from 0 to 50"),
        (
            {"name": "digits", "canary_share": 1},
            "digits: canary_share is 1; use a share between 0 and 1, such as 0.1 for 10 %",
        ),
        ({"name": "digits", "shadow_seconds": -1}, "digits: shadow_seconds is -1; use a number of seconds"),
        ({"name": "digits", "memory": "1G"}, "digits: memory is '1G'; use a number with Mi or Gi, such as 768Mi"),
        ({"name": "digits", "training": {}}, "digits: training is {}; use job or trainjob"),
        (
            {"name": "digits", "most": 3},
            "digits: most is 3; use errors, latency_ratio and disagreement, each with a number",
        ),
        (
            {"name": "digits", "most": {"latency_ratio": 0.5}},
            "digits: most.latency_ratio is 0.5; use 1 or more, such as 3",
        ),
        (
            {"name": "digits", "most": {"latency": 2}},
            "digits: most has latency, which is not a setting; did you mean latency_ratio",
        ),
        (
            {"name": "digits", "data": {"corrections": -1}},
            "digits: data.corrections is -1; use a number, or 0 for never",
        ),
        (
            {"name": "digits", "volume": "a/b"},
            "digits: volume is 'a/b'; use the name of a volume claim in the namespace loop, or leave it out",
        ),
    ],
)
def test_models_that_are_wrong(model, sentence):
    assert errors([model], PEOPLE) == [f"loop_models: {sentence}."]


def test_a_model_is_there_once():
    assert errors([*DIGITS, *DIGITS], PEOPLE) == ["loop_models: digits is there twice; give each model its own name."]


def test_somebody_may_decide():
    nobody = "loop_models: digits: nobody may decide about it; put at least one person in the group reviewer of people."
    assert errors(DIGITS, []) == errors(DIGITS, PEOPLE[:1]) == [nobody]


def test_one_person_decides_alone_if_that_is_said():
    assert len(errors(DIGITS, PEOPLE[2:])) == 1
    assert errors([{"name": "digits", "alone": True, "reviews": 1}], PEOPLE[2:]) == []
    assert errors(DIGITS, PEOPLE[1:2]) == []  # who trains nothing is not the one who asked


def test_code_of_ones_own(tmp_path):
    folder = tmp_path / "iris"
    folder.mkdir()
    model = {"name": "iris", "code": "iris", "thresholds": {}}
    assert errors([model], PEOPLE, str(tmp_path)) == [
        f"loop_models: iris: there is no model.py in the folder {folder} (code)."
    ]
    (folder / "model.py").write_text("KIND = 'table'\n")
    assert errors([model], PEOPLE, str(tmp_path)) == []
    del model["thresholds"]
    (sentence,) = errors([model], PEOPLE, str(tmp_path))
    assert sentence == (
        "loop_models: iris has no thresholds; say which scores a release must reach, such as {accuracy: {min: 0.9}}, "
        "or {} for none."
    )
    model["thresholds"] = {}
    for name in ("photo.jpg", ".secret.py", "a b.py"):
        (folder / name).write_text("x" * code.LARGEST)
    assert list(code.read(str(folder))) == ["model.py"]
    assert errors([model], PEOPLE, str(tmp_path)) == []
    (folder / "table.csv").write_bytes(b"\xff")
    (sentence,) = errors([model], PEOPLE, str(tmp_path))
    assert sentence == f"loop_models: iris: its code cannot be read: {folder}/table.csv is not UTF-8."
    (folder / "table.csv").write_text("x" * code.LARGEST)
    (sentence,) = errors([model], PEOPLE, str(tmp_path))
    assert sentence.endswith("at most 900000 fit, so put data on a volume (volume).")


def test_what_is_said_has_no_line_break_and_no_end():
    for sentence in errors([{"name": "x\n\x1b[31m" * 999}], [{"name": "y\n" * 999, "groups": ["\n" * 999]}]):
        assert len(sentence) < 400 and sentence.isprintable()


def test_the_gate_has_everything():
    made = gate([{"name": "digits", "most": {"errors": 0.01}, "data": {"drift": 0.2}}], PEOPLE)
    assert made["people"] == {"ada": ["trainer"], "ben": ["reviewer"], "cleo": ["reviewer", "trainer"]}
    rules = made["models"]["digits"]
    assert rules["thresholds"] == {"accuracy": {"min": 0.93}}
    assert rules["most"] == {"errors": 0.01, "latencyRatio": 3.0, "disagreement": 0.1}
    assert rules["data"] == {"everySeconds": 0, "corrections": 0, "drift": 0.2, "lookSeconds": 3600}


def test_the_gate_says_all_that_its_definition_knows():
    definitions = yaml.safe_load_all((ROOT / "roles/loop/files/crds.yaml").read_text())
    (definition,) = [one for one in definitions if one["spec"]["names"]["kind"] == "Gate"]
    spec = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    known = spec["models"]["additionalProperties"]["properties"]
    rules = gate(DIGITS, PEOPLE)["models"]["digits"]
    assert set(rules) == set(known)
    for name in ("most", "data"):
        assert set(rules[name]) == set(known[name]["properties"])


def test_the_argument_spec_says_what_the_defaults_are():
    spec = yaml.safe_load((ROOT / "roles/loop/meta/argument_specs.yml").read_text())
    options = spec["argument_specs"]["main"]["options"]["loop_models"]["options"]
    assert set(options) == {"name", "thresholds", *settings.DEFAULTS}
    for name, default in settings.DEFAULTS.items():
        assert options[name].get("default", {}) == default, name


def test_numbers_as_ansible_reads_them():
    """Values of an inventory are of types of Ansible's own, which say where they come from."""
    text = (
        "[{name: digits, shadow_seconds: 20, canary_seconds: 0, keep_seconds: 5, least_compared: 1, reviews: 1, "
        "canary_share: 0.2, thresholds: {accuracy: {min: 1}}, most: {errors: 0, latency_ratio: 2, disagreement: 0.1}, "
        "data: {every_seconds: 60, corrections: 3, drift: 0.2, look_seconds: 60}}]"
    )
    models = DataLoader().load(text)
    assert type(models[0]["shadow_seconds"]) is not int, "this test is about another type"
    people = [{"name": "ada", "groups": ["trainer"]}, {"name": "ben", "groups": ["reviewer"]}]
    assert errors(models, people) == []
