"""What apt prints, as Debian's apt 2.6 and 3.0 have printed it, becomes one sentence that says why and what to do."""

from __future__ import annotations

import pytest

from ansible_collections.bramble.kube.plugins.module_utils.pi.apt_refusals import refusals, sentences

SQV = "W: OpenPGP signature verification failed: http://a/x  InRelease: Sub-process /usr/bin/sqv returned an error"
SQV += " code (1), error message is: "
GPGV = "W: GPG error: http://a/x  InRelease: The following signatures "


@pytest.mark.parametrize(
    ("line", "words", "lasting"),
    [
        (
            SQV + "Error: Policy rejected packet type  Caused by: Signature Packet v3 is",
            "an outdated signature",
            True,
        ),
        (SQV + "because: SHA1 is not considered secure since 2013-02-01T00:00:00Z", "SHA-1", True),
        (SQV + "The primary key is not live   because: Expired on 2025-11-29T01:09:59Z", "has expired", True),
        (SQV + "Missing key E63C0900678D9721, which is needed to verify signature.", "a key other than", True),
        (SQV + "Message has been manipulated", "does not match its signature", False),
        (GPGV + "were invalid: 3FFF7DD6218AE73265A3479EC3469DC1180000FC", "SHA-1", True),
        (GPGV + "were invalid: EXPKEYSIG 234654DA9A296436 isv:kubernetes", "has expired", True),
        (GPGV + "couldn't be verified because the public key is not available: NO_PUBKEY 23", "a key other than", True),
        (GPGV + "were invalid: BADSIG 234654DA9A296436 isv", "does not match its signature", False),
        ("E: The repository 'http://a/x  Release' is not signed.", "is not signed", True),
        ("E: The repository 'http://a/x  Release' does not have a Release file.", "404", True),
        ("E: Release file for http://a/x/InRelease is not valid yet (invalid for another 2d).", "clock", True),
        ("E: Release file for http://a/x/InRelease is expired (invalid since 1d 0h).", "has expired lists", True),
        (
            "E: Repository 'http://a/x trixie InRelease' changed its 'Suite' value from 'stable' to 'oldstable'",
            "calls itself another release than before, which apt takes only if it is told to",
            True,
        ),
        ("E: Failed to fetch http://a/x/Packages.gz  Hash Sum mismatch", "do not belong together", False),
        (
            "E: Failed to fetch http://a/x/Packages.gz  File has unexpected size (1 != 2). Mirror sync in progress?",
            "do not belong together",
            False,
        ),
        ("E: Failed to fetch http://a/x/InRelease  401  Unauthorized [IP: 1.2.3.4 80]", "the login", True),
        ("E: Failed to fetch http://a/x/InRelease  407  Proxy Authentication Required", "a proxy wants one", True),
        ("E: Failed to fetch http://a/x/InRelease  503  Service Unavailable [IP: 1.2.3.4 80]", "broken at", False),
        ("E: Failed to fetch http://a/x/InRelease  Could not resolve 'a'", "name server", False),
        ("E: Failed to fetch http://a/x/InRelease  Unable to connect to a:80:", "cannot be reached", False),
        ("Err:1 http://a/x  InRelease\n  Could not connect to a:80 (1.2.3.4). - connect (111)", "be reached", False),
        (
            "E: Conflicting values set for option Signed-By regarding source http://a/x/ trixie: /k.gpg != /k.asc",
            "named twice",
            True,
        ),
    ],
)
def test_each_reason(line: str, words: str, lasting: bool) -> None:
    (refusal,) = refusals(f"Reading package lists...\n{line}\n")
    assert words in refusal.reason + refusal.advice
    assert refusal.lasting == lasting
    assert refusal.url == "http://a/x"


def test_the_reason_comes_before_what_follows_from_it() -> None:
    text = f"{SQV}because: SHA1 is not considered secure\nE: The repository 'http://a/x  InRelease' is not signed."
    (refusal,) = refusals(text)
    assert "SHA-1" in refusal.reason


def test_the_file_is_named(pi) -> None:
    pi.put("/etc/apt/sources.list.d/mine.list", "# deb http://a/x old\ndeb [signed-by=/k] http://a/ x/\n")
    found = refusals("E: The repository 'http://a/x  Release' is not signed.")
    assert sentences(pi, found) == (
        "http://a/x (/etc/apt/sources.list.d/mine.list) is not signed. Choose a repository that is."
    )


def test_what_is_well_has_no_reason() -> None:
    assert refusals("Get:1 http://a/x InRelease [2 kB]\nReading package lists...\n") == []
