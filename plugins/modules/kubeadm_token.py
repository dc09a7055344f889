#!/usr/bin/python
# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: kubeadm_token
short_description: Bootstrap tokens, with which machines join a Kubernetes cluster
version_added: "0.1.0"
author:
  - bramble.kube contributors (@bramble-kube)
description:
  - Finds a bootstrap token with which a node can join, or makes one, and returns everything a join needs.
  - Lists tokens without their secrets, and deletes tokens.
  - Runs on a control-plane node, as root. Understands every kubeadm from 1.9.7 on.
  - >-
    A token is never printed - a result with a token in it is hidden from every log, as if the task had C(no_log: true),
    and can be registered all the same. Error messages are shown, and never contain a secret; so leave C(no_log) away
    from the task, or errors are hidden too.
options:
  state:
    description:
      - V(present) finds a usable token, or makes one.
      - V(absent) deletes the token named by O(token_id) or O(token), or all tokens described by O(description).
      - V(list) returns all tokens without their secrets.
    type: str
    choices: [present, absent, list]
    default: present
  min_ttl:
    description: With O(state=present), how long a token must still live to be used, such as V(10m) or V(1h30m).
    type: str
    default: 10m
  ttl:
    description:
      - With O(state=present), how long a token that has to be made lives, V(0) for ever.
      - Not shorter than O(min_ttl), or the next run would make another one.
    type: str
    default: 2h
  description:
    description:
      - With O(state=present), the description of a token that has to be made. Found tokens may have any.
      - With O(state=absent), deletes all tokens that have exactly this description.
    type: str
  usages:
    description: What the token must be good for.
    type: list
    elements: str
    choices: [signing, authentication]
    default: [signing, authentication]
  groups:
    description: The groups that a machine with this token belongs to.
    type: list
    elements: str
    default: ['system:bootstrappers:kubeadm:default-node-token']
  token:
    description: With O(state=absent), the whole token to delete. Its id is enough, and no secret; see O(token_id).
    type: str
  token_id:
    description: With O(state=absent), the first half of the token to delete.
    type: str
  endpoint:
    description: >-
      The API server's address for the join, as C(host:port). By default the one in O(kubeconfig).
    type: str
  kubeconfig:
    description: The administrator's kubeconfig on this machine.
    type: path
    default: /etc/kubernetes/admin.conf
  executable:
    description: The kubeadm program, by name or path.
    type: path
    default: kubeadm
attributes:
  check_mode:
    description: Tells what would be done. When a token would have to be made, the returned one is empty.
    support: full
  diff_mode:
    description: Shows the tokens' ids, never their secrets.
    support: full
seealso:
  - name: Bootstrap tokens
    description: What they are and what they may do.
    link: https://kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens/
"""

EXAMPLES = r"""
- name: Get a token for the nodes that join in the next minutes
  bramble.kube.kubeadm_token:
    min_ttl: 10m
    ttl: 1h
    description: Made by bramble.kube for joining nodes
  register: join

- name: Join
  ansible.builtin.command:
    argv: "{{ join.join_command }}"
    creates: /etc/kubernetes/kubelet.conf
  no_log: true # the token is among the arguments

- name: Delete the tokens that were made for joining
  bramble.kube.kubeadm_token:
    state: absent
    description: Made by bramble.kube for joining nodes

- name: See which tokens there are
  bramble.kube.kubeadm_token:
    state: list
  register: tokens
"""

RETURN = r"""
token:
  description: The token. Empty in check mode when it would have to be made.
  returned: when O(state=present)
  type: str
  sample: abcdef.****************
token_id:
  description: The public half of the token.
  returned: when O(state=present)
  type: str
  sample: abcdef
expires:
  description: When the token ends, RFC 3339 in UTC; null for never.
  returned: when O(state=present)
  type: str
  sample: "2026-05-01T10:00:00Z"
ca_cert_hash:
  description: The hash of the cluster CA's public key, by which a node knows the cluster.
  returned: when O(state=present)
  type: str
  sample: "sha256:2f0c5a40f3b8d9e5c2c2e1f5b7e9d1b1c3a4f5e6d7c8b9a0f1e2d3c4b5a69788"
ca_cert_hashes:
  description: The hashes of all CA certificates, of which there are two while one CA replaces another.
  returned: when O(state=present)
  type: list
  elements: str
endpoint:
  description: The API server's address.
  returned: when O(state=present)
  type: str
  sample: 192.168.13.7:6443
join_command:
  description: The command that joins a worker, as a list of arguments. Empty in check mode without a usable token.
  returned: when O(state=present)
  type: list
  elements: str
tokens:
  description: All tokens, without their secrets.
  returned: when O(state=list)
  type: list
  elements: dict
  contains:
    id:
      description: The public half of the token.
      type: str
    expires:
      description: When the token ends; null for never.
      type: str
    usages:
      description: What the token is good for.
      type: list
      elements: str
    groups:
      description: The groups that a machine with this token belongs to.
      type: list
      elements: str
    description:
      description: The token's description.
      type: str
    usable:
      description: Whether a node can join with it now.
      type: bool
deleted:
  description: The ids of the tokens that were deleted, or would be.
  returned: when O(state=absent)
  type: list
  elements: str
"""

import re
from datetime import datetime, timedelta, timezone

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bramble.kube.plugins.module_utils.common.errors import Stop
from ansible_collections.bramble.kube.plugins.module_utils.common.redact import TOKEN, redact
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.ca import CertificateError, ca_cert_hashes
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.join_command import (
    JoinCommand,
    JoinCommandError,
    check_endpoint,
)
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.kubeconfig import (
    Cluster,
    KubeconfigError,
    parse_kubeconfig,
)
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.tokens import (
    BootstrapToken,
    TokenFormatError,
    best_token,
    parse_duration,
    parse_token_list,
)

TOKEN_ID = re.compile(r"[a-z0-9]{6}")


class Kubeadm:
    """The kubeadm program of this machine, for tokens."""

    def __init__(self, module: AnsibleModule, executable: str, kubeconfig: str) -> None:
        self._module = module
        self._command = [executable, "--kubeconfig", kubeconfig]

    def run(self, *arguments: str) -> tuple[int, str, str]:
        """Run a subcommand of ``kubeadm token``.

        :returns: exit code, standard output, standard error.
        """
        executable, *kubeconfig = self._command
        # Go prints times in this machine's zone, and kubeadm asks a proxy for the cluster if one is set.
        try:
            return self._module.run_command(
                [executable, "token", *arguments, *kubeconfig],
                environ_update={"TZ": "UTC", "LC_ALL": "C"},
                handle_exceptions=False,
            )
        except OSError as error:
            raise Stop(f"{executable} cannot be run: {error.strerror}.") from None

    def tokens(self) -> list[BootstrapToken]:
        """All bootstrap tokens of the cluster."""
        code, output, error = self.run("list", "-o", "json")
        if code and re.search(r"unknown (?:shorthand )?flag", error):  # before 1.17
            code, output, error = self.run("list")
        if code:
            raise Stop(f"The cluster's tokens could not be read: {_reason(error)}")
        return parse_token_list(output)

    def create(self, ttl: str, usages: list[str], groups: list[str], description: str | None) -> BootstrapToken:
        """Make a token; kubeadm chooses it, so that it is never among a command's arguments."""
        arguments = ["create", "--ttl", ttl, "--usages", ",".join(usages), "--groups", ",".join(groups)]
        if description:
            arguments += ["--description", description]
        code, output, error = self.run(*arguments)
        if code:
            raise Stop(f"A token could not be made: {_reason(error)}")
        found = TOKEN.search(output)
        if not found:
            raise Stop("A token was made, but kubeadm did not print it.")
        for token in self.tokens():
            if token.token == found.group(0):
                return token
        raise Stop(f"The token {found.group(1)} was made, but the cluster does not list it.")

    def delete(self, token_id: str) -> None:
        """Delete the token with this id."""
        code, _output, error = self.run("delete", token_id)
        if code and "not found" not in error:
            raise Stop(f"The token {token_id} could not be deleted: {_reason(error)}")


def _reason(error: str) -> str:
    """The line of kubeadm's messages that says what is wrong, without secrets."""
    lines = [line.strip() for line in error.splitlines() if line.strip()]
    telling = [line for line in lines if not line.startswith(("To see the stack trace", "W", "I"))] or lines
    return redact(telling[-1] if telling else "kubeadm said nothing about the reason") + (
        " (is the API server running? 'crictl ps' on the master shows it)" if "connection refused" in error else ""
    )


def _duration(value: str, name: str) -> timedelta:
    try:
        return parse_duration(value)
    except ValueError as error:
        raise Stop(f"{name}: {error}.") from None


def _read_cluster(path: str) -> Cluster:
    try:
        with open(path, encoding="utf-8") as file:
            return parse_kubeconfig(file.read())
    except OSError as error:
        raise Stop(
            f"{path} cannot be read ({error.strerror}): run this on the cluster's master, with become: true."
        ) from None
    except (KubeconfigError, UnicodeDecodeError) as error:
        raise Stop(f"{path} is not a usable kubeconfig: {error}.") from None


def _hashes(cluster: Cluster) -> list[str]:
    pem = cluster.ca_pem
    if not pem:
        try:
            with open(cluster.ca_file, encoding="utf-8") as file:
                pem = file.read()
        except (OSError, UnicodeDecodeError) as error:
            raise Stop(f"The cluster's CA certificate {cluster.ca_file} cannot be read: {error}.") from None
    return ca_cert_hashes(pem)


def ensure_present(module: AnsibleModule, kubeadm: Kubeadm) -> dict:
    """Find a usable token or make one."""
    parameters = module.params
    min_ttl, ttl = _duration(parameters["min_ttl"], "min_ttl"), _duration(parameters["ttl"], "ttl")
    if timedelta(0) < ttl < min_ttl:
        raise Stop(f"ttl is {parameters['ttl']}, shorter than min_ttl, {parameters['min_ttl']}: make it longer.")
    cluster = _read_cluster(parameters["kubeconfig"])
    hashes = _hashes(cluster)
    endpoint = check_endpoint(parameters["endpoint"] or cluster.endpoint)

    usages, groups = parameters["usages"], parameters["groups"]
    token = best_token(kubeadm.tokens(), datetime.now(timezone.utc), min_ttl, usages, groups)
    changed = token is None
    if changed and not module.check_mode:
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


def ensure_absent(module: AnsibleModule, kubeadm: Kubeadm) -> dict:
    """Delete the token with an id, or all with a description."""
    whole, wanted_id, description = (module.params[name] for name in ("token", "token_id", "description"))
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
    if not module.check_mode:
        for token_id in doomed:
            kubeadm.delete(token_id)
    result = {"changed": bool(doomed), "deleted": doomed}
    if doomed:
        result["diff"] = {"before": "".join(f"bootstrap token {token_id}\n" for token_id in doomed), "after": ""}
    return result


def would_be_made() -> dict:
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
        "msg": "A token would be made, once the cluster is.",
    }


def run(module: AnsibleModule) -> dict:
    """Do what the parameters ask for.

    :raises Stop: with one sentence for the user.
    """
    parameters = module.params
    executable = module.get_bin_path(parameters["executable"], opt_dirs=["/usr/local/bin"])
    if module.check_mode and parameters["state"] != "list":
        try:
            open(parameters["kubeconfig"], encoding="utf-8").close()
        except FileNotFoundError:
            return would_be_made() if parameters["state"] == "present" else {"changed": False, "deleted": []}
        except OSError:
            pass  # ensure_present says why
    if executable is None:
        raise Stop(f"There is no program {parameters['executable']} on this machine: the role kubeadm installs it.")
    kubeadm = Kubeadm(module, executable, parameters["kubeconfig"])
    if parameters["state"] == "present":
        return ensure_present(module, kubeadm)
    if parameters["state"] == "absent":
        return ensure_absent(module, kubeadm)
    now = datetime.now(timezone.utc)
    return {"changed": False, "tokens": [token.public(now) for token in kubeadm.tokens()]}


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
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
        },
        supports_check_mode=True,
    )
    try:
        result = run(module)
    except (Stop, TokenFormatError, CertificateError, JoinCommandError) as error:
        module.fail_json(msg=str(error).rstrip(".") + ".")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
