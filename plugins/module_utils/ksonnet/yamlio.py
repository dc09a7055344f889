# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""YAML as Kubernetes tools mean it: JSON data only, dates stay text, keys sorted, one way to write a thing."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from typing import Any

try:
    import yaml
except ImportError:  # the modules say what to install
    yaml = None  # type: ignore[assignment]

from ..manifests.yamltext import dump
from .errors import KsonnetError

_INT, _FLOAT = (f"tag:yaml.org,2002:{name}" for name in ("int", "float"))
_INT_TEXT = re.compile(r"[-+]?(?:0b[01_]+|0x[0-9a-fA-F_]+|0[0-7_]*|[1-9][0-9_]*)$")
_FLOAT_TEXT = re.compile(
    r"(?:[-+]?[0-9][0-9_]*(?:\.[0-9_]*)?(?:[eE][-+]?[0-9]+)|[-+]?[0-9][0-9_]*\.[0-9_]*"
    r"|[-+]?\.[0-9][0-9_]*(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
)


@functools.cache
def _loader() -> Any:
    """As Go's YAML reads it: 2001-01-01 and 22:30 are text, 1e3 is a number."""
    base = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    loader = type("Loader", (base,), {})
    changed = {"tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:value", _INT, _FLOAT}
    loader.yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in pairs if tag not in changed]
        for first, pairs in base.yaml_implicit_resolvers.items()
    }
    loader.add_implicit_resolver(_INT, _INT_TEXT, list("-+0123456789"))
    loader.add_implicit_resolver(_FLOAT, _FLOAT_TEXT, list("-+0123456789."))
    return loader


def load(text: str, where: str) -> Any:
    """The one document of a YAML or JSON text; ``where`` names it in the error."""
    try:
        return yaml.load(text, Loader=_loader())
    except yaml.YAMLError as exc:
        raise KsonnetError(f"{where} is not valid YAML: {' '.join(str(exc).split())}") from exc


def load_all(text: str, where: str = "the text") -> list[Any]:
    """All documents of a YAML text, empty ones left out."""
    try:
        return [doc for doc in yaml.load_all(text, Loader=_loader()) if doc is not None]
    except yaml.YAMLError as exc:
        raise KsonnetError(f"{where} is not valid YAML: {' '.join(str(exc).split())}") from exc


def dump_all(documents: Iterable[Any]) -> str:
    """Documents separated by ``---``."""
    return "".join("---\n" + dump(document) for document in documents)
