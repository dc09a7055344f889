"""Who gets into JupyterHub, and how fast somebody may try passwords: the hub's own configuration, without a hub."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from unittest.mock import MagicMock

import pytest

FILES = Path(__file__).parents[3] / "roles" / "kubeflow" / "files"


class TooMany(Exception):
    """tornado.web.HTTPError"""


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """What the configuration defines, with ada and grace on the list; JupyterHub itself is not here."""
    for name in ("jupyterhub", "jupyterhub.auth", "jupyterhub.utils", "tornado", "tornado.web"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    sys.modules["jupyterhub"].orm = sys.modules["jupyterhub"].roles = None
    sys.modules["jupyterhub.auth"].Authenticator = object
    sys.modules["jupyterhub.utils"].new_token = None
    sys.modules["tornado.web"].HTTPError = TooMany
    shutil.copy(FILES / "jupyterhub_config.py", tmp_path)
    names = (
        *("base_url", "database", "idle_seconds", "namespace", "notebook_cpu", "notebook_image", "notebook_memory"),
        *("notebook_memory_limit", "notebook_storage", "model_url", "start_timeout"),
    )
    (tmp_path / "settings.json").write_text(json.dumps({**dict.fromkeys(names, ""), "users": ["ada", "grace"]}))
    for folder in ("secrets", "passwords"):
        (tmp_path / folder).mkdir()
    for name in ("cookie-secret", "proxy-token"):
        (tmp_path / "secrets" / name).write_text("x")
    for name in ("ada", "grace", "left"):
        (tmp_path / "passwords" / name).write_text(f"of {name}")
    defined = {"get_config": MagicMock, "__file__": str(tmp_path / "jupyterhub_config.py")}
    text = (tmp_path / "jupyterhub_config.py").read_text()
    exec(compile(text, "jupyterhub_config.py", "exec"), defined)  # as JupyterHub itself does
    return SimpleNamespace(**defined)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def login(hub, clock):
    """Tries a password: the name, None, or TooMany."""
    authenticator = hub.PasswordAuthenticator()
    authenticator.allowed_users = {"ada", "grace"}
    authenticator.brake = hub.Brake(clock)

    def attempt(name, password, address="192.168.13.50"):
        handler = SimpleNamespace(request=SimpleNamespace(remote_ip=address))
        return asyncio.run(authenticator.authenticate(handler, {"username": name, "password": password}))

    return attempt


def test_only_who_is_on_the_list_gets_in_and_only_with_their_own_password(login):
    assert login("ada", "of ada") == "ada"
    assert login("ada", "of grace") is None
    assert login("left", "of left") is None
    assert login("../passwords/ada", "of ada") is None


def test_wrong_passwords_cost_more_and_more_time(login, clock):
    for _number in range(5):
        assert login("ada", "guess") is None
    waits = []
    for _number in range(9):
        with pytest.raises(TooMany):
            login("ada", "of ada")  # the right one is not looked at, either
        before = clock.now
        while True:
            clock.now += 1
            try:
                assert login("ada", "guess") is None
                break
            except TooMany:
                pass
        waits.append(clock.now - before)
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_somebody_elses_wrong_passwords_from_another_address_keep_nobody_out(login):
    for _number in range(5):
        login("ada", "guess")
    with pytest.raises(TooMany):
        login("ada", "of ada")
    assert login("ada", "of ada", "192.168.13.60") == "ada"
    assert login("grace", "of grace") == "grace"


def test_the_right_password_or_a_quiet_quarter_of_an_hour_forgives(login, clock):
    for _round in range(3):
        for _number in range(4):
            login("ada", "guess")
        assert login("ada", "of ada") == "ada"
    for _number in range(5):
        login("grace", "guess")
    clock.now += 901
    for _number in range(4):
        assert login("grace", "guess") is None
    assert login("grace", "of grace") == "grace"


def test_made_up_names_share_one_count_and_memory_is_bounded(login, hub, clock):
    for number in range(5):
        login(f"made-up-{number}", "guess")
    with pytest.raises(TooMany):
        login("made-up-6", "guess")
    brake = hub.Brake(clock)
    for number in range(3000):
        brake.failed("ada", f"10.0.{number // 250}.{number % 250}")
    assert len(brake.wrong) == brake.REMEMBERED


@pytest.mark.parametrize("url", ["", "http://model-server.model-server/v2/models/digits"])
def test_a_notebook_has_an_account_only_where_there_is_a_model_server(hub, tmp_path, url):
    settings = json.loads((tmp_path / "settings.json").read_text())
    (tmp_path / "settings.json").write_text(json.dumps({**settings, "model_url": url}))
    spawner = SimpleNamespace()
    defined = {"get_config": lambda: MagicMock(KubeSpawner=spawner), "__file__": str(tmp_path / "jupyterhub_config.py")}
    exec(compile((tmp_path / "jupyterhub_config.py").read_text(), "jupyterhub_config.py", "exec"), defined)
    assert getattr(spawner, "service_account", "") == ("notebook" if url else "")
    assert spawner.automount_service_account_token is bool(url)
    assert spawner.environment["MODEL_URL"] == url
