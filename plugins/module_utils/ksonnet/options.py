# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""The options of ksonnet_app and ksonnet_render, for the modules and for the action plugins that do their work."""

from __future__ import annotations

from typing import Any


def _dicts(**options: Any) -> dict[str, Any]:
    return {"type": "list", "elements": "dict", "default": [], "options": options}


_NAME: dict[str, Any] = {"type": "str", "required": True}
_STATE: dict[str, Any] = {"type": "str", "choices": ["present", "absent"], "default": "present"}
_EVALUATOR: dict[str, Any] = {
    "type": "str",
    "choices": ["auto", "rjsonnet", "gojsonnet", "jsonnet"],
    "default": "auto",
}

APP: dict[str, Any] = {
    "app_dir": {"type": "path", "required": True},
    "name": {"type": "str"},
    "api_version": {"type": "str", "choices": ["0.1.0", "0.2.0", "0.3.0"]},
    "upgrade": {"type": "bool", "default": False},
    "libraries": {
        **_dicts(
            version={"type": "str"},
            openapi={"type": "str"},
            checksum={"type": "str"},
            kubeconfig={"type": "path"},
            context={"type": "str"},
        ),
        "required_one_of": [["openapi", "kubeconfig"]],
        "mutually_exclusive": [["openapi", "kubeconfig"]],
    },
    "environments": _dicts(
        name=_NAME,
        state=_STATE,
        rename_from={"type": "str"},
        server={"type": "str"},
        namespace={"type": "str"},
        kubernetes_version={"type": "str"},
        targets={"type": "list", "elements": "str"},
        params={"type": "dict", "default": {}},
        globals={"type": "dict", "default": {}},
    ),
    "registries": _dicts(
        name=_NAME,
        state=_STATE,
        uri={"type": "str"},
        mirror={"type": "str"},
        checksum={"type": "str"},
        files_sha256={"type": "str"},
        update={"type": "bool", "default": False},
    ),
    "packages": _dicts(
        name=_NAME,
        registry={"type": "str"},
        version={"type": "str"},
        environment={"type": "str"},
        state=_STATE,
    ),
    "modules": _dicts(name=_NAME, state=_STATE, params={"type": "dict", "default": {}}),
    "components": _dicts(
        name=_NAME,
        module={"type": "str"},
        prototype={"type": "str"},
        params={"type": "dict", "default": {}},
        remove_params={"type": "list", "elements": "str", "default": []},
        state=_STATE,
    ),
    "cache_dir": {"type": "path", "default": "~/.cache/bramble.kube/ksonnet"},
    "evaluator": _EVALUATOR,
}

#: beside the options of all modules that write a file
RENDER: dict[str, Any] = {
    "app_dir": {"type": "path", "required": True},
    "environment": {"type": "str", "required": True},
    "components": {"type": "list", "elements": "str", "default": []},
    "params": {"type": "dict", "default": {}},
    "dest": {"type": "path"},
    "format": {"type": "str", "choices": ["yaml", "json"], "default": "yaml"},
    "ext_vars": {"type": "dict", "default": {}},
    "library_dirs": {"type": "list", "elements": "path", "default": []},
    "drop_wrong_namespaces": {"type": "bool", "default": False},
    "ks_version": {"type": "str", "choices": ["auto", "0.9", "0.11", "0.13"], "default": "auto"},
    "evaluator": _EVALUATOR,
    "limits": {
        "type": "dict",
        "default": {},
        "options": {
            "depth": {"type": "int", "default": 500},
            "memory_mb": {"type": "int", "default": 2048},
            "seconds": {"type": "float", "default": 60},
        },
    },
}
