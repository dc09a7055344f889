# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""From a component's manifests to the objects that this cluster gets: tuned, images replaced, made reachable.

Pure functions: nothing here asks a cluster or a registry.
"""

from __future__ import annotations

import base64
import secrets
import string
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..images.find import UnreadableText
from ..images.known_digests import DIGESTS
from ..images.pinning import pin
from ..images.reference import is_reference, parse
from ..images.replacement import Replacements
from ..manifests.applyset import PATH
from ..manifests.load import Item
from .catalogue import KSONNET, POD_SECURITY, Access, CatalogueError, Component, Password, Tuning
from .choice import Chosen

NODE_PORT, LOAD_BALANCER, INGRESS = "node_port", "load_balancer", "ingress"
ACCESSES = (NODE_PORT, LOAD_BALANCER, INGRESS)
# The label by which a namespace tells the API server which Pods it takes (Kubernetes' Pod Security admission).
ENFORCE = "pod-security.kubernetes.io/enforce"
#: Seconds that a Pod runs until it counts as ready, if nothing asks it
UNASKED = 10
_ALPHABET = string.ascii_letters + string.digits


@dataclass
class Settings:
    """What the user decided for all components.

    :ivar small: whether the catalogue's own tuning for small nodes is used.
    :ivar overrides: component → the user's own tuning, on top.
    :ivar digests: whether images get the digests that are known of them.
    """

    small: bool = True
    overrides: Mapping[str, tuple[Tuning, ...]] = field(default_factory=dict)
    images: Replacements = field(default_factory=lambda: Replacements({}))
    digests: bool = True
    access: str = NODE_PORT
    ingress_class: str = "traefik"


@dataclass
class Prepared:
    """One component with its objects; namespaces are apart, because several components may share one.

    :ivar by_tag: images without a digest, which none is known of.
    """

    chosen: Chosen
    items: list[Item] = field(default_factory=list)
    namespaces: list[Item] = field(default_factory=list)
    by_tag: list[str] = field(default_factory=list)

    @property
    def component(self) -> Component:
        """The component itself."""
        return self.chosen.component

    @property
    def name(self) -> str:
        """The component's name."""
        return self.chosen.component.name

    def objects(self) -> list[dict]:
        """The plain objects."""
        return [item.object for item in self.items]

    def definitions(self) -> list[str]:
        """Names of the CRDs that it brings, by its entry and by its manifests."""
        found = [item.name for item in self.items if item.kind == "CustomResourceDefinition"]
        return list(dict.fromkeys([*self.component.crds, *found]))


def prepare(chosen: Chosen, items: Iterable[Item], settings: Settings) -> Prepared:
    """Change a component's objects as the settings want it.

    :param items: what its manifests have; the objects are changed in place.
    :raises CatalogueError: an override or the entry names something that the manifests do not have.
    """
    component = chosen.component
    made = Prepared(chosen)
    for item in items:
        (made.namespaces if _is_namespace(item) else made.items).append(item)
    for item in made.items:
        _drop_empty_data(item)
        if item.kind == "Deployment" and component.engine != KSONNET:
            _ready_after_a_while(item.object.setdefault("spec", {}))
    if settings.small:
        for tuning in component.small:
            _tune(made, tuning, f"catalogue entry {component.name}: small")
    for tuning in settings.overrides.get(component.name, ()):
        _tune(made, tuning, f"kubeflow_overrides of {component.name}")
    replaced: set[str] = set()
    for item in made.items:
        _replace_images(item.object, settings.images, replaced)
    if settings.digests:
        made.by_tag = _pin(made, replaced)
    if component.access is not None:
        _make_reachable(made, component.access, settings)
    made.items.extend(_walls(made))
    _need_namespaces(made)
    return made


def _is_namespace(item: Item) -> bool:
    return item.kind == "Namespace" and item.group == ""


def _drop_empty_data(item: Item) -> None:
    """An empty ``data`` is dropped by the server, and would count as a change once a controller has filled it."""
    if item.kind in ("Secret", "ConfigMap") and item.object.get("data") in ({}, None):
        item.object.pop("data", None)


def _ready_after_a_while(spec: dict[str, Any]) -> None:
    """A Pod that nobody asks whether it is ready counts as ready at once, and may end a moment later."""
    if not any("readinessProbe" in container for container in _own_containers(spec)):
        spec.setdefault("minReadySeconds", UNASKED)


def _tune(made: Prepared, tuning: Tuning, place: str) -> None:
    found = [item for item in made.items if item.kind == tuning.kind and item.name == tuning.name]
    if not found:
        raise CatalogueError(f"{place} names {tuning.kind} {tuning.name}, which its manifests do not have.")
    for item in found:
        spec = item.object.setdefault("spec", {})
        if tuning.replicas is not None:
            spec["replicas"] = tuning.replicas
        if not tuning.requests and not tuning.limits:
            continue
        hit = False
        for container in _own_containers(spec):
            if tuning.container in ("", container.get("name")):
                hit = True
                _set_resources(container, tuning)
        if not hit:
            raise CatalogueError(f"{place} names container {tuning.container}, which {item.label} does not have.")


def _own_containers(spec: Mapping[str, Any]) -> list[dict]:
    pod = (spec.get("template") or {}).get("spec") or {}
    return [container for container in pod.get("containers") or [] if isinstance(container, dict)]


def _set_resources(container: dict, tuning: Tuning) -> None:
    resources = container["resources"] = dict(container.get("resources") or {})
    for part, wanted in (("requests", tuning.requests), ("limits", tuning.limits)):
        if wanted:
            resources[part] = {**(resources.get(part) or {}), **wanted}


def _replace_images(node: Any, images: Replacements, replaced: set[str]) -> None:
    """Replace images of containers at any depth: pod templates of custom resources count too.

    :param replaced: takes up what was put in.
    """
    if isinstance(node, list):
        for inner in node:
            _replace_images(inner, images, replaced)
    elif isinstance(node, dict):
        for container in _containers(node):
            new = images.apply(container["image"])
            if new is not None:
                container["image"] = new
                replaced.add(new)
        for inner in node.values():
            if isinstance(inner, (dict, list)):
                _replace_images(inner, images, replaced)


def _pin(made: Prepared, replaced: Collection[str]) -> list[str]:
    """Pin the catalogue's images; what somebody chose instead of one is taken as they wrote it."""
    own = {str(parse(new)) for new in replaced if is_reference(new)}
    digests = {image: digest for image, digest in DIGESTS.items() if image not in own}
    try:
        return list(dict.fromkeys(image for item in made.items for image in pin(item.object, digests)))
    except UnreadableText as error:
        raise CatalogueError(f"{made.name}: {error}") from None


def _containers(node: Mapping[str, Any]) -> Iterator[dict]:
    for section in ("initContainers", "containers", "ephemeralContainers"):
        for container in node.get(section) or [] if isinstance(node.get(section), list) else []:
            if isinstance(container, dict) and isinstance(container.get("image"), str) and container["image"]:
                yield container


# Access --------------------------------------------------------------------------------------------------------------


def _make_reachable(made: Prepared, access: Access, settings: Settings) -> None:
    namespace = access.namespace or made.component.namespace
    service = next(
        (
            item
            for item in made.items
            if item.kind == "Service" and item.name == access.service and (item.namespace or namespace) == namespace
        ),
        None,
    )
    if service is None:
        raise CatalogueError(
            f"catalogue entry {made.name}: access.service names {access.service}, which its manifests do not have."
        )
    spec = service.object.setdefault("spec", {})
    port = next((entry for entry in spec.get("ports") or [] if entry.get("port") == access.port), None)
    if port is None:
        raise CatalogueError(
            f"catalogue entry {made.name}: access.port is {access.port}, which Service {access.service} does not have."
        )
    # The ingress itself is what the outside reaches.
    how = NODE_PORT if settings.access == INGRESS and made.component.ingress else settings.access
    spec["type"] = {NODE_PORT: "NodePort", LOAD_BALANCER: "LoadBalancer", INGRESS: "ClusterIP"}[how]
    if how == NODE_PORT and access.node_port:
        port["nodePort"] = access.node_port
    if access.path != "/":
        metadata = service.object["metadata"]
        metadata["annotations"] = {**(metadata.get("annotations") or {}), PATH: access.path}
    if how == INGRESS:
        made.items.append(_ingress(made.name, namespace, access, settings.ingress_class))


def _ingress(name: str, namespace: str, access: Access, ingress_class: str) -> Item:
    backend = {"service": {"name": access.service, "port": {"number": access.port}}}
    path = access.path.rstrip("/") or "/"
    rule = {"http": {"paths": [{"path": path, "pathType": "Prefix", "backend": backend}]}}
    document = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"ingressClassName": ingress_class, "rules": [rule]},
    }
    return Item(document, "access", 1)


def _walls(made: Prepared) -> list[Item]:
    """NetworkPolicies: Pods of other namespaces reach the ports of a workload's Services, and none of a private one.

    Workloads whose manifests bring NetworkPolicies keep to those: two are allowed what either allows.
    Components of 2018 stay as they were.
    """
    workloads = [item for item in made.items if item.kind in ("Deployment", "StatefulSet")]
    private = {(workload.kind, workload.name) for workload in made.component.workloads if workload.private}
    for kind, name in sorted(private - {(item.kind, item.name) for item in workloads}):
        raise CatalogueError(
            f"catalogue entry {made.name}: workloads names {kind} {name}, which is to be private and"
            " which its manifests do not have."
        )
    own = made.component.engine == KSONNET or any(item.kind == "NetworkPolicy" for item in made.items)
    return [
        _wall(made, item, (item.kind, item.name) in private)
        for item in workloads
        if (item.kind, item.name) in private or not (own or _pod(item)[1].get("hostNetwork"))
    ]


def _pod(workload: Item) -> tuple[dict, dict]:
    """A workload's Pod template: its labels, and what it does."""
    template = (workload.object.get("spec") or {}).get("template") or {}
    return (template.get("metadata") or {}).get("labels") or {}, template.get("spec") or {}


def _wall(made: Prepared, workload: Item, private: bool) -> Item:
    namespace = workload.namespace or made.component.namespace
    ingress: list[dict] = [{"from": [{"podSelector": {}}]}]
    ports = [] if private else _served_ports(made, workload, namespace)
    if ports:
        ingress.append({"ports": ports})
    # Deployments of extensions/v1beta1 need no selector.
    selector = (workload.object.get("spec") or {}).get("selector") or {"matchLabels": _pod(workload)[0]}
    document = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": f"{workload.name}-{'private' if private else 'services'}", "namespace": namespace},
        "spec": {"podSelector": selector, "policyTypes": ["Ingress"], "ingress": ingress},
    }
    return Item(document, "access between namespaces", 1)


def _served_ports(made: Prepared, workload: Item, namespace: str) -> list[dict]:
    """The ports of its Pods that Services lead to, for the API server's webhooks, metrics and people."""
    labels = _pod(workload)[0]
    ports: list[dict] = []
    for service in made.items:
        spec = service.object.get("spec") or {}
        selector = spec.get("selector") or {}
        same = service.kind == "Service" and (service.namespace or made.component.namespace) == namespace
        if same and selector and selector.items() <= labels.items():
            for port in spec.get("ports") or []:
                entry = {"port": port.get("targetPort", port["port"]), "protocol": port.get("protocol", "TCP")}
                if entry not in ports:
                    ports.append(entry)
    return ports


def address(access: Access, how: str, node: str, service: Mapping[str, Any], ingress_port: int = 0) -> str:
    """Where a person opens it.

    :param how: one of `ACCESSES`.
    :param node: address of a node.
    :param service: the live Service.
    :param ingress_port: the node's port of the ingress.
    :returns: an address, or "" while there is none.
    """
    spec = service.get("spec") or {}
    if how == INGRESS:
        return f"http://{node}{'' if ingress_port == 80 else f':{ingress_port}'}{access.path}" if ingress_port else ""
    if how == LOAD_BALANCER:
        given = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
        host = (given[0].get("ip") or given[0].get("hostname")) if given else ""
        return f"http://{host}{'' if access.port == 80 else f':{access.port}'}{access.path}" if host else ""
    for port in spec.get("ports") or []:
        if port.get("port") == access.port and port.get("nodePort"):
            return f"http://{node}:{port['nodePort']}{access.path}"
    return ""


# Namespaces ----------------------------------------------------------------------------------------------------------


def _need_namespaces(made: Prepared) -> None:
    """The component's own namespace, and those that its objects name, where its manifests do not bring them."""
    have = {item.name for item in made.namespaces} | {"default", "kube-system", "kube-public", "kube-node-lease"}
    wanted = [made.component.namespace, *(item.namespace for item in made.items if item.namespace)]
    for name in dict.fromkeys(wanted):
        if name not in have:
            document = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
            made.namespaces.append(Item(document, f"component {made.name}", 1))


def shared_namespaces(components: Collection[Prepared]) -> list[Item]:
    """Each namespace once, with the labels and annotations of all components that bring it."""
    found: dict[str, Item] = {}
    for component in components:
        for item in component.namespaces:
            first = found.setdefault(item.name, item)
            if first is not item:
                for part in ("labels", "annotations"):
                    both = {**(first.object["metadata"].get(part) or {}), **(item.object["metadata"].get(part) or {})}
                    if both:
                        first.object["metadata"][part] = both
    for name, item in found.items():
        level = _pod_security(name, components)
        if level:
            item.object["metadata"]["labels"] = {ENFORCE: level, **(item.object["metadata"].get("labels") or {})}
    return list(found.values())


def _pod_security(namespace: str, components: Collection[Prepared]) -> str:
    """The strictest level that all components in a namespace pass; "" where one of them does not say."""
    there = [
        component.component.pod_security if component.component.namespace == namespace else ""
        for component in components
        if any(item.name == namespace for item in component.namespaces)
    ]
    return max(there, key=POD_SECURITY.index) if all(there) else ""


def twice(components: Iterable[Prepared]) -> list[str]:
    """One sentence for each object (other than a CRD) that two components bring: they would take it from each other."""
    seen: dict[tuple[str, str, str, str], str] = {}
    sentences = []
    for component in components:
        for item in component.items:
            first = seen.setdefault(item.identity, component.name)
            if first != component.name and item.kind != "CustomResourceDefinition":
                sentences.append(f"{first} and {component.name} both contain {item.label}; remove one of them.")
    return sentences


# Passwords -----------------------------------------------------------------------------------------------------------


def add_password(
    made: Prepared, password: Password, live: Mapping[str, Any] | None, people: Iterable[str] = ()
) -> None:
    """Fill the Secret, the manifests' own or a new one: what the cluster has stays, what is missing is made up.

    :param people: names of those who get a password each, where the Secret is for people.
    :param live: the Secret as it is on the cluster, or None; an empty text in it counts, some database knows it.
    """
    kept = (live or {}).get("data") or {}
    lengths = {**password.keys, **(dict.fromkeys(people, password.people) if password.people else {})}
    data = {
        key: kept[key] if key in kept else base64.b64encode(_random(length).encode()).decode()
        for key, length in lengths.items()
    }
    secret = _own_secret(made, password)
    if secret is None:
        secret = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": password.name, "namespace": password_namespace(made.component, password)},
            "type": "Opaque",
        }
        made.items.append(Item(secret, "generated passwords", 1))
    secret["data"] = {**(secret.get("data") or {}), **data}
    if "stringData" in secret:
        # The server would write it over the data.
        texts = {key: text for key, text in (secret.pop("stringData") or {}).items() if key not in data}
        if texts:
            secret["stringData"] = texts


def password_namespace(component: Component, password: Password) -> str:
    """Where the Secret lies."""
    return password.namespace or component.namespace


def _own_secret(made: Prepared, password: Password) -> dict | None:
    """The Secret as the manifests bring it."""
    namespace = password_namespace(made.component, password)
    for item in made.items:
        if (item.kind, item.name) == ("Secret", password.name) and (
            item.namespace or made.component.namespace
        ) == namespace:
            return item.object
    return None


def _random(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _number in range(length))
