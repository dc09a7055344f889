# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""Reads manifests: files, folders, globs, URLs and inline objects, into objects that know where they came from."""

from __future__ import annotations

import codecs
import datetime
import glob
import hashlib
import json
import math
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from ..common import checksum_file
from ..common.late import late
from ..common.uncollected import uncollected
from .errors import ManifestError, Slips, collected
from .yamltext import INT64, documents

MOST_DOWNLOAD = 64 * 1024 * 1024  # bytes of a manifest behind an address
SUFFIXES = (".yaml", ".yml", ".json")
_CHECKSUM = late(r"^(sha256|sha384|sha512):([0-9a-fA-F]+)$")


@dataclass
class Item:
    """One object of the set.

    :ivar object: the object as a plain dict.
    :ivar source: file, URL or ``definition``.
    :ivar line: line in that source, from 1; for inline objects their number.
    """

    object: dict
    source: str
    line: int

    @property
    def where(self) -> str:
        """Where a person finds the object: ``file:line``."""
        return place(self.source, self.line)

    @property
    def api_version(self) -> str:
        """The object's apiVersion."""
        return self.object["apiVersion"]

    @property
    def kind(self) -> str:
        """The object's kind."""
        return self.object["kind"]

    @property
    def group(self) -> str:
        """The API group, empty for the core group."""
        return self.api_version.rpartition("/")[0]

    @property
    def name(self) -> str:
        """The object's name."""
        return self.object["metadata"]["name"]

    @property
    def namespace(self) -> str:
        """The object's namespace, empty when it has none."""
        return self.object["metadata"].get("namespace") or ""

    @property
    def label(self) -> str:
        """The object as a person names it: ``Deployment kubeflow/operator``."""
        return "{} {}{}".format(self.kind, self.namespace + "/" if self.namespace else "", self.name)

    @property
    def identity(self) -> tuple[str, str, str, str]:
        """What makes the object unique on a cluster: group, kind, namespace, name."""
        return (self.group, self.kind, self.namespace, self.name)


@uncollected()
def load(
    src: Iterable[Any],
    definition: Any,
    validate_certs: bool = True,
    if_wanted: str = "",
    verified: bool = False,
    slips: Slips | None = None,
) -> list[Item]:
    """Read a whole set.

    :param src: paths, globs, folders, or dicts with ``url`` and ``checksum``.
    :param definition: objects, a text, or a list of either; None for none.
    :param if_wanted: how to say that one wants nothing, where what is absent would be deleted: each source must have
        objects then. An empty list as `definition` is a wish that somebody wrote.
    :param verified: whether each file must have its checksum beside it; one that has is verified in any case.
    :param slips: gets what is wrong; None has it raised.
    :returns: the objects in the order of the sources, ``List`` kinds unfolded.
    :raises ManifestError: with file and line.
    """
    nothing = f"has no objects, so everything that earlier runs created from it would be deleted; {if_wanted}."
    items: list[Item] = []
    sources = 0
    with collected(slips) as slips:

        def read(name: str, found: Iterable[tuple[int, Any]], source: str) -> None:
            before, known = len(items), len(slips)
            with slips.noted():
                _unfolded(found, source, slips, items)
                if if_wanted and len(items) == before and len(slips) == known:
                    raise ManifestError(f"{name} {nothing}")

        for entry in src:
            with slips.noted():
                for name, text in _read_source(entry, validate_certs, verified):
                    sources += 1
                    read(f"src {name}", parsed(text, name, slips), name)
        if definition is not None:
            for name, entry, number in _inline(definition):
                with slips.noted():
                    read(name, *_inline_documents(name, entry, number, slips))
        elif if_wanted and not sources:
            slips.add(f"src {nothing}")
        refuse_duplicates(items, slips)
        return items


def place(source: str, line: int) -> str:
    """``file:line``, or which of the inline objects."""
    return f"object {line} of definition" if source == "definition" else f"{source}:{line}"


def parse(text: str, source: str) -> Iterator[Item]:
    """Turn the text of one source into objects.

    :raises ManifestError: naming file and line of what is wrong.
    """
    items: list[Item] = []
    with collected(None) as slips:
        _unfolded(parsed(text, source, slips), source, slips, items)
    yield from items


def parsed(text: str, source: str, slips: Slips | None = None) -> Iterator[tuple[int, Any]]:
    """The documents of a text with their lines; empty ones are left out.

    :param slips: gets what is wrong with a document of YAML, after which the next one is read; None has it raised.
    :raises ManifestError: naming file and line of what is wrong.
    """
    stream = _json_stream(text, source) if text.lstrip("\ufeff \t\r\n").startswith("{") else None
    for line, document in stream if stream is not None else documents(text, source, slips):
        if document is not None:
            yield line, document


def _json_stream(text: str, source: str) -> list[tuple[int, Any]] | None:
    """JSON documents, one after the other as kubectl takes them; None for a text that is not JSON, but may be YAML."""
    position, line = len(text) - len(text.lstrip("\ufeff \t\r\n")), 1
    line += text.count("\n", 0, position)

    def mapping(pairs: list[tuple[str, Any]]) -> dict:
        result = dict(pairs)
        if len(result) != len(pairs):
            names = [key for key, _value in pairs]
            twice = next(key for key in names if names.count(key) > 1)
            raise ManifestError(f"{source}:{line}, a JSON text, has the key {twice} for the second time; keep one.")
        return result

    def number(digits: str) -> Any:
        value = float(digits)
        if not math.isfinite(value):
            raise ManifestError(f"{source}:{line}, a JSON text, has the number {digits}, which JSON does not know.")
        return int(value) if value.is_integer() and -INT64 <= value < INT64 else value

    def integer(digits: str) -> Any:
        value = int(digits) if len(digits) < 22 else INT64
        return value if -INT64 <= value < INT64 else number(digits)

    decoder = json.JSONDecoder(object_pairs_hook=mapping, parse_constant=number, parse_float=number, parse_int=integer)
    found: list[tuple[int, Any]] = []
    while position < len(text):
        try:
            document, end = decoder.raw_decode(text, position)
        except (ValueError, RecursionError):
            return None
        if "\\ud" in text[position:end].lower():
            _refuse_half_characters(json.dumps(document, ensure_ascii=False), f"{source}:{line}")
        found.append((line, document))
        rest = len(text) - len(text[end:].lstrip())
        line += text.count("\n", position, rest)
        position = rest
    return found


def _unfolded(found: Iterable[tuple[int, Any]], source: str, slips: Slips, items: list[Item]) -> None:
    """Add the objects of documents to `items`, and what is wrong with their form to `slips`."""
    for line, document in found:
        _unfold(document, source, line, slips, items)


def _unfold(document: Any, source: str, line: int, slips: Slips, items: list[Item]) -> None:
    """Check one document's form and add it to `items`; whatever has ``items`` that are objects is a list of them."""
    kind = document.get("kind") if isinstance(document, dict) else None
    if isinstance(kind, str) and "items" in document:
        entries = document["items"]
        if kind == "List" and not isinstance(entries, (list, type(None))):
            slips.add(f"{place(source, line)}, a List, has items that are {what(entries)}; write a list of objects.")
            return
        named = kind.endswith("List")
        if (named and entries is None) or (isinstance(entries, list) and (named or _are_objects(entries))):
            for entry in entries or []:
                if isinstance(entry, dict) and named and kind != "List":
                    # A list of one kind need not repeat it in each item.
                    entry = {"apiVersion": document.get("apiVersion"), "kind": kind[: -len("List")], **entry}
                _unfold(entry, source, line, slips, items)
            return
    faults = [*_faults(document, place(source, line))]
    for fault in faults:
        slips.add(fault)
        slips.unread |= not isinstance(kind, str) or kind in ("Namespace", "CustomResourceDefinition")
    if not faults:
        items.append(Item(document, source, line))


def _are_objects(entries: list) -> bool:
    return bool(entries) and all(
        isinstance(entry, dict) and "kind" in entry and "apiVersion" in entry for entry in entries
    )


def _faults(document: Any, where: str) -> Iterator[str]:
    """What makes it no Kubernetes object, or its metadata of another form than every kind has."""
    if not isinstance(document, dict):
        yield (
            f"{where} is {what(document)} where a Kubernetes object (a mapping with apiVersion, kind and metadata) "
            "belongs."
        )
        return
    kind = document.get("kind")
    api_version = document.get("apiVersion")
    if not isinstance(kind, str) or not kind:
        yield f"{where} has no kind."
        return
    if not isinstance(api_version, str) or not api_version:
        yield f"{where}, a {kind}, has no apiVersion."
        return
    metadata = document.get("metadata")
    if not isinstance(metadata, dict) or metadata.get("name") in (None, ""):
        if isinstance(metadata, dict) and metadata.get("generateName"):
            yield (
                f"{where}, a {kind}, has generateName: the server would create one more object at every run; "
                "give it a name."
            )
        else:
            yield f"{where}, a {kind}, has no metadata.name."
        return
    named = f"{kind} {metadata['name']} at {where}"
    for field in ("name", "namespace"):
        name = metadata.get(field)
        if name in (None, ""):
            continue
        if not isinstance(name, str):
            yield f"{where}, a {kind}, has the metadata.{field} {name!r}, which is not text; put it in quotes."
        elif not _COMMON_NAME.match(name):
            fault = _name_fault(name)
            if fault:
                yield f"{named} has the metadata.{field} {name!r}, {fault}."
    for field in ("labels", "annotations"):
        values = metadata.get(field)
        if values is None:
            continue
        if not isinstance(values, dict):
            yield f"{named} has metadata.{field} that are {what(values)}; write a mapping of texts."
            continue
        for key, value in values.items():
            if value is not None and not isinstance(value, str):
                yield f"{named} has the {field[:-1]} {key}, {what(value)}; put it in quotes."
    for field in ("finalizers", "ownerReferences", "managedFields"):
        if not isinstance(metadata.get(field), (list, type(None))):
            yield f"{named} has metadata.{field} that are {what(metadata[field])}; write a list."


_PLACEHOLDER = late(r"\$[({]|\{\{|^\$\w+$|^<.*>$|^\{\w+\}$|^__\w+__$")
_WRONG = late(r"[%/]")
_COMMON_NAME = late(r"[a-z0-9][a-z0-9.-]*\Z")  # nothing is wrong with it


def _name_fault(name: str) -> str:
    """What is wrong with a name that no object can have (apimachinery, api/validation/path), or that is no name yet."""
    if _PLACEHOLDER.search(name):
        return "a placeholder that nothing filled in; write the name itself"
    if name in (".", ".."):
        return "which no object can have"
    wrong = _WRONG.search(name)
    return f"and no name can contain {wrong.group()}; remove it" if wrong else ""


def what(value: Any) -> str:
    """A value as a sentence names it: ``the number 8080``, ``a list``."""
    if value is None:
        return "nothing (null)"
    if isinstance(value, bool):
        return f"the truth value {'true' if value else 'false'}"
    if isinstance(value, (int, float)):
        return f"the number {value}"
    if isinstance(value, str):
        return f"the text {value!r}" if len(value) < 40 else "a text"
    return "a list" if isinstance(value, list) else "a mapping" if isinstance(value, dict) else type(value).__name__


def refuse_duplicates(items: list[Item], slips: Slips) -> None:
    """Note each object that is there for the second time."""
    seen: dict[tuple, Item] = {}
    for item in items:
        first = seen.setdefault(item.identity, item)
        if first is not item:
            slips.add(f"{item.label} is in the set twice: at {first.where} and at {item.where}; keep one.", item)


def _inline(definition: Any) -> Iterator[tuple[str, Any, int]]:
    """What each entry is called, the entry, and its number."""
    entries = definition if isinstance(definition, list) else [definition]
    for index, entry in enumerate(entries):
        yield "definition" if len(entries) == 1 else f"definition[{index}]", entry, index + 1


def _inline_documents(name: str, entry: Any, number: int, slips: Slips) -> tuple[Iterable[tuple[int, Any]], str]:
    """The documents of one entry of definition with their lines, and what to call their source."""
    if isinstance(entry, str):
        return parsed(entry, name, slips), name
    if isinstance(entry, dict):
        return [(number, _as_json(entry, place("definition", number)))], "definition"
    if entry is None:
        return [], name
    raise ManifestError(f"{place('definition', number)} is {what(entry)} where an object or YAML text belongs.")


def _as_json(value: Any, where: str) -> Any:
    """A copy of a playbook's value with nothing in it but what JSON has, read as kubectl reads the same YAML."""
    if isinstance(value, dict):
        return {_as_key(key, where): _as_json(entry, where) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_as_json(entry, where) for entry in value]
    if isinstance(value, str):
        return _refuse_half_characters(value, where)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if -INT64 <= value < INT64 else float(value)
    if isinstance(value, float) and math.isfinite(value):
        return int(value) if value.is_integer() and -INT64 <= value < INT64 else value
    if isinstance(value, datetime.date) and not isinstance(value, datetime.datetime):
        return value.isoformat()
    if isinstance(value, (datetime.datetime, float)):
        raise ManifestError(f"{where} has the value {value}, which no Kubernetes object can hold; put it in quotes.")
    raise ManifestError(f"{where} has a value of type {type(value).__name__}, which no Kubernetes object can hold.")


def _refuse_half_characters(text: str, where: str) -> str:
    """Refuse half of a pair of surrogates, which is no character and cannot be sent."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ManifestError(f"{where} has {text[error.start]!a}, half a character, in a text.") from None
    return text


def _as_key(key: Any, where: str) -> str:
    if isinstance(key, bool):
        return "true" if key else "false"
    if isinstance(key, (str, int)):
        return str(key) if not isinstance(key, str) else key
    raise ManifestError(f"{where} has the key {key!r}, which is not text; put it in quotes.")


def _read_source(entry: Any, validate_certs: bool, verified: bool) -> Iterator[tuple[str, str]]:
    if isinstance(entry, dict):
        unknown = sorted(set(entry) - {"url", "checksum"})
        if unknown or "url" not in entry:
            raise ManifestError(
                "src has an entry with the keys {}: an entry is a path, or has url and checksum.".format(
                    ", ".join(sorted(entry))
                )
            )
        yield entry["url"], _download(entry["url"], entry.get("checksum"), validate_certs)
        return
    path = os.path.expanduser(str(entry))
    if re.match(r"^https?://", path):
        yield path, _download(path, None, validate_certs)
        return
    for name in _expand(path):
        yield name, _read_file(name, verified)


def _read_file(name: str, verified: bool) -> str:
    try:
        with open(name, "rb") as stream:
            content = stream.read()
    except OSError as error:
        raise ManifestError(f"src {name} cannot be read: {error.strerror}.") from None
    fault = checksum_file.fault(name, content, verified)
    if fault:
        raise ManifestError(f"src {fault}.")
    return _decoded(content, name)


def _decoded(content: bytes, name: str) -> str:
    """Text of a manifest: UTF-8, or UTF-16 with its mark at the beginning, as YAML's specification has it."""
    marked = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        return content.decode("utf-16" if marked else "utf-8")
    except UnicodeDecodeError as error:
        raise ManifestError(f"src {name} is not UTF-8 text: byte {error.start} is wrong.") from None


def _expand(path: str) -> list[str]:
    """Files behind a path: itself, a folder's manifests (all levels, by name), or what a glob finds."""
    if os.path.isdir(path):
        found = []
        for folder, folders, names in os.walk(path):
            folders.sort()
            found.extend(os.path.join(folder, name) for name in sorted(names) if name.endswith(SUFFIXES))
        if not found:
            raise ManifestError(f"src {path} is a folder without .yaml, .yml or .json files.")
        return found
    if os.path.exists(path):
        return [path]
    if glob.has_magic(path):
        found = sorted(name for name in glob.glob(path, recursive=True) if os.path.isfile(name))
        if not found:
            raise ManifestError(f"src {path} matches no file.")
        return found
    raise ManifestError(f"src {path} does not exist.")


def _download(url: str, checksum: Any, validate_certs: bool) -> str:
    """Fetch a manifest, and accept it only with the checksum that was asked for."""
    match = _CHECKSUM.match(str(checksum or ""))
    if not match:
        raise ManifestError(
            f"src {url} needs a checksum: write {{url: …, checksum: 'sha256:…'}}, so that nothing else is pushed."
        )
    from ..common import http  # only here: imports are half of an unchanged push

    try:
        content = http.fetch(url, MOST_DOWNLOAD, validate_certs=validate_certs)
    except http.TransportError as error:
        raise ManifestError(f"src {url} cannot be fetched: {error}.") from None
    found = hashlib.new(match.group(1), content).hexdigest()
    if found != match.group(2).lower():
        raise ManifestError(f"src {url} has the checksum {match.group(1)}:{found}, not the one asked for.")
    return _decoded(content, url)
