# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""The roles' own declarations of their variables: read from their argument specs and defaults, and checked against."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.common.yaml import yaml_load

from ansible_collections.bramble.kube.plugins.module_utils.common.redact import foreign
from ansible_collections.bramble.kube.plugins.module_utils.common.wording import listing, shown
from ansible_collections.bramble.kube.plugins.module_utils.preflight import shapes

ROLES_FOLDER = Path(__file__).resolve().parents[3] / "roles"

_TYPE_WORDS = {
    "bool": "true or false",
    "dict": "a mapping (name: value)",
    "float": "a number",
    "int": "a whole number",
    "list": "a list",
    "path": "a path",
    "str": "a text",
}
_CONTAINERS = {"dict": Mapping, "list": list}


@cache
def role_options(folder: Path = ROLES_FOLDER) -> dict[str, dict[str, Any]]:
    """Read every role's options.

    :returns: variable name to its specification, from all roles/*/meta/argument_specs.yml. What other entry points take
        more than ``main`` comes from the role or playbook that uses them.
    """
    options: dict[str, dict[str, Any]] = {}
    for path in sorted(folder.glob("*/meta/argument_specs.yml")):
        document = yaml_load(path.read_text(encoding="utf-8")) or {}
        options.update(document["argument_specs"]["main"].get("options") or {})
    return options


@cache
def role_defaults(folder: Path = ROLES_FOLDER) -> dict[str, Any]:
    """Read the roles' defaults, as far as they are plain values (no templates)."""
    defaults: dict[str, Any] = {}
    for path in sorted(folder.glob("*/defaults/main.yml")):
        for name, value in (yaml_load(path.read_text(encoding="utf-8")) or {}).items():
            if "{{" not in str(value):
                defaults[name] = value
    return defaults


@cache
def catalogue_names(folder: Path = ROLES_FOLDER) -> tuple[str, ...]:
    """Names of the components that the role kubeflow has."""
    text = (folder / "kubeflow/vars/main/catalogue.yml").read_text(encoding="utf-8")
    return tuple(entry["name"] for entry in yaml_load(text)["kubeflow_catalogue"])


def _wanted(option: Mapping[str, Any]) -> str:
    if option.get("choices"):
        return f"one of {listing((shown(choice) for choice in option['choices']), 'or')}"
    words = _TYPE_WORDS.get(option.get("type", "str"), str(option.get("type")))
    if option.get("type") == "list" and option.get("elements") in _TYPE_WORDS:
        words += f", each entry {_TYPE_WORDS[option['elements']]}"
    return words


def _without_demands(option: Mapping[str, Any]) -> dict[str, Any]:
    """The option as the validator takes it; what is missing is the roles' defaults' affair."""
    kept = ("type", "elements", "choices", "options", "required_together", "required_one_of", "mutually_exclusive")
    return {key: value for key, value in option.items() if key in kept}


def value_problem(name: str, value: Any, option: Mapping[str, Any]) -> str | None:
    """Say what is wrong with a variable's value.

    :param option: its entry in the role's argument specs.
    :returns: half a sentence ("NAME is ...; use ..."), or None when the value is right.
    """
    kind = option.get("type", "str")
    if value is None:
        return f"{name} is empty; use {_wanted(option)}, or remove the line for the default"
    slip = shapes.slip(name, value, option)
    if slip:
        return slip
    # Ansible would convert "a,b" to a list and a list to a text, but a role sees what the inventory says.
    expected = _CONTAINERS.get(kind)
    misfit = (
        not isinstance(value, expected) if expected else kind in ("str", "path") and isinstance(value, (Mapping, list))
    )
    if misfit:
        return f"{name} is {shapes.quoted(name, value)}; use {_wanted(option)}"
    try:
        errors = ArgumentSpecValidator({name: _without_demands(option)}).validate({name: value}).error_messages
    except OverflowError:  # of an infinite number
        errors = ["no whole number"]
    if not errors:
        return shapes.form(name, value)
    if option.get("options"):
        return f"{name}: {foreign(errors[0], 300)}"
    return f"{name} is {shapes.quoted(name, value)}; use {_wanted(option)}"
