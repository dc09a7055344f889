# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""From the module's parameters to its result: the one place that knows both."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from ..common.errors import BrambleError
from ..images.pinning import pinned
from ..images.replacement import Replacements
from ..manifests import auth, load, yamltext
from ..manifests.client import Client
from ..manifests.errors import ApiError, ManifestError, Unreachable
from ..manifests.masking import mask
from ..manifests.result import CREATED
from .catalogue import CatalogueError, Component, Tuning, tuning
from .catalogue import load as load_catalogue
from .choice import PRESENT, Chosen, choose
from .fields import Fields
from .install import Delivery, Row, Wishes, refuse
from .legacy import settled, without
from .prepare import INGRESS, LOAD_BALANCER, Prepared, Settings, address, prepare


class Refused(BrambleError):
    """The chosen components do not fit; the message has the tables and the choices."""

    longest = 20000


def run(
    params: dict[str, Any], check: bool, diff: bool, tell: Callable[[str], None] = lambda _line: None
) -> tuple[bool, dict[str, Any]]:
    """Bring what the parameters say.

    :param tell: called with a line for each component that gets ready.
    :returns: whether the module fails, and its result.
    """
    try:
        yamltext.need_yaml()
        return _Run(params, check, diff, tell).run()
    except BrambleError as error:
        return True, {"msg": str(error), "changed": False}
    finally:
        # Ansible returns the parameters with the result; a Secret among them must not be there.
        params["manifests"] = mask(params.get("manifests"))


class _Run:
    def __init__(self, params: dict[str, Any], check: bool, diff: bool, tell: Callable[[str], None]) -> None:
        self.tell = tell
        self.params = params
        self.check = check
        self.diff = diff
        self.warnings: list[str] = []
        self.table: list[str] = []
        self.heritage: dict[str, list[str]] = {}

    def run(self) -> tuple[bool, dict[str, Any]]:
        params = self.params
        catalogue = settled(
            load_catalogue(params["catalogue"], params["catalogue_extra"], proven=params["proven"]), params["heritage"]
        )
        chosen = choose(catalogue, params["components"], params["provided"])
        settings = Settings(
            small=params["small"],
            overrides=overrides(params["overrides"], catalogue),
            images=Replacements({str(old): str(new) for old, new in params["images"].items()}),
            digests=params["image_digests"],
            access=params["access"],
            ingress_class=params["ingress_class"],
        )
        _check_people(chosen, params["people"])
        components, unrendered = self._prepare(chosen, settings)
        refuse([component for component in components if component.chosen.state == PRESENT])
        try:
            client = Client(auth.endpoint(params))
            delivery = Delivery(client, components, self._wishes(), self._gate(settings), self.tell)
            self._get = delivery.get
            rows = delivery.run()
            addresses = self._addresses(components, settings)
            requests = client.requests
            client.close()
        except Unreachable as error:
            if not self.check:
                raise
            rows = [Row(part.name, "installed", counts={CREATED: len(part.items)}) for part in components]
            addresses, requests = {}, 0
            self.warnings.append(f"{error} Everything is shown from the manifests alone, as it would be.")
        rows += [
            Row(item.component.name, "installed", notes=["its manifests are still to be built"]) for item in unrendered
        ]
        by_tag = {part.name: [_by_tag(part.by_tag)] for part in components if part.by_tag}
        for row in rows:
            row.notes += self.heritage.get(row.name, [])
            if row.changed:
                row.notes += by_tag.get(row.name, [])
        return self._result(rows, addresses, requests)

    def _wishes(self) -> Wishes:
        params = self.params
        return Wishes(
            check=self.check,
            diff=self.diff,
            wait=params["wait"],
            wait_timeout=params["wait_timeout"],
            timeout=3.0 if self.check else float(params["timeout"]),
            workers=params["workers"],
            force_conflicts=params["force_conflicts"],
            people=tuple(params["people"]),
            prune_in_use=tuple(params["prune_in_use"]),
        )

    def _prepare(self, chosen: list[Chosen], settings: Settings) -> tuple[list[Prepared], list[Chosen]]:
        """Read every component's manifests; in check mode some may still have to be built."""
        prepared, unrendered = [], []
        for item in chosen:
            source = self.params["manifests"].get(item.component.name)
            if item.state != PRESENT:
                prepared.append(Prepared(item))
            elif source is None and self.check:
                unrendered.append(item)
            elif source is None:
                raise CatalogueError(f"manifests has nothing for {item.component.name}.")
            else:
                objects, self.heritage[item.component.name] = without(
                    item.component, _read(item.component.name, source)
                )
                prepared.append(prepare(item, objects, settings))
        return prepared, unrendered

    # Fit ---------------------------------------------------------------------------------------------------------

    def _gate(self, settings: Settings) -> Any:
        def check(components: list[Prepared]) -> None:
            # Imported only when something is about to be changed: an unchanged run needs none of it.
            from ..images import ask
            from . import fit_check as gate

            nodes = self._get("/api/v1/nodes").get("items") or []
            pods = self._get("/api/v1/pods").get("items") or []
            platforms = {
                "{}/{}".format(info["operatingSystem"], info["architecture"])
                for info in (node["status"]["nodeInfo"] for node in nodes)
            }
            objects = [document for component in components for document in component.objects()]
            images = [entry.image for part in components for entry in part.component.images]
            asked = ask.ask(
                ask.defaults(
                    images=[pinned(image) for image in images] if settings.digests else images,
                    objects=objects,
                    platforms=sorted(platforms),
                    sizes=False,
                    mirrors=self.params["mirrors"],
                    cache=self.params["image_cache"],
                )
            )
            fit = gate.judge(components, nodes, pods, asked, self.params["beside"])
            self.table = fit.table
            self.warnings += asked["warned"] + fit.warnings
            if not fit.fits and not self.params["force"]:
                raise Refused(fit.message)
            if not fit.fits:
                self.warnings.append(f"Pushed anyway, by force: {fit.message.splitlines()[0]}")

        return check

    # Addresses ---------------------------------------------------------------------------------------------------

    def _addresses(self, components: list[Prepared], settings: Settings) -> dict[str, str]:
        """What a person opens, by component."""
        reachable = [part for part in components if part.component.access and part.chosen.state == PRESENT]
        if not reachable or self.check:
            return {}
        node = self.params["node_address"] or _node_address(self._get("/api/v1/nodes").get("items") or [])
        found: dict[str, str] = {}
        ingress_port = 0
        for part in components:
            if part.component.ingress and part.component.access and settings.access == INGRESS:
                service = self._service(part)
                ports = (service.get("spec") or {}).get("ports") or []
                ingress_port = next(
                    (entry.get("nodePort") or 0 for entry in ports if entry.get("port") == part.component.access.port),
                    0,
                )
        for part in reachable:
            if part.component.ingress and settings.access == INGRESS:
                continue
            service = self._service(part) if settings.access != INGRESS else {}
            found[part.name] = address(part.component.access, settings.access, node, service, ingress_port)
            if not found[part.name]:
                self.warnings.append(f"{part.name} {_nowhere(settings.access, part.component.access.path)}.")
        return {name: place for name, place in found.items() if place}

    def _service(self, part: Prepared) -> dict[str, Any]:
        access = part.component.access
        if access is None:
            return {}
        namespace = access.namespace or part.component.namespace
        try:
            return self._get(f"/api/v1/namespaces/{namespace}/services/{access.service}")
        except ApiError as error:
            if error.status == 404:
                return {}
            raise

    # Result ------------------------------------------------------------------------------------------------------

    def _result(self, rows: list[Row], addresses: dict[str, str], requests: int) -> tuple[bool, dict[str, Any]]:
        broken = [row for row in rows if not row.well]
        result: dict[str, Any] = {
            "changed": any(row.changed for row in rows),
            "components": [row.as_dict() for row in rows],
            "addresses": addresses,
            "requests": requests,
            "warnings": self.warnings,
            "fit": self.table,
        }
        if broken:
            sentences = [f"{row.name} ({row.action}): {'; '.join(row.reasons)}" for row in broken]
            rest = len(rows) - len(broken)
            result["msg"] = "\n".join([*sentences, _others(rest)]).strip()
        else:
            result["msg"] = ", ".join(f"{row.name} {row.action}" for row in rows) or "nothing is chosen"
        if self.diff:
            from ..manifests import diffing

            text = diffing.diff([entry for row in rows for entry in row.entries])
            if text:
                result["diff"] = {"prepared": text}
        return bool(broken), result


def _by_tag(images: list[str]) -> str:
    return f"used by tag alone, since no digest is known: {', '.join(images)}"


def _check_people(chosen: list[Chosen], people: list[str]) -> None:
    """Names of people are keys of a Secret and part of addresses.

    :raises CatalogueError: with the name that does not do, or because there is nobody to let in.
    """
    for name in people:
        if not re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", name):
            raise CatalogueError(f"people has '{name}'; a name has lower-case letters, digits and dashes.")
    for item in chosen:
        if item.state == PRESENT and not people and any(entry.people for entry in item.component.passwords):
            raise CatalogueError(f"{item.component.name} is for people, but the list people is empty.")


def _read(name: str, source: Any) -> list[load.Item]:
    """Objects of one component: a path of a file or folder, or a text of manifests.

    :raises ManifestError: also when there are none, for what the component has on the cluster would be deleted.
    """
    way = f"to remove {name}, give it state: absent"
    try:
        if isinstance(source, Mapping) and set(source) in ({"path"}, {"path", "verified"}):
            items = load.load([source["path"]], None, if_wanted=way, verified=bool(source.get("verified")))
        elif isinstance(source, Mapping) and set(source) == {"text"}:
            items = load.load([], source["text"], if_wanted=way)
        else:
            raise ManifestError("manifests must have either a path or a text for each component.")
        if all(item.kind == "Namespace" for item in items):
            raise ManifestError(f"its manifests have no objects except namespaces; {way}.")
    except ManifestError as error:
        raise ManifestError(f"{name}: {error}") from None
    return items


def overrides(value: Mapping[str, Any], catalogue: Mapping[str, Component]) -> dict[str, tuple[Tuning, ...]]:
    """The user's own tuning: component → workloads.

    :raises CatalogueError: naming component and field.
    """
    problems: list[str] = []
    found: dict[str, tuple[Tuning, ...]] = {}
    fields = Fields("kubeflow_overrides", value, problems)
    for name in value:
        if name not in catalogue:
            problems.append(f"kubeflow_overrides names {name}, which the catalogue does not have.")
        found[name] = fields.each(name, tuning)
    if problems:
        raise CatalogueError("\n".join(problems))
    return found


def _nowhere(access: str, path: str) -> str:
    """Why a component has no address that could be printed."""
    if access == LOAD_BALANCER:
        return (
            "has no address: nothing here gives out addresses for load balancers; set kubeflow_addresses, or"
            " kubeflow_access: node_port, which needs none"
        )
    if access == INGRESS:
        return f"is at your ingress controller's address, below {path}"
    return "has no address: its Service has no port on the nodes"


def _node_address(nodes: list[dict[str, Any]]) -> str:
    """An address of the cluster: that of a control plane, else of any node."""
    control = "node-role.kubernetes.io/control-plane"
    ordered = sorted(nodes, key=lambda node: control not in (node["metadata"].get("labels") or {}))
    for node in ordered:
        for entry in (node.get("status") or {}).get("addresses") or []:
            if entry.get("type") == "InternalIP":
                return entry["address"]
    return ""


def _others(rest: int) -> str:
    if rest < 2:
        return "The other component is as wanted." if rest else ""
    return f"The other {rest} components are as wanted."
