# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""Argument specs: AUTH_OPTIONS belongs to the documentation fragment api_options, ARGUMENT_SPEC to manifest_push."""

from __future__ import annotations

from typing import Any

AUTH_OPTIONS: dict[str, dict[str, Any]] = {
    "kubeconfig": {"type": "raw"},
    "context": {"type": "str"},
    "host": {"type": "str"},
    "api_key": {"type": "str", "no_log": True},
    "username": {"type": "str"},
    "password": {"type": "str", "no_log": True},
    "validate_certs": {"type": "bool", "aliases": ["verify_ssl"]},
    "ca_cert": {"type": "path", "aliases": ["ssl_ca_cert"]},
    "client_cert": {"type": "path", "aliases": ["cert_file"]},
    "client_key": {"type": "path", "aliases": ["key_file"], "no_log": False},
    "proxy": {"type": "str"},
    "no_proxy": {"type": "str"},
    "proxy_headers": {
        "type": "dict",
        "options": {
            "proxy_basic_auth": {"type": "str", "no_log": True},
            "basic_auth": {"type": "str", "no_log": True},
            "user_agent": {"type": "str"},
        },
    },
    "persist_config": {"type": "bool"},
    "impersonate_user": {"type": "str"},
    "impersonate_groups": {"type": "list", "elements": "str"},
}
ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    **AUTH_OPTIONS,
    "src": {"type": "list", "elements": "raw", "default": []},
    "definition": {"type": "raw", "aliases": ["resource_definition"]},
    "dest": {"type": "path"},
    "namespace": {"type": "str"},
    "apply_set": {"type": "str"},
    "apply_set_takeover": {"type": "bool", "default": False},
    "prune": {"type": "bool", "default": False},
    "prune_in_use": {"type": "list", "elements": "str", "default": []},
    "method": {"type": "str", "choices": ["auto", "server_side", "client_side"], "default": "auto"},
    "force_conflicts": {"type": "bool", "default": False},
    "take_over": {"type": "list", "elements": "str", "default": []},
    "recreate": {"type": "bool", "default": False},
    "drop_unknown_fields": {"type": "bool", "default": False},
    "modernize": {"type": "bool", "default": True},
    "select": {"type": "str"},
    "exclude": {"type": "str"},
    "images": {"type": "dict", "default": {}},
    "labels": {"type": "dict", "default": {}},
    "wait": {"type": "bool", "default": False},
    "wait_timeout": {"type": "int", "default": 300},
    "wait_for": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "kind": {"type": "str", "required": True},
            "name": {"type": "str"},
            "namespace": {"type": "str"},
            "expression": {"type": "str", "required": True},
        },
    },
    "workers": {"type": "int", "default": 8},
    "timeout": {"type": "int", "default": 120},
    "return_objects": {"type": "str", "choices": ["changed", "all", "full"], "default": "changed"},
}
REQUIRED_ONE_OF = [("src", "definition")]
