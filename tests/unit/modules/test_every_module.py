# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every module takes the options that its documentation names, and says what stops it."""

from __future__ import annotations

import importlib
import json
import runpy
import sys
from pathlib import Path

import pytest
import yaml
from ansible.module_utils import basic
from ansible.module_utils.testing import patch_module_args

from ansible_collections.bramble.kube.plugins.action import pi_card

MODULES = Path(__file__).resolve().parents[3] / "plugins/modules"
PACKAGE = "ansible_collections.bramble.kube.plugins.modules."
#: Done by action plugins of the same names on the laptop; there is only documentation.
BY_ACTION = {"attempt", "known_host", "node_diagnosis", "pi_card", "run_lock", "show", "site_report", "status_report"}
NAMES = sorted({path.stem for path in MODULES.glob("*.py")} - {"__init__"} - BY_ACTION)


class Declared(Exception):
    """What a module declares."""


def declaration(name: str, monkeypatch: pytest.MonkeyPatch) -> dict:
    """The arguments with which a module makes its AnsibleModule."""

    def declare(_self: object, **arguments: object) -> None:
        raise Declared(arguments)

    monkeypatch.setattr(basic.AnsibleModule, "__init__", declare)
    with pytest.raises(Declared) as declared:
        importlib.import_module(PACKAGE + name).main()
    return declared.value.args[0]


def documented(name: str) -> dict:
    return yaml.safe_load(importlib.import_module(PACKAGE + name).DOCUMENTATION)


def compare(options: dict, spec: dict, fragment: bool, where: str) -> None:
    """Options as documentation and argument spec have them."""
    assert set(options) <= set(spec), where
    assert fragment or set(options) == set(spec), where
    for option, told in options.items():
        taken, here = spec[option], f"{where} {option}"
        assert bool(told.get("required")) == bool(taken.get("required")), here
        assert told.get("default") == taken.get("default"), here
        assert type(told.get("default")) is type(taken.get("default")), here
        assert told.get("type", "str") == taken.get("type", "str"), here
        assert told.get("elements") == taken.get("elements"), here
        assert told.get("choices") == taken.get("choices"), here
        secret = any(word in option for word in ("password", "token")) and option != "token_id"
        assert not secret or taken.get("no_log") is True or told.get("type") not in (None, "str"), here
        if "suboptions" in told:
            compare(told["suboptions"], taken["options"], fragment, here)


@pytest.mark.parametrize("name", NAMES)
def test_documentation_and_options_agree(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments, told = declaration(name, monkeypatch), documented(name)
    compare(told.get("options") or {}, arguments["argument_spec"], "extends_documentation_fragment" in told, name)
    supported = (told.get("attributes") or {}).get("check_mode", {}).get("support")
    assert arguments.get("supports_check_mode", False) == (supported in ("full", "partial")), name


def test_documentation_and_options_of_an_action_agree() -> None:
    compare(documented("pi_card")["options"], pi_card.OPTIONS, False, "pi_card")


@pytest.mark.parametrize("name", NAMES)
def test_a_module_runs_as_a_program_and_refuses_what_it_does_not_know(name: str, capfd: pytest.CaptureFixture) -> None:
    with patch_module_args({"no_such_option": 1}), pytest.raises(SystemExit) as ended:
        runpy.run_path(str(MODULES / f"{name}.py"), run_name="__main__")
    said = json.loads(capfd.readouterr().out)
    assert said["failed"] and said["msg"].startswith(("Unsupported parameters", "missing required arguments"))
    assert ended.value.code == 1


@pytest.mark.parametrize(
    ("file", "library", "flag"),
    [
        ("nodes/serving_certificates.py", "cryptography", "HAS_CRYPTOGRAPHY"),
        ("manifests/yamltext.py", "yaml", "HAS_YAML"),
    ],
)
def test_a_library_that_is_missing_is_known(
    file: str, library: str, flag: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(MODULES.parent / "module_utils" / file)
    package = f"ansible_collections.bramble.kube.plugins.module_utils.{file.partition('/')[0]}.alone"
    assert runpy.run_path(path, run_name=package)[flag] is True
    monkeypatch.setitem(sys.modules, library, None)
    assert runpy.run_path(path, run_name=package)[flag] is False
