# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""The catalogue of components: what an entry says, and what is wrong with one that says it badly.

Pure functions on plain data; the catalogue itself is roles/kubeflow/vars/main/catalogue.yml, and docs/catalogue.md
describes each field for people who add an entry of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..common.errors import BrambleError
from .fields import Fields

KUSTOMIZE, MANIFESTS, KSONNET = "kustomize", "manifests", "ksonnet"
ENGINES = (KUSTOMIZE, MANIFESTS, KSONNET)
# How far this project's own tests take a component.
RUNS, RENDERED, UNTESTED = "runs", "rendered", "untested"
PROOFS = (RUNS, RENDERED, UNTESTED)
#: Kubernetes' Pod Security levels, strictest first.
POD_SECURITY = ("restricted", "baseline", "privileged")

#: What an entry may say differently of the version that the tests run; "differs" is for people.
IN_LAB = ("source", "images", "crds", "workloads", "small", "differs")

_NAME = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_NAME_RIGHT = "lower-case letters, digits and dashes"
_SHA256 = r"[0-9a-f]{64}"
_RESOURCES = ("cpu", "memory")
_OBJECT = r"[A-Z][A-Za-z]+/[a-z0-9]([-a-z0-9.]*[a-z0-9])?"
_CRD = r"[a-z0-9-]+(\.[a-z0-9-]+)+"


class CatalogueError(BrambleError, ValueError):
    """The catalogue, or a choice from it, is wrong; the message has one sentence for each mistake."""


@dataclass(frozen=True)
class Source:
    """Where the manifests come from; which of these fields are set depends on the engine.

    :ivar repository: ``kubeflow/katib`` at GitHub (or whatever ``kubeflow_source`` names in its place).
    :ivar archive: address of a .tar.gz, in place of a repository.
    :ivar url: address of one file of manifests.
    :ivar path: file or folder on the laptop.
    :ivar template: Jinja template on the laptop.
    :ivar tag: the release, for people and for the address.
    :ivar sha256: of the archive's files (as kustomize_build counts them) or of the file at ``url``.
    :ivar folder: the archive's folder to take.
    :ivar overlay: folder with the kustomization.yaml to build.
    :ivar kustomization: one of our own, in place of an overlay.
    """

    repository: str = ""
    archive: str = ""
    url: str = ""
    path: str = ""
    template: str = ""
    tag: str = ""
    sha256: str = ""
    folder: str = ""
    overlay: str = ""
    kustomization: Mapping[str, Any] = field(default_factory=dict)

    def address(self, base: str) -> str:
        """Where to download it: below `base` for a repository."""
        if self.repository:
            return f"{base.rstrip('/')}/{self.repository}/archive/refs/tags/{self.tag}.tar.gz"
        return self.archive or self.url


@dataclass(frozen=True)
class Image:
    """An image that the component starts, and what it is built for as far as known."""

    image: str
    platforms: tuple[str, ...] = ()


@dataclass(frozen=True)
class Workload:
    """Pods that the component starts, as its manifests say: number, CPU (thousandths of a core), memory (bytes).

    :ivar private: whether only Pods of its own namespace may reach it, as a database.
    """

    name: str
    kind: str = "Deployment"
    pods: int = 1
    cpu: int = 0
    memory: int = 0
    private: bool = False


@dataclass(frozen=True)
class Tuning:
    """What a small cluster changes in one workload. ``replicas`` is None where it stays."""

    kind: str
    name: str
    replicas: int | None = None
    requests: Mapping[str, str] = field(default_factory=dict)
    limits: Mapping[str, str] = field(default_factory=dict)
    container: str = ""


@dataclass(frozen=True)
class Replacement:
    """An image that runs on Pis in place of one that does not, and who says so."""

    image: str
    by: str
    source: str


@dataclass(frozen=True)
class Needs:
    """What must be there: other components, persistent storage (bytes)."""

    components: tuple[str, ...] = ()
    storage: int = 0


@dataclass(frozen=True)
class Access:
    """The Service that people open, and below which path it answers."""

    service: str
    port: int
    what: str
    namespace: str = ""
    path: str = "/"
    node_port: int = 0


@dataclass(frozen=True)
class Password:
    """A Secret that is filled once with random texts and never changed; one of the manifests' own keeps its other keys.

    :ivar keys: key → number of characters.
    :ivar people: number of characters of a password for each person, whose name is the key; 0 for none.
    :ivar with_data: whether it stays as long as the component's volumes, as a database in them knows it.
    """

    name: str
    keys: Mapping[str, int] = field(default_factory=dict)
    people: int = 0
    namespace: str = ""
    with_data: bool = False


@dataclass(frozen=True)
class Volumes:
    """Volume claims that are made at run time, such as one for each user: found by namespace and label selector."""

    namespace: str
    selector: str = ""


@dataclass(frozen=True)
class Ready:
    """How to know that it runs: besides every object's own readiness, further conditions; seconds to wait."""

    timeout: int = 0
    wait_for: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True)
class Old:
    """Some objects of an old component.

    :ivar what: what they are, for people.
    :ivar objects: ``Kind/name`` of each.
    :ivar successor: the component that does their work today; "" where nothing does, and they are installed.
    :ivar reason: why.
    """

    what: str
    objects: tuple[str, ...]
    successor: str
    reason: str

    def sentence(self) -> str:
        """What becomes of them, for the report."""
        if self.successor:
            return f"{self.what}: left out, replaced by {self.successor}: {self.reason} ({', '.join(self.objects)})"
        return f"{self.what}: kept, nothing replaces it: {self.reason} ({', '.join(self.objects)})"


@dataclass(frozen=True)
class Component:
    """One entry of the catalogue."""

    name: str
    line: str
    engine: str
    source: Source
    namespace: str = "kubeflow"
    # What its own namespace lets Pods do; "" where nobody has tried.
    pod_security: str = ""
    needs: Needs = Needs()
    images: tuple[Image, ...] = ()
    crds: tuple[str, ...] = ()
    workloads: tuple[Workload, ...] = ()
    small: tuple[Tuning, ...] = ()
    replacements: tuple[Replacement, ...] = ()
    access: Access | None = None
    passwords: tuple[Password, ...] = ()
    volumes: tuple[Volumes, ...] = ()
    ready: Ready = Ready()
    proof: str = UNTESTED
    # Whether other components are reached through this one.
    ingress: bool = False
    # Belongs to the engine ksonnet: what its app is made of.
    ksonnet: Mapping[str, Any] = field(default_factory=dict)
    heritage: tuple[Old, ...] = ()


def retagged(value: Any, old: str, new: str) -> Any:
    """What an entry says, with another tag wherever it names its own, as in images and a kustomization."""
    if isinstance(value, Mapping):
        return {key: retagged(inner, old, new) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [retagged(inner, old, new) for inner in value]
    return value.replace(old, new) if isinstance(value, str) else value


def pinned(entry: Mapping[str, Any], proven: bool) -> Mapping[str, Any]:
    """An entry in one of its two versions: the one for Pis, or the one that the tests run (its field ``lab``)."""
    own = {key: value for key, value in entry.items() if key != "lab"}
    lab, source = entry.get("lab"), entry.get("source")
    if not proven or not isinstance(lab, Mapping) or not isinstance(source, Mapping):
        return own
    other = lab.get("source") if isinstance(lab.get("source"), Mapping) else {}
    if source.get("tag") and other.get("tag"):
        own = retagged(own, str(source["tag"]), str(other["tag"]))
    differing = {key: value for key, value in lab.items() if key not in ("source", "differs")}
    return {**own, **differing, "source": {**own["source"], **other}}


def load(*lists: object, proven: bool = False) -> dict[str, Component]:
    """Read lists of entries; one of a later list stands in for an earlier one of the same name.

    :param proven: whether each comes in the version that the tests run, where that is another one.
    :raises CatalogueError: naming every entry and field that is wrong.
    """
    problems: list[str] = []
    found: dict[str, Component] = {}
    for entries in lists:
        if not isinstance(entries, (list, tuple)):
            raise CatalogueError(f"The catalogue must be a list of entries, not {type(entries).__name__}.")
        names: set[str] = set()
        for number, entry in enumerate(entries):
            if not isinstance(entry, Mapping):
                problems.append(f"catalogue entry number {number + 1}: it is not a mapping of fields.")
                continue
            _check_lab(entry, problems)
            component = _entry(number, pinned(entry, proven), problems)
            if not proven and not problems and "lab" in entry:
                _entry(number, pinned(entry, True), problems)
            if component.name in names:
                problems.append(f"catalogue entry {component.name}: name is there twice.")
            names.add(component.name)
            found[component.name] = component
    _check_needs(found, problems)
    problems += unknown_successors(found)
    if problems:
        raise CatalogueError("\n".join(problems))
    return found


def _check_lab(entry: Mapping[str, Any], problems: list[str]) -> None:
    """Note what the field ``lab`` cannot have; its fields are then checked as those of the entry."""
    place, lab = f"catalogue entry {entry.get('name')}: lab", entry.get("lab", {})
    if not isinstance(lab, Mapping):
        problems.append(f"{place} is {lab!r}; it must be a mapping.")
    else:
        problems += [
            f"{place}.{key} is not a field here; there are {', '.join(IN_LAB)}." for key in lab if key not in IN_LAB
        ]


def _check_needs(found: Mapping[str, Component], problems: list[str]) -> None:
    for component in found.values():
        for name in component.needs.components:
            if name not in found:
                problems.append(
                    f"catalogue entry {component.name}: needs.components names {name}, which is not in the catalogue."
                )


def _entry(number: int, value: Mapping[str, Any], problems: list[str]) -> Component:
    name = value.get("name")
    place = f"catalogue entry {name}" if isinstance(name, str) and name else f"catalogue entry number {number + 1}"
    fields = Fields(place, value, problems)
    engine = fields.choice("engine", ENGINES)
    component = Component(
        name=fields.text("name", required=True, pattern=_NAME, right=_NAME_RIGHT),
        line=fields.text("line", required=True),
        engine=engine,
        source=fields.below("source", lambda inner: _source(inner, engine), required=True) or Source(),
        namespace=fields.text("namespace", pattern=_NAME, right=_NAME_RIGHT) or "kubeflow",
        pod_security=fields.choice("pod_security", POD_SECURITY) if fields.has("pod_security") else "",
        needs=fields.below("needs", _needs) or Needs(),
        images=fields.each("images", _image),
        crds=fields.texts("crds", _CRD, "a CRD's full name, such as tfjobs.kubeflow.org"),
        workloads=fields.each("workloads", _workload),
        small=fields.each("small", tuning),
        replacements=fields.each("replacements", _replacement),
        access=fields.below("access", _access),
        passwords=fields.each("passwords", _password),
        volumes=fields.each("volumes", _volumes),
        ready=fields.below("ready", _ready) or Ready(),
        proof=fields.choice("proof", PROOFS, default=UNTESTED),
        ingress=fields.truth("ingress"),
        ksonnet=fields.below("ksonnet", _ksonnet, required=engine == KSONNET) or {},
        heritage=fields.each("heritage", old),
    )
    fields.done()
    return component


def _source(fields: Fields, engine: str) -> Source:
    loaded = any(fields.has(name) for name in ("repository", "archive", "url"))
    source = Source(
        repository=fields.text("repository", pattern=r"[\w.-]+/[\w.-]+", right="owner/name as at GitHub"),
        archive=fields.text("archive", pattern=r"https?://.+", right="an address"),
        url=fields.text("url", pattern=r"https?://.+", right="an address"),
        path=fields.text("path"),
        template=fields.text("template"),
        tag=fields.text("tag", required=loaded),
        sha256=fields.text("sha256", required=loaded, pattern=_SHA256, right="64 hexadecimal digits"),
        folder=fields.text("folder"),
        overlay=fields.text("overlay"),
        kustomization=fields.mapping("kustomization"),
    )
    wheres = {
        KUSTOMIZE: ("repository", "archive"),
        MANIFESTS: ("url", "path", "template"),
        KSONNET: ("repository", "path"),
    }.get(engine, ())
    given = [name for name in ("repository", "archive", "url", "path", "template") if getattr(source, name)]
    if wheres and (len(given) != 1 or given[0] not in wheres):
        said = f"has {' and '.join(given)}" if given else "does not say where the manifests are"
        fields.note("", f"{said}; with engine {engine} it must have exactly one of {', '.join(wheres)}")
    if engine == KUSTOMIZE and bool(source.overlay) == bool(source.kustomization):
        fields.note("", "must have either an overlay or a kustomization of its own")
    return source


def _ksonnet(fields: Fields) -> dict[str, Any]:
    """What the app is made of.

    ``registry`` is the name by which its packages import each other; ``openapi`` an address, or a file of the source,
    with Kubernetes' description of the release that they were written for.
    """
    return {
        "registry": fields.text("registry", required=True, pattern=_NAME, right=_NAME_RIGHT),
        "packages": list(fields.texts("packages")),
        "prototype": fields.text("prototype", required=True),
        "params": fields.mapping("params"),
        "openapi": fields.text("openapi", required=True),
        "openapi_sha256": fields.text("openapi_sha256", required=True, pattern=_SHA256, right="64 hexadecimal digits"),
    }


def _needs(fields: Fields) -> Needs:
    return Needs(fields.texts("components"), fields.quantity("storage", "memory"))


def _image(fields: Fields) -> Image:
    return Image(
        fields.text("image", required=True), fields.texts("platforms", r"linux/[a-z0-9/]+", "like linux/arm64")
    )


def _workload(fields: Fields) -> Workload:
    return Workload(
        name=fields.text("name", required=True),
        kind=fields.text("kind") or "Deployment",
        pods=fields.number("pods", 1),
        cpu=fields.quantity("cpu", "cpu"),
        memory=fields.quantity("memory", "memory"),
        private=fields.truth("private"),
    )


def tuning(fields: Fields) -> Tuning:
    """One tuned workload, as the field ``small`` and the variable ``kubeflow_overrides`` have them."""
    replicas = fields.number("replicas", -1)
    made = Tuning(
        kind=fields.text("kind") or "Deployment",
        name=fields.text("name", required=True),
        replicas=None if replicas < 0 else replicas,
        requests=fields.quantities("requests", _RESOURCES),
        limits=fields.quantities("limits", _RESOURCES),
        container=fields.text("container"),
    )
    if made.replicas is None and not made.requests and not made.limits:
        fields.note("", "changes nothing: give it replicas, requests or limits")
    return made


def _replacement(fields: Fields) -> Replacement:
    return Replacement(
        fields.text("image", required=True), fields.text("by", required=True), fields.text("source", required=True)
    )


def _access(fields: Fields) -> Access:
    return Access(
        service=fields.text("service", required=True),
        port=fields.number("port", 80, least=1),
        what=fields.text("what", required=True),
        namespace=fields.text("namespace"),
        path=fields.text("path", pattern=r"/.*", right="a path that begins with /") or "/",
        node_port=fields.number("node_port", 0),
    )


def _password(fields: Fields) -> Password:
    keys = fields.mapping("keys")
    for key, length in keys.items():
        if not isinstance(length, int) or isinstance(length, bool) or length < 16:
            fields.note(f"keys.{key}", f"is {length!r}; it must be a number of characters, 16 or more")
    people = fields.number("people", 0)
    if 0 < people < 16:
        fields.note("people", f"is {people}; it must be a number of characters, 16 or more")
    return Password(
        fields.text("name", required=True), keys, people, fields.text("namespace"), fields.truth("with_data")
    )


def _volumes(fields: Fields) -> Volumes:
    return Volumes(fields.text("namespace", required=True), fields.text("selector"))


def _ready(fields: Fields) -> Ready:
    def condition(inner: Fields) -> Mapping[str, Any]:
        made = {name: inner.text(name, required=name in ("kind", "expression")) for name in _CONDITION}
        return {name: value for name, value in made.items() if value}

    return Ready(fields.number("timeout", 0), fields.each("wait_for", condition))


_CONDITION = ("kind", "name", "namespace", "expression")


def old(fields: Fields) -> Old:
    """One element of an entry's field ``heritage``."""
    return Old(
        what=fields.text("what", required=True),
        objects=fields.texts("objects", _OBJECT, "a kind and a name, such as Deployment/tf-hub"),
        successor=fields.text("successor"),
        reason=fields.text("reason", required=True),
    )


def unknown_successors(catalogue: Mapping[str, Component]) -> list[str]:
    """One sentence for each successor that the catalogue does not have, or that is the component itself."""
    return [
        f"catalogue entry {component.name}: heritage names the successor {entry.successor}, "
        + ("which is the component itself." if entry.successor == component.name else "which is not in the catalogue.")
        for component in catalogue.values()
        for entry in component.heritage
        if entry.successor and (entry.successor == component.name or entry.successor not in catalogue)
    ]
