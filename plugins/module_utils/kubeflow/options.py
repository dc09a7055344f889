# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""The options of kubeflow_push, for the module and for the action plugin of its name."""

from __future__ import annotations

from typing import Any

from ..manifests.options import AUTH_OPTIONS

ARGUMENT_SPEC: dict[str, Any] = dict(
    AUTH_OPTIONS,
    catalogue={"type": "list", "elements": "raw", "required": True},
    catalogue_extra={"type": "list", "elements": "raw", "default": []},
    proven={"type": "bool", "default": False},
    components={"type": "list", "elements": "raw", "required": True},
    provided={"type": "list", "elements": "str", "default": []},
    heritage={"type": "str", "choices": ["successors", "as_is"], "default": "successors"},
    manifests={"type": "dict", "required": True},
    people={"type": "list", "elements": "str", "default": []},
    small={"type": "bool", "default": True},
    overrides={"type": "dict", "default": {}},
    images={"type": "dict", "default": {}},
    image_digests={"type": "bool", "default": True},
    access={"type": "str", "choices": ["node_port", "load_balancer", "ingress"], "default": "node_port"},
    ingress_class={"type": "str", "default": "traefik"},
    node_address={"type": "str"},
    prune_in_use={"type": "list", "elements": "str", "default": []},
    beside={"type": "list", "elements": "dict", "default": []},
    force={"type": "bool", "default": False},
    force_conflicts={"type": "bool", "default": False},
    mirrors={"type": "dict", "default": {}},
    image_cache={"type": "path"},
    wait={"type": "bool", "default": True},
    wait_timeout={"type": "int", "default": 900},
    workers={"type": "int", "default": 4},
    timeout={"type": "int", "default": 120},
)
