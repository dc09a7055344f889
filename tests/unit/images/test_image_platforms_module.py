"""The module's options: wrong ones are named before anything is asked."""

from __future__ import annotations

from pathlib import Path

import pytest
from fake_registry import FakeRegistry

from ansible_collections.bramble.kube.plugins.module_utils.common.system import System
from ansible_collections.bramble.kube.plugins.module_utils.images import ask

NO_PASSWORD = {"registry": "quay.io", "username": "pi", "password": None, "identity_token": None}


def params(**options: object) -> dict:
    return ask.defaults(**{"docker_config": [], "cache": "", "timeout": 5.0, "rate_limit_wait": 0.0, **options})


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"platforms": ["arm/v7/x/y"]}, "platform 'arm/v7/x/y' is not of the form"),
        ({"mirrors": {"quay.io": ["192.168.13.2:5000"]}}, "mirror '192.168.13.2:5000' of quay.io is not an address"),
        ({"mirrors": {"quay.io": 5000}}, "mirrors of quay.io must be a list"),
        ({"replacements": {"Nginx": "a"}}, "capital letters"),
        ({"workers": 0}, "workers is 0; it must be at least 1"),
        ({"timeout": 0}, "timeout is 0; it must be at least 0.1"),
        ({"ca_path": "/not/there"}, "ca_path is /not/there"),
        (
            {"credentials": [{"registry": "quay.io", "username": "pi", "password": None, "identity_token": None}]},
            "need",
        ),
        ({"paths": [{"kind": "A", "path": ["x"], "format": "json"}]}, "needs inner"),
    ],
)
def test_wrong_options(registry: FakeRegistry, options: dict, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        ask.ask(params(images=[f"{registry.host}/a:1"], **options))
    assert not registry.asked


def test_result(registry: FakeRegistry, tmp_path: Path) -> None:
    registry.add_index("a", "1", "linux/arm64")
    registry.add_index("b", "1", "linux/amd64")
    images = [f"{registry.host}/{name}:1" for name in ("a", "b", "c")]
    wanted = params(images=images, platforms=["aarch64"], cache=str(tmp_path))
    result = ask.run(System(), wanted, True)
    assert (result["missing"], result["unanswered"], result["warned"]) == ([images[1]], [images[2]], [])
    assert [row["status"] for row in result["images"]] == ["ok", "missing", "not_found"]
    assert result["table"][0].split() == ["image", "linux/arm64", "remark"]
    assert list(tmp_path.rglob("*"))


def test_nothing_to_ask() -> None:
    result = ask.ask(params())
    assert (result["images"], result["requests"], result["changed"]) == ([], 0, False)


def test_what_nobody_chose_is_the_modules_default() -> None:
    chosen = ask.defaults(images=["a"], sizes=False)
    assert (chosen["images"], chosen["sizes"], chosen["workers"], chosen["ca_path"]) == (["a"], False, 8, None)
    assert set(chosen) == set(ask.OPTIONS)
