# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The loop's files: digests, corrections, what is held out, and files that are whole or not there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import volume


def test_the_digest_of_code_is_that_of_its_names_and_texts():
    assert volume.code_digest({"b": "2", "a": "é"}) == volume.code_digest({"a": "é", "b": "2"})
    assert volume.code_digest({"a": "é", "b": "2"}) == volume.digest('{"a":"é","b":"2"}'.encode())
    assert volume.code_digest({"a": "1"}) != volume.code_digest({"a": "1", "b": ""})


def test_code_is_read_as_a_config_map_shows_it(tmp_path):
    (tmp_path / "..2026").mkdir()
    (tmp_path / "..2026" / "model.py").write_text("x")
    (tmp_path / "..data").symlink_to("..2026")
    (tmp_path / "model.py").symlink_to("..data/model.py")
    (tmp_path / "__pycache__").mkdir()
    assert volume.read_code(tmp_path) == {"model.py": "x"}


def test_corrections_are_read_without_what_was_cut_off(tmp_path):
    (tmp_path / "corrections").mkdir()
    good = {"case": "digit-1", "label": "7", "by": "ada", "at": "2026-01-01T00:00:00Z"}
    lines = [json.dumps(good), "[1]", '{"label": "no case"}', json.dumps(good)[:20]]
    (tmp_path / "corrections" / "digits.jsonl").write_text("\n".join(lines))
    assert volume.read_corrections("digits", tmp_path) == [good]
    assert volume.read_corrections("other", tmp_path) == []


def test_a_fifth_is_held_out_and_half_of_what_people_corrected_teaches():
    names = [f"digit-{number}" for number in range(5000)]
    held_out = {name for name in names if volume.is_held_out(name)}
    assert 900 < len(held_out) < 1100
    after = {name for name in names if volume.is_held_out(name, held_out)}
    assert after < held_out
    assert 0.4 < len(after) / len(held_out) < 0.6
    assert {name for name in names if volume.is_held_out(name, set(names) - held_out)} == held_out


def test_a_cut_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "deep" / "result.json"
    volume.write_json(path, {"old": 1})

    def cut(*_arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", cut)
    with pytest.raises(KeyboardInterrupt):
        volume.write_json(path, {"new": 2})
    assert volume.read_json(path) == {"old": 1}


@pytest.mark.parametrize("content", [None, b"", b'{"half": '])
def test_what_is_no_json_is_not_there(tmp_path, content):
    if content is not None:
        (tmp_path / "x.json").write_bytes(content)
    assert volume.read_json(tmp_path / "x.json") is None


def test_numbers_that_json_does_not_have_are_never_written(tmp_path):
    with pytest.raises(ValueError, match="Out of range"):
        volume.write_json(tmp_path / "x.json", {"score": float("nan")})
