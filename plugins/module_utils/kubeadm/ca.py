# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""The hash by which a joining node recognises a cluster's CA, a certificate's name and times, from PEM text alone.

A Pi has neither the cryptography library nor a need for it: each of them is one element of the certificate, which
is found by walking over its neighbours.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from datetime import datetime, timezone

from ansible_collections.bramble.kube.plugins.module_utils.common.errors import BrambleError

_PEM = re.compile(r"-----BEGIN (?:TRUSTED )?CERTIFICATE-----(.*?)-----END (?:TRUSTED )?CERTIFICATE-----", re.DOTALL)
_SEQUENCE, _EXPLICIT_0, _UTC_TIME, _GENERALIZED_TIME = 0x30, 0xA0, 0x17, 0x18
#: The object identifier 2.5.4.3 (commonName) as it stands in a name.
_COMMON_NAME = bytes.fromhex("0603550403")
_NONE = "there is no certificate in the text (-----BEGIN CERTIFICATE-----)"


class CertificateError(BrambleError, ValueError):
    """The text holds no certificate, or one that is damaged."""


def _element(data: bytes, start: int) -> tuple[int, int, int]:
    """Read the header of the DER element at ``start``.

    :returns: its tag, where its content starts, and where it ends (X.690, 8.1).
    """
    try:
        tag, length = data[start], data[start + 1]
        content = start + 2
        if length & 0x80:
            size = length & 0x7F
            if not 1 <= size <= 4:
                raise CertificateError("a certificate is damaged: an element has no definite length")
            length = int.from_bytes(data[content : content + size], "big")
            content += size
    except IndexError as error:
        raise CertificateError("a certificate is damaged: it ends too early") from error
    if content + length > len(data):
        raise CertificateError("a certificate is damaged: it ends too early")
    return tag, content, content + length


def _expect(data: bytes, start: int, wanted: int) -> tuple[int, int]:
    tag, content, end = _element(data, start)
    if tag != wanted:
        raise CertificateError("a certificate is damaged: its parts are not those of an X.509 certificate")
    return content, end


def _part(der: bytes, number: int) -> tuple[int, int, int]:
    """Find a part of a certificate by its place after the version (RFC 5280, 4.1; TBSCertificate).

    :returns: where it starts, where its content starts, and where it ends; it has to be a sequence.
    :raises CertificateError: when the bytes are no certificate.
    """
    position, _unused_end = _expect(der, 0, _SEQUENCE)
    position, _unused_end = _expect(der, position, _SEQUENCE)
    tag, _unused_content, end = _element(der, position)
    if tag == _EXPLICIT_0:  # version; absent in version 1 certificates
        position = end
    for _unused_part in range(number):
        position = _element(der, position)[2]
    content, end = _expect(der, position, _SEQUENCE)
    return position, content, end


#: Places of parts: after serialNumber, signature and issuer come validity, the subject, and then its public key.
_VALIDITY, _SUBJECT, _PUBLIC_KEY = 3, 4, 5


def public_key_info(der: bytes) -> bytes:
    """Cut the SubjectPublicKeyInfo (RFC 5280, 4.1) out of a DER certificate.

    :raises CertificateError: when the bytes are no certificate.
    """
    position, _unused_content, end = _part(der, _PUBLIC_KEY)
    return der[position:end]


def _der(body: str) -> bytes:
    try:
        return base64.b64decode("".join(body.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise CertificateError("a certificate is damaged: its text is not base64") from error


def _first(pem: str) -> bytes:
    body = _PEM.search(pem)
    if body is None:
        raise CertificateError(_NONE)
    return _der(body.group(1))


def _time(data: bytes, start: int) -> tuple[datetime, int]:
    """Read a UTCTime or GeneralizedTime (RFC 5280, 4.1.2.5).

    :returns: it, and where it ends.
    """
    tag, content, end = _element(data, start)
    text = data[content:end].decode("ascii", "replace")
    if tag == _UTC_TIME:
        text = ("19" if text[:2] >= "50" else "20") + text
    elif tag != _GENERALIZED_TIME:
        raise CertificateError("a certificate is damaged: its parts are not those of an X.509 certificate")
    try:
        return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=timezone.utc), end
    except ValueError as error:
        raise CertificateError("a certificate is damaged: it has an impossible time") from error


def validity(pem: str) -> tuple[datetime, datetime]:
    """When the first certificate in a PEM text begins and ends to be valid.

    :raises CertificateError: when there is no certificate, or it cannot be read.
    """
    der = _first(pem)
    begins, position = _time(der, _part(der, _VALIDITY)[1])
    return begins, _time(der, position)[0]


def common_name(pem: str) -> str:
    """Read the subject's common name from the first certificate of a PEM text; empty when it has none.

    :raises CertificateError: when there is no certificate, or it cannot be read.
    """
    der = _first(pem)
    _unused_position, content, end = _part(der, _SUBJECT)
    found = der.find(_COMMON_NAME, content, end)
    if found < 0:
        return ""
    _unused_tag, text, text_end = _element(der, found + len(_COMMON_NAME))
    return der[text:text_end].decode("utf-8", "replace")


def ca_cert_hashes(pem: str) -> list[str]:
    """Hash the public key of each certificate in a PEM text, in kubeadm's form, "sha256:…".

    As cmd/kubeadm/app/util/pubkeypin/pubkeypin.go does (RFC 7469). A CA bundle (old and new CA while one replaces the
    other) gives several; the same key twice gives one.

    :raises CertificateError: when there is no certificate, or one cannot be read.
    """
    hashes: list[str] = []
    for body in _PEM.findall(pem):
        pin = "sha256:" + hashlib.sha256(public_key_info(_der(body))).hexdigest()
        if pin not in hashes:
            hashes.append(pin)
    if not hashes:
        raise CertificateError(_NONE)
    return hashes
