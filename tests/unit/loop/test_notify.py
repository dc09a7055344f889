# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be wrong with loop_notify, without showing a secret."""

from __future__ import annotations

import pytest

from ansible_collections.bramble.kube.plugins.module_utils.loop import notify

MAIL = {"shape": "smtp", "host": "mail", "from": "b@example.org", "to": ["ben@example.org"]}
GOOD = [
    {"shape": "ntfy", "url": "https://ntfy.sh/x"},
    {"shape": "slack", "url": "https://hooks.slack.com/services/T/B/x"},
    {"shape": "matrix", "url": "https://matrix.org", "room": "!a:b", "token": "t"},
    {**MAIL, "user": "u", "password": "p", "port": 465, "security": "tls"},
]


def test_each_shape_as_the_docs_have_it():
    assert notify.errors(GOOD) == []
    assert notify.errors([]) == []
    named = notify.targets(GOOD)
    assert [one["name"].rpartition("-")[0] for one in named] == ["ntfy", "slack", "matrix", "smtp"]
    assert len({one["name"] for one in named}) == 4
    assert notify.targets([{**MAIL, "password": "p"}])[0]["name"] == notify.name_of({**MAIL, "password": "q"})


@pytest.mark.parametrize(
    ("entry", "fault"),
    [
        ({}, "has no shape; use one of ntfy, slack, matrix or smtp"),
        ({"shape": "irc"}, "has no shape; use one of ntfy, slack, matrix or smtp"),
        ({"shape": "ntfy"}, "has no url, which ntfy needs"),
        ({"shape": "ntfy", "url": "s3cret"}, "has a url that does not begin with https:// (or http://) and a host"),
        (
            {"shape": "slack", "url": "https://a", "token": "s3cret"},
            "has token, which is not a setting of slack; it has url",
        ),
        ({"shape": "ntfy", "url": "https://a", "token": "s3cret\nX: y"}, "has a token that is not a line of text"),
        ({**MAIL, "to": "ben@example.org"}, "has a to that is not a list of addresses, such as [ben@example.org]"),
        ({**MAIL, "from": "bramble"}, "has a from that is not an address, such as bramble@example.org"),
        ({**MAIL, "port": 70000}, "has a port that is not a number from 1 to 65535"),
        ({**MAIL, "security": "ssl"}, "has a security that does not exist; use starttls, tls or none"),
        ({**MAIL, "password": "s3cret"}, "has only one of user and password; give both, or none"),
        (
            {**MAIL, "user": "u", "password": "s3cret", "security": "none"},
            "would send its password without encryption; use security: starttls or tls",
        ),
    ],
)
def test_what_is_wrong_is_said_without_its_value(entry, fault):
    assert notify.errors([GOOD[0], entry]) == [f"loop_notify: entry 2 {fault}."]


def test_the_list_itself():
    assert notify.errors({"shape": "ntfy"})[0].startswith("loop_notify is not a list")
    assert notify.errors([GOOD[0], GOOD[0]]) == ["loop_notify has the same target twice; leave one out."]
