# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What a push changes in the objects before it compares them: choice, namespace, labels, images, plain Secret data."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from .errors import ManifestError
from .load import Item

# kind → where its Pod template is
_TEMPLATES: dict[str, tuple[str, ...]] = {
    "Pod": (),
    "PodTemplate": ("template",),
    "CronJob": ("spec", "jobTemplate", "spec", "template"),
}
_TEMPLATE = ("spec", "template")


def choose(items: list[Item], select: str, exclude: str) -> list[Item]:
    """Keep the objects for which `select` is true and `exclude` is not (JMESPath on one object each)."""
    if not select and not exclude:
        return items
    try:
        import jmespath
        import jmespath.exceptions
    except ImportError:
        raise ManifestError("select and exclude need the Python library jmespath: pip install jmespath.") from None

    def compiled(option: str, text: str) -> Callable[[dict], bool]:
        try:
            expression = jmespath.compile(text)
        except jmespath.exceptions.JMESPathError as error:
            raise ManifestError(f"{option} is not a JMESPath expression: {str(error).splitlines()[0]}.") from None

        def holds(document: dict) -> bool:
            try:
                return bool(expression.search(document))
            except jmespath.exceptions.JMESPathError as error:
                raise ManifestError(
                    "{} cannot be evaluated on {} {}: {}.".format(
                        option, document["kind"], document["metadata"]["name"], str(error).splitlines()[0]
                    )
                ) from None

        return holds

    if select:
        wanted = compiled("select", select)
        items = [item for item in items if wanted(item.object)]
    if exclude:
        unwanted = compiled("exclude", exclude)
        items = [item for item in items if not unwanted(item.object)]
    return items


def set_labels(items: Iterable[Item], labels: dict[str, str]) -> None:
    """Add labels to every object itself (not to Pod templates, whose selectors could not follow)."""
    if not labels:
        return
    for item in items:
        metadata = item.object["metadata"] = dict(item.object["metadata"])
        metadata["labels"] = {**(metadata.get("labels") or {}), **labels}


def refuse_wrong_scopes(items: Iterable[Item], namespaced: Callable[[Item], bool | None]) -> None:
    """Refuse a namespace where the kind has none.

    :param namespaced: tells the scope of an object's kind; None where it is not known.
    :raises ManifestError: with file and line.
    """
    for item in items:
        if item.namespace and namespaced(item) is False:
            raise ManifestError(
                f"{item.kind} {item.name} at {item.where} has namespace {item.namespace}, but this kind lives outside "
                "namespaces; take the namespace out."
            )


def set_namespaces(items: Iterable[Item], namespaced: Callable[[Item], bool | None], default: str) -> None:
    """Put namespaced objects without a namespace into `default`.

    :raises ManifestError: for an object with a namespace whose kind has none.
    """
    items = list(items)
    refuse_wrong_scopes(items, namespaced)
    for item in items:
        if not item.namespace and namespaced(item):
            item.object["metadata"] = dict(item.object["metadata"], namespace=default)


def pod_specs(document: dict) -> Iterator[dict]:
    """The Pod specification inside a workload, if it has one."""
    node: Any = document
    for key in _TEMPLATES.get(document.get("kind", ""), _TEMPLATE):
        node = node.get(key) if isinstance(node, dict) else None
    spec = node.get("spec") if isinstance(node, dict) else None
    if isinstance(spec, dict):
        yield spec


def containers(document: dict) -> Iterator[dict]:
    """Every container of a workload, init and ephemeral ones included."""
    for spec in pod_specs(document):
        for section in ("initContainers", "containers", "ephemeralContainers"):
            for container in spec.get(section) or []:
                if isinstance(container, dict):
                    yield container


def replace_image(image: str, images: dict[str, str]) -> str:
    """The image reference to use in place of one in a manifest.

    A key of `images` is, from the most to the least specific: a whole reference (``nginx:1.27``), a repository
    (``quay.io/org/app``, keeps the tag unless the value has one), or a prefix that ends in ``/`` (``docker.io/``).
    """
    if image in images:
        return images[image]
    repository, suffix = split_image(image)
    if repository in images:
        new = images[repository]
        return new if split_image(new)[1] else new + suffix
    for prefix in sorted((key for key in images if key.endswith("/")), key=len, reverse=True):
        if image.startswith(prefix):
            return images[prefix].rstrip("/") + "/" + image[len(prefix) :]
    return image


def split_image(image: str) -> tuple[str, str]:
    """Repository, and tag or digest with its separator: ``('quay.io/org/app', ':1.0')``."""
    repository, at, digest = image.partition("@")
    head, slash, last = repository.rpartition("/")
    name, colon, tag = last.partition(":")
    return head + slash + name, (colon + tag if colon else "") + (at + digest if at else "")


def set_images(items: Iterable[Item], images: dict[str, str]) -> list[tuple[Item, str, str]]:
    """Replace image references; returns (object, old, new) for each that changed."""
    replaced = []
    if images:
        for item in items:
            for container in containers(item.object):
                old = container.get("image")
                if isinstance(old, str):
                    new = replace_image(old, images)
                    if new != old:
                        container["image"] = new
                        replaced.append((item, old, new))
    return replaced


def settle(item: Item) -> None:
    """Bring an object into the form in which the server keeps it, where an applied form would lie.

    ``stringData`` of a Secret is write-only: as ``data`` a removed key is removed on the server too. What only the
    server sets (status, creationTimestamp, managedFields …) is left out.
    """
    document = item.object
    metadata = document["metadata"]
    server_set = ("creationTimestamp", "managedFields", "resourceVersion", "uid", "generation", "selfLink")
    if any(field in metadata for field in server_set):
        document["metadata"] = {key: value for key, value in metadata.items() if key not in server_set}
    if "status" in document and item.group in _STATUS_IS_SERVERS:
        del document["status"]
    if document["kind"] == "Secret" and item.group == "" and isinstance(document.get("stringData"), dict):
        data = dict(document.get("data") or {})
        for key, value in document.pop("stringData").items():
            if not isinstance(value, str):
                raise ManifestError(
                    f"{item.label} at {item.where} has a stringData.{key} that is not text; put it in quotes."
                )
            data[key] = base64.b64encode(value.encode("utf-8")).decode("ascii")
        document["data"] = data


# Groups whose kinds keep status as a subresource, so that one in a manifest means nothing.
_STATUS_IS_SERVERS = frozenset(
    ["", "apps", "batch", "apiextensions.k8s.io", "policy", "networking.k8s.io", "autoscaling"]
)
