"""Variables against their argument specs, those of the real roles too."""

from __future__ import annotations

import pytest

from ansible_collections.bramble.kube.plugins.module_utils.preflight.settings import (
    ROLES_FOLDER,
    role_defaults,
    role_options,
    value_problem,
)

NESTED = {"type": "dict", "options": {"country": {"type": "str", "required": True}, "channel": {"type": "int"}}}


@pytest.mark.parametrize(
    ("value", "option"),
    [
        ("a", {"type": "str"}),
        (5, {"type": "str"}),
        ("a", {}),
        ("5", {"type": "int"}),
        ("yes", {"type": "bool"}),
        (["a", 1], {"type": "list", "elements": "str"}),
        ({"a": 1}, {"type": "dict"}),
        ("anything", {"type": "raw"}),
        ("flannel", {"type": "str", "choices": ["flannel", "none"]}),
        ({"country": "DE", "channel": 6}, NESTED),
    ],
)
def test_right_values(value, option):
    assert value_problem("x", value, option) is None


@pytest.mark.parametrize(
    ("value", "option", "sentence"),
    [
        ("a,b", {"type": "list", "elements": "str"}, "x is 'a,b'; use a list, each entry a text"),
        ([["a"]], {"type": "list", "elements": "int"}, "x is [['a']]; use a list, each entry a whole number"),
        ("a=b", {"type": "dict"}, "x is 'a=b'; use a mapping (name: value)"),
        (["a"], {"type": "str"}, "x is ['a']; use a text"),
        ({"a": 1}, {"type": "path"}, "x is {'a': 1}; use a path"),
        ("many", {"type": "int"}, "x is 'many'; use a whole number"),
        (None, {"type": "bool"}, "x is empty; use true or false, or remove the line for the default"),
        (True, {"type": "str", "choices": ["off", "zram"]}, "x is true; use one of 'off' or 'zram'"),
        ("y" * 200, {"type": "int"}, "x is '" + "y" * 76 + "...; use a whole number"),
    ],
)
def test_wrong_values_have_their_sentence(value, option, sentence):
    assert value_problem("x", value, option) == sentence


def test_what_is_wrong_inside_a_mapping_is_named():
    assert "country" in value_problem("wifi", {"channel": 6}, NESTED)
    assert "channel" in value_problem("wifi", {"country": "DE", "channel": "six"}, NESTED)


def test_the_roles_own_defaults_are_right():
    options, defaults = role_options(), role_defaults()
    assert {"kubeadm_version", "kubeadm_pod_cidr", "docker_edition"} <= set(options) & set(defaults)
    problems = [value_problem(name, value, options[name]) for name, value in defaults.items() if name in options]
    assert [problem for problem in problems if problem] == []


def test_every_default_is_described():
    undescribed = set(role_defaults()) - set(role_options())
    assert not undescribed, "defaults/main.yml has variables that meta/argument_specs.yml does not describe"


def test_the_roles_are_found():
    assert (ROLES_FOLDER / "kubeadm" / "meta" / "argument_specs.yml").is_file()
