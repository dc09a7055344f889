"""The step that installs packages: what it says when apt cannot."""

from __future__ import annotations

import pytest

from ansible_collections.bramble.kube.plugins.module_utils.common.errors import Stop
from ansible_collections.bramble.kube.plugins.module_utils.common.system import Done
from ansible_collections.bramble.kube.plugins.module_utils.pi.steps import packages

OPTIONS = {name: option["default"] for name, option in packages.OPTIONS.items()}
NO_NAME = "Err:1 http://deb.debian.org/debian trixie InRelease\n  Temporary failure resolving 'deb.debian.org'\n"
UNREAD = "E: Failed to fetch http://deb.debian.org/x  Temporary failure resolving 'deb.debian.org'\n"


def apt(pi, monkeypatch, update: Done, update_at_all_costs: Done, install: Done) -> None:
    """apt-get as it answers."""

    def call(arguments, timeout=None, **environment) -> Done:
        if "install" in arguments:
            return install
        return update if "--error-on=any" in arguments else update_at_all_costs

    monkeypatch.setattr(pi, "call", call)
    pi.put("/var/lib/dpkg/status", "")


def test_without_a_name_server_the_reason_is_not_that_there_is_no_such_package(pi, monkeypatch) -> None:
    """apt-get update ends well although it has read nothing."""
    apt(
        pi,
        monkeypatch,
        update=Done(100, NO_NAME, UNREAD),
        update_at_all_costs=Done(0, NO_NAME, ""),
        install=Done(100, "", "E: Unable to locate package curl\n"),
    )
    with pytest.raises(Stop) as stop:
        packages.run(pi, {**OPTIONS, "names": ["curl"]}, False)
    assert str(stop.value).startswith(
        "curl cannot be installed: E: Unable to locate package curl. Not all package lists"
    )
    assert "http://deb.debian.org/debian cannot be found: the name server does not know its name" in str(stop.value)


def test_one_list_that_cannot_be_read_does_not_matter_when_the_package_is_there(pi, monkeypatch) -> None:
    apt(pi, monkeypatch, Done(100, NO_NAME, UNREAD), Done(0, "", ""), Done(0, "", ""))
    packages.run(pi, {**OPTIONS, "names": ["curl"]}, False)


def test_lists_that_were_read_are_not_blamed(pi, monkeypatch) -> None:
    apt(pi, monkeypatch, Done(0, "", ""), Done(0, "", ""), Done(100, "", "E: Unable to locate package crul\n"))
    with pytest.raises(Stop) as stop:
        packages.run(pi, {**OPTIONS, "names": ["crul"]}, False)
    assert "Not all package lists" not in str(stop.value)


EXPIRED = "W: GPG error: http://a/x  InRelease: The following signatures were invalid: EXPKEYSIG 234654DA9A296436 k8s\n"


@pytest.mark.parametrize(("said", "strict"), [(EXPIRED, 1), (UNREAD, 2)], ids=["a refused signature", "no name server"])
def test_lists_are_asked_for_again_only_where_that_may_help(pi, monkeypatch, said, strict) -> None:
    asked = []

    def call(arguments, timeout=None, **environment) -> Done:
        asked.append(arguments)
        return Done(100, "", said) if "update" in arguments else Done(0, "", "")

    monkeypatch.setattr(pi, "call", call)
    pi.put("/var/lib/dpkg/status", "")
    with pytest.raises(Stop, match=r"^The package lists cannot be read: http"):
        packages.run(pi, {**OPTIONS, "names": ["curl"]}, False)
    assert len([one for one in asked if "--error-on=any" in one]) == strict
    assert len([one for one in asked if "update" in one]) == strict + 1


#: What apt-mark (apt 3.0.3, dpkg 1.22.21) prints while another program installs; it has no option to wait for it.
LOCKED = Done(
    100,
    "",
    "dpkg: error: dpkg frontend lock was locked by /usr/bin/unattended-upgrade process with pid 812\n"
    "Note: removing the lock file is always wrong, can damage the locked area\n"
    "E: Sub-process dpkg --set-selections returned an error code (2)\n"
    "E: Executing dpkg failed. Are you root?\n",
)


@pytest.fixture
def busy(pi, monkeypatch):
    """A Pi on which another program takes dpkg's locks just when it is the turn of one of ours."""
    asked, left = [], {}

    def call(arguments, timeout=None, **environment) -> Done:
        asked.append(arguments[0])
        word = next((word for word in left if word in arguments), "")
        if word and left[word]:
            left[word] -= 1
            return LOCKED
        return Done(0, "", "")

    monkeypatch.setattr(pi, "call", call)
    monkeypatch.setattr(packages.packages.time, "sleep", lambda _seconds: None)
    pi.put("/var/lib/dpkg/status", "Package: kubelet\nStatus: install ok installed\nVersion: 1.37.2-1.1\n")
    pi.busy, pi.programs = left, asked
    return pi


def test_what_does_not_wait_for_dpkgs_lock_is_tried_again(busy) -> None:
    busy.busy["hold"] = 3
    result = packages.run(busy, {**OPTIONS, "names": ["kubelet"], "hold": True}, False)
    assert busy.programs == ["apt-mark"] * 4
    assert result["changes"] == ["kubelet held"]


def test_a_lock_that_is_held_for_too_long_is_told_with_its_holder(busy) -> None:
    busy.busy["hold"] = 3
    with pytest.raises(Stop, match=r"^kubelet cannot be held: dpkg: error: .* was locked by \S+upgrade"):
        packages.run(busy, {**OPTIONS, "names": ["kubelet"], "hold": True, "lock_timeout": 0}, False)
    assert busy.programs == ["apt-mark"]


def test_what_was_cut_short_is_finished_once_nobody_else_installs(busy) -> None:
    busy.put("/var/lib/dpkg/updates/0001", "")
    busy.busy["--configure"] = 1
    with pytest.raises(Stop, match=r"^dpkg cannot finish dpkg: it gives no reason"):  # this one says that it has
        packages.run(busy, OPTIONS, False)
    assert busy.programs == ["dpkg", "dpkg", "apt-get"]
