# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever people and files say stays text, and no page leads out of the desk."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from element import Markup, element, escape, h, join, paragraphs, said
from hypothesis import given
from hypothesis import strategies as st

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'onclick='x",
    "&lt;b&gt;",
    "\x00<b\x1b>",
    "\u202etxt",
]


class Reader(HTMLParser):
    """What a browser makes of a page: its elements, attributes and text."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.values: list[str] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.values += [value or "" for _name, value in attrs]

    def handle_data(self, data):
        self.text += data


@pytest.mark.parametrize("text", HOSTILE)
def test_text_and_attributes_are_never_markup(text: str) -> None:
    seen = Reader(h.p(text, title=text))
    assert seen.tags == ["p"]
    kept = "".join(sign for sign in text if sign not in "\x00\x1b")
    assert seen.text == kept and seen.values == [kept]


@given(st.text(), st.text())
def test_any_text_is_read_back(text: str, other: str) -> None:
    page = h.div(h.p(text), [other, None, False], data_x=other)
    assert Reader(page).tags == ["div", "p"]
    assert "<" not in page.replace("<div", "").replace("<p>", "").replace("</p>", "").replace("</div>", "")


@pytest.mark.parametrize(
    "address",
    ["javascript:alert(1)", "//elsewhere.example", "https://elsewhere.example", "/\\elsewhere", "data:text/html,x"],
)
@pytest.mark.parametrize("attribute", ["href", "src", "action", "formaction"])
def test_an_address_outside_is_refused(address: str, attribute: str) -> None:
    with pytest.raises(ValueError, match="not an address inside"):
        element("a", **{attribute: address})


@pytest.mark.parametrize("name", ["onclick", "style", "x y", "ON_click"])
def test_attributes_that_run_something_are_refused(name: str) -> None:
    with pytest.raises(ValueError):
        element("p", **{name: "x"})


def test_a_script_has_no_content() -> None:
    with pytest.raises(ValueError):
        h.script("alert(1)")


def test_attributes() -> None:
    assert (
        h.input(id="a", disabled=True, checked=False, value=None, aria_label="x")
        == '<input id="a" disabled aria-label="x">'
    )
    assert h.label("x", for_="a", cls="b") == '<label for="a" class="b">x</label>'


def test_markup_is_not_escaped_twice() -> None:
    assert join(h.b("<"), "<", Markup("<i>")) == "<b>&lt;</b>&lt;<i>"
    assert escape("<") == "&lt;"


def test_what_a_person_wrote_keeps_its_lines() -> None:
    assert paragraphs("one\ntwo\r\n\r\n<three>") == ['<p dir="auto">one<br>two</p>', '<p dir="auto">&lt;three&gt;</p>']
    assert said("א") == '<bdi dir="auto">א</bdi>'
