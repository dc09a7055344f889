"""A key's fingerprint is what gpg says, and a file that is anything but trusted keys is refused."""

from __future__ import annotations

import base64

import pytest
from apt_repositories import Key

from ansible_collections.bramble.kube.plugins.module_utils.pi.openpgp import KeyFileError, fingerprints, plain


@pytest.fixture(scope="module")
def key():
    """A key of gpg's."""
    made = Key.make()
    yield made
    made.close()


def test_the_fingerprint_is_that_of_gpg(key: Key) -> None:
    assert fingerprints(key.public) == [key.fingerprint]


def test_every_key_of_a_file_is_found(key: Key) -> None:
    other = Key.make()
    try:
        key.gpg("--import", stdin=other.public)
        assert sorted(fingerprints(key.public)) == sorted([key.fingerprint, other.fingerprint])
    finally:
        key.gpg("--delete-keys", other.fingerprint)
        other.close()


def test_a_subkey_is_not_what_is_trusted(key: Key) -> None:
    made = Key.make()
    try:
        made.gpg("--passphrase", "", "--quick-add-key", made.fingerprint, "rsa2048", "sign", "never")
        assert fingerprints(made.public) == [made.fingerprint]
    finally:
        made.close()


def armour(data: bytes) -> bytes:
    return (
        b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n" + base64.b64encode(data) + b"\n-----END PGP PUBLIC KEY BLOCK-----\n"
    )


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not an ASCII-armoured public key"),
        (
            b"-----BEGIN PGP PUBLIC KEY BLOCK-----\nComment: caf\xc3\xa9\n\nAAAA\n-----END PGP PUBLIC KEY BLOCK-----\n",
            "public key",
        ),
        (b"<html>Log in to this network</html>", "not an ASCII-armoured public key"),
        (armour(b"\x99\x00\x30abc"), "it is cut"),
        (armour(b"\x99\x00\x03\x03ab"), "version 3"),
        (armour(b"\x95\x00\x03\x04ab"), "secret key"),
        (armour(b"\xb4\x02hi"), "there is no public key in it"),
        (armour(b"abc"), "it is damaged"),
    ],
)
def test_what_is_no_key_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(KeyFileError, match=message):
        fingerprints(data)


def test_a_second_block_is_not_passed_over(key: Key) -> None:
    with pytest.raises(KeyFileError):
        fingerprints(key.public + armour(b"\x99\x00\x03\x04ab"))


def test_no_cut_of_a_key_raises_anything_else(key: Key) -> None:
    whole = base64.b64decode(b"".join(key.public.split(b"\n\n", 1)[1].split(b"\n=")[0].split()))
    for end in range(len(whole)):
        try:
            fingerprints(armour(whole[:end]))
        except KeyFileError:
            continue


def test_fingerprints_as_people_write_them() -> None:
    assert plain("9dc8 5822 9fc7 dd38 854a  e2d8 8d81 803c 0ebf cd88") == "9DC858229FC7DD38854AE2D88D81803C0EBFCD88"
