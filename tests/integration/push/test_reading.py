"""YAML and JSON are read as the real kubectl reads them; what it takes and we refuse is on a list."""

from __future__ import annotations

import json
import random
import subprocess
from pathlib import Path
from typing import Any

import pytest
from apiserver import program

from ansible_collections.bramble.kube.plugins.module_utils.manifests import load
from ansible_collections.bramble.kube.plugins.module_utils.manifests.errors import ManifestError

# fmt: off
SCALARS = [
    "1", "-1", "+1", "0", "-0", "00", "07", "08", "-07", "+07", "0_8", "0_", "1_000", "1__0", "_1", "1_", "-_1",
    "0o17", "0O17", "+0o14", "-0o7", "0o8", "0x1f", "0X1F", "-0x1", "0x", "0xg", "0b11", "0B11", "-0b1", "0b2",
    "0b", "1.0", "1.", ".5", "-.5", "+.5", ".", "-.", "1.5e3", "1e3", "1E3", "1e+3", "1e-3", "1e_3", "1e", "e3",
    ".e3", "1.2.3", ".1_5", "1_0.5", "1e400", "-1e400", "1e-400", "12e4", "123e4", "0e0", "0x1p3",
    "9223372036854775807", "9223372036854775808", "-9223372036854775808", "-9223372036854775809",
    "18446744073709551615", "18446744073709551616", "+18446744073709551615", "0xFFFFFFFFFFFFFFFF",
    "0x10000000000000000", "9007199254740993.0", "1e18", "1e19", "1e21", "y", "Y", "yes", "Yes", "YES", "yEs", "n",
    "N", "no", "on", "On", "ON", "off", "OFF", "true", "True", "TRUE", "tRUE", "false", "~", "null", "Null", "NULL",
    "nULL", ".inf", "-.inf", "+.Inf", ".nan", ".NaN", "inf", "nan", "Infinity", "=", "<<", "-", "?", "2026-01-01",
    "2026-01-01T00:00:00Z", "22:80", "190:20:30", "1:60", "10.0.0.1", "1,000", "1 000", "! 08", "!custom 08",
    "!!str 08", "!!str y", "!!float 1", "!!bool yes", "!!null ''", "!!binary aGk=", "!!binary '!'",
    "!!timestamp 2026-01-01", "!!int 1", "!!int x", "'08'", '"\\x41\\u00e9"', "'it''s'", "a b", "a#b", "a #b", "''",
    '""', "[1, 2,]", "{a: 1,}", "[a, [b]]", "{a: {b: 1}}", "{a, b: 1}", "[]", "{}", "|\n    x\n",
    ">-\n    x\n    y\n", "",
]
# fmt: on

KEYS = ["a", "b", "c", "'d'", "1", "yes", "08", "1.5", "0x10", "~", "1e20", "[x]", '"e f"', "?"]


def generated(number: int) -> str:
    """The number-th small document: a ConfigMap with random content, in any of YAML's styles."""
    rng = random.Random(number)

    def scalar() -> str:
        return rng.choice([one for one in SCALARS if "\n" not in one])

    def flow(depth: int) -> str:
        kind = rng.random()
        if depth == 0 or kind < 0.5:
            text = scalar()
            return text if text and text[-1] not in ":?-" else '"x"'
        if kind < 0.75:
            return "[" + ", ".join(flow(depth - 1) for _ in range(rng.randint(0, 3))) + "]"
        names = rng.sample(KEYS, rng.randint(0, 3))
        return "{" + ", ".join(f"{name}: {flow(depth - 1)}" for name in names) + "}"

    lines = ["apiVersion: v1", "kind: ConfigMap", f"metadata: {{name: a{number}}}", "base: &base {k: 1, l: [x, 08]}"]
    lines.append("data:")
    for name in rng.sample(KEYS, rng.randint(1, 4)):
        kind = rng.random()
        if kind < 0.1:
            lines.append(f"  {name}: *base")
        elif kind < 0.25:
            pairs = ["<<: *base", f"k: {scalar()}", f"m: {scalar()}"]
            rng.shuffle(pairs)
            lines += [f"  {name}:", *(f"    {pair}" for pair in pairs)]
        elif kind < 0.4:
            style = rng.choice(["|", ">", "|-", ">+", "|2"])
            lines += [f"  {name}: {style}", *("    " + " " * rng.randint(0, 2) + scalar() for _ in range(2)), ""]
        elif kind < 0.5:
            lines += [f"  {name}:", *(f"  - {scalar()}" for _ in range(2)), "  # a comment"]
        else:
            lines.append(f"  {name}: {flow(2)}")
    return "\n".join(lines) + "\n"


DOCUMENTS = {
    **{f"s{n}": f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: s{n}}}\nv: {s}\n" for n, s in enumerate(SCALARS)},
    **{f"a{number}": generated(number) for number in range(300)},
}


@pytest.fixture(scope="module")
def kubectls(tmp_path_factory) -> dict[str, Any]:
    """What kubectl makes of each document, by name; those that it refuses are missing."""
    folder: Path = tmp_path_factory.mktemp("documents")
    for name, text in DOCUMENTS.items():
        (folder / f"{name}.yaml").write_text(text)
    # The one command that reads without a server, and changes nothing but a label.
    command = [program("kubectl"), "label", "--local", "-f", str(folder), "read=yes", "-o", "json"]
    text = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    found, decoder = {}, json.JSONDecoder()
    while text:
        document, end = decoder.raw_decode(text)
        del document["metadata"]["labels"]
        found[document["metadata"]["name"]] = document
        text = text[end:].strip()
    assert len(found) > len(DOCUMENTS) / 3
    return found


def as_go(value: Any) -> Any:
    """With numbers as Go keeps them: a fraction that is none is an integer, one beyond 64 bits is not."""
    if isinstance(value, dict):
        return {key: as_go(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [as_go(entry) for entry in value]
    if isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) >= 2**63:
        return float(value)
    return int(value) if isinstance(value, float) and value.is_integer() else value


# What kubectl reads and we refuse on purpose.
STRICTER = ("for the second time", "has a key that is not text")


@pytest.mark.parametrize("name", list(DOCUMENTS))
def test_a_document_is_read_as_by_kubectl(kubectls, name):
    text = DOCUMENTS[name]
    try:
        (item,) = load.parse(text, "f.yaml")
    except ManifestError as error:
        assert str(error).startswith("f.yaml:")
        assert name not in kubectls or any(words in str(error) for words in STRICTER), f"{error}\n{text}"
        return
    assert name in kubectls, f"kubectl refuses what we take:\n{text}"
    assert json.dumps(as_go(item.object), sort_keys=True) == json.dumps(as_go(kubectls[name]), sort_keys=True), text
