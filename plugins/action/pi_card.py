# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Writes what a Pi's card needs at its first boot, to the card or to a folder, all on the laptop."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml
from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.plugins.action import ActionBase
from ansible.utils.encrypt import do_encrypt

from ansible_collections.bramble.kube.plugins.module_utils.common import atomic_file
from ansible_collections.bramble.kube.plugins.module_utils.common.errors import Stop, stopping
from ansible_collections.bramble.kube.plugins.module_utils.pi import cards, firstrun
from ansible_collections.bramble.kube.plugins.plugin_utils import sealed

_HOLDS = "the host key of a card is a secret"
#: Of the keys that SSH itself offers, the ones to take, best first.
_OWN_KEYS = ("id_ed25519", "id_ed25519_sk", "id_ecdsa", "id_ecdsa_sk", "id_rsa")
_PASSWORD = "vault-password"
#: The folders hold private keys, and that file what opens the others; what else is beside them is encrypted or public.
_UNTRACKED = f"*/\n/{_PASSWORD}\n".encode()
_TEXT = {"type": "str", "default": ""}
OPTIONS: dict[str, Any] = {
    "folder": {"type": "path", "required": True},
    "boot": {"type": "path"},
    "hostname": {"type": "str", "required": True},
    "user": {"type": "str", "required": True},
    "password": {"type": "str", "default": "", "no_log": True},
    "public_key": {"type": "path"},
    "release": {"type": "str", "choices": ["trixie", "bookworm"], "default": "trixie"},
    "timezone": _TEXT,
    "locale": _TEXT,
    "wifi_country": _TEXT,
    "wifi_ssid": _TEXT,
    "wifi_password": {"type": "str", "default": "", "no_log": True},
    "address": _TEXT,
    "gateway": _TEXT,
    "nameservers": {"type": "list", "elements": "str", "default": []},
    "interface": _TEXT,
}


class ActionModule(ActionBase):
    """See the documentation of the module of this name."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_diff = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Make the host's key if there is none, and bring the files to what the inventory wants."""
        super().run(tmp, task_vars)
        _result, given = self.validate_argument_spec(OPTIONS)
        options = json.loads(json.dumps(given))  # YAML takes no text with Ansible's tags
        host = str((task_vars or {})["inventory_hostname"])
        try:
            with stopping(f"No card for {host}"):
                return self._card(host, options)
        except Stop as error:
            raise AnsibleActionFail(str(error)) from None

    def _card(self, host: str, options: dict[str, Any]) -> dict[str, Any]:
        check = self._task.check_mode
        kept = Path(options["folder"])
        folder = Path(os.path.realpath(options["boot"])) if options["boot"] else kept / host
        if options["boot"]:
            names = os.listdir(folder) if folder.is_dir() else None
            if trouble := cards.boot_problem(str(folder), names, cards.mounts(mounted()), options["release"]):
                raise Stop(trouble)
        keys = Path(f"{kept}/{host}.key"), Path(f"{kept}/{host}.pub")
        own, made_own = own_password(self._loader, kept, check)
        private, public, is_new = host_key(self._loader, host, *keys, own)
        card = cards.Card(
            public_keys=own_keys(options["public_key"]),
            host_key=(private, public),
            password_hash=crypted(options["password"], private),
            **{
                name: tuple(value) if isinstance(value, list) else value
                for name, value in options.items()
                if name not in ("folder", "boot", "password", "public_key", "release")
            },
        )
        if trouble := cards.problem(card):
            raise Stop(trouble)
        if options["release"] == "bookworm":
            wanted, masked = {"firstrun.sh": firstrun.script(card)}, firstrun.shown
            if options["boot"]:  # last: with it, the script is run
                parameters = (folder / "cmdline.txt").read_bytes()
                wanted["cmdline.txt"] = firstrun.with_script(parameters).decode("utf-8", "surrogateescape")
        else:
            wanted, masked = texts(card), shown
        changed, diff = [], []
        if not check:
            _make(kept)
        if is_new and not check:
            atomic_file.replace(str(keys[0]), sealed.seal(self._loader, private.encode(), _HOLDS, own), 0o600)
        for path, content in ((keys[1], f"{public}\n".encode()), (kept / ".gitignore", _UNTRACKED)):
            if atomic_file.read(str(path)) != content:
                changed.append(str(path))
                if not check:
                    atomic_file.replace(str(path), content, 0o644)
        if not options["boot"] and not check:
            _make(folder)
        for name, text in wanted.items():
            path, content = folder / name, text.encode("utf-8", "surrogateescape")
            before = atomic_file.read(str(path))
            mode = None if options["boot"] else 0o600  # FAT has no permissions
            if before == content and (mode is None or path.stat().st_mode & 0o777 == mode):
                continue
            changed.append(str(path))
            diff.append(
                {
                    "before_header": str(path),
                    "after_header": str(path),
                    "before": masked((before or b"").decode("utf-8", "replace")),
                    "after": masked(text),
                }
            )
            if not check:
                atomic_file.replace(str(path), content, mode)
        if options["boot"] and changed and not check:
            os.sync()
        return {
            "changed": bool(changed),
            "files": changed,
            "folder": str(folder),
            "host_key": " ".join(public.split()[:2]),
            "vault_password": made_own,
            "command": "" if options["boot"] else cards.imager_command(str(folder), options["release"]),
            "diff": diff,
        }


def mounted() -> str:
    """What is mounted on this computer."""
    if sys.platform.startswith("linux"):
        return Path("/proc/self/mounts").read_text(encoding="utf-8", errors="surrogateescape")
    return subprocess.run(["mount"], capture_output=True, text=True, check=True).stdout


def own_password(loader: Any, folder: Path, check: bool) -> tuple[bytes, str]:
    """The vault password that was made for this folder, or is made now for somebody who gives none.

    :param check: make none, and go on as if it had been made.
    :returns: the password, empty when there is none, and the file's path when it was made now.
    """
    path = folder / _PASSWORD
    # None is made beside keys that another one has encrypted. Cards are made at once: the first one's is everybody's.
    if not path.exists() and not loader._vault.secrets and not list(folder.glob("*.key")):
        if check:
            return b"check mode", ""
        _make(folder)
        atomic_file.replace(str(folder / ".gitignore"), _UNTRACKED, 0o644)
        number, part = tempfile.mkstemp(prefix=".", suffix=".new", dir=folder)
        try:
            with os.fdopen(number, "w", encoding="ascii") as file:
                file.write(f"{secrets.token_urlsafe(32)}\n")
            with contextlib.suppress(FileExistsError):
                os.link(part, path)
                return path.read_bytes().strip(), str(path)
        finally:
            os.unlink(part)
    return (path.read_bytes().strip() if path.exists() else b""), ""


def host_key(loader: Any, host: str, private: Path, public: Path, own: bytes = b"") -> tuple[str, str, bool]:
    """A host's key: the one that is kept, or a new one.

    :param own: the vault password that was made for its folder.
    :returns: private and public half, and whether it is new.
    :raises SealedError: when it cannot be decrypted, or there is no vault password.
    """
    from cryptography.hazmat.primitives import serialization  # which comes with ansible-core
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    content = atomic_file.read(str(private))
    if content is None:
        if public.exists():
            raise Stop(
                f"{public} is there, but {private} is not: restore it from your backup, or remove {public} "
                "for a new key, after which the card must be written again"
            )
        sealed.seal(loader, b"", _HOLDS, own)  # without a password, nothing is begun
        made = Ed25519PrivateKey.generate()
    else:
        opened = sealed.read_sealed(loader, content, str(private), "host key", _HOLDS, own)
        made = serialization.load_ssh_private_key(opened, None)
    secret = made.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    line = made.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return secret.decode() if content is None else opened.decode(), f"{line.decode()} {host}", content is None


def own_keys(file: str | None) -> tuple[str, ...]:
    """The lines of the user's public key.

    :param file: None for one in ~/.ssh.
    :raises Stop: when there is none.
    """
    if file:
        path = Path(file).expanduser()
    else:
        candidates = [Path.home() / f".ssh/{name}.pub" for name in _OWN_KEYS]
        found = [path for path in candidates if path.is_file()]
        if not found:
            raise Stop("there is no public key in ~/.ssh; make one with ssh-keygen -t ed25519, or set cards_public_key")
        path = found[0]
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return tuple(line.strip() for line in lines if line.strip() and not line.startswith("#"))


def crypted(password: str, private: str) -> str:
    """The password's hash, the same at each run: its salt is made of the host's key.

    :raises Stop: where this computer cannot make one.
    """
    if not password:
        return ""
    salt = hashlib.sha256(f"password {private}".encode()).hexdigest()[:16]
    try:
        return str(do_encrypt(password, "sha512_crypt", salt=salt, rounds=100_000))
    except AnsibleError as error:
        raise Stop(f"this computer cannot hash a password ({error}); pip install passlib helps") from None


def texts(card: cards.Card) -> dict[str, str]:
    """cloud-init's files by their names, in the order of writing: with the last one, a card is a new one for it."""
    user_data, network_config = _dumped(cards.user_data(card)), _dumped(cards.network_config(card))
    found = {"user-data": f"#cloud-config\n{user_data}", "network-config": network_config}
    return {**found, "meta-data": _dumped(cards.meta_data(card, found.values()))}


def _dumped(data: Any) -> str:
    """YAML 1.1, as cloud-init reads it: what would be a number or a truth to it is in quotes."""
    return yaml.safe_dump(data, sort_keys=False, width=1000)


def shown(text: str) -> str:
    """A file's text for the diff, without secrets; empty when it is not one of ours."""
    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError:
        data = None
    return _dumped(cards.masked(data)) if isinstance(data, dict) else ""


def _make(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
