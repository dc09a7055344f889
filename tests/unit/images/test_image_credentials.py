"""Logins are found where docker and podman keep them, and never shown."""

from __future__ import annotations

import base64
import json
import stat
from pathlib import Path

import pytest

from ansible_collections.bramble.kube.plugins.module_utils.images.credentials import (
    Credential,
    CredentialError,
    CredentialStore,
    default_config_files,
)


def config(path: Path, **values: object) -> Path:
    path.write_text(json.dumps(values))
    return path


def auth(pair: str) -> dict[str, str]:
    return {"auth": base64.b64encode(pair.encode()).decode()}


def test_docker_hub_under_its_old_name(tmp_path: Path) -> None:
    file = config(tmp_path / "c", auths={"https://index.docker.io/v1/": auth("pi:ge:heim")})
    assert CredentialStore({}, [file]).get("docker.io", "library/nginx") == Credential("pi", "ge:heim")


def test_most_specific_wins(tmp_path: Path) -> None:
    file = config(tmp_path / "c", auths={"quay.io": auth("a:1"), "quay.io/team": auth("b:2")})
    store = CredentialStore({}, [file])
    assert store.get("quay.io", "team/app").username == "b"
    assert store.get("quay.io", "teamwork/app").username == "a"
    assert store.get("ghcr.io", "team/app") is None


def test_options_win_and_missing_files_are_fine(tmp_path: Path) -> None:
    file = config(tmp_path / "c", auths={"quay.io": auth("a:1")})
    store = CredentialStore({"https://quay.io/": Credential("o", "2")}, [tmp_path / "none", file])
    assert store.get("quay.io").username == "o"


def test_identity_token(tmp_path: Path) -> None:
    file = config(tmp_path / "c", auths={"quay.io": {"identitytoken": "t0ken", **auth("a:1")}})
    assert CredentialStore({}, [file]).get("quay.io").identity_token == "t0ken"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"auths": ', r"not valid JSON \(line 1\)"),
        ("[]", "JSON object"),
        ('{"auths": {"quay.io": {"auth": "c2VjcmV0"}}}', "cannot be decoded"),
        ('{"auths": {"quay.io": {"auth": "%%%"}}}', "cannot be decoded"),
    ],
)
def test_broken_files_are_named_without_their_content(tmp_path: Path, text: str, reason: str) -> None:
    file = tmp_path / "config.json"
    file.write_text(text)
    with pytest.raises(CredentialError, match=reason) as caught:
        CredentialStore({}, [file]).get("quay.io")
    assert str(file) in str(caught.value)
    assert "secret" not in str(caught.value)


def helper(folder: Path, script: str) -> None:
    program = folder / "docker-credential-test"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)


def test_helpers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    helper(
        tmp_path, 'read server; echo "$server" >>"$0.asked"; echo "{\\"Username\\": \\"pi\\", \\"Secret\\": \\"s3\\"}"'
    )
    store = CredentialStore({}, [config(tmp_path / "c", credsStore="test")])
    assert store.get("docker.io") == store.get("docker.io") == Credential("pi", "s3")
    assert (tmp_path / "docker-credential-test.asked").read_text() == "https://index.docker.io/v1/\n"
    helper(tmp_path, "exit 1")
    store = CredentialStore({}, [config(tmp_path / "c", credHelpers={"quay.io": "test"})])
    assert (store.get("quay.io"), store.get("ghcr.io"), store.warnings) == (None, None, [])
    helper(tmp_path, "echo s3cret is no JSON")
    store = CredentialStore({}, [config(tmp_path / "c", credsStore="test")])
    assert store.get("quay.io") is None
    assert "something other than a login" in store.warnings[0]
    assert "s3cret" not in store.warnings[0]
    for name in ("not-there", "../evil"):
        store = CredentialStore({}, [config(tmp_path / "c", credsStore=name)])
        assert store.get("quay.io") is None
        assert len(store.warnings) == 1


def test_secrets_are_not_shown() -> None:
    shown = repr(Credential("pi", "pass-word", "to-ken"))
    assert "pass-word" not in shown
    assert "to-ken" not in shown


def test_usual_places() -> None:
    assert [str(path) for path in default_config_files({"HOME": "/h", "XDG_RUNTIME_DIR": "/r"})] == [
        "/h/.docker/config.json",
        "/r/containers/auth.json",
        "/h/.config/containers/auth.json",
    ]
    assert str(default_config_files({"HOME": "/h", "DOCKER_CONFIG": "/d"})[0]) == "/d/config.json"
    assert default_config_files({}) == []
