# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""Who to be at which registry: given credentials first, then docker's and podman's own configuration files.

Secrets stay inside :class:`Credential`, whose repr hides them.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
import subprocess
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ansible_collections.bramble.kube.plugins.module_utils.common.errors import BrambleError
from ansible_collections.bramble.kube.plugins.module_utils.images.reference import normalize_registry

# How docker's own configuration calls Docker Hub.
_DOCKER_HUB_KEY = "https://index.docker.io/v1/"
_HELPER_NAME = re.compile(r"[A-Za-z0-9_.-]+\Z")
_HELPER_TIMEOUT = 20.0


class CredentialError(BrambleError):
    """A configuration file cannot be read; the message is one sentence without any secret."""


@dataclass(frozen=True)
class Credential:
    """A user with a password, or an identity token (docker's name for an OAuth refresh token)."""

    username: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)

    def basic(self) -> str:
        """Value of an ``Authorization`` header for Basic authentication (RFC 7617)."""
        pair = f"{self.username}:{self.password}".encode()
        return "Basic " + base64.b64encode(pair).decode("ascii")


def default_config_files(environment: Mapping[str, str]) -> list[Path]:
    """Where docker and podman keep logins, in the order in which they are asked."""
    home = environment.get("HOME", "")
    files: list[Path] = []
    if environment.get("DOCKER_CONFIG"):
        files.append(Path(environment["DOCKER_CONFIG"]) / "config.json")
    elif home:
        files.append(Path(home) / ".docker" / "config.json")
    if environment.get("REGISTRY_AUTH_FILE"):
        files.append(Path(environment["REGISTRY_AUTH_FILE"]))
    elif environment.get("XDG_RUNTIME_DIR"):
        files.append(Path(environment["XDG_RUNTIME_DIR"]) / "containers" / "auth.json")
    if home:
        files.append(Path(home) / ".config" / "containers" / "auth.json")
    return files


class CredentialStore:
    """Finds the credential for a registry and repository.

    :param explicit: registry (or registry/folder) → credential; these win.
    :param config_files: docker's config.json and podman's auth.json; a missing file is no error.
    :raises CredentialError: a file is there but unreadable.
    """

    def __init__(self, explicit: Mapping[str, Credential], config_files: Sequence[Path] = ()) -> None:
        self._explicit = {_key(name): credential for name, credential in explicit.items()}
        self._files = [(path, config) for path in config_files for config in [_read(path)] if config is not None]
        self._helped: dict[tuple[str, str], Credential | None] = {}
        self._lock = threading.Lock()
        self.warnings: list[str] = []

    def get(self, registry: str, repository: str = "") -> Credential | None:
        """The credential for this registry, or None to come as anybody.

        :param registry: registry as in references, with its port.
        :param repository: narrows the search where a file knows logins for a folder of a registry.
        """
        found = _longest(self._explicit, registry, repository)
        if found:
            return found
        for path, config in self._files:
            helper = _mapping(config.get("credHelpers")).get(registry) or config.get("credsStore")
            auths = {_key(name): entry for name, entry in _mapping(config.get("auths")).items()}
            entry = _longest(auths, registry, repository)
            credential = _from_entry(path, registry, entry) if entry else None
            if credential is None and helper:
                credential = self._ask_helper(str(helper), registry)
            if credential:
                return credential
        return None

    def _ask_helper(self, helper: str, registry: str) -> Credential | None:
        with self._lock:
            if (helper, registry) not in self._helped:
                self._helped[(helper, registry)] = self._run_helper(helper, registry)
            return self._helped[(helper, registry)]

    def _run_helper(self, helper: str, registry: str) -> Credential | None:
        """Docker's credential helper protocol: the server on stdin, JSON on stdout."""
        if not _HELPER_NAME.match(helper):
            self.warnings.append(
                f"docker's configuration names a credential helper {helper!r}; that is not a program's name"
            )
            return None
        server = _DOCKER_HUB_KEY if registry == "docker.io" else registry
        program = f"docker-credential-{helper}"
        try:
            # A helper may wait for somebody to unlock a keyring: it gets a time limit, which run_command has not.
            done = subprocess.run(  # pylint: disable=ansible-bad-function
                [program, "get"], input=server.encode(), capture_output=True, timeout=_HELPER_TIMEOUT, check=False
            )
        except FileNotFoundError:
            self.warnings.append(
                f"docker's configuration names {program}, which is not installed; {registry} is asked anonymously"
            )
            return None
        except (OSError, subprocess.TimeoutExpired):
            self.warnings.append(f"{program} gave no answer; {registry} is asked anonymously")
            return None
        if done.returncode:
            # The usual reason, and a fine one: nobody logged in there.
            return None
        try:
            answer = json.loads(done.stdout)
            username, secret = str(answer["Username"]), str(answer["Secret"])
        except (ValueError, KeyError, TypeError):
            self.warnings.append(f"{program} answered something other than a login; {registry} is asked anonymously")
            return None
        if username == "<token>":
            return Credential(identity_token=secret)
        return Credential(username, secret)


def _key(name: str) -> str:
    """A file's or option's name for a place as ``registry`` or ``registry/folder``."""
    rest = name.split("://", 1)[-1].rstrip("/")
    host, _slash, folder = rest.partition("/")
    host = normalize_registry(host)
    if folder in ("v1", "v2"):
        folder = ""
    return f"{host}/{folder}" if folder else host


def _longest(table: Mapping[str, object], registry: str, repository: str):
    """podman's rule (containers-auth.json(5)): the most specific name wins."""
    parts = [registry, *(repository.split("/") if repository else [])]
    for length in range(len(parts), 0, -1):
        found = table.get("/".join(parts[:length]))
        if found:
            return found
    return None


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _read(path: Path) -> Mapping[str, object] | None:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "it is not UTF-8 text"
        raise CredentialError(f"{path} holds registry logins and cannot be read: {reason}") from None
    try:
        config = json.loads(text or "{}")
    except ValueError as error:
        where = f" (line {error.lineno})" if isinstance(error, json.JSONDecodeError) else ""
        raise CredentialError(
            f"{path} holds registry logins and is not valid JSON{where}; repair it, or log in again"
        ) from None
    if not isinstance(config, Mapping):
        raise CredentialError(f"{path} holds registry logins and must be a JSON object")
    return config


def _from_entry(path: Path, registry: str, entry: object) -> Credential | None:
    values = _mapping(entry)
    if values.get("identitytoken"):
        return Credential(identity_token=str(values["identitytoken"]))
    if values.get("auth"):
        try:
            username, colon, password = (
                base64.b64decode(str(values["auth"]), validate=True).decode("utf-8").partition(":")
            )
        except (binascii.Error, ValueError):
            colon = ""
        if not colon:
            raise CredentialError(
                f"{path} has a login for {registry} that cannot be decoded; log in there again"
            ) from None
        return Credential(username, password.rstrip("\0"))
    if values.get("username") and values.get("password"):
        return Credential(str(values["username"]), str(values["password"]))
    return None


def from_environment() -> list[Path]:
    """:func:`default_config_files` of this process."""
    return default_config_files(os.environ)
