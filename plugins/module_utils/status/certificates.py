# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""Reads certificates on the laptop: whose they are, how long they hold, and whether a CA has signed them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

try:
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    HAS_CRYPTOGRAPHY = True
except ImportError:
    HAS_CRYPTOGRAPHY = False


@dataclass(frozen=True)
class Certificate:
    """One certificate.

    :ivar file: where it lies on its Pi.
    :ivar names: DNS names and addresses that it holds for.
    """

    file: str
    subject: str
    issuer: str
    begins: datetime
    ends: datetime
    authority: bool
    names: tuple[str, ...]
    raw: x509.Certificate

    def days_left(self, now: datetime) -> int:
        """Whole days until it ends, negative when it has ended."""
        return (self.ends - now).days


def _names(raw: x509.Certificate) -> tuple[str, ...]:
    try:
        names = raw.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    return tuple(str(name.value) for name in names)


def _is_authority(raw: x509.Certificate) -> bool:
    try:
        return bool(raw.extensions.get_extension_for_class(x509.BasicConstraints).value.ca)
    except x509.ExtensionNotFound:
        return False


def _common_name(name: x509.Name) -> str:
    found = name.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return str(found[0].value) if found else name.rfc4514_string()


def read(file: str, pem: str) -> Certificate | None:
    """Read the first certificate of a PEM text; None when there is none that can be read."""
    try:
        raw = x509.load_pem_x509_certificates(pem.encode())[0]
    except (ValueError, IndexError):
        return None
    return Certificate(
        file=file,
        subject=_common_name(raw.subject),
        issuer=_common_name(raw.issuer),
        begins=raw.not_valid_before_utc,
        ends=raw.not_valid_after_utc,
        authority=_is_authority(raw),
        names=_names(raw),
        raw=raw,
    )


def read_all(entries: Iterable[dict[str, str]]) -> list[Certificate]:
    """Read entries with ``file`` and ``pem``; those that cannot be read are left out."""
    found = (read(entry.get("file", ""), entry.get("pem", "")) for entry in entries)
    return [certificate for certificate in found if certificate]


def authorities(pem: str) -> list[x509.Certificate]:
    """All certificates of a PEM text; a bundle has two while one CA replaces another."""
    try:
        return x509.load_pem_x509_certificates(pem.encode())
    except ValueError:
        return []


def signed_by(certificate: Certificate, cas: Iterable[x509.Certificate]) -> bool:
    """Whether one of the CAs has signed it."""
    for ca in cas:
        try:
            certificate.raw.verify_directly_issued_by(ca)
        except (ValueError, TypeError, InvalidSignature):
            continue
        return True
    return False


def groups(certificate: Certificate) -> set[str]:
    """The groups of whoever proves itself by the certificate: its organizations."""
    return {
        str(entry.value) for entry in certificate.raw.subject.get_attributes_for_oid(x509.NameOID.ORGANIZATION_NAME)
    }


def key_of(certificate: x509.Certificate) -> bytes:
    """The certificate's public key, by which a CA stays the same when its certificate is renewed."""
    return certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
