# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Reads manifests: files, folders, globs, URLs and inline objects, into objects that know where they came from."""

from __future__ import annotations

import copy
import glob
import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from ..common import checksum_file
from .errors import ManifestError
from .yamltext import documents

SUFFIXES = (".yaml", ".yml", ".json")
_CHECKSUM = re.compile(r"^(sha256|sha384|sha512):([0-9a-fA-F]+)$")


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


def load(
    src: Iterable[Any], definition: Any, validate_certs: bool = True, if_wanted: str = "", verified: bool = False
) -> list[Item]:
    """Read a whole set.

    :param src: paths, globs, folders, or dicts with ``url`` and ``checksum``.
    :param definition: objects, a text, or a list of either; None for none.
    :param if_wanted: how to say that one wants nothing, where what is absent would be deleted: each source must have
        objects then. An empty list as `definition` is a wish that somebody wrote.
    :param verified: whether each file must have its checksum beside it; one that has is verified in any case.
    :returns: the objects in the order of the sources, ``List`` kinds unfolded.
    :raises ManifestError: with file and line.
    """
    nothing = f"has no objects, so that all that earlier runs brought from it would be deleted; {if_wanted}."
    items: list[Item] = []
    sources = 0
    for entry in src:
        for name, text in _read_source(entry, validate_certs, verified):
            sources += 1
            found = list(parse(text, name))
            if if_wanted and not found:
                raise ManifestError(f"src {name} {nothing}")
            items.extend(found)
    if definition is not None:
        for name, found in _inline(definition):
            if if_wanted and not found:
                raise ManifestError(f"{name} {nothing}")
            items.extend(found)
    elif if_wanted and not sources:
        raise ManifestError(f"src {nothing}")
    _refuse_duplicates(items)
    return items


def place(source: str, line: int) -> str:
    """``file:line``, or which of the inline objects."""
    return f"object {line} of definition" if source == "definition" else f"{source}:{line}"


def parse(text: str, source: str) -> Iterator[Item]:
    """Turn the text of one source into objects.

    :raises ManifestError: naming file and line of what is wrong.
    """
    if text.lstrip().startswith("{"):
        try:
            document = json.loads(text)
        except ValueError:
            pass  # Several JSON documents, or flow-style YAML.
        else:
            yield from _unfold(document, source, 1)
            return
    for line, document in documents(text, source):
        if document is not None:
            yield from _unfold(document, source, line)


def _unfold(document: Any, source: str, line: int) -> Iterator[Item]:
    """Check one document's form, and take a ``List`` apart."""
    where = place(source, line)
    if not isinstance(document, dict):
        raise ManifestError(
            f"{where} is a {type(document).__name__} where a Kubernetes object (a mapping with apiVersion, kind and "
            "metadata) belongs."
        )
    kind = document.get("kind")
    api_version = document.get("apiVersion")
    if not isinstance(kind, str) or not kind:
        raise ManifestError(f"{where} has no kind.")
    if not isinstance(api_version, str) or not api_version:
        raise ManifestError(f"{where}, a {kind}, has no apiVersion.")
    if kind.endswith("List") and isinstance(document.get("items"), list):
        for entry in document["items"]:
            yield from _unfold(entry, source, line)
        return
    metadata = document.get("metadata")
    if not isinstance(metadata, dict) or not metadata.get("name"):
        if isinstance(metadata, dict) and metadata.get("generateName"):
            raise ManifestError(
                f"{where}, a {kind}, has generateName: the server would make one more object at every run; "
                "give it a name."
            )
        raise ManifestError(f"{where}, a {kind}, has no metadata.name.")
    for field in ("name", "namespace"):
        value = metadata.get(field)
        if value is not None and not isinstance(value, str):
            raise ManifestError(
                f"{where}, a {kind}, has the metadata.{field} {value!r}, which is not text; put it in quotes."
            )
    yield Item(document, source, line)


def _refuse_duplicates(items: list[Item]) -> None:
    seen: dict[tuple, Item] = {}
    for item in items:
        first = seen.setdefault(item.identity, item)
        if first is not item:
            raise ManifestError(f"{item.label} is in the set twice: at {first.where} and at {item.where}; keep one.")


def _inline(definition: Any) -> Iterator[tuple[str, list[Item]]]:
    """What each entry is called, and its objects."""
    entries = definition if isinstance(definition, list) else [definition]
    for index, entry in enumerate(entries):
        name = "definition" if len(entries) == 1 else f"definition[{index}]"
        if isinstance(entry, str):
            yield name, list(parse(entry, name))
        elif isinstance(entry, dict):
            yield name, list(_unfold(copy.deepcopy(entry), "definition", index + 1))
        elif entry is None:
            yield name, []
        else:
            raise ManifestError(
                f"object {index + 1} of definition is a {type(entry).__name__} where an object or YAML text belongs."
            )


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
    try:
        return content.decode("utf-8")
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
    import ssl
    import urllib.error
    import urllib.request

    context = ssl.create_default_context()
    if not validate_certs:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    try:
        # Not ansible.module_utils.urls: it would be sent and read along with every push, and nearly double it.
        opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=context))
        with opener.open(url, timeout=60) as answer:
            content = answer.read()
    except (OSError, ValueError) as error:
        raise ManifestError("src {} cannot be fetched: {}.".format(url, getattr(error, "reason", error))) from None
    found = hashlib.new(match.group(1), content).hexdigest()
    if found != match.group(2).lower():
        raise ManifestError(f"src {url} has the checksum {match.group(1)}:{found}, not the one asked for.")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        raise ManifestError(f"src {url} is not UTF-8 text.") from None
