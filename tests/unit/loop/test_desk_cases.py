# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cases that are the evidence's own, corrections that are written once, and pictures of them."""

from __future__ import annotations

import hashlib
import io
import json
import struct
import threading
import zlib
from xml.etree import ElementTree

import pictures
import pytest
from cases import CasesError, CasesFolder, correct, read
from element import h
from words import Words
from words import read as read_words

ENGLISH = Words("en", read_words()["en"])
GOOD = {
    "kind": "text",
    "labels": ["a", "b"],
    "cases": [{"id": "1", "show": {"text": "x"}, "truth": "a", "old": "a", "new": "b"}],
}


def encoded(data: object) -> tuple[bytes, str]:
    content = json.dumps(data).encode()
    return content, f"sha256:{hashlib.sha256(content).hexdigest()}"


def test_good_cases() -> None:
    found = read(*encoded(GOOD))
    assert found.by_id()["1"]["truth"] == "a" and found.changed() == GOOD["cases"]


def test_another_file_than_the_evidence_names() -> None:
    content, _digest = encoded(GOOD)
    with pytest.raises(CasesError) as error:
        read(content, encoded({})[1])
    assert error.value.key == "cases.digest"


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"kind": "html"}, "cases.form"),
        ({"cases": None}, "cases.form"),
        ({"cases": [{"id": "1"}]}, "cases.form"),
        ({"cases": [{"id": "1", "show": "x", "new": "a"}]}, "cases.form"),
        ({"template": ["x"]}, "cases.form"),
        ({"template": {"fields": [{"from": "x", "as": "html"}]}}, "cases.template"),
        ({"template": {"fields": [{"as": "text"}]}}, "cases.template"),
        ({"kind": "custom"}, "cases.template"),
        ({"template": {"questions": [{"id": "x", "kind": "html", "ask": "?"}]}}, "cases.question"),
        ({"questions": [{"id": "x y", "ask": "?"}]}, "cases.question"),
    ],
)
def test_files_that_cannot_be_shown(change: dict, key: str) -> None:
    with pytest.raises(CasesError) as error:
        read(*encoded({**GOOD, **change}))
    assert error.value.key == key


@pytest.mark.parametrize("content", [b"", b"[]", b"null", b"\xff", b'{"kind": "text"}', b"1" * 5000])
def test_no_json_at_all(content: bytes) -> None:
    with pytest.raises(CasesError):
        read(content, f"sha256:{hashlib.sha256(content).hexdigest()}")


def test_the_folder_reads_below_releases_alone(tmp_path) -> None:
    content, digest = encoded(GOOD)
    (tmp_path / "releases/digits-1").mkdir(parents=True)
    (tmp_path / "releases/digits-1/cases.json").write_bytes(content)
    (tmp_path / "secret.json").write_bytes(content)
    (tmp_path / "releases/link.json").symlink_to(tmp_path / "secret.json")
    folder = CasesFolder(tmp_path)
    for name in ("secret.json", "releases/../secret.json", "/etc/passwd", "releases/link.json", "", "releases"):
        with pytest.raises(CasesError):
            folder.of({"file": name, "digest": digest})
    assert folder.of({"file": "releases/digits-1/cases.json", "digest": digest}).kind == "text"


def test_memory_keeps_the_last_few(tmp_path) -> None:
    folder = CasesFolder(tmp_path, keep=2)
    for number in range(5):
        content, digest = encoded({**GOOD, "labels": [str(number)]})
        (tmp_path / f"releases/digits-{number}").mkdir(parents=True)
        (tmp_path / f"releases/digits-{number}/cases.json").write_bytes(content)
        folder.of({"file": f"releases/digits-{number}/cases.json", "digest": digest})
    assert len(folder._known) == 2


def line(case: str, label: str = "3") -> dict[str, str]:
    return {"case": case, "label": label, "by": "ben", "at": "2026-01-01T00:00:00Z"}


def test_a_correction_is_written_once(tmp_path) -> None:
    assert correct(tmp_path, "digits", [line("1"), line("2", "七")]) == 2
    assert correct(tmp_path, "digits", [line("1"), line("2", "七"), line("3")]) == 1
    assert correct(tmp_path, "digits", []) == 0
    content = (tmp_path / "corrections/digits.jsonl").read_text()
    assert [json.loads(one) for one in content.splitlines()] == [line("1"), line("2", "七"), line("3")]
    assert content.endswith("\n")


def test_a_line_torn_by_a_power_cut_does_not_eat_the_next(tmp_path) -> None:
    correct(tmp_path, "digits", [line("1")])
    file = tmp_path / "corrections/digits.jsonl"
    file.write_bytes(file.read_bytes() + b'{"case": "2", "la')
    correct(tmp_path, "digits", [line("3")])
    lines = file.read_text().splitlines()
    assert json.loads(lines[0]) == line("1") and json.loads(lines[-1]) == line("3") and len(lines) == 3


def test_many_hands_at_once(tmp_path) -> None:
    threads = [
        threading.Thread(
            target=lambda n=n: [correct(tmp_path, "digits", [line(f"{n}-{place}")]) for place in range(20)]
        )
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = (tmp_path / "corrections/digits.jsonl").read_text().splitlines()
    assert len({json.loads(one)["case"] for one in lines}) == len(lines) == 160


def test_the_same_line_from_many_hands_stands_once(tmp_path) -> None:
    (tmp_path / "corrections").mkdir()
    (tmp_path / "corrections/digits.jsonl").write_text("{}\n" * 20_000)  # reading takes a while
    ready = threading.Barrier(8)

    def work() -> None:
        ready.wait()
        correct(tmp_path, "digits", [line("1")])

    threads = [threading.Thread(target=work) for _hand in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "corrections/digits.jsonl").read_text().count('"case": "1"') == 1


# Pictures ------------------------------------------------------------------------------------------------------------


def pixels_of(content: bytes) -> tuple[int, int, int, bytes]:
    """A PNG's width, height, colour type and rows, its checksums held against it."""
    file = io.BytesIO(content)
    assert file.read(8) == b"\x89PNG\r\n\x1a\n"
    chunks = {}
    while head := file.read(8):
        length, kind = struct.unpack(">I4s", head)
        data = file.read(length)
        assert struct.unpack(">I", file.read(4))[0] == zlib.crc32(kind + data)
        chunks[kind] = data
    width, height, _depth, colour = struct.unpack(">IIBB", chunks[b"IHDR"][:10])
    return width, height, colour, zlib.decompress(chunks[b"IDAT"])


def test_png() -> None:
    assert pixels_of(pictures.png(2, 2, [0, 0.5, 1, 2])) == (2, 2, 0, b"\0\x00\x80\0\xff\xff")
    assert pixels_of(pictures.png(1, 1, [1, 0, 0.2])) == (1, 1, 2, b"\0\xff\x00\x33")


@pytest.mark.parametrize(("width", "height", "count"), [(2, 2, 3), (0, 5, 0), (5000, 1, 5000), (1, 1, 2), (-1, -1, 1)])
def test_pixels_that_are_no_picture(width: int, height: int, count: int) -> None:
    with pytest.raises(ValueError):
        pictures.png(width, height, [0.0] * count)


ROWS = [{"name": "<8>", "cases": 3, "score": 0.5, "before": 0.9}, {"name": "b", "cases": 3, "score": 1}]


@pytest.mark.parametrize(
    "picture",
    [
        pictures.history(ENGLISH, [("1", 0.9, "other"), ("2", 0.95, "live")], 0.93, "Right", str, "2"),
        pictures.history(ENGLISH, [("1", 0.9, "other")], None, "<b>", str),
        pictures.history(ENGLISH, [(str(n), 1.0, "other") for n in range(60)], 1.0, "x", str),
        pictures.slices(ENGLISH, ROWS, "Right", str),
        pictures.series(ENGLISH, {"points": [1, 2, 3.5], "unit": "<C>"}),
        pictures.series(ENGLISH, {"points": [0, 0, 0]}, small=True),
    ],
)
def test_pictures_are_whole_and_stay_in_their_frame(picture: str) -> None:
    tree = ElementTree.fromstring(picture)
    assert tree.get("role") == "img" and tree.get("aria-label")
    _x, _y, width, height = map(float, tree.get("viewBox").split())
    for part in tree.iter():
        for name, most in (
            ("x", width),
            ("cx", width),
            ("x1", width),
            ("x2", width),
            ("y", height),
            ("cy", height),
            ("y1", height),
            ("y2", height),
        ):
            if part.get(name) is not None:
                assert -1 <= float(part.get(name)) <= most + 1, (part.tag, name)


def test_a_line_that_is_none() -> None:
    assert pictures.series(ENGLISH, {"points": [3]}) == h.p("3")
