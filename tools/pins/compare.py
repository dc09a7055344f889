# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What differs between a component's manifests in two versions: object by object, and what matters in a line each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.bramble.kube.plugins.module_utils.images.find import images_of
from ansible_collections.bramble.kube.plugins.module_utils.images.reference import parse

CRD = "CustomResourceDefinition"
Object = Mapping[str, Any]


def by_name(objects: Sequence[Object]) -> dict[str, Object]:
    """Objects by kind, namespace and name, as people read them."""
    return {
        f"{item['kind']} "
        + "/".join(filter(None, (item["metadata"].get("namespace"), item["metadata"].get("name", "")))): item
        for item in objects
    }


def object_by_object(old: Sequence[Object], new: Sequence[Object]) -> list[str]:
    """One line for each object that came, went or changed, with the fields that did."""
    before, after = by_name(old), by_name(new)
    lines = [f"- {name}" for name in before if name not in after]
    lines += [f"+ {name}" for name in after if name not in before]
    for name in before:
        fields = list(_fields(before[name], after[name])) if name in after else []
        if fields:
            more = f" and {len(fields) - 6} more" if len(fields) > 6 else ""
            lines.append(f"~ {name}: {', '.join(fields[:6])}{more}")
    return lines


def _fields(old: Any, new: Any, path: str = "") -> Iterator[str]:
    """Paths at which two objects differ."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in dict.fromkeys([*old, *new]):
            yield from _fields(old.get(key), new.get(key), f"{path}.{key}" if path else str(key))
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for number, pair in enumerate(zip(old, new)):
            yield from _fields(*pair, f"{path}[{number}]")
    elif old != new:
        yield path


def summary(old: Sequence[Object], new: Sequence[Object]) -> list[str]:
    """What a cluster notices, as the entry's ``lab.differs`` has it: CRDs, images, flags, selectors."""
    return [
        *_crds(by_name(old), by_name(new)),
        *_images(old, new),
        *_flags(by_name(old), by_name(new)),
        *_fixed(by_name(old), by_name(new)),
    ]


def _crds(before: Mapping[str, Object], after: Mapping[str, Object]) -> Iterator[str]:
    names = [name for name in dict.fromkeys([*before, *after]) if name.startswith(f"{CRD} ")]
    for full in sorted(names):
        name = full.removeprefix(f"{CRD} ")
        if full not in before:
            yield f"new CRD {name}"
        elif full not in after:
            yield f"CRD {name} is gone"
        else:
            old, new = _versions(before[full]), _versions(after[full])
            for version in dict.fromkeys([*old, *new]):
                if old.get(version) != new.get(version):
                    yield f"CRD {name} {version}: {old.get(version, 'not there')} → {new.get(version, 'not there')}"


def _versions(crd: Object) -> dict[str, str]:
    return {
        version["name"]: "stored" if version.get("storage") else "served" if version.get("served") else "not served"
        for version in crd["spec"]["versions"]
    }


def _images(old: Sequence[Object], new: Sequence[Object]) -> Iterator[str]:
    def tags(objects: Sequence[Object]) -> dict[str, str]:
        found: dict[str, set[str]] = {}
        for use in images_of(list(objects)):
            image = parse(use.image)
            found.setdefault(f"{image.registry}/{image.repository}", set()).add(image.tag or "latest")
        return {name: " ".join(sorted(them)) for name, them in found.items()}

    before, after = tags(old), tags(new)
    for name in sorted({*before, *after}):
        if name not in after:
            yield f"image {name} is gone"
        elif name not in before:
            yield f"new image {name} {after[name]}"
        elif before[name] != after[name]:
            yield f"image {name} {before[name]} → {after[name]}"


def _flags(before: Mapping[str, Object], after: Mapping[str, Object]) -> Iterator[str]:
    for full in before:
        old, new = _arguments(before[full]), _arguments(after.get(full, {}))
        for container in old.keys() & new.keys():
            where = f"{full} ({container})"
            # An image's own tag in an argument is told of above.
            gone = [flag for flag in old[container] if flag not in new[container] and ":" not in flag]
            came = [flag for flag in new[container] if flag not in old[container] and ":" not in flag]
            if gone:
                yield f"{where} no longer has {' '.join(gone)}"
            if came:
                yield f"{where} has {' '.join(came)}"


def _arguments(item: Object) -> dict[str, list[str]]:
    spec = ((item.get("spec") or {}).get("template") or {}).get("spec") or {}
    return {
        container["name"]: [*(container.get("command") or ()), *(container.get("args") or ())]
        for container in spec.get("containers") or ()
    }


def _fixed(before: Mapping[str, Object], after: Mapping[str, Object]) -> Iterator[str]:
    """What cannot be changed on a cluster, where the object is therefore deleted and recreated."""
    for full in before:
        old, new = before[full], after.get(full, before[full])
        if (
            old["kind"] in ("Deployment", "DaemonSet", "StatefulSet")
            and old["spec"]["selector"] != new["spec"]["selector"]
        ):
            yield f"{full} selects its Pods by other labels, so it is recreated"
