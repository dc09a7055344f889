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
