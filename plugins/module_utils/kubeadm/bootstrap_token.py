# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""The step that has a token by which machines join, or takes one away."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

from ..common.errors import Stop
from ..common.redact import TOKEN
from ..common.system import Done, System
from .ca import CertificateError, ca_cert_hashes
from .join_command import JoinCommand, JoinCommandError, check_endpoint
from .kubeconfig import Cluster, KubeconfigError, parse_kubeconfig
from .tokens import BootstrapToken, TokenFormatError, best_token, parse_duration, parse_token_list

OPTIONS = {
    "state": {"type": "str", "choices": ["present", "absent", "list"], "default": "present"},
    "min_ttl": {"type": "str", "default": "10m"},
    "ttl": {"type": "str", "default": "2h"},
    "description": {"type": "str"},
    "usages": {
        "type": "list",
        "elements": "str",
        "choices": ["signing", "authentication"],
        "default": ["signing", "authentication"],
    },
    "groups": {
        "type": "list",
        "elements": "str",
        "default": ["system:bootstrappers:kubeadm:default-node-token"],
    },
    "token": {"type": "str", "no_log": True},
    "token_id": {"type": "str", "no_log": False},
    "endpoint": {"type": "str"},
    "kubeconfig": {"type": "path", "default": "/etc/kubernetes/admin.conf"},
    "executable": {"type": "path", "default": "kubeadm"},
}
TOKEN_ID = re.compile(r"[a-z0-9]{6}")


class Kubeadm:
    """The kubeadm program of this machine, for tokens."""

    def __init__(self, system: System, executable: str, kubeconfig: str) -> None:
        self._system, self._executable, self._kubeconfig = system, executable, kubeconfig

    def run(self, *arguments: str) -> Done:
        """Run a subcommand of ``kubeadm token``."""
        # Go prints times in this machine's zone.
        return self._system.call([self._executable, "token", *arguments, "--kubeconfig", self._kubeconfig], TZ="UTC")

    def tokens(self) -> list[BootstrapToken]:
        """All bootstrap tokens of the cluster."""
        done = self.run("list", "-o", "json")
        if done.code and re.search(r"unknown (?:shorthand )?flag", done.errors):  # before 1.17
            done = self.run("list")
        if done.code:
            raise Stop(f"The cluster's tokens could not be read: {_reason(done.errors)}.")
        return parse_token_list(done.output)

    def create(self, ttl: str, usages: list[str], groups: list[str], description: str | None) -> BootstrapToken:
        """Make a token; kubeadm chooses it, so that it is never among a command's arguments."""
        arguments = ["create", "--ttl", ttl, "--usages", ",".join(usages), "--groups", ",".join(groups)]
        if description:
            arguments += ["--description", description]
        done = self.run(*arguments)
        if done.code:
            raise Stop(f"A token could not be created: {_reason(done.errors)}.")
        found = TOKEN.search(done.output)
        if not found:
            raise Stop("A token was created, but kubeadm did not print it.")
        for token in self.tokens():
            if token.token == found.group(0):
                return token
        raise Stop(f"The token {found.group(1)} was created, but the cluster does not list it.")

    def delete(self, token_id: str) -> None:
        """Delete the token with this id."""
        done = self.run("delete", token_id)
        if done.code and "not found" not in done.errors:
            raise Stop(f"The token {token_id} could not be deleted: {_reason(done.errors)}.")


def _reason(error: str) -> str:
    """The line of kubeadm's messages that says what is wrong."""
    lines = [line.strip() for line in error.splitlines() if line.strip()]
    telling = [line for line in lines if not line.startswith(("To see the stack trace", "W", "I"))] or lines
    return (telling[-1].rstrip(".") if telling else "kubeadm said nothing about the reason") + (
        " (is the API server running? 'crictl ps' on the master shows it)" if "connection refused" in error else ""
    )


def _duration(value: str, name: str) -> timedelta:
    try:
        return parse_duration(value)
    except ValueError as error:
        raise Stop(f"{name}: {error}.") from None


def _read(system: System, path: str) -> str:
    """A file that has to be there.

    :raises OSError, UnicodeDecodeError: when it cannot be read.
    """
    with open(system.path(path), encoding="utf-8") as file:
        return file.read()


def _read_cluster(system: System, path: str) -> Cluster:
    try:
        return parse_kubeconfig(_read(system, path))
    except OSError as error:
        raise Stop(
            f"{path} cannot be read ({error.strerror}): run this on the cluster's master, with become: true."
        ) from None
    except (KubeconfigError, UnicodeDecodeError) as error:
        raise Stop(f"{path} is not a usable kubeconfig: {error}.") from None


def _hashes(system: System, cluster: Cluster) -> list[str]:
    try:
        return ca_cert_hashes(cluster.ca_pem or _read(system, cluster.ca_file))
    except (OSError, UnicodeDecodeError) as error:
        raise Stop(f"The cluster's CA certificate {cluster.ca_file} cannot be read: {error}.") from None


def ensure_present(system: System, kubeadm: Kubeadm, parameters: Mapping[str, Any], check: bool) -> dict[str, Any]:
    """Find a usable token or make one."""
    min_ttl, ttl = _duration(parameters["min_ttl"], "min_ttl"), _duration(parameters["ttl"], "ttl")
    if timedelta(0) < ttl < min_ttl:
        raise Stop(f"ttl is {parameters['ttl']}, shorter than min_ttl, {parameters['min_ttl']}: make it longer.")
    cluster = _read_cluster(system, parameters["kubeconfig"])
    hashes = _hashes(system, cluster)
    endpoint = check_endpoint(parameters["endpoint"] or cluster.endpoint)

    usages, groups = parameters["usages"], parameters["groups"]
    token = best_token(kubeadm.tokens(), datetime.now(timezone.utc), min_ttl, usages, groups)
    changed = token is None
    if changed and not check:
        token = kubeadm.create(parameters["ttl"], usages, groups, parameters["description"])

    command = JoinCommand(endpoint, token.token, tuple(hashes)) if token else None
    result = {
        "changed": changed,
        "token": token.token if token else "",
        "token_id": token.id if token else "",
        "expires": token.public(datetime.now(timezone.utc))["expires"] if token else None,
        "ca_cert_hash": hashes[0],
        "ca_cert_hashes": hashes,
        "endpoint": endpoint,
        "join_command": command.arguments() if command else [],
    }
    if changed:
        result["diff"] = {"before": "", "after": f"bootstrap token {token.id if token else 'to be made'}\n"}
    return result


def ensure_absent(kubeadm: Kubeadm, parameters: Mapping[str, Any], check: bool) -> dict[str, Any]:
    """Delete the token with an id, or all with a description."""
    whole, wanted_id, description = (parameters[name] for name in ("token", "token_id", "description"))
    if [whole, wanted_id, description].count(None) != 2:
        raise Stop("state=absent needs one of token_id, token and description.")
    if whole is not None:
        if not TOKEN.fullmatch(whole):
            raise Stop("token is not of the form [a-z0-9]{6}.[a-z0-9]{16}.")
        wanted_id = whole.partition(".")[0]
    elif wanted_id is not None and not TOKEN_ID.fullmatch(wanted_id):
        raise Stop(f"token_id is {wanted_id!r}, which is not of the form [a-z0-9]{{6}}.")
    doomed = [
        token.id
        for token in kubeadm.tokens()
        if (token.id == wanted_id if wanted_id is not None else token.description == description)
    ]
    for token_id in [] if check else doomed:
        kubeadm.delete(token_id)
    result = {"changed": bool(doomed), "deleted": doomed}
    if doomed:
        result["diff"] = {"before": "".join(f"bootstrap token {token_id}\n" for token_id in doomed), "after": ""}
    return result


def would_be_made() -> dict[str, Any]:
    """The answer of check mode on a machine where the cluster, too, is still to be made."""
    return {
        "changed": True,
        "token": "",
        "token_id": "",
        "expires": None,
        "ca_cert_hash": "",
        "ca_cert_hashes": [],
        "endpoint": "",
        "join_command": [],
        "msg": "A token would be created once there is a cluster.",
    }


def run(system: System, options: Mapping[str, Any], check: bool) -> dict[str, Any]:
    """Do what the options ask for.

    :raises BrambleError: with one sentence for the user.
    """
    state, kubeconfig = options["state"], options["kubeconfig"]
    if check and state != "list" and not system.exists(kubeconfig):
        return would_be_made() if state == "present" else {"changed": False, "deleted": []}
    executable = system.program(options["executable"])
    if not executable:
        raise Stop(f"There is no program {options['executable']} on this machine: the role kubeadm installs it.")
    kubeadm = Kubeadm(system, executable, kubeconfig)
    try:
        if state == "present":
            return ensure_present(system, kubeadm, options, check)
        if state == "absent":
            return ensure_absent(kubeadm, options, check)
        now = datetime.now(timezone.utc)
        return {"changed": False, "tokens": [token.public(now) for token in kubeadm.tokens()]}
    except (TokenFormatError, CertificateError, JoinCommandError) as error:
        raise Stop(f"{str(error).rstrip('.')}.") from None
