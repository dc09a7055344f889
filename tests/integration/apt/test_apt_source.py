"""What a real apt says of repositories that are signed badly, and what becomes of it here."""

from __future__ import annotations

from typing import Any

import pytest
from apt_repositories import (
    CHANGED,
    EXPIRED,
    FUTURE,
    GOOD,
    OLD_VERSION,
    OTHER_KEY,
    PAST,
    SHA1,
    UNSIGNED,
    Key,
    publish,
)
from conftest import PORT, Machine

SOURCE, KEY = "/etc/apt/sources.list.d/test.sources", "/etc/apt/keyrings/test.asc"
BOTH = ("trixie", "bookworm")
#: How a repository is signed: the words that the sentence must have, by release of the OS; "" where that apt takes it.
SAID = {
    GOOD: dict.fromkeys(BOTH, ""),
    OLD_VERSION: {
        "trixie": "has an outdated signature (version 3), which this OS no longer accepts",
        "bookworm": "",
    },
    SHA1: dict.fromkeys(BOTH, "signed with SHA-1, which this OS no longer accepts"),
    EXPIRED: dict.fromkeys(BOTH, "signed with a key that has expired"),
    OTHER_KEY: dict.fromkeys(BOTH, "signed with a key other than the one known here"),
    CHANGED: dict.fromkeys(BOTH, "does not match its signature"),
    UNSIGNED: dict.fromkeys(BOTH, "is not signed"),
    FUTURE: dict.fromkeys(BOTH, "is dated in the future"),
    PAST: dict.fromkeys(BOTH, "has expired lists"),
}


def source(url: str, key_url: str, *fingerprints: str, **options: Any) -> dict[str, Any]:
    """A task with the module."""
    arguments = {
        "name": "test",
        "label": "the test repository",
        "url": url,
        "suite": "/",
        "settings": "test_apt",
        "key_url": key_url,
        "key_fingerprints": list(fingerprints),
        **options,
    }
    return {"bramble.kube.apt_source": arguments}


def at(path: str) -> str:
    return f"http://127.0.0.1:{PORT}/{path}/"


@pytest.fixture
def clean(machine: Machine) -> Machine:
    """The machine without sources of its own, so that apt has nothing else to read."""
    machine.run(
        "sh", "-c", "rm -rf /etc/apt/sources.list /etc/apt/sources.list.d/* /etc/apt/keyrings /var/lib/apt/lists/*"
    )
    return machine


@pytest.mark.lab
def test_what_apt_refuses_is_said_with_its_reason_and_never_written(clean: Machine, key: Key) -> None:
    old = Key.make(expired=True)
    tasks, cases = [], list(SAID)
    for number, how in enumerate(cases):
        signer = old if how == EXPIRED else key
        publish(clean.served / str(number), signer, how)
        tasks.append(source(at(str(number)), at(str(number)) + "Release.key", signer.fingerprint, name=f"case{number}"))
    results = clean.do(*tasks)
    old.close()
    release = "trixie" if "trixie" in clean.name else "bookworm"
    for number, (how, result) in enumerate(zip(cases, results)):
        words, there = SAID[how][release], clean.read(f"/etc/apt/sources.list.d/case{number}.sources")
        if words:
            assert words in result["msg"], how
            assert "Nothing was changed" in result["msg"], how
            assert not there, how
            assert not clean.read(f"/etc/apt/keyrings/case{number}.asc"), how
        else:
            assert result["changed"], (how, result)
            assert f"URIs: {at(str(number))}" in there, how
    clean.run("apt-get", "update", "--error-on=any")


@pytest.mark.lab
def test_addresses_that_lead_nowhere(clean: Machine, key: Key) -> None:
    publish(clean.served / "good", key)
    release_key = at("good") + "Release.key"
    nothing, silent, nameless, keyless = clean.do(
        source(at("nothing"), release_key, key.fingerprint),
        source("http://127.0.0.1:1/", release_key, key.fingerprint),
        source("http://nobody.invalid/", release_key, key.fingerprint),
        source(at("good"), at("good") + "no.key", key.fingerprint),
    )
    assert "is not there (404). Check its address" in nothing["msg"]
    assert "cannot be reached" in silent["msg"]
    assert "the name server does not know its name" in nameless["msg"]
    assert "the answer is 404" in keyless["msg"]
    assert not clean.read(SOURCE) + clean.read(KEY)


@pytest.mark.lab
def test_a_key_that_nobody_knows_is_refused(clean: Machine, key: Key) -> None:
    publish(clean.served / "good", key)
    (result,) = clean.do(source(at("good"), at("good") + "Release.key", "9DC858229FC7DD38854AE2D88D81803C0EBFCD88"))
    assert f"has a key that is not trusted: {key.fingerprint}. Nothing was changed." in result["msg"]
    assert "test_apt_key_fingerprints" in result["msg"]
    assert not clean.read(SOURCE) + clean.read(KEY)


@pytest.mark.lab
def test_an_expired_key_is_renewed_before_apt_reads_anything(clean: Machine) -> None:
    old = Key.make(expired=True)
    publish(clean.served / "prolonged", old, EXPIRED)
    expired = (clean.served / "prolonged/Release.key").read_bytes()
    publish(clean.served / "prolonged", old)
    clean.write(KEY, expired)
    clean.write(SOURCE, f"Types: deb\nURIs: {at('prolonged')}\nSuites: /\nSigned-By: {KEY}\n")
    arguments = (at("prolonged"), at("prolonged") + "Release.key", old.fingerprint)
    before, renewed, after, again = clean.do(
        {"bramble.kube.pi_packages": {"names": ["hello-world-that-nobody-has"]}},
        source(*arguments, state="renewed"),
        {"bramble.kube.pi_packages": {"names": ["hello-world-that-nobody-has"]}},
        source(*arguments, state="renewed"),
    )
    old.close()
    assert "has expired" in before["msg"]
    assert f"({SOURCE})" in before["msg"]
    assert renewed["changed"]
    assert "has expired" not in after["msg"]
    assert not again["changed"]
    assert clean.read(KEY).encode() != expired


@pytest.mark.lab
def test_a_source_of_ours_that_apt_refuses_for_good_is_switched_off(clean: Machine, key: Key) -> None:
    publish(clean.served / "turned", key)
    arguments = (at("turned"), at("turned") + "Release.key", key.fingerprint)
    (first,) = clean.do(source(*arguments))
    assert first["changed"]
    publish(clean.served / "turned", key, UNSIGNED)
    renewed, again, wanted = clean.do(
        source(*arguments, state="renewed"), source(*arguments, state="renewed"), source(*arguments)
    )
    assert "is not signed" in renewed["warnings"][0]
    assert f"It is switched off in {SOURCE}" in renewed["warnings"][0]
    assert "Enabled: no" in clean.read(SOURCE)
    assert not again["changed"]
    assert "is not signed" in wanted["msg"]
    clean.run("apt-get", "update", "--error-on=any")
    publish(clean.served / "turned", key)
    (back,) = clean.do(source(*arguments))
    assert back["changed"]
    assert "Enabled" not in clean.read(SOURCE)


@pytest.mark.lab
def test_another_entry_for_the_same_repository_is_switched_off(clean: Machine, key: Key) -> None:
    publish(clean.served / "twice", key)
    clean.write("/etc/apt/keyrings/theirs.asc", key.public)
    line = f"deb [arch=amd64 signed-by=/etc/apt/keyrings/theirs.asc] {at('twice')} /\n"
    clean.write("/etc/apt/sources.list.d/theirs.list", f"# mine\n{line}")
    other = f"Types: deb\nURIs: {at('twice')}\nSuites: /\nSigned-By: /etc/apt/keyrings/theirs.asc\n"
    clean.write("/etc/apt/sources.list.d/theirs.sources", other)
    arguments = (at("twice"), at("twice") + "Release.key", key.fingerprint)
    foreseen, done, again = clean.do({**source(*arguments), "check_mode": True}, source(*arguments), source(*arguments))
    assert foreseen["changed"]
    assert done["changed"]
    assert not again["changed"]
    assert [warning.split()[0] for warning in done["warnings"]] == [
        "/etc/apt/sources.list.d/theirs.list",
        "/etc/apt/sources.list.d/theirs.sources",
    ]
    assert clean.read("/etc/apt/sources.list.d/theirs.list").endswith(f": {line}")
    clean.run("apt-get", "update", "--error-on=any")


@pytest.mark.lab
def test_an_entry_that_names_others_too_is_refused_by_its_file(clean: Machine, key: Key) -> None:
    publish(clean.served / "twice", key)
    both = f"Types: deb\nURIs: {at('twice')} {at('good')}\nSuites: /\nTrusted: yes\n"
    clean.write("/etc/apt/sources.list.d/theirs.sources", both)
    (result,) = clean.do(source(at("twice"), at("twice") + "Release.key", key.fingerprint))
    assert result["msg"].startswith("/etc/apt/sources.list.d/theirs.sources names")
    assert clean.read("/etc/apt/sources.list.d/theirs.sources") == both
    assert not clean.read(SOURCE)
