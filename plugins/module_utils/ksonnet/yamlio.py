# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""YAML as Kubernetes tools mean it: JSON data only, dates stay text, keys sorted, one way to write a thing."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

import yaml

from .errors import KsonnetError

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_Dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class Loader(_Loader):  # type: ignore[misc,valid-type]
    """Like Go's yaml to JSON: no dates, no octal surprises beyond YAML 1.1's own booleans."""


Loader.yaml_implicit_resolvers = {
    first: [(tag, rx) for tag, rx in pairs if tag != "tag:yaml.org,2002:timestamp"]
    for first, pairs in _Loader.yaml_implicit_resolvers.items()
}


class Dumper(_Dumper):  # type: ignore[misc,valid-type]
    """No anchors: each object stands for itself."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: Any, value: str) -> Any:
    style = "|" if "\n" in value and not re.search(r"[^\n\t\x20-\x7e\x85\xa0-\uffff]|[ \t]\n", value) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


Dumper.add_representer(str, _text)


def load(text: str, where: str) -> Any:
    """The one document of a YAML or JSON text; ``where`` names it in the error."""
    try:
        return yaml.load(text, Loader=Loader)
    except yaml.YAMLError as exc:
        raise KsonnetError(f"{where} is not valid YAML: {' '.join(str(exc).split())}") from exc


def load_all(text: str, where: str = "the text") -> list[Any]:
    """All documents of a YAML text, empty ones left out."""
    try:
        return [doc for doc in yaml.load_all(text, Loader=Loader) if doc is not None]
    except yaml.YAMLError as exc:
        raise KsonnetError(f"{where} is not valid YAML: {' '.join(str(exc).split())}") from exc


def dump(data: Any) -> str:
    """One document, keys sorted, as ``ks`` writes app.yaml."""
    return yaml.dump(data, Dumper=Dumper, default_flow_style=False, allow_unicode=True, width=1 << 20)


def dump_all(documents: Iterable[Any]) -> str:
    """Documents separated by ``---``."""
    return "".join("---\n" + dump(document) for document in documents)


def canonical(value: Any) -> str:
    """JSON with sorted keys and no blanks: equal text means equal objects."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
