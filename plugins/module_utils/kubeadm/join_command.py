# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""Reads the ``kubeadm join`` command that kubeadm prints, whichever release printed it."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.bramble.kube.plugins.module_utils.common.errors import BrambleError
from ansible_collections.bramble.kube.plugins.module_utils.common.redact import TOKEN, quoted

_START = re.compile(r"\bkubeadm[ \t]+join\b")
_HASH = re.compile(r"sha256:[0-9a-f]{64}")
_ENDPOINT = re.compile(
    r"(?P<host>\[[0-9A-Fa-f:.]+(?:%[\w.-]+)?\]|[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?):(?P<port>\d{1,5})"
)

#: Flags that stand alone, of every kubeadm join from 1.9 on (cmd/kubeadm/app/cmd/join.go); all others take a value.
_SWITCHES = {
    "--control-plane",
    "--discovery-token-unsafe-skip-ca-verification",
    "--dry-run",
    "--experimental-control-plane",
    "--help",
    "--skip-preflight-checks",
    "-h",
}
_FLAG = re.compile(r"--[a-z][a-z0-9-]*")
_LONG_DASHES = "\u2010\u2011\u2012\u2013\u2014\u2015\u2212"
_TOKEN_LENGTH = 6 + 1 + 16
_PRINTED_WITHHELD = "<value withheld>"


class JoinCommandError(BrambleError, ValueError):
    """The text holds no usable ``kubeadm join`` command; the message never holds a secret."""


@dataclass(frozen=True)
class JoinCommand:
    """What a machine needs to know to join: where, with which token, and by which CA keys it knows the cluster."""

    endpoint: str
    token: str = field(repr=False)
    ca_cert_hashes: tuple[str, ...] = ()
    control_plane: bool = False
    certificate_key: str = field(default="", repr=False)
    other_arguments: tuple[str, ...] = ()

    def arguments(self) -> list[str]:
        """The command as a list of arguments, in the form that every kubeadm from 1.9 on accepts."""
        command = ["kubeadm", "join", self.endpoint, "--token", self.token]
        for pin in self.ca_cert_hashes:
            command += ["--discovery-token-ca-cert-hash", pin]
        if self.control_plane:
            command.append("--control-plane")
        if self.certificate_key:
            command += ["--certificate-key", self.certificate_key]
        return command + list(self.other_arguments)

    def as_dict(self) -> dict[str, Any]:
        """The command as plain data, as modules and filters return it."""
        return {
            "endpoint": self.endpoint,
            "token": self.token,
            "ca_cert_hash": self.ca_cert_hashes[0],
            "ca_cert_hashes": list(self.ca_cert_hashes),
            "control_plane": self.control_plane,
            "certificate_key": self.certificate_key,
            "join_command": self.arguments(),
        }


def check_endpoint(endpoint: str) -> str:
    """Return ``endpoint`` if it is "host:port".

    :raises JoinCommandError: if it is not.
    """
    match = _ENDPOINT.fullmatch(endpoint)
    if not match or not 1 <= int(match["port"]) <= 65535:
        raise JoinCommandError(
            f"the API server's address {quoted(endpoint)} is not of the form host:port, such as 192.168.13.7:6443"
        )
    return endpoint


def _command_texts(text: str) -> list[str]:
    """Cut every ``kubeadm join`` out of a longer text, each as one line.

    A command goes on in the next line after a backslash, and also where the next line starts with a flag: copies from a
    terminal or a chat often lost their backslashes.
    """
    commands: list[str] = []
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    index = 0
    while index < len(lines):
        start = _START.search(lines[index])
        if not start:
            index += 1
            continue
        parts = [lines[index][start.end() :]]
        while index + 1 < len(lines):
            goes_on = parts[-1].rstrip().endswith("\\")
            if not goes_on and not lines[index + 1].lstrip().startswith("--"):
                break
            parts[-1] = parts[-1].rstrip().removesuffix("\\")
            index += 1
            parts.append(lines[index])
        commands.append(" ".join(part.strip().removesuffix("\\").strip() for part in parts))
        index += 1
    return commands


def _parse_one(command: str) -> JoinCommand:
    if _PRINTED_WITHHELD in command or "&lt;value withheld&gt;" in command:
        raise JoinCommandError(
            "kubeadm withheld the token in this text (--skip-token-print): "
            "print a command with 'kubeadm token create --print-join-command'"
        )
    words = _words(command)
    endpoints: list[str] = []
    values: dict[str, list[str]] = {}
    others: list[str] = []
    position = 0
    while position < len(words):
        word = words[position]
        position += 1
        if word[0] in _LONG_DASHES:
            raise JoinCommandError(
                f"the kubeadm join command has a flag after {word[0]!r}, which a text program made of --; write --"
            )
        if not word.startswith("-") or word == "-":
            endpoints.append(word)
            continue
        name, has_value, value = word.partition("=")
        if re.fullmatch(r"-[a-z]\d+", name):  # -v5, as pflag reads it
            others.append(word)
            continue
        if not _FLAG.fullmatch(name) and not re.fullmatch(r"-[a-z]", name):
            known = re.match(r"[a-z-]*", name.lstrip(".")).group()
            raise JoinCommandError(
                f"the kubeadm join command has a flag that begins with {known!r} and cannot be read: "
                "use --flag value, or --flag=value"
            )
        if name in _SWITCHES:
            values.setdefault(name, []).append(value if has_value else "true")
            if name not in ("--control-plane", "--experimental-control-plane"):
                others.append(word)
            continue
        if not has_value:
            if position == len(words):
                raise JoinCommandError(
                    f"the kubeadm join command ends after {name}, whose value is missing: part of the text is missing"
                )
            value = words[position]
            position += 1
        values.setdefault(name, []).append(value)
        if name not in (
            "--token",
            "--discovery-token",
            "--tls-bootstrap-token",
            "--discovery-token-ca-cert-hash",
            "--certificate-key",
        ):
            others += [word] if has_value else [name, value]
    return _build(endpoints, values, others)


def _words(command: str) -> list[str]:
    """The command's words, up to what ends it for a shell; sentence marks around them are dropped.

    :raises JoinCommandError: when they cannot be told apart.
    """
    lexer = shlex.shlex(command, posix=True, punctuation_chars=";&|")
    lexer.whitespace_split = True
    lexer.commenters = ""
    words = []
    try:
        for word in lexer:
            if word[0] in ";&|#":
                break
            word = word.rstrip(",;`") if word.startswith("-") else word.rstrip(".,;`")
            if word:
                words.append(word)
    except ValueError:
        raise JoinCommandError("the kubeadm join command has an opening quotation mark without a closing one") from None
    return words


def _build(endpoints: list[str], values: dict[str, list[str]], others: list[str]) -> JoinCommand:
    strange = [word for word in endpoints if ":" not in word]
    if strange and len(endpoints) - len(strange) <= 1:
        if TOKEN.fullmatch(strange[0]):
            raise JoinCommandError(
                "the kubeadm join command has a token where the API server's address belongs: "
                "use host:port --token and the token"
            )
        if len(endpoints) > 1:
            raise JoinCommandError(
                f"the kubeadm join command has {quoted(strange[0])}, which is neither a flag nor the API server's "
                "address: use one host:port, such as 192.168.13.7:6443"
            )
    if len(endpoints) != 1:
        count = "no" if not endpoints else "more than one"
        raise JoinCommandError(
            f"the kubeadm join command names {count} API server address; use one host:port, such as 192.168.13.7:6443"
        )
    endpoint = check_endpoint(endpoints[0].removeprefix("https://").rstrip("/"))

    tokens = {
        token for name in ("--token", "--discovery-token", "--tls-bootstrap-token") for token in values.get(name, [])
    }
    if len(tokens) != 1:
        count = "no token" if not tokens else "more than one token"
        raise JoinCommandError(f"the kubeadm join command has {count}; use one --token")
    token = tokens.pop()
    if not TOKEN.fullmatch(token):
        why = "part of it was cut off" if len(token) < _TOKEN_LENGTH else "it has other characters, or too many"
        raise JoinCommandError(
            f"the token in the kubeadm join command is not of the form [a-z0-9]{{6}}.[a-z0-9]{{16}}: {why}"
        )

    hashes: list[str] = []
    for listed in values.get("--discovery-token-ca-cert-hash", []):
        hashes += [pin.strip().lower() for pin in listed.split(",") if pin.strip()]
    if not hashes:
        raise JoinCommandError(
            "the kubeadm join command has no --discovery-token-ca-cert-hash, "
            "which tells a node that it talks to the right cluster"
        )
    for pin in hashes:
        if not _HASH.fullmatch(pin):
            raise JoinCommandError(f"the CA hash {quoted(pin)} is not of the form sha256: and 64 hexadecimal digits")

    control_plane = any(
        value.lower() in ("true", "t", "1")
        for name in ("--control-plane", "--experimental-control-plane")
        for value in values.get(name, [])
    )
    return JoinCommand(
        endpoint=endpoint,
        token=token,
        ca_cert_hashes=tuple(dict.fromkeys(hashes)),
        control_plane=control_plane,
        certificate_key=(values.get("--certificate-key") or [""])[-1],
        other_arguments=tuple(others),
    )


def parse_join_commands(text: str) -> list[JoinCommand]:
    """Read every ``kubeadm join`` command in a text: what init or ``token create --print-join-command`` printed.

    Formats: cmd/kubeadm/app/cmd/init.go of v1.9.7 (token before the address), cmd/kubeadm/app/cmd/util/join.go of
    v1.11 and later (address first, from v1.15 on several lines, control-plane variants).

    :raises JoinCommandError: when there is none, or one is incomplete.
    """
    commands = [_parse_one(command) for command in _command_texts(text)]
    if not commands:
        raise JoinCommandError("there is no 'kubeadm join' command in the text")
    return commands


def parse_join_command(text: str, control_plane: bool = False) -> JoinCommand:
    """Read the command for a worker (or for a further control-plane node) in a text.

    kubeadm init prints one for each token that it was given: the first is taken.

    :raises JoinCommandError: when there is none, or there are some for different clusters.
    """
    commands = parse_join_commands(text)
    fitting = [command for command in commands if command.control_plane == control_plane]
    kind = "a control-plane node" if control_plane else "a worker node"
    if not fitting:
        raise JoinCommandError(f"the text has no 'kubeadm join' command for {kind}")
    if len({(command.endpoint, command.ca_cert_hashes) for command in fitting}) > 1:
        raise JoinCommandError(
            f"the text has 'kubeadm join' commands of different clusters for {kind}: give one of them"
        )
    return fitting[0]
