"""Small apt repositories, signed well or badly on purpose, to hear what a real apt says of them."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path

#: How a repository is signed: well, or in one of the ways that apt refuses.
GOOD, OLD_VERSION, SHA1, EXPIRED, OTHER_KEY, CHANGED, UNSIGNED, FUTURE, PAST = (
    "good",
    "signature version 3",
    "SHA-1",
    "expired key",
    "another key",
    "changed after it was signed",
    "unsigned",
    "dated in the future",
    "no longer valid",
)


@dataclass
class Key:
    """A signing key in a folder of its own."""

    home: Path

    def gpg(self, *arguments: str | os.PathLike, stdin: bytes = b"") -> bytes:
        """Run gpg with this key; what it printed."""
        command = ["gpg", "--homedir", self.home, "--batch", "--yes", "--quiet", *arguments]
        return subprocess.run(command, input=stdin, check=True, stdout=subprocess.PIPE).stdout

    @classmethod
    def make(cls, expired: bool = False) -> Key:
        """Make a key; an expired one has been so for a year."""
        key = cls(Path(tempfile.mkdtemp(prefix="bramble-gnupg-")))
        then = ["--faked-system-time", f"{int(time.time()) - 2 * 365 * 86400}"] if expired else []
        until = "1y" if expired else "never"
        key.gpg(*then, "--passphrase", "", "--quick-generate-key", "Test", "rsa2048", "sign", until)
        return key

    def prolong(self) -> None:
        """Let the key be valid again, as its owner would: the same key with a later end."""
        self.gpg("--quick-set-expire", self.fingerprint, "10y")

    @property
    def fingerprint(self) -> str:
        """The key's fingerprint, by gpg."""
        lines = self.gpg("--with-colons", "--list-keys").decode().splitlines()
        return next(line.split(":")[9] for line in lines if line.startswith("fpr:"))

    @property
    def public(self) -> bytes:
        """The public key with armour."""
        return self.gpg("--armor", "--export")

    def close(self) -> None:
        """Remove the key."""
        subprocess.run(["gpgconf", "--kill", "gpg-agent"], env={**os.environ, "GNUPGHOME": str(self.home)}, check=False)
        shutil.rmtree(self.home, ignore_errors=True)


def old_signature(data: bytes, key: Key) -> bytes:
    """A signature of version 3 (RFC 4880, 5.2.2), which no gpg of today writes; with armour."""
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding, rsa

    secret = key.gpg("--export-secret-keys")
    numbers = _rsa_numbers(secret)
    private = rsa.RSAPrivateNumbers(
        *(numbers["p"], numbers["q"], numbers["d"]),
        *(numbers["d"] % (numbers["p"] - 1), numbers["d"] % (numbers["q"] - 1), pow(numbers["q"], -1, numbers["p"])),
        rsa.RSAPublicNumbers(numbers["e"], numbers["n"]),
    ).private_key()
    hashed = b"\x00" + int(time.time()).to_bytes(4, "big")
    signature = private.sign(data + hashed, padding.PKCS1v15(), hashes.SHA256())
    start = hashlib.sha256(data + hashed).digest()[:2]
    value = int.from_bytes(signature, "big")
    body = b"\x03\x05" + hashed + bytes.fromhex(key.fingerprint)[-8:] + b"\x01\x08" + start
    body += value.bit_length().to_bytes(2, "big") + value.to_bytes((value.bit_length() + 7) // 8, "big")
    packet = b"\x89" + len(body).to_bytes(2, "big") + body
    return key.gpg("--enarmor", stdin=packet).replace(b"PGP ARMORED FILE", b"PGP SIGNATURE")


def _rsa_numbers(secret: bytes) -> dict[str, int]:
    """The numbers of an unprotected RSA key (RFC 4880, 5.5.3 and 5.6.1)."""
    if secret[0] & 0x40:  # new format
        first = secret[1]
        length, at = (first, 2) if first < 192 else (((first - 192) << 8) + secret[2] + 192, 3)
    else:
        size = 1 << (secret[0] & 3)
        length, at = int.from_bytes(secret[1 : 1 + size], "big"), 1 + size
    body = secret[at : at + length]
    at, found = 6, {}
    for name in "nedpq":
        if name == "d":
            assert body[at] == 0, "the key has a passphrase"
            at += 1
        size = (int.from_bytes(body[at : at + 2], "big") + 7) // 8
        found[name] = int.from_bytes(body[at + 2 : at + 2 + size], "big")
        at += 2 + size
    return found


def package(folder: Path, name: str, version: str, **fields: str) -> Path:
    """Make a package without files."""
    tree = folder / f"{name}-tree"
    (tree / "DEBIAN").mkdir(parents=True)
    control = {"Package": name, "Version": version, "Architecture": "all", "Maintainer": "Test <test@localhost>"}
    control.update({**fields, "Description": "test"})
    (tree / "DEBIAN/control").write_text("".join(f"{key}: {value}\n" for key, value in control.items()))
    path = folder / f"{name}_{version}_all.deb"
    subprocess.run(["dpkg-deb", "--root-owner-group", "--build", tree, path], check=True, stdout=subprocess.DEVNULL)
    shutil.rmtree(tree)
    return path


def publish(place: Path, key: Key, how: str = GOOD, debs: Iterable[Path] = ()) -> None:
    """Write a flat repository, as the Kubernetes community's is.

    :param place: its folder; holds the key as Release.key.
    :param how: how it is signed, one of the words above.
    """
    place.mkdir(parents=True, exist_ok=True)
    for old in ("InRelease", "Release.gpg"):
        (place / old).unlink(missing_ok=True)
    index = b""
    for deb in debs:
        shutil.copy(deb, place)
        data = deb.read_bytes()
        control = subprocess.run(["dpkg-deb", "-f", deb], check=True, stdout=subprocess.PIPE).stdout
        index += control + f"Filename: {deb.name}\nSize: {len(data)}\n".encode()
        index += f"SHA256: {hashlib.sha256(data).hexdigest()}\n\n".encode()
    (place / "Packages").write_bytes(index)
    now = time.time()
    date = {FUTURE: now + 86400, PAST: now - 9 * 86400}.get(how, now)
    release = f"Origin: test\nSuite: deb\nDate: {formatdate(date, usegmt=True).replace('GMT', 'UTC')}\n"
    if how == PAST:
        release += f"Valid-Until: {formatdate(now - 86400, usegmt=True).replace('GMT', 'UTC')}\n"
    release += f"SHA256:\n {hashlib.sha256(index).hexdigest()} {len(index)} Packages\n"
    (place / "Release").write_text(release)
    (place / "Release.key").write_bytes(key.public)
    if how == EXPIRED:
        key.prolong()  # what is served is still the key before that
    if how == UNSIGNED:
        return
    if how == OLD_VERSION:
        (place / "Release.gpg").write_bytes(old_signature(release.encode(), key))
        return
    signer = Key.make() if how == OTHER_KEY else key
    signer.gpg(
        *("--digest-algo", "SHA1" if how == SHA1 else "SHA512", "--output", place / "InRelease"),
        *("--clearsign", place / "Release"),
    )
    if signer is not key:
        signer.close()
    if how == CHANGED:
        signed = (place / "InRelease").read_text()
        (place / "InRelease").write_text(signed.replace("Origin: test", "Origin: best"))
