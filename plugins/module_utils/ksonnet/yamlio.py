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


_INT = re.compile(r"[-+]?(?:0b[01_]+|0x[0-9a-fA-F_]+|0[0-7_]*|[1-9][0-9_]*)$")
_FLOAT = re.compile(
    r"(?:[-+]?[0-9][0-9_]*(?:\.[0-9_]*)?(?:[eE][-+]?[0-9]+)|[-+]?[0-9][0-9_]*\.[0-9_]*"
    r"|[-+]?\.[0-9][0-9_]*(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
)
_CHANGED = {"tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:int", "tag:yaml.org,2002:float"}


class Loader(_Loader):  # type: ignore[misc,valid-type]
    """As Go's YAML reads it: 2001-01-01 and 22:80 are text, 1e3 is a number."""


Loader.yaml_implicit_resolvers = {
    first: [(tag, rx) for tag, rx in pairs if tag not in _CHANGED]
    for first, pairs in _Loader.yaml_implicit_resolvers.items()
}
for _tag, _pattern, _first in (
    ("tag:yaml.org,2002:int", _INT, "-+0123456789"),
    ("tag:yaml.org,2002:float", _FLOAT, "-+0123456789."),
):
    Loader.add_implicit_resolver(_tag, _pattern, list(_first))


class Dumper(_Dumper):  # type: ignore[misc,valid-type]
    """No anchors: each object stands for itself. Text that some reader takes for a number or boolean is quoted."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


Dumper.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+0123456789."))
Dumper.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"[yYnN]$"), list("yYnN"))
Dumper.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"0o[0-7]+$"), ["0"])


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
