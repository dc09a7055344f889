"""Reading manifests: every form that comes in, and one sentence with file and line for what is wrong."""

from __future__ import annotations

import datetime
import hashlib
import http.server
import threading

import pytest

from ansible_collections.bramble.kube.plugins.module_utils.manifests import load
from ansible_collections.bramble.kube.plugins.module_utils.manifests.errors import ManifestError

CONFIG = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {}\n"


def names(items) -> list[str]:
    return [item.name for item in items]


def test_files_folders_globs_and_inline_objects(tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "a.yaml").write_text(CONFIG.format("a1") + "---\n" + CONFIG.format("a2"))
    (tmp_path / "b" / "b.json").write_text('{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "b"}}')
    (tmp_path / "b" / "notes.txt").write_text("not a manifest")
    assert names(load.load([str(tmp_path)], None)) == ["a1", "a2", "b"]
    assert names(load.load([str(tmp_path / "*.yaml")], None)) == ["a1", "a2"]
    assert names(load.load([str(tmp_path / "b" / "b.json")], CONFIG.format("inline"))) == ["b", "inline"]
    assert names(load.load([], [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}}])) == ["x"]


def test_lists_are_unfolded_and_empty_documents_skipped():
    entry = "- apiVersion: v1\n  kind: ConfigMap\n  metadata: {name: a}\n"
    text = f"---\n---\napiVersion: v1\nkind: List\nitems:\n{entry}---\n# nothing\n"
    assert names(load.parse(text, "f.yaml")) == ["a"]


def test_several_json_documents_in_one_file():
    one = '{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "%s"}}'
    assert names(load.parse(one % "a" + "\n---\n" + one % "b", "f.json")) == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a: [1\n", "f.yaml:2 is not valid YAML"),
        (
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n  name: b\n",
            "f.yaml:5 has the key name for the second time",
        ),
        ("# first\n---\n- a\n", "f.yaml:3 is a list where a Kubernetes object"),
        ("\n\napiVersion: v1\nmetadata: {name: a}\n", "f.yaml:3 has no kind."),
        ("kind: ConfigMap\nmetadata: {name: a}\n", "f.yaml:1, a ConfigMap, has no apiVersion."),
        ("apiVersion: v1\nkind: ConfigMap\n", "f.yaml:1, a ConfigMap, has no metadata.name."),
        ("apiVersion: v1\nkind: Pod\nmetadata: {generateName: a-}\n", "would create one more object at every run"),
        ("apiVersion: v1\nkind: Pod\nmetadata: {name: 1}\n", "metadata.name 1, which is not text"),
        ("a: *b\n", "f.yaml:1 refers to *b"),
        ("a: !!int b\n", "f.yaml:1 has 'b' with the tag !!int, which it is not"),
    ],
)
def test_what_is_wrong_is_told_with_file_and_line(text, sentence):
    with pytest.raises(ManifestError) as caught:
        list(load.parse(text, "f.yaml"))
    assert sentence in str(caught.value)


def test_duplicates_name_both_places(tmp_path):
    (tmp_path / "f.yaml").write_text(CONFIG.format("a") + "---\n" + CONFIG.format("a"))
    with pytest.raises(ManifestError) as caught:
        load.load([str(tmp_path / "f.yaml")], None)
    assert f"{tmp_path}/f.yaml:1" in str(caught.value) and f"{tmp_path}/f.yaml:6" in str(caught.value)


def test_one_name_in_two_versions_of_a_group_is_a_duplicate():
    both = [
        {"apiVersion": f"apps/{version}", "kind": "Deployment", "metadata": {"name": "d"}}
        for version in ("v1", "v1beta1")
    ]
    with pytest.raises(ManifestError, match="in the set twice"):
        load.load([], both)


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("/does/not/exist", "does not exist"),
        ("/does/*/exist.yaml", "matches no file"),
        ("https://example.org/x.yaml", "needs a checksum"),
        ({"path": "x"}, "an entry is a path, or has url and checksum"),
    ],
)
def test_a_source_that_cannot_be_read_is_one_sentence(source, sentence):
    with pytest.raises(ManifestError, match=sentence):
        load.load([source], None)


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(ManifestError, match=r"without \.yaml"):
        load.load([str(tmp_path)], None)


def test_urls_are_accepted_with_the_right_checksum_only():
    content = CONFIG.format("u").encode()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_args):
            return

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_address[1]}/m.yaml"
    right = "sha256:" + hashlib.sha256(content).hexdigest()
    try:
        assert names(load.load([{"url": url, "checksum": right}], None)) == ["u"]
        with pytest.raises(ManifestError, match="has the checksum sha256:"):
            load.load([{"url": url, "checksum": "sha256:" + "0" * 64}], None)
        with pytest.raises(ManifestError, match="needs a checksum"):
            load.load([{"url": url, "checksum": "crc32:1"}], None)
    finally:
        server.shutdown()
        server.server_close()


def test_the_callers_own_objects_are_never_changed():
    given = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}}
    item = load.load([], given)[0]
    item.object["metadata"]["name"] = "y"
    assert given["metadata"]["name"] == "x"


ONE = '{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}'
OTHER = ONE.replace('"a"', '"b"')


@pytest.mark.parametrize("between", ["", "\n", " \n\n"])
def test_json_documents_follow_one_another_with_their_lines(between):
    items = list(load.parse(f"\n{ONE}{between}{OTHER}\n", "f.json"))
    assert [(item.name, item.line) for item in items] == [("a", 2), ("b", 2 + between.count("\n"))]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ('"data": {"a": "1", "a": "2"}', "has the key a for the second time"),
        ('"data": NaN', "has the number NaN"),
        ('"data": -Infinity', "has the number -Infinity"),
        ('"data": 1e400', "has the number 1e400"),
        ('"data": "\\ud83c"', "half a character"),
    ],
)
def test_json_that_would_not_arrive_as_written_is_refused(content, sentence):
    with pytest.raises(ManifestError, match=f"^f.json:1.*{sentence}"):
        list(load.parse(ONE[:-1] + f", {content}}}", "f.json"))


def test_numbers_of_json_are_those_of_go():
    (item,) = load.parse(
        ONE[:-1] + ', "data": [1.0, 1e3, 99999999999999999999, 9223372036854775807, -9223372036854775808, 0.5]}',
        "f.json",
    )
    assert repr(item.object["data"]) == "[1, 1000, 1e+20, 9223372036854775807, -9223372036854775808, 0.5]"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_files_are_utf_8_or_utf_16_with_its_mark(tmp_path, encoding):
    (tmp_path / "f.yaml").write_text('apiVersion: v1\nkind: ConfigMap\nmetadata: {name: "ä"}\n', encoding=encoding)
    assert [item.name for item in load.load([str(tmp_path / "f.yaml")], None)] == ["ä"]


def test_items_of_a_list_of_one_kind_need_not_repeat_it():
    (item,) = load.parse("apiVersion: v1\nkind: ConfigMapList\nitems: [{metadata: {name: a}}]\n", "f.yaml")
    assert (item.kind, item.api_version) == ("ConfigMap", "v1")
    assert list(load.parse("apiVersion: v1\nkind: List\nitems:\n", "f.yaml")) == []


@pytest.mark.parametrize("items", ["{}", "''", "false", "0", "{a: b}"])
def test_a_list_whose_items_are_no_list_is_no_empty_one(items):
    with pytest.raises(ManifestError, match=r"^f.yaml:1, a List, has items that are .*; write a list of objects\.$"):
        list(load.parse(f"apiVersion: v1\nkind: List\nitems: {items}\n", "f.yaml"))


def test_whatever_has_objects_as_items_is_a_list():
    assert [item.name for item in load.parse(f'{{"kind": "Things", "apiVersion": "v1", "items": [{ONE}]}}', "f")] == [
        "a"
    ]
    (item,) = load.parse("{apiVersion: e.org/v1, kind: Menu, metadata: {name: m}, items: [{kind: soup}]}", "f")
    assert item.kind == "Menu"


@pytest.mark.parametrize(
    ("metadata", "sentence"),
    [
        ("labels: [a]", "metadata.labels that are a list; write a mapping"),
        ("labels: {version: 1.10}", "has the label version, the number 1.1; put it in quotes"),
        ("annotations: {a: yes}", "has the annotation a, the truth value true; put it in quotes"),
        ("annotations: text", "metadata.annotations that are the text 'text'"),
        ("finalizers: {a: b}", "metadata.finalizers that are a mapping; write a list"),
        ("ownerReferences: text", "metadata.ownerReferences that are the text 'text'"),
    ],
)
def test_metadata_of_another_form_is_refused(metadata, sentence):
    with pytest.raises(ManifestError, match=f"^Pod a at f.yaml:1 has .*{sentence}|f.yaml:1 .*{sentence}"):
        list(load.parse(f"apiVersion: v1\nkind: Pod\nmetadata: {{name: a, {metadata}}}\n", "f.yaml"))


def test_all_slips_are_told_at_once(tmp_path):
    (tmp_path / "a.yaml").write_text("apiVersion: v1\nkind: Pod\n---\n[]\n")
    (tmp_path / "b.yaml").write_text("a: [\n")
    with pytest.raises(ManifestError) as caught:
        load.load([str(tmp_path), str(tmp_path / "none")], {"kind": "Pod"})
    for words in ("a.yaml:1", "a.yaml:4", "b.yaml:2", "none does not exist", "object 1 of definition"):
        assert words in str(caught.value)


def test_values_of_a_playbook_are_read_as_kubectl_reads_them():
    start = {"apiVersion": "v1", "kind": "X", "metadata": {"name": "a"}}
    (item,) = load.load([], {**start, "d": datetime.date(2026, 1, 2), 1: 2.0})
    assert item.object["d"] == "2026-01-02" and item.object["1"] == 2 and type(item.object["1"]) is int
    for value in (float("nan"), datetime.datetime(2026, 1, 2), b"x", {1, 2}, "\ud83c"):
        with pytest.raises(ManifestError, match="object 1 of definition has"):
            load.load([], {**start, "d": [value]})


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("name", "50%", "and no name can contain %"),
        ("name", "a/b", "and no name can contain /"),
        ("name", "..", "which no object can have"),
        ("name", "$(NAME)", "a placeholder that nothing filled in"),
        ("name", "$NAME", "a placeholder that nothing filled in"),
        ("name", "<name>", "a placeholder that nothing filled in"),
        ("name", "__NAME__", "a placeholder that nothing filled in"),
        ("name", "{name}", "a placeholder that nothing filled in"),
        ("namespace", "${SPACE}", "a placeholder that nothing filled in"),
        ("namespace", "{{ space }}", "a placeholder that nothing filled in"),
    ],
)
def test_a_name_that_is_none_is_told_with_its_place(field, value, words):
    metadata = {"name": "a", field: value}
    with pytest.raises(ManifestError) as caught:
        load.load([], {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})
    assert f"at object 1 of definition has the metadata.{field} {value!r}, {words}" in str(caught.value)
