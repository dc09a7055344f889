# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""Deletes the members of an apply set that are no longer in the manifests, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Iterator
from typing import Any

from ..common.together import together
from .applyset import PART_OF_LABEL, ApplySet
from .client import JSON, Client
from .discovery import Discovery, Resource, prefix_of
from .errors import ApiError
from .existing import is_dying
from .load import Item

METADATA_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
PAGE = 500


def preferred(get: Callable[[str], Any], discovery: Discovery, group: str, kind: str) -> Resource | None:
    """The kind in the group's preferred version (or any other that has it); None when the server has it no more."""
    for version in _versions(get, group):
        found = discovery.find(version, kind)
        if found is not None:
            return found
    return None


def kind_of(get: Callable[[str], Any], discovery: Discovery, group: str, plural: str) -> str:
    """The kind whose name in paths is `plural`; "" when the server has it no more."""
    for version in _versions(get, group):
        for resource in discovery.kinds(version):
            if resource.plural == plural:
                return resource.kind
    return ""


def _versions(get: Callable[[str], Any], group: str) -> list[str]:
    """The versions in which a group is served, the preferred one first."""
    if group == "":
        return ["v1"]
    try:
        answer = get("/apis/" + group)
    except ApiError as error:
        if error.status == 404:
            return []
        raise
    versions = [answer["preferredVersion"]["groupVersion"]]
    return versions + [
        entry["groupVersion"] for entry in answer["versions"] or () if entry["groupVersion"] not in versions
    ]


def leftovers(
    get: Callable[..., Any],
    apply_set: ApplySet,
    resources: dict[tuple[str, str], Resource],
    wanted: set[tuple[str, str, str, str]],
    already_listed: set[tuple[str, str, str]],
) -> list[tuple[Item, Resource, dict]]:
    """Members of the set that are not wanted any more, in kinds and namespaces that were not listed for the push.

    :param get: ``get(path, query, accept)``, retries included.
    :param resources: (group, kind) → resource, for every kind that the set ever had.
    :param wanted: identities of the objects in the manifests.
    :param already_listed: (group, kind, namespace) that the push has listed itself.
    """
    jobs = []
    for (group, kind), resource in sorted(resources.items()):
        namespaces = sorted(apply_set.namespaces | {apply_set.namespace}) if resource.namespaced else [""]
        jobs.extend((resource, namespace) for namespace in namespaces if (group, kind, namespace) not in already_listed)
    found: list[tuple[Item, Resource, dict]] = []

    def look(job: tuple[Resource, str]) -> None:
        resource, namespace = job
        try:
            for entry in listed(get, resource.collection(namespace), apply_set.selector):
                candidate = member(resource, entry, apply_set, wanted)
                if candidate is not None:
                    found.append(candidate)
        except ApiError as error:
            if error.status != 404:  # its CRD was being deleted, and is gone in the meantime
                raise

    together(look, jobs)
    return found


def member(
    resource: Resource, entry: dict, apply_set: ApplySet, wanted: set[tuple[str, str, str, str]]
) -> tuple[Item, Resource, dict] | None:
    """The object as one to prune, or None when it is wanted or not the set's own."""
    if (entry["metadata"].get("labels") or {}).get(PART_OF_LABEL) != apply_set.id:
        return None
    document = dict(entry, apiVersion=resource.api_version, kind=resource.kind)
    item = Item(document, "cluster", 0)
    return None if item.identity in wanted else (item, resource, document)


def strangers(
    get: Callable[..., Any], definition: str, apply_set: ApplySet, wanted: Container[tuple[str, str]] = ()
) -> str:
    """Whose objects would go with a CRD: "2 Widgets not from the set (such as shop/w)"; "" for nobody's.

    :param get: ``get(path, query, accept)``, retries included.
    :param definition: name of the CRD.
    :param wanted: (group, kind) of what is in the manifests.
    """
    try:
        live = get(f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{definition}")
    except ApiError as error:
        if error.status == 404:
            return ""
        raise
    if is_dying(live):
        return ""  # so are all of its objects, whoever made them
    spec = live["spec"]
    kind = spec["names"]["kind"]
    if (spec["group"], kind) in wanted:
        return f"each {kind} of the manifests"
    served = [entry["name"] for entry in spec["versions"] if entry.get("served")]
    if not served:
        return f"every {kind}, whose number cannot be known since no version of it is served,"
    number, example = 0, ""
    try:
        for entry in listed(
            get, f"/apis/{spec['group']}/{served[0]}/{spec['names']['plural']}", f"{PART_OF_LABEL}!={apply_set.id}"
        ):
            number += 1
            metadata = entry["metadata"]
            example = example or "/".join(filter(None, (metadata.get("namespace"), metadata["name"])))
    except ApiError as error:
        if error.status != 404:  # it is not established, so that there cannot be any
            raise
    if not number:
        return ""
    return f"{number} {kind if number == 1 else kind + 's'} not from the set (such as {example})"


def tenants(get: Callable[..., Any], namespace: str, apply_set: ApplySet) -> str:
    """What would go with a namespace: "2 objects not from the set (such as Secret key)"; "" for nothing.

    What every namespace has, copies that a controller keeps there, what owners brought, and events do not count. What
    cannot be read, such as the objects of an aggregated API whose Service is down, may be anything.
    """
    groups = [version["preferredVersion"]["groupVersion"] for version in get("/apis").get("groups") or []]
    found: list[tuple[str, str, str]] = []
    unread: dict[str, str] = {}

    def look(version: str) -> None:
        try:
            found.extend(_there(get, version, namespace, apply_set))
        except ApiError as error:
            if error.status not in (404, 405):  # it has gone in the meantime, or has no lists after all
                unread[version] = str(error).rstrip(".")

    together(look, ["v1", *groups])
    # One of another kind already decides, and the copies need not be looked for.
    if not unread and all(kind in _WHOLE for kind, _name, _path in found):
        spaces = [entry["metadata"]["name"] for entry in listed(get, "/api/v1/namespaces", "")]
        others = {space for space in spaces if space != namespace and not space.startswith("kube-")}
        copies = together(lambda entry: _is_copy(get, entry[2], entry[1], namespace, others), found)
        found = [entry for entry, copy in zip(found, copies) if not copy]
    sentences = []
    if found:
        example = min(f"{kind} {name}" for kind, name, _path in found)
        sentences.append(f"{len(found)} object{'s' if len(found) > 1 else ''} not from the set (such as {example})")
    for version, why in sorted(unread.items()):
        sentences.append(f"whatever the API {version} has there, which cannot be known now ({why}),")
    return " and ".join(sentences)


def _there(
    get: Callable[..., Any], version: str, namespace: str, apply_set: ApplySet
) -> Iterator[tuple[str, str, str]]:
    """Kind, name and path of what one API has in a namespace, without what comes and goes by itself."""
    for entry in get(prefix_of(version)).get("resources") or []:
        if not entry["namespaced"] or not {"list", "delete"} <= set(entry.get("verbs") or ()) or "/" in entry["name"]:
            continue
        if entry["kind"] in _PASSING:
            continue
        path = f"{prefix_of(version)}/namespaces/{namespace}/{entry['name']}"
        for document in listed(get, path, f"{PART_OF_LABEL}!={apply_set.id}"):
            metadata = document["metadata"]
            owned = metadata.get("ownerReferences") or _ACCOUNT in (metadata.get("annotations") or {})
            if not owned and (entry["kind"], metadata["name"]) not in _IN_EVERY_NAMESPACE:
                yield entry["kind"], metadata["name"], f"{prefix_of(version)}/{entry['name']}"


def _is_copy(get: Callable[..., Any], path: str, name: str, namespace: str, others: Collection[str]) -> bool:
    """Whether most other namespaces have the very same under its name, as a controller puts it there (Istio's CA)."""
    items = get(path, {"fieldSelector": f"metadata.name={name}"}).get("items") or []
    texts = {item["metadata"].get("namespace"): _text(item) for item in items}
    same = sum(text == texts.get(namespace) for space, text in texts.items() if space in others)
    return namespace in texts and same > 0 and 2 * same > len(others)


def _text(document: dict[str, Any]) -> dict[str, Any]:
    """What an object says, without what differs from copy to copy."""
    apart = ("apiVersion", "kind", "metadata", "status", "secrets", "imagePullSecrets")
    return {name: value for name, value in document.items() if name not in apart}


_PASSING = ("Event", "Endpoints", "EndpointSlice", "Lease")
_IN_EVERY_NAMESPACE = (("ServiceAccount", "default"), ("ConfigMap", "kube-root-ca.crt"))
# On a token's Secret, which is its account's (Kubernetes made one for each account until 1.23).
_ACCOUNT = "kubernetes.io/service-account.name"
# Kinds that are nothing but what they say: with a copy elsewhere, nothing is lost.
_WHOLE = (
    "ConfigMap",
    "Secret",
    "ServiceAccount",
    "Role",
    "RoleBinding",
    "NetworkPolicy",
    "LimitRange",
    "ResourceQuota",
)


def listed(get: Callable[..., Any], path: str, selector: str) -> Iterator[dict]:
    """The metadata of all objects of a collection, page by page."""
    token = ""
    while True:
        page = get(path, {"limit": PAGE, "continue": token, "labelSelector": selector}, METADATA_ONLY)
        yield from page.get("items") or []
        token = page["metadata"].get("continue") or ""
        if not token:
            return


def delete(client: Client, item: Item, resource: Resource, dry_run: bool = False) -> None:
    """Delete one object, if it is still the very one that was listed; one that is gone is fine.

    :raises ApiError: when the server refuses.
    """
    body: dict[str, Any] = {"propagationPolicy": "Background"}
    uid = item.object["metadata"].get("uid")
    if uid:
        body["preconditions"] = {"uid": uid}
    if dry_run:
        # In the body: the server does not look at the query of a DELETE that has one.
        body["dryRun"] = ["All"]
    try:
        client.request("DELETE", resource.path(item.name, item.namespace), None, body, JSON, parse=False)
    except ApiError as error:
        if error.status != 404:
            raise
