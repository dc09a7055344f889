"""All steps asked at once."""

from __future__ import annotations

import pytest

from ansible_collections.bramble.kube.plugins.module_utils.common.errors import Stop
from ansible_collections.bramble.kube.plugins.module_utils.pi import pending
from ansible_collections.bramble.kube.plugins.module_utils.pi.pending import STEPS, due, run


def test_only_what_would_change_something_is_due(pi) -> None:
    pi.put("/boot/firmware/cmdline.txt", "root=a quiet\n")
    pi.put("/proc/cmdline", "root=a quiet\n")
    wanted = {"boot_cmdline": {"present": ["quiet"]}, "pi_swap": {"state": "off"}, "pi_resolver": {}}
    assert due(pi, wanted)[0] == []
    assert due(pi, {**wanted, "boot_cmdline": {"present": ["splash"]}})[0] == ["boot_cmdline"]
    pi.put("/etc/fstab", "/swapfile none swap sw 0 0\n")
    assert due(pi, wanted)[0] == ["pi_swap"]
    assert due(pi, {"pi_swap": {"state": "keep"}})[0] == []


def test_a_reboot_that_is_still_to_come_is_due(pi) -> None:
    pi.put("/boot/firmware/cmdline.txt", "root=a quiet\n")
    pi.put("/proc/cmdline", "root=a\n")
    assert due(pi, {"boot_cmdline": {"present": ["quiet"]}})[0] == ["boot_cmdline"]


def test_what_a_step_would_refuse_is_due_so_that_it_says_why(pi) -> None:
    assert due(pi, {"pi_settings": {"timezone": "Mars/Base"}})[0] == ["pi_settings"]


def test_packages_are_asked_without_apt(pi) -> None:
    pi.put("/var/lib/dpkg/status", "Package: curl\nStatus: install ok installed\nVersion: 1\n")
    assert due(pi, {"pi_packages": {"names": ["curl"]}})[0] == []
    assert due(pi, {"pi_packages": {"names": ["curl", "kmod"]}})[0] == ["pi_packages"]
    assert due(pi, {"pi_packages": {"names": ["curl"], "upgrade": True}})[0] == ["pi_packages"]


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ({"pi_magic": {}}, "there is no step pi_magic"),
        ({"pi_swap": {"state": "half"}}, "pi_swap: value of state must be one of"),
        ({"pi_swap": {"colour": "red"}}, "pi_swap"),
    ],
)
def test_unknown_steps_and_options_are_refused(pi, steps: dict, words: str) -> None:
    with pytest.raises(Stop, match=words):
        due(pi, steps)


def test_each_step_is_a_module() -> None:
    assert all(hasattr(step, "OPTIONS") and callable(step.run) for step in STEPS.values())


def test_the_password_of_the_wifi_reaches_its_step_and_no_other(pi, monkeypatch: pytest.MonkeyPatch) -> None:
    given = {}
    monkeypatch.setattr(
        pending, "_look", lambda step, _system, options: (given.update({step: options.get("password")}) or True, {})
    )
    steps = {"pi_wifi": {"ssid": "home", "country": "DE"}, "pi_swap": {}}
    told = run(pi, {"steps": steps, "wifi_password": "long enough"}, False)
    assert told == {"changed": False, "due": ["pi_wifi", "pi_swap"], "told": {}}
    assert given == {STEPS["pi_wifi"]: "long enough", STEPS["pi_swap"]: None}
    assert "password" not in steps["pi_wifi"]
    assert run(pi, {"steps": {"pi_resolver": {}}, "wifi_password": ""}, False)["due"] == ["pi_resolver"]
