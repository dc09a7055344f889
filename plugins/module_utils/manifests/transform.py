# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""What a push changes in the objects before it compares them: choice, namespace, labels, images, plain Secret data."""

from __future__ import annotations

import base64
import operator
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ..common.late import late
from .compare import LAST_APPLIED, is_builtin
from .errors import ManifestError, Slips, collected, unevaluated
from .load import Item, refuse_duplicates, what

# kind → where its Pod template is
_TEMPLATES: dict[str, tuple[str, ...]] = {
    "Pod": (),
    "PodTemplate": ("template",),
    "CronJob": ("spec", "jobTemplate", "spec", "template"),
}
_TEMPLATE = ("spec", "template")


def choose(items: list[Item], select: str, exclude: str, slips: Slips | None = None) -> list[Item]:
    """Keep the objects for which `select` is true and `exclude` is not (JMESPath on one object each).

    :param slips: gets what is wrong with the expressions, and all objects are kept; None has it raised.
    """
    if not select and not exclude:
        return items
    try:
        import jmespath
        import jmespath.exceptions
    except ImportError:
        raise ManifestError("select and exclude need the Python library jmespath: pip install jmespath.") from None

    def chosen(option: str, text: str, wanted: bool, among: list[Item]) -> list[Item]:
        try:
            expression = jmespath.compile(text)
        except jmespath.exceptions.JMESPathError as error:
            raise ManifestError(f"{option} is not a JMESPath expression: {str(error).splitlines()[0]}.") from None
        found = []
        for item in among:
            try:
                if bool(expression.search(item.object)) is wanted:
                    found.append(item)
            except (jmespath.exceptions.JMESPathError, TypeError, ValueError, AttributeError, KeyError) as error:
                # Of values that cannot be compared or merged, jmespath tells by Python's own errors.
                raise ManifestError(
                    f"{option}: {text} cannot be evaluated on {item.kind} {item.object['metadata']['name']}: "
                    f"{unevaluated(error)}."
                ) from None
        return found

    with collected(slips) as slips:
        for option, text, wanted in (("select", select, True), ("exclude", exclude, False)):
            try:
                items = chosen(option, text, wanted, items) if text else items
            except ManifestError as error:
                slips.add(str(error))
    return items


def set_labels(items: Iterable[Item], labels: dict[str, str]) -> None:
    """Add labels to every object itself (not to Pod templates, whose selectors could not follow)."""
    if not labels:
        return
    for item in items:
        metadata = item.object["metadata"] = dict(item.object["metadata"])
        metadata["labels"] = {**(metadata.get("labels") or {}), **labels}


def refuse_wrong_scopes(
    items: Iterable[Item], namespaced: Callable[[Item], bool | None], slips: Slips | None = None
) -> None:
    """Refuse a namespace where the kind has none.

    :param namespaced: tells the scope of an object's kind; None where it is not known.
    :raises ManifestError: with file and line.
    """
    namespaced = _by_kind(namespaced)
    with collected(slips) as slips:
        for item in items:
            if item.namespace and namespaced(item) is False:
                slips.add(
                    f"{item.kind} {item.name} at {item.where} has namespace {item.namespace}, but this kind is not "
                    "namespaced; remove the namespace.",
                    item,
                )


def _by_kind(asked: Callable[[Item], bool | None]) -> Callable[[Item], bool | None]:
    """The same answers, each asked for once."""
    known: dict[tuple[str, str], bool | None] = {}

    def answer(item: Item) -> bool | None:
        key = (item.object["apiVersion"], item.object["kind"])
        if key not in known:
            known[key] = asked(item)
        return known[key]

    return answer


def set_namespaces(
    items: Iterable[Item], namespaced: Callable[[Item], bool | None], default: str, slips: Slips | None = None
) -> None:
    """Put namespaced objects without a namespace into `default`.

    :raises ManifestError: for an object with a namespace whose kind has none, and for two that are one in `default`.
    """
    items = list(items)
    namespaced = _by_kind(namespaced)
    with collected(slips) as slips:
        refuse_wrong_scopes(items, namespaced, slips)
        for item in items:
            if not item.namespace and namespaced(item):
                item.object["metadata"] = dict(item.object["metadata"], namespace=default)
        refuse_duplicates(slips.good(items), slips)


def pod_specs(document: dict) -> Iterator[dict]:
    """The Pod specification inside a workload, if it has one."""
    node: Any = document
    for key in _TEMPLATES.get(document["kind"], _TEMPLATE) if isinstance(document.get("kind"), str) else _TEMPLATE:
        node = node.get(key) if isinstance(node, dict) else None
    spec = node.get("spec") if isinstance(node, dict) else None
    if isinstance(spec, dict):
        yield spec


def containers(document: dict) -> Iterator[dict]:
    """Every container of a workload, init and ephemeral ones included."""
    for spec in pod_specs(document):
        for section in ("initContainers", "containers", "ephemeralContainers"):
            listed = spec.get(section)
            for container in listed if isinstance(listed, list) else []:
                if isinstance(container, dict):
                    yield container


def set_images(
    items: Iterable[Item], images: dict[str, str], slips: Slips | None = None
) -> list[tuple[Item, str, str]]:
    """Replace image references.

    :param images: old → new, as image_platforms' `replacements`.
    :returns: (object, old, new) for each that changed.
    :raises ManifestError: when `images`, or an image in a manifest, is no image reference.
    """
    if not images:
        return []
    from ansible_collections.bramble.kube.plugins.module_utils.images.reference import InvalidReference
    from ansible_collections.bramble.kube.plugins.module_utils.images.replacement import Replacements

    replaced = []
    try:
        table = Replacements({str(old): str(new) for old, new in images.items()})
    except InvalidReference as error:
        raise ManifestError(f"images: {error}.") from None
    with collected(slips) as slips:
        for item in items:
            for container in containers(item.object):
                old = container.get("image")
                if not isinstance(old, str):
                    continue
                try:
                    new = table.apply(old)
                except InvalidReference as error:
                    slips.add(f"{item.label} at {item.where}: {error}.", item)
                    continue
                if new is not None and new != old:
                    container["image"] = new
                    replaced.append((item, old, new))
    return replaced


# Images that need no second look: importing the rules takes longer than a small push.
_PLAIN_IMAGE = late(
    r"(?!hub\.docker\.com/|quay\.io/repository/|github\.com/|gallery\.ecr\.aws/|www\.)"
    r"[a-z0-9][a-z0-9.-]*(?::\d+)?(?:/[a-z0-9][a-z0-9._-]*)*(?::\w[\w.-]*)?(?:@sha256:[0-9a-f]{64})?\Z"
)


def doubtful_images(items: Iterable[Item]) -> list[str]:
    """A sentence for each image that no node could pull, since its name is none; the server takes any text."""
    told = []
    for item in items:
        for container in containers(item.object):
            image = container.get("image")
            if not isinstance(image, str) or not image or _PLAIN_IMAGE.match(image):
                continue
            from ansible_collections.bramble.kube.plugins.module_utils.images import reference

            why = reference.why_a_page(image)
            try:
                reference.parse(image)
            except reference.InvalidReference as error:
                why = why or str(error)
            if why:
                told.append(f"{item.label} at {item.where}: {why}.")
    return told


# What only the server or a controller sets, and what stays in manifests that were saved from a cluster.
_SERVER_SET = frozenset(
    [
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "managedFields",
        "resourceVersion",
        "uid",
        "generation",
        "selfLink",
    ]
)
_TOOLS_ANNOTATIONS = frozenset(
    [LAST_APPLIED, "deployment.kubernetes.io/revision", "deprecated.daemonset.template.generation"]
)


def settle(item: Item) -> None:
    """Bring an object into the form in which the server keeps it, where an applied form would lie.

    ``stringData`` of a Secret is write-only: as ``data`` a removed key is removed on the server too. What only the
    server or a controller sets (status, creationTimestamp, managedFields, the annotation of client-side apply …) is
    left out, and so are nulls as Helm writes them: the server would read ``limits: {cpu: null}`` as 0.
    """
    document = item.object
    metadata = document["metadata"]
    if not _SERVER_SET.isdisjoint(metadata):
        metadata = {key: value for key, value in metadata.items() if key not in _SERVER_SET}
    annotations = metadata.get("annotations")
    if annotations and not _TOOLS_ANNOTATIONS.isdisjoint(annotations):
        kept = {key: value for key, value in annotations.items() if key not in _TOOLS_ANNOTATIONS}
        metadata = {key: value for key, value in metadata.items() if key != "annotations"}
        if kept:
            metadata["annotations"] = kept
    document["metadata"] = _without_nulls(metadata)
    if "status" in document and item.group in _STATUS_IS_SERVERS:
        del document["status"]
    if is_builtin(item.api_version) and item.kind not in _NULL_COUNTS:
        for key, value in list(document.items()):
            if value is None:
                del document[key]
            elif key != "metadata":
                document[key] = _without_nulls(value)
    if document["kind"] == "Job" and item.group == "batch":
        _drop_generated_selector(document.get("spec"))
    if document["kind"] == "Secret" and item.group == "" and isinstance(document.get("stringData"), dict):
        if not isinstance(document.get("data") or {}, dict):
            raise ManifestError(
                f"{item.label} at {item.where} has data that is {what(document['data'])}, not a mapping."
            )
        data = dict(document.get("data") or {})
        for key, value in document.pop("stringData").items():
            if not isinstance(value, str):
                raise ManifestError(
                    f"{item.label} at {item.where} has a stringData.{key} that is {what(value)}; put it in quotes."
                )
            data[key] = base64.b64encode(value.encode("utf-8")).decode("ascii")
        document["data"] = data


_JOBS_OWN = ("controller-uid", "job-name", "batch.kubernetes.io/controller-uid", "batch.kubernetes.io/job-name")


def _drop_generated_selector(spec: Any) -> None:
    """Take out what the server adds to each Job and refuses in the next one: a selector by uid, and its labels."""
    node: Any = spec
    for key in ("selector", "matchLabels"):
        node = node.get(key) if isinstance(node, dict) else None
    if not isinstance(node, dict) or node.keys().isdisjoint(_JOBS_OWN) or spec.get("manualSelector"):
        return
    del spec["selector"]
    template = spec.get("template")
    metadata = template.get("metadata") if isinstance(template, dict) else None
    labels = metadata.get("labels") if isinstance(metadata, dict) else None
    for name in _JOBS_OWN if isinstance(labels, dict) else ():
        labels.pop(name, None)


# Kinds in which null may be a value of its own: schemas with `default: null`, and other kinds' objects.
_NULL_COUNTS = frozenset(["CustomResourceDefinition", "ControllerRevision"])


def _has_nulls(value: dict | list) -> bool:
    """Whether there is a null in it."""
    waiting: list[Any] = [value]
    while waiting:
        inside = waiting.pop()
        for entry in inside.values() if isinstance(inside, dict) else inside:
            if isinstance(entry, str):  # as most are
                continue
            if entry is None:
                return True
            if isinstance(entry, (dict, list)):
                waiting.append(entry)
    return False


def _without_nulls(value: Any) -> Any:
    """The value without keys that are null; itself where there are none."""
    if isinstance(value, (dict, list)) and not _has_nulls(value):
        return value
    if isinstance(value, dict):
        result = value
        for key, entry in value.items():
            kept = _without_nulls(entry) if isinstance(entry, (dict, list)) else entry
            if kept is None or kept is not entry:
                result = dict(value) if result is value else result
                if kept is None:
                    del result[key]
                else:
                    result[key] = kept
        return result
    if isinstance(value, list):
        entries = [_without_nulls(entry) if isinstance(entry, (dict, list)) else entry for entry in value]
        return value if all(map(operator.is_, entries, value)) else entries
    return value


# Groups whose kinds keep status as a subresource, so that one in a manifest means nothing.
_STATUS_IS_SERVERS = frozenset(
    ["", "apps", "batch", "apiextensions.k8s.io", "policy", "networking.k8s.io", "autoscaling"]
)
