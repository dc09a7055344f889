# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""From a module's options on images to the answers of registries: the one place that knows both."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..common.errors import BrambleError
from ..common.http import Transport
from ..common.system import System
from . import cache as image_cache
from . import platform as image_platform
from .credentials import Credential, CredentialStore, from_environment
from .find import ImageUse, images_of
from .inspection import MISSING, OK, check_images, table
from .known_paths import KNOWN_PATHS, from_row
from .registry import RegistryClient, endpoints_for
from .replacement import Replacements

OPTIONS: dict[str, dict[str, Any]] = {
    "images": {"type": "list", "elements": "str", "default": []},
    "objects": {"type": "list", "elements": "dict", "default": []},
    "paths": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "kind": {"type": "str", "required": True},
            "name": {"type": "str", "default": "*"},
            "path": {"type": "list", "elements": "str", "required": True},
            "format": {
                "type": "str",
                "choices": ["field", "json", "yaml", "objects", "pattern"],
                "default": "field",
            },
            "inner": {"type": "list", "elements": "str", "default": []},
        },
    },
    "platforms": {"type": "list", "elements": "str", "default": []},
    "replacements": {"type": "dict", "default": {}},
    "mirrors": {"type": "dict", "default": {}},
    "credentials": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "registry": {"type": "str", "required": True},
            "username": {"type": "str"},
            "password": {"type": "str", "no_log": True},
            "identity_token": {"type": "str", "no_log": True},
        },
    },
    "docker_config": {"type": "list", "elements": "path"},
    "cache": {"type": "path"},
    "cache_max_age": {"type": "int", "default": 86400},
    "sizes": {"type": "bool", "default": True},
    "workers": {"type": "int", "default": 8},
    "timeout": {"type": "float", "default": 15},
    "rate_limit_wait": {"type": "float", "default": 30},
    "ca_path": {"type": "path"},
    "validate_certs": {"type": "bool", "default": True},
}


class InvalidOption(BrambleError, ValueError):
    """An option is wrong; the message is one sentence."""


def credentials_from(params: Mapping[str, Any]) -> CredentialStore:
    """The logins of the options and of docker's configuration."""
    explicit: dict[str, Credential] = {}
    for row in params["credentials"]:
        if not row["identity_token"] and not (row["username"] and row["password"]):
            raise InvalidOption(
                f"credentials for {row['registry']} need a username and a password, or an identity_token"
            )
        explicit[row["registry"]] = Credential(
            row["username"] or "", row["password"] or "", row["identity_token"] or ""
        )
    files = params["docker_config"]
    return CredentialStore(explicit, from_environment() if files is None else [Path(file) for file in files])


def mirrors_from(params: Mapping[str, Any]) -> dict[str, list[str]]:
    """The mirror table, checked as a whole before anything is asked."""
    mirrors: dict[str, list[str]] = {}
    for registry, addresses in params["mirrors"].items():
        mirrors[registry] = [addresses] if isinstance(addresses, str) else addresses
        if not isinstance(mirrors[registry], list) or not all(isinstance(url, str) for url in mirrors[registry]):
            raise InvalidOption(f"mirrors of {registry} must be a list of addresses like http://192.168.13.2:5000")
        endpoints_for(registry, {registry: mirrors[registry]})
    return mirrors


def cache_from(params: Mapping[str, Any]) -> image_cache.Cache:
    """The cache that the option names, or the usual one."""
    if params["cache"] is None:
        return image_cache.Cache(image_cache.default_path(os.environ))
    return image_cache.Cache(Path(params["cache"]) if params["cache"] else None)


def defaults(**chosen: Any) -> dict[str, Any]:
    """All options, those that are not chosen as the module has them by default."""
    return {**{name: spec.get("default") for name, spec in OPTIONS.items()}, **chosen}


def run(_system: System, options: Mapping[str, Any], _check_mode: bool) -> dict[str, Any]:
    """Be what the module is: nothing is changed."""
    return ask(options)


def ask(params: Mapping[str, Any]) -> dict[str, Any]:
    """Ask, and compare the answers with the wanted platforms.

    :raises BrambleError: for what a user wrote wrong, before anything is asked.
    """
    for name, least in (("workers", 1), ("timeout", 0.1), ("rate_limit_wait", 0), ("cache_max_age", 0)):
        if params[name] < least:
            raise InvalidOption(f"{name} is {params[name]}; it must be at least {least}")
    if params["ca_path"] and not os.path.exists(params["ca_path"]):
        raise InvalidOption(f"ca_path is {params['ca_path']}, which does not exist")
    wanted = list(dict.fromkeys(image_platform.parse(text) for text in params["platforms"]))
    replacements = Replacements({str(old): str(new) for old, new in params["replacements"].items()})
    paths = [*KNOWN_PATHS, *(from_row(row) for row in params["paths"])]
    uses = [ImageUse(image, "", "") for image in params["images"]] + images_of(params["objects"], paths)
    credentials = credentials_from(params)
    transport = Transport(params["timeout"], params["ca_path"], params["validate_certs"])
    client = RegistryClient(
        transport,
        credentials,
        mirrors_from(params),
        cache_from(params),
        max_age=params["cache_max_age"],
        rate_limit_wait=params["rate_limit_wait"],
    )
    try:
        verdicts = check_images(client, uses, wanted, replacements, params["sizes"], params["workers"])
    finally:
        transport.close()
    return {
        "changed": False,
        "images": [verdict.as_dict() for verdict in verdicts],
        "missing": [verdict.image for verdict in verdicts if verdict.status == MISSING],
        "unanswered": [verdict.image for verdict in verdicts if verdict.status not in (OK, MISSING)],
        "table": table(verdicts, wanted),
        "requests": transport.requests,
        "warned": credentials.warnings,
    }
