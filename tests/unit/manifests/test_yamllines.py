"""What is read line by line is what libyaml reads, and whatever is not that plain is left to it."""

from __future__ import annotations

import random

import pytest

from ansible_collections.bramble.kube.plugins.module_utils.manifests import yamllines, yamltext
from ansible_collections.bramble.kube.plugins.module_utils.manifests.errors import ManifestError

MANIFEST = """# Copyright
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web   # the site
  labels: {}
  other: {a: b, c/d: 'e: f', g: 08}
  annotations:
    example.org/note: 'it is: "so"'
    empty: ""
spec:
  replicas: 0
  paused: yes
  selector:

    matchLabels:
      app: web
  template:
    spec:
      containers:
      - name: app
        image: example.org:5000/app:1.0
        args: [--port=8080, "a b", '', -v, 08]
        command: ["sh", "-c"]
        ports:
          -   containerPort: 8080
              name: http
          - containerPort: 22:80
        env:
        - name: A
          value: b # c
        - name: B
          value:
      - name: side
        args:
          - --verbose
          - a#b :c
          - 1.5
      nodeSelector:
      volumes: []
"""
OTHERS = (
    "a: [b, {c: d}]\n",
    "a: {b: c, b: d}\n",
    "a: {1: b}\n",
    "a: {on: b}\n",
    "a: [.inf]\n",
    "a: {b: {c: d}}\n",
    "a: |\n  b\n  c\n",
    "a: b\n  c\n",
    "a: b\n  # c\n  d: e\n",
    "a: >-\n  b\n",
    "a: &x b\nc: *x\n",
    "a: !!str 1\n",
    '"a": b\n',
    "1: b\n",
    "on: b\n",
    "a: b\na: c\n",
    "<<: {a: b}\n",
    "a: b: c\n",
    "a: 'b''c'\n",
    'a: "b\\n"\n',
    'a: "b\n  c"\n',
    "a: .nan\n",
    "a:\tb\n",
    "a: b\r\nc: d\r\n",
    "a: ü\n",
    "a: b\u2028c: d\n",
    "? a\n: b\n",
    "- a\n- b\n",
    "a\n",
    "a:\n  b\n",
    "a:\n- - b\n",
    "a:\n-\n  b: c\n",
    "a:\n  - b\n c: d\n",
    "  a: b\n c: d\n",
    "a: - b\n",
    "a: %b\n",
    "a: @b\n",
    "a: `b\n",
    "a: b\n...\n",
    "--- a\n",
    "--- {a: b}\n",
    "a: ~\n",
    f"{'a' * 300}: b\n",
    "".join(f"{'  ' * depth}a:\n" for depth in range(60)),
    "",
    "# nothing\n",
    "---\n",
)


def outcome(text: str) -> tuple[str, ...]:
    """What a text holds, with types and the order of keys, or that it holds a mistake."""
    try:
        return tuple(map(repr, yamltext.documents(text, "f")))
    except ManifestError:
        return ("mistake",)


def by_events(text: str, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """The same from libyaml alone, the text as a whole."""
    with monkeypatch.context() as patch:
        patch.setattr(yamllines, "read", lambda *_arguments: None)
        patch.setattr(yamltext, "_TOGETHER", ("",))
        return outcome(text)


def test_a_plain_manifest_is_read_line_by_line(monkeypatch):
    found = yamllines.read(MANIFEST, yamllines.Lines(yamltext.plain))
    assert found is not None and by_events(MANIFEST, monkeypatch) != ("mistake",)
    assert (repr((found[0] + 1, found[1])),) == by_events(MANIFEST, monkeypatch)


@pytest.mark.parametrize("text", OTHERS)
def test_what_is_not_that_plain_is_left_to_libyaml(text, monkeypatch):
    assert yamllines.read(text, yamllines.Lines(yamltext.plain)) is None
    assert outcome(text) == by_events(text, monkeypatch)


def test_any_text_is_read_as_libyaml_reads_it(monkeypatch):
    dice = random.Random(17)
    inserts = [*" \t\n:#-'\"[]{}&*!|>%@`?,~.=<0ay\u2028\xfc", "\n---\n", ": ", " #", "- ", "\n  ", "---", "...", "''"]
    lines = [*MANIFEST.splitlines(keepends=True), *OTHERS, *(line.rstrip("\n") for line in OTHERS)]
    plainly = 0
    for _number in range(4000):
        whole = list(MANIFEST) if dice.random() < 0.5 else list("".join(dice.choices(lines, k=dice.randint(1, 6))))
        for _change in range(dice.randint(0, 3)):
            place = dice.randint(0, len(whole))
            end = place + dice.choice((0, 0, 1, 2, 9))
            whole[place:end] = dice.choice(inserts) if dice.random() < 0.8 else dice.choice(lines)
        text = "".join(whole)
        assert outcome(text) == by_events(text, monkeypatch), text
        plainly += yamllines.read(text, yamllines.Lines(yamltext.plain)) is not None
    assert plainly > 500


def test_lines_of_documents_are_counted_from_the_beginning_of_the_text():
    text = f"{MANIFEST}---\n\na: 1\n---\nb: |\n  2\n---\n---\nc: 3\n---\n# end\nd: [4\n"
    found = []
    with pytest.raises(ManifestError, match=rf"^f:{text.count(chr(10)) + 1} is not valid YAML"):
        found.extend(yamltext.documents(text, "f"))
    with pytest.raises(ManifestError, match=r"^f:5 has the key a for the second time"):
        list(yamltext.documents("---\nb: 1\n---\na: 1\na: 2\n---\nc: 1\n", "f"))
    start = MANIFEST.count("\n")
    documents = yamltext.documents(text, "f")
    assert [next(documents)[0] for _number in range(5)] == [2, start + 3, start + 5, start + 8, start + 9]
