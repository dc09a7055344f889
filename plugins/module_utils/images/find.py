# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""Finds the images that Kubernetes objects would start.

Containers are found by their form at any depth, so kinds nobody has heard of yet work as long as they hold pod
templates; images elsewhere are found where :mod:`known_paths` says so.
"""

from __future__ import annotations

import fnmatch
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ..common.errors import BrambleError
from .known_paths import FIELD, JSON, KNOWN_ARGUMENTS, KNOWN_PATHS, KNOWN_VARIABLES, OBJECTS, PATTERN, KnownPath

try:
    import yaml
except ImportError:  # reported by the module, which can name the command to install it
    yaml = None

_CONTAINER_LISTS = ("containers", "initContainers", "ephemeralContainers", "sidecars")
_CONTAINER_FIELDS = ("container", "script")  # Argo's templates
# Text that a controller fills in later; nobody can be asked for it now.
_PLACEHOLDER = re.compile(r"\{\{|\$\{|\$\(")


class UnreadableText(BrambleError, ValueError):
    """A text inside an object that should hold images cannot be read; the message is one sentence."""


@dataclass(frozen=True)
class ImageUse:
    """One place that names an image.

    :ivar image: as written there.
    :ivar owner: ``Deployment kubeflow/training-operator``.
    :ivar where: ``container training-operator``, or the path of a field.
    """

    image: str
    owner: str
    where: str

    def __str__(self) -> str:
        return f"{self.owner}, {self.where}"


def images_of(objects: Iterable[object], paths: Sequence[KnownPath] = KNOWN_PATHS) -> list[ImageUse]:
    """Every image named in these objects, in their order, without repetition.

    :param objects: Kubernetes objects; ``List`` kinds are opened; anything that is no object is skipped.
    :param paths: places besides containers; :data:`KNOWN_PATHS` and a user's own.
    :raises UnreadableText: a text listed in ``paths`` is not of the stated format.
    """
    found: dict[ImageUse, None] = {}
    for item in objects:
        for use in _images_of_object(item, paths):
            if use.image and not _PLACEHOLDER.search(use.image):
                found.setdefault(use)
    return list(found)


def owner_of(item: Mapping[str, object]) -> str:
    """How messages call an object: ``Deployment kubeflow/training-operator``."""
    metadata = item.get("metadata")
    names = metadata if isinstance(metadata, Mapping) else {}
    name = str(names.get("name") or names.get("generateName") or "?")
    namespace = names.get("namespace")
    return (
        f"{item.get('kind') or 'object'} {namespace}/{name}" if namespace else f"{item.get('kind') or 'object'} {name}"
    )


def _images_of_object(item: object, paths: Sequence[KnownPath]) -> Iterator[ImageUse]:
    if not isinstance(item, Mapping):
        return
    kind = str(item.get("kind") or "")
    items = item.get("items")
    if kind.endswith("List") and isinstance(items, list):
        for inner in items:
            yield from _images_of_object(inner, paths)
        return
    if kind == "CustomResourceDefinition":  # a schema, which describes containers but has none
        return
    owner = owner_of(item)
    yield from _containers(item, owner)
    metadata = item.get("metadata")
    name = str(metadata.get("name") or "") if isinstance(metadata, Mapping) else ""
    for known in paths:
        if known.kind == kind and fnmatch.fnmatchcase(name, known.name):
            yield from _known(item, known, owner, paths)


def _containers(value: object, owner: str) -> Iterator[ImageUse]:
    """Containers at any depth, by their form."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if key in _CONTAINER_LISTS and isinstance(inner, list):
                for container in inner:
                    yield from _container(container, owner)
            elif key in _CONTAINER_FIELDS and isinstance(inner, Mapping):
                yield from _container(inner, owner)
            elif key == "volumes" and isinstance(inner, list):
                yield from _image_volumes(inner, owner)
            yield from _containers(inner, owner)
    elif isinstance(value, list):
        for inner in value:
            yield from _containers(inner, owner)


def _container(container: object, owner: str) -> Iterator[ImageUse]:
    if not isinstance(container, Mapping):
        return
    where = f"container {container.get('name') or '?'}"
    image = container.get("image")
    if isinstance(image, str):
        yield ImageUse(image, owner, where)
    arguments = [text for key in ("command", "args") for text in _list(container.get(key)) if isinstance(text, str)]
    for position, argument in enumerate(arguments):
        flag, equals, value = argument.partition("=")
        flag = flag if flag.startswith("--") else f"-{flag}"  # Go's flag package takes one dash or two
        if flag in KNOWN_ARGUMENTS:
            if not equals:
                value = arguments[position + 1] if position + 1 < len(arguments) else ""
            yield ImageUse(value, owner, f"{where}, argument {flag}")
    for variable in _list(container.get("env")):
        if isinstance(variable, Mapping) and KNOWN_VARIABLES.match(str(variable.get("name") or "")):
            value = variable.get("value")
            if isinstance(value, str):
                yield ImageUse(value, owner, f"{where}, variable {variable['name']}")


def _image_volumes(volumes: list[object], owner: str) -> Iterator[ImageUse]:
    """Volumes that are images (KEP-4639)."""
    for volume in volumes:
        if isinstance(volume, Mapping):
            source = volume.get("image")
            reference = source.get("reference") if isinstance(source, Mapping) else None
            if isinstance(reference, str):
                yield ImageUse(reference, owner, f"volume {volume.get('name') or '?'}")


def _known(item: Mapping[str, object], known: KnownPath, owner: str, paths: Sequence[KnownPath]) -> Iterator[ImageUse]:
    for value, keys in _follow(item, known.path):
        if not isinstance(value, str):
            continue
        where = ".".join(keys)
        if known.format == FIELD:
            yield ImageUse(value.strip(), owner, where)
        elif known.format == PATTERN:
            for pattern in known.inner:
                for match in re.finditer(pattern, value):
                    yield ImageUse(match.group(1), owner, where)
        elif known.format == OBJECTS:
            for document in _documents(value, owner, where):
                for use in _images_of_object(document, paths):
                    yield ImageUse(use.image, owner, f"{where}, {use.where}")
        else:
            text = _load_json(value, owner, where) if known.format == JSON else _documents(value, owner, where)
            for document in text:
                yield from _inner(document, known.inner, owner, where)


def _inner(document: object, path: tuple[str, ...], owner: str, where: str) -> Iterator[ImageUse]:
    for found, keys in _follow(document, path):
        if isinstance(found, str) and found:
            image = found
            parents = list(_follow(document, keys[:-1]))
            parent = parents[0][0] if parents else None
            version = parent.get("defaultImageVersion") if isinstance(parent, Mapping) else None
            # KServe keeps the tag beside the name.
            if isinstance(version, str) and version and ":" not in found.rsplit("/", 1)[-1]:
                image = f"{found}:{version}"
            yield ImageUse(image, owner, f"{where}, {'.'.join(keys)}")


def _follow(value: object, path: Sequence[str], done: tuple[str, ...] = ()) -> Iterator[tuple[object, tuple[str, ...]]]:
    """Every value at a path with ``*``, with the keys that led there."""
    if not path:
        yield value, done
        return
    key, rest = path[0], path[1:]
    if isinstance(value, Mapping):
        for name in list(value) if key == "*" else [key] if key in value else []:
            yield from _follow(value[name], rest, (*done, str(name)))
    elif isinstance(value, list):
        for position, inner in enumerate(value):
            if key in ("*", str(position)):
                yield from _follow(inner, rest, (*done, str(position)))


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _load_json(text: str, owner: str, where: str) -> list[object]:
    try:
        return [json.loads(text)] if text.strip() else []
    except ValueError as error:
        raise UnreadableText(f"{owner} has text in {where} that should be JSON and is not: {error}") from None


def _documents(text: str, owner: str, where: str) -> list[object]:
    if yaml is None:
        raise UnreadableText(f"{owner} has YAML in {where}, which needs the Python package PyYAML")
    try:
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        return [document for document in yaml.load_all(text, Loader=loader) if document is not None]
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" (line {mark.line + 1})" if mark else ""
        raise UnreadableText(f"{owner} has text in {where} that should be YAML and is not{line}") from None
