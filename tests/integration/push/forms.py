"""Forms of whole files: lists, streams and separators, as people, Helm, kustomize and kubectl itself write them."""

from __future__ import annotations

import json

CONFIG = json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"x": "1"}})
OTHER = CONFIG.replace('"a"', '"b"')
BARE = '{"metadata": {"name": "a"}}'
YAML = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: y}\n"
MORE = YAML.replace("name: y", "name: z")


def a_list(kind: str = "List", version: str = '"apiVersion": "v1",', items: str = f"[{CONFIG}, {OTHER}]") -> str:
    return f'{{{version} "kind": "{kind}", "items": {items}}}'


FORMS = {
    "a List": a_list(),
    "a List without apiVersion": a_list(version=""),
    "a List of another version": a_list(version='"apiVersion": "example.org/v1",'),
    "a List with null": a_list(items="null"),
    "an empty List": a_list(items="[]"),
    "a List with a mapping": a_list(items="{}"),
    "a List with a null entry": a_list(items=f"[null, {CONFIG}]"),
    "a List with a text": a_list(items='["x"]'),
    "a List of entries without kind": a_list(items=f"[{BARE}]"),
    "a typed list": a_list("ConfigMapList"),
    "a typed list of entries without kind": a_list("ConfigMapList", items=f"[{BARE}]"),
    "a typed list without apiVersion": a_list("ConfigMapList", version="", items=f"[{BARE}]"),
    "a typed list of another kind": a_list("SecretList"),
    "a custom list": a_list("ThingList", '"apiVersion": "example.org/v1",', f"[{BARE}]"),
    "a list of any name": a_list("Things"),
    "a kind with List in its name": '{"apiVersion": "e.org/v1", "kind": "AllowList", "metadata": {"name": "a"}}',
    "a stream of JSON": CONFIG + OTHER,
    "a stream of JSON in lines": f"{CONFIG}\n{OTHER}\n",
    "JSON with a comma between": f"{CONFIG}, {OTHER}",
    "JSON with separators": f"---\n{CONFIG}\n---\n{OTHER}\n",
    "JSON, then YAML": f"{CONFIG}\n---\n{YAML}",
    "YAML, then JSON": f"{YAML}---\n{CONFIG}",
    "YAML, then a stream of JSON": f"{YAML}---\n{CONFIG}\n{OTHER}",
    "JSON and YAML without a separator": f"{CONFIG}\n{YAML}",
    "a JSON array": f"[{CONFIG}]",
    "a YAML sequence": f"- {CONFIG}\n",
    "JSON with tabs": CONFIG.replace(", ", ",\n\t"),
    "JSON with escapes": CONFIG.replace('"1"', '"\\/\\u00e9\\ud83c\\udf53"'),
    "JSON with a comma too many": CONFIG.replace("}}", "},}"),
    "JSON with a comment": CONFIG.replace(", ", ", # c\n", 1),
    "JSON below a comment": f"# c\n{CONFIG}",
    "JSON below blank lines": "\n" * 5000 + CONFIG,
    "JSON with more behind it": CONFIG + " x",
    "a mark at the beginning of YAML": "\ufeff" + YAML,
    "a mark at the beginning of JSON": "\ufeff" + CONFIG,
    "line ends of Windows": f"{YAML}---\n{MORE}".replace("\n", "\r\n"),
    "a separator with a comment": f"{YAML}--- # c\n{MORE}",
    "a separator with blanks": f"{YAML}---  \t\n{MORE}",
    "a separator with a word": f"{YAML}--- x\n{MORE}",
    "a separator with a blank before it": f"{YAML} ---\n{MORE}",
    "separators alone": "---\n---\n",
    "separators everywhere": f"---\n---\n{YAML}---\n---\n{MORE}---\n",
    "documents of comments, as Helm writes them": f"---\n# Source: a\n---\n# Source: b\n{YAML}---\n\n  \n---\n{MORE}",
    "documents of nothing": f"{YAML}---\nnull\n---\n~\n---\n{MORE}",
    "a document that is a text": f"{YAML}---\nhello\n",
    "a document that is an empty mapping": f"{YAML}---\n{{}}\n",
    "an end of document": f"{YAML}...\n---\n{MORE}",
    "a directive": f"%YAML 1.2\n---\n{YAML}",
    "indented": "\n".join("  " + line for line in YAML.splitlines()),
    "indented by a tab": "apiVersion: v1\nkind: ConfigMap\nmetadata:\n\tname: y\n",
    "a block with dashes": f"{YAML}data:\n  a: |\n    x\n    ---\n    y\n",
    "a block that ends at a separator": f"{YAML}data:\n  a: |\n    x\n---\n",
    "an anchor of another document": f"{YAML}data: &d {{a: b}}\n---\n{MORE}data: *d\n",
    "without kind": "apiVersion: v1\nmetadata: {name: y}\n",
    "without apiVersion": "kind: ConfigMap\nmetadata: {name: y}\n",
    "a number for a kind": "apiVersion: v1\nkind: 5\nmetadata: {name: y}\n",
    "KYAML": '---\n{\n  # c\n  apiVersion: "v1", kind: "ConfigMap",\n  metadata: {\n    name: "a",\n  },\n}\n',
    "two of KYAML": '{\n  apiVersion: "v1", kind: "X",\n  metadata: {name: "a"},\n}\n---\n' + CONFIG,
    "nothing": "",
    "blanks": "\n \n",
}
