# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""The functions that ``ks`` offers to jsonnet as ``std.native("name")``."""

from __future__ import annotations

import json
import re
from typing import Any


def parse_json(text: str) -> Any:
    return json.loads(text)


def parse_yaml(text: str) -> list[Any]:
    from .yamlio import load_all

    return load_all(text)


def manifest_json(text: str, indent: float) -> str:
    return json.dumps(json.loads(text), indent=int(indent), ensure_ascii=False) + "\n"


def manifest_yaml(text: str) -> str:
    from .yamlio import dump

    return dump(json.loads(text))


def escape_regex(text: str) -> str:
    """As Go's regexp.QuoteMeta: only the characters that mean something are escaped."""
    return re.sub(r"([\\.+*?()|\[\]{}^$])", r"\\\1", text)


def regex_match(pattern: str, text: str) -> bool:
    return re.search(pattern, text) is not None


def regex_subst(pattern: str, text: str, replacement: str) -> str:
    """``$1``, ``${1}`` and ``${name}`` in the replacement are groups, as in Go; a group that is not there is empty."""

    def expand(match: re.Match[str]) -> str:
        def group(reference: re.Match[str]) -> str:
            if reference[0] == "$$":
                return "$"
            name = reference[1] or reference[2]
            try:
                return match.group(int(name) if name.isdigit() else name) or ""
            except (IndexError, error):
                return ""

        return re.sub(r"\$(?:\$|\{(\w+)\}|(\w+))", group, replacement)

    return re.sub(pattern, expand, text)


error = re.error


def resolve_image(image: str) -> str:
    """ks resolves nothing unless told to (``--resolve-images noop`` is its default); it only completes the name."""
    if "@" in image.rsplit("/", 1)[-1]:
        return image
    last = image.rsplit("/", 1)[-1]
    return image if ":" in last else image + ":latest"


NATIVE_FUNCTIONS = {
    "parseJson": (("json",), parse_json),
    "parseYaml": (("yaml",), parse_yaml),
    "manifestJsonFromJson": (("json", "indent"), manifest_json),
    "manifestYamlFromJson": (("json",), manifest_yaml),
    "escapeStringRegex": (("str",), escape_regex),
    "regexMatch": (("regex", "string"), regex_match),
    "regexSubst": (("regex", "src", "repl"), regex_subst),
    "resolveImage": (("image",), resolve_image),
}
