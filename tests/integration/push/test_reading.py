"""YAML and JSON are read as the real kubectl reads them; what it takes and we refuse is on a list.

Scalars, small documents of any style, forms of whole files, and every manifest of Kubernetes' own tests of kubectl
(from the module that the lab's kubectl was built from).
"""

from __future__ import annotations

import json
import random
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from apiserver import cache, program
from forms import FORMS

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
    "!!timestamp 2026-01-01", "!!int 1", "!!int x", "!!int 1.0", "!!int 0x1E", "!!int 1e3", "!!float 0x10",
    "{!!merge <<: {a: 1}}", "'08'", '"\\x41\\u00e9"', "'it''s'", "a b", "a#b", "a #b", "''",
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
    found = {document["metadata"]["name"]: document for document in read_by_kubectl(folder)[0]}
    assert len(found) > len(DOCUMENTS) / 3
    return found


def read_by_kubectl(path: Path) -> tuple[list[dict], str]:
    """The objects of a file or folder as kubectl reads them, and what it says of the rest."""
    # The one command that reads without a server, and changes nothing but a label.
    command = [program("kubectl"), "label", "--local", "--overwrite", "-f", str(path), "read=yes", "-o", "json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    text, found, decoder = done.stdout.strip(), [], json.JSONDecoder()
    while text:
        document, end = decoder.raw_decode(text)
        text = text[end:].strip()
        found += document["items"] if document["kind"] == "List" and "items" in document else [document]
    for document in found:
        document["metadata"]["labels"].pop("read")
        if not document["metadata"]["labels"]:
            del document["metadata"]["labels"]
    return found, done.stderr if done.returncode else ""


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


# Whole files --------------------------------------------------------------------------------------------------------


def files_of_kubectls_tests() -> dict[str, str]:
    """The manifests of Kubernetes' test/cmd and hack/testdata, by file and place."""
    found: dict[str, str] = {}
    for root in sorted((cache() / "gomod" / "k8s.io").glob("kubernetes@*")):
        for path in sorted([*root.glob("hack/testdata/**/*"), *root.glob("test/fixtures/pkg/kubectl/**/*")]):
            if path.suffix in (".yaml", ".yml", ".json"):
                found[str(path.relative_to(root))] = path.read_text()
        for path in sorted(root.glob("test/cmd/*.sh")):
            here = re.finditer(r"<<-?\s*['\"]?(__EOF__|EOF)['\"]?\n(.*?)\n\s*\1", path.read_text(), re.DOTALL)
            found.update({f"{path.name} {number}": match.group(2) for number, match in enumerate(here)})
        for path in sorted(root.glob("test/cmd/testdata/*.txtar")):
            parts = re.split(r"^-- (.*?) --$", path.read_text(), flags=re.MULTILINE)[1:]
            pairs = zip(parts[::2], parts[1::2])
            found.update({f"{path.name} {name}": text for name, text in pairs if name.endswith((".yaml", ".json"))})
    return found


# What both know to be no object of a cluster, or refuse for another reason than the form of the file.
NO_OBJECTS = re.compile(r"has no metadata.name|has generateName|has the key \S+ for the second time")


def without_managers(documents: list[dict]) -> Iterator[Any]:
    for document in documents:
        metadata = {key: value for key, value in document["metadata"].items() if key != "managedFields"}
        if not metadata.get("labels"):
            metadata.pop("labels", None)
        yield as_go({**document, "metadata": metadata})


def compared(path: Path, text: str) -> str:
    """How our reading of a file differs from kubectl's; "" when it does not."""
    path.write_bytes(text.encode())
    theirs, refusal = read_by_kubectl(path)
    try:
        ours = [item.object for item in load.load([str(path)], None)]
    except ManifestError as error:
        return "" if refusal or NO_OBJECTS.search(str(error)) else f"refused by us: {error}"
    if refusal:
        return f"taken by us, and by kubectl not: {refusal}" if ours else ""
    same = json.dumps(list(without_managers(ours)), sort_keys=True) == json.dumps(
        list(without_managers(theirs)), sort_keys=True
    )
    return "" if same else f"read as {ours}, by kubectl as {theirs}"


@pytest.mark.parametrize("name", list(FORMS))
def test_a_file_of_any_form_is_read_as_by_kubectl(tmp_path, name):
    found = compared(tmp_path / "f.yaml", FORMS[name])
    assert not found, f"{found}\n{FORMS[name]}"


def test_the_manifests_of_kubectls_own_tests_are_read_as_by_kubectl(tmp_path):
    files = files_of_kubectls_tests()
    if not files:
        pytest.skip("the lab's cache has no source of Kubernetes: its software came ready-made")
    assert len(files) > 150
    wrong = {}
    for name, text in files.items():
        found = compared(tmp_path / ("f.json" if name.endswith(".json") else "f.yaml"), text)
        if found:
            wrong[name] = found
    assert not wrong, wrong
