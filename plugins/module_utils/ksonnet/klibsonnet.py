# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""k8s.libsonnet and k.libsonnet from a Kubernetes OpenAPI v2 description.

ksonnet-lib had two generators with different names: one for releases before 1.8, one for 1.8 and later. Both are
followed here (LEGACY and MODERN). What is left out: comments, so that evaluators have half as much to read.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..common import atomic_file
from .constructors import LEGACY_CONSTRUCTORS, MODERN_CONSTRUCTORS, Constructor
from .errors import KsonnetError
from .jsonnet_text import KEYWORDS

#: Part of the cache key: change it when the generated text changes.
GENERATOR = "1"

_GVK = "x-kubernetes-group-version-kind"
_LIST_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta"
_STATUS = "io.k8s.apimachinery.pkg.apis.meta.v1.Status"
_INT_OR_STRING = "io.k8s.apimachinery.pkg.util.intstr.IntOrString"
_PATCH = "io.k8s.apimachinery.pkg.apis.meta.v1.Patch"
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

#: Names of definitions, first match wins (ksonnet-gen/ksonnet/description.go).
_NAMES = tuple(
    re.compile(pattern)
    for pattern in (
        r"io\.k8s\.(?P<codebase>\S+)\.pkg\.api\.(?P<version>\S+)\.(?P<kind>\S+)",
        r"io\.k8s\.api\.core\.(?P<version>\S+)\.(?P<kind>\S+)",
        r"io\.k8s\.(?P<codebase>\S+)\.pkg\.apis\.(?P<group>\S+)\.(?P<version>\S+)\.(?P<kind>\S+)",
        r"io\.k8s\.api\.(?P<group>\S+)\.(?P<version>\S+)\.(?P<kind>\S+)",
        r"io\.k8s\.(?P<codebase>\S+)\.pkg\.util\.(?P<version>\S+)\.(?P<kind>\S+)",
        r"io\.k8s\.(?P<codebase>\S+)\.pkg\.(?:version|runtime)\.(?P<kind>\S+)",
    )
)


@dataclass(frozen=True)
class Name:
    """A definition's name taken apart; ``version`` is '' for what the libraries leave out."""

    group: str
    version: str
    kind: str
    codebase: str


def parse_name(name: str) -> Name | None:
    for pattern in _NAMES:
        match = pattern.search(name)
        if match:
            found = match.groupdict()
            return Name(
                group=found.get("group") or "core",
                version=found.get("version") or "",
                kind=found["kind"],
                codebase=found.get("codebase") or "api",
            )
    return None


@dataclass(frozen=True)
class Library:
    """The generated text, and the release that the description is of."""

    k8s: str
    k: str
    version: str


def generate(description: bytes, version: str = "") -> Library:
    """Both files for an OpenAPI description (JSON). ``version`` replaces what the description says of itself."""
    try:
        spec = json.loads(description)
        own = str(spec["info"]["version"])
        definitions = spec["definitions"]
    except (ValueError, KeyError, TypeError) as exc:
        raise KsonnetError(
            "the OpenAPI description is not a swagger.json of Kubernetes: it needs info.version and definitions"
        ) from exc
    release = version or own
    if re.fullmatch(r"v?\d+\.\d+", release):
        release += ".0"
    match = re.fullmatch(r"v?(\d+)\.(\d+)\.(\d+)([-+.].*)?", release)
    if match is None:
        raise KsonnetError(
            f"the OpenAPI description is of version {own!r}: name the release that it is of, such as v1.37.2"
        )
    release = release if release.startswith("v") else "v" + release
    legacy = (int(match[1]), int(match[2])) < (1, 8)
    builder = _Legacy(definitions) if legacy else _Modern(definitions, spec.get("paths") or {})
    meta = {"checksum": hashlib.sha256(description).hexdigest(), "kubernetesVersion": release[1:]}
    head = "" if legacy else f"__ksonnet: {json.dumps(meta, sort_keys=True)},\n"
    return Library(k8s="{\n" + head + builder.text() + "}\n", k=builder.extension(), version=release)


def cached(description: bytes, version: str, cache_dir: str, keep: bool = True) -> Library:
    """As :func:`generate`, but done once for the same description; ``keep``: whether the cache may be written."""
    key = hashlib.sha256(f"{GENERATOR}\0{version}\0".encode() + description).hexdigest()
    path = os.path.join(os.path.expanduser(cache_dir), "libraries", key + ".json")
    try:
        with open(path, encoding="utf-8") as stream:
            return Library(**json.load(stream))
    except (OSError, ValueError, TypeError):
        pass  # never generated, or a damaged file
    library = generate(description, version)
    if keep:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        kept = json.dumps({"k8s": library.k8s, "k": library.k, "version": library.version})
        atomic_file.replace(path, kept.encode(), durable=False)
    return library


@dataclass
class _Object:
    """One object of a version: its constructors and fields are rendered when the text is wanted."""

    id: str
    kind: str
    top_level: bool


@dataclass
class _Version:
    qualified_group: str
    objects: dict[str, _Object] = field(default_factory=dict)


_Groups = dict[str, dict[str, _Version]]


class _Builder:
    """What both generators share: groups of versions of objects, and the text of setters and mixins."""

    def __init__(self, definitions: Mapping[str, Mapping[str, Any]]) -> None:
        self.definitions = definitions
        self.names = {name: parse_name(name) for name in definitions}
        self.groups: _Groups = {}
        self.hidden: _Groups = {}
        self._memo: dict[tuple[str, str, str], str] = {}

    def text(self) -> str:
        return "".join(self._groups(self.groups)) + "local hidden = {\n" + "".join(self._groups(self.hidden)) + "},\n"

    def _groups(self, groups: _Groups) -> Iterator[str]:
        for group, versions in sorted(groups.items()):
            yield f"{self.identifier(group)}:: {{\n"
            for version, content in sorted(versions.items()):
                qualified = content.qualified_group
                api_version = version if qualified in ("", "core") else f"{qualified}/{version}"
                yield f"{version}:: {{\nlocal apiVersion = {{ apiVersion: {json.dumps(api_version)} }},\n"
                for _kind, item in sorted(content.objects.items()):
                    yield self._object(item)
                yield "},\n"
            yield "},\n"

    def _add(self, groups: _Groups, name: Name, version: str, qualified: str, item: _Object) -> None:
        content = groups.setdefault(name.group, {}).setdefault(version, _Version(qualified))
        content.objects.setdefault(item.kind, item)

    def _alias(self, name: str, target: str) -> str:
        """``containersType:: hidden.core.v1.container``; nothing for what has no version."""
        found = self.names.get(target)
        if found is None or not found.version:
            return ""
        root = "$" if target in self.top_level else "hidden"
        return f"{name}:: {root}.{self.identifier(found.group)}.{found.version}.{self.identifier(found.kind)},\n"

    top_level: frozenset[str] | set[str] = frozenset()

    def identifier(self, name: str) -> str:
        raise NotImplementedError

    def _object(self, item: _Object) -> str:
        raise NotImplementedError


def _key(name: str) -> str:
    """A field of the rendered object: its name is the API's own."""
    return name if _IDENTIFIER.fullmatch(name) and name not in KEYWORDS else json.dumps(name)


def _title(name: str) -> str:
    return name[:1].upper() + name[1:]


def _wrap(mixin: str, content: str) -> str:
    return f"{mixin}({{ {content} }})" if mixin else f"{{ {content} }}"


def _array(name: str, argument: str, mixin: str, plus: str) -> str:
    many = _wrap(mixin, f"{_key(name)}{plus}: {argument}")
    one = _wrap(mixin, f"{_key(name)}{plus}: [{argument}]")
    return f'if std.type({argument}) == "array" then {many} else {one}'


def _setters(name: str, setter: str, argument: str, kind: str, mixin: str) -> str:
    """``withX``, and ``withXMixin`` for what can be added to."""
    if kind == "array":
        return (
            f"with{setter}({argument}):: self + {_array(name, argument, mixin, '')},\n"
            f"with{setter}Mixin({argument}):: self + {_array(name, argument, mixin, '+')},\n"
        )
    lines = f"with{setter}({argument}):: self + {_wrap(mixin, f'{_key(name)}: {argument}')},\n"
    if kind == "object":
        lines += f"with{setter}Mixin({argument}):: self + {_wrap(mixin, f'{_key(name)}+: {argument}')},\n"
    return lines


def _instance(name: str, own: str, argument: str, parent: str) -> str:
    """The head of a mixin: how its fields get into the object."""
    return (
        f"local {own}({argument}) = {_wrap(parent, f'{_key(name)}+: {argument}')},\n"
        f"mixinInstance({argument}):: {own}({argument}),\n"
    )


def _ref(schema: Mapping[str, Any]) -> str:
    return str(schema.get("$ref") or "").replace("#/definitions/", "")


def _item_ref(schema: Mapping[str, Any]) -> str:
    return _ref(schema.get("items") or {})


# Kubernetes 1.8 and later (ksonnet-gen/ksonnet/document.go)


def format_kind(name: str) -> str:
    """``APIService`` to apiService, ``hostIP`` to hostIp, ``local`` to localStorage, ``error`` to errorParam."""
    if name.lower() == "local":
        return "localStorage"
    if name.startswith("$"):
        return "dollar" + _title(name[1:])
    # beyond ksonnet-lib: names such as x-kubernetes-map-type came later than it
    name = re.sub(r"[^A-Za-z0-9_$]+([A-Za-z0-9])", lambda m: m[1].upper(), name)
    name = _capitalize(name)
    name = name[:1].lower() + name[1:]
    return name + "Param" if name in KEYWORDS and name != "local" and name != "importbin" else name


def _capitalize(name: str) -> str:
    """Of several capitals in a row, all but the first and the one that begins the next word become small."""
    last = len(name) - 1
    if last < 1:
        return name
    result = [name[0]]
    for i in range(1, last + 1):
        ends = i + 1 >= last or name[i + 1].isupper()
        result.append(name[i].lower() if name[i - 1].isupper() and ends else name[i])
    return "".join(result)


class _Modern(_Builder):
    def __init__(self, definitions: Mapping[str, Mapping[str, Any]], paths: Mapping[str, Any]) -> None:
        super().__init__(definitions)
        self.components = self._components(paths)
        self.top_level = set(self.components)
        self.recursive = self._recursive()
        for name, parsed in sorted(self.names.items()):
            if parsed is None or name.startswith("io.k8s.kubernetes.pkg.api"):
                continue
            component = self.components.get(name)
            if component is not None:
                item = _Object(name, format_kind(component["kind"]), True)
                self._add(self.groups, parsed, component["version"], component["group"], item)
            elif parsed.version:
                item = _Object(name, format_kind(parsed.kind), False)
                self._add(self.hidden, parsed, parsed.version, parsed.group, item)

    def identifier(self, name: str) -> str:
        return format_kind(name) if _IDENTIFIER.fullmatch(name) and name[:1].isupper() else _key(name)

    def _components(self, paths: Mapping[str, Any]) -> dict[str, dict[str, str]]:
        """Definitions that can be sent to the API, with the group, version and kind that their path names."""
        found = {}
        for _path, item in sorted(paths.items()):
            for verb in ("post", "patch", "put"):
                operation = item.get(verb) or {}
                gvk = operation.get(_GVK)
                body = next((p for p in operation.get("parameters") or [] if p.get("name") == "body"), None)
                name = _ref((body or {}).get("schema") or {})
                if gvk and name in self.definitions and name != _PATCH:
                    found[name] = gvk
        return found

    def _references(self, name: str) -> set[str]:
        """Definitions that the mixin of this one would hold."""
        properties = (self.definitions.get(name) or {}).get("properties") or {}
        return {_ref(schema) for key, schema in properties.items() if _ref(schema) and not self._skipped(key, schema)}

    def _recursive(self) -> set[str]:
        """Definitions that hold themselves, such as JSONSchemaProps; a mixin of these would never end."""
        reach = {name: self._references(name) for name in self.definitions}
        result = set()
        for start in reach:
            seen: set[str] = set()
            todo = list(reach[start])
            while todo:
                name = todo.pop()
                if name == start:
                    result.add(start)
                    break
                if name not in seen:
                    seen.add(name)
                    todo.extend(reach.get(name, ()))
        return result

    def _skipped(self, name: str, schema: Mapping[str, Any]) -> bool:
        if name in ("status", "apiVersion", "kind"):
            return True
        if "read-only" in str(schema.get("description") or "").lower() and name != "readOnly":
            return True
        return _ref(schema) in (_LIST_META, _STATUS)

    def _properties(self, definition: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
        required = definition.get("required") or []
        return [
            (name, schema)
            for name, schema in sorted((definition.get("properties") or {}).items())
            if name in required or not self._skipped(name, schema)
        ]

    def _object(self, item: _Object) -> str:
        definition = self.definitions[item.id]
        parsed = self.names[item.id]
        lines = [f"{self._kind_key(item.kind)}:: {{\n"]
        base = "{}"
        kind = parsed.kind if parsed else item.kind
        if item.top_level:
            kind = self.components[item.id]["kind"]
            lines.append(f"local kind = {{ kind: {json.dumps(kind)} }},\n")
            base = "apiVersion + kind"
        constructors = MODERN_CONSTRUCTORS.get((parsed.group, kind)) if parsed and parsed.codebase == "api" else None
        if constructors:
            lines.extend(_chained(c, "apiVersion + kind" if item.top_level else "") for c in constructors)
        else:
            lines.append(f"new():: {base},\n")
        mixins = ""
        for name, schema in self._properties(definition):
            text, is_mixin = self._property(name, schema, "")
            if is_mixin:
                mixins += text
            else:
                lines.append(text)
        lines.append("mixin:: {\n" + mixins + "},\n},\n")
        return "".join(lines)

    @staticmethod
    def _kind_key(kind: str) -> str:
        return kind if _IDENTIFIER.fullmatch(kind) else json.dumps(kind)

    def _property(self, name: str, schema: Mapping[str, Any], parent: str) -> tuple[str, bool]:
        """Text of one property, and whether it belongs below ``mixin``."""
        ref = _ref(schema)
        if ref in self.recursive:
            return self._literal(name, "object", parent, ref), False
        kind = schema.get("type")
        if kind:
            return self._literal(name, str(kind), parent, _item_ref(schema)), False
        target = self.definitions.get(ref)
        if target is None:
            return self._literal(name, "object", parent, ""), False
        if target.get("format"):
            return self._literal(name, str(target.get("type") or "string"), parent, ""), False
        return self._mixin(name, ref, parent), True

    def _literal(self, name: str, kind: str, parent: str, ref: str) -> str:
        argument = format_kind(name)
        return _setters(name, _title(argument), argument, kind, parent) + self._type_alias(name, ref)

    def _type_alias(self, name: str, ref: str) -> str:
        return self._alias(_key(name + "Type"), ref) if ref else ""

    def _mixin(self, name: str, ref: str, parent: str) -> str:
        memo = (name, ref, parent)
        if memo not in self._memo:
            argument = format_kind(name)
            own = f"__{argument}Mixin"
            inner = "".join(self._property(n, s, own)[0] for n, s in self._properties(self.definitions[ref]))
            # the instance takes the formatted name as its field, as ksonnet-lib did
            self._memo[memo] = (
                f"{argument}:: {{\n{_instance(argument, own, argument, parent)}{inner}}},\n"
                + self._type_alias(name, ref)
            )
        return self._memo[memo]

    def extension(self) -> str:
        """k.libsonnet: core.v1.list, and mapContainers on all that hold a pod's specification."""
        additions: dict[str, dict[str, dict[str, str]]] = {"core": {"v1": {"list": _LIST}}}
        for name, component in self.components.items():
            if not component["kind"].endswith("List") and self._holds(name, "io.k8s.api.core.v1.PodSpec"):
                group = component["group"] or "core"
                versions = additions.setdefault(group, {})
                path = f"k8s.{group}.{component['version']}.{format_kind(component['kind'])}"
                kind = format_kind(component["kind"])
                versions.setdefault(component["version"], {})[kind] = f"{path} + {_MAP_CONTAINERS}"
        lines = ['local k8s = import "k8s.libsonnet";\n', _CONTAINER_FUNCTIONS, "k8s + {\n"]
        for group, versions in sorted(additions.items()):
            lines.append(f"{group}:: k8s.{group} + {{\n")
            for version, kinds in sorted(versions.items()):
                lines.append(f"{version}:: k8s.{group}.{version} + {{\n")
                lines.extend(f"{kind}:: {text},\n" for kind, text in sorted(kinds.items()))
                lines.append("},\n")
            lines.append("},\n")
        return "".join(lines) + "}\n"

    def _holds(self, start: str, target: str) -> bool:
        seen: set[str] = set()
        todo = [start]
        while todo:
            name = todo.pop()
            if name in seen:
                continue
            seen.add(name)
            for key, schema in ((self.definitions.get(name) or {}).get("properties") or {}).items():
                if self._skipped(key, schema):
                    continue
                ref = _ref(schema) or _item_ref(schema)
                if ref == target:
                    return True
                if ref:
                    todo.append(ref)
        return False


def _chained(constructor: Constructor, base: str) -> str:
    """A constructor of the later generator: every argument has a default, setters of one place are chained."""
    places: dict[str, list[tuple[str, str]]] = {}
    for parameter in constructor.parameters:
        path, _dot, function = parameter.setter.rpartition(".")
        places.setdefault("self." + path if path else "self", []).append((function, parameter.name))
    terms = [base] if base else []
    for path, calls in sorted(places.items()):
        terms.append(path + "".join(f".{function}({argument})" for function, argument in sorted(calls)))
    arguments = ", ".join(f"{p.name}={p.default if p.default else json.dumps('')}" for p in constructor.parameters)
    return f"{constructor.name}({arguments}):: {' + '.join(terms) or '{}'},\n"


# Kubernetes 1.7 (ksonnet-gen/ksonnet/emit.go)

#: Names that the first letter's case alone does not settle (ksonnet-gen/kubeversion/data.go).
_LEGACY_ALIASES = {
    name: re.sub(r"[A-Z]{2,}", lambda m: _title(m[0].lower()), name)
    for name in (
        *("hostIPC", "hostPID", "externalID", "podCIDR", "providerID", "bootID", "machineID", "systemUUID", "volumeID"),
        *("diskURI", "datasetUUID", "pdID", "scaleIO", "podIP", "hostIP", "clusterIP", "loadBalancerIP"),
        *("containerID", "imageID", "clientCIDR", "downwardAPI"),
    )
}
_LEGACY_ALIASES.update(
    {
        "targetCPUUtilizationPercentage": "targetCpuUtilizationPercentage",
        "currentCPUUtilizationPercentage": "currentCpuUtilizationPercentage",
        "targetWWNs": "targetWwns",
        "externalIPs": "externalIps",
        "nonResourceURLs": "nonResourceUrls",
        "serverAddressByClientCIDRs": "serverAddressByClientCidrs",
        "ServerAddressByClientCIDR": "serverAddressByClientCidr",
        "AWSElasticBlockStoreVolumeSource": "awsElasticBlockStoreVolumeSource",
        "CephFSVolumeSource": "cephFsVolumeSource",
        "DownwardAPIProjection": "downwardApiProjection",
        "DownwardAPIVolumeFile": "downwardApiVolumeFile",
        "DownwardAPIVolumeSource": "downwardApiVolumeSource",
        "FCVolumeSource": "fcVolumeSource",
        "GCEPersistentDiskVolumeSource": "gcePersistentDiskVolumeSource",
        "HTTPGetAction": "httpGetAction",
        "HTTPHeader": "httpHeader",
        "ISCSIVolumeSource": "iscsiVolumeSource",
        "NFSVolumeSource": "nfsVolumeSource",
        "RBDVolumeSource": "rbdVolumeSource",
        "SELinuxOptions": "seLinuxOptions",
        "ScaleIOVolumeSource": "scaleIoVolumeSource",
        "TCPSocketAction": "tcpSocketAction",
        "APIVersion": "apiVersion",
        "FSGroupStrategyOptions": "fsGroupStrategyOptions",
        "HTTPIngressPath": "httpIngressPath",
        "HTTPIngressRuleValue": "httpIngressRuleValue",
        "IDRange": "idRange",
        "IngressTLS": "ingressTls",
        "SELinuxStrategyOptions": "seLinuxStrategyOptions",
        "APIGroup": "apiGroup",
        "APIGroupList": "apiGroupList",
        "APIResource": "apiResource",
        "APIResourceList": "apiResourceList",
        "APIVersions": "apiVersions",
        "local": "localStorage",
    }
)

_LEGACY_LEFT_OUT = {
    _STATUS: {"status", "metadata"},
    "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta": {
        "creationTimestamp",
        "deletionTimestamp",
        "generation",
        "ownerReferences",
        "resourceVersion",
        "selfLink",
        "uid",
    },
    "io.k8s.kubernetes.pkg.api.v1.ComponentCondition": {"error", "status"},
    "io.k8s.kubernetes.pkg.apis.authentication.v1.TokenReviewStatus": {"error"},
    "io.k8s.kubernetes.pkg.apis.authentication.v1beta1.TokenReviewStatus": {"error"},
    "io.k8s.kubernetes.pkg.apis.extensions.v1beta1.DaemonSetSpec": {"templateGeneration"},
}

#: Lists whose metadata ksonnet-lib forgot to leave out.
_LEGACY_LISTS_WITH_METADATA = {
    "APIServiceList",
    "ControllerRevisionList",
    "ExternalAdmissionHookConfigurationList",
    "InitializerConfigurationList",
}


class _Legacy(_Builder):
    def __init__(self, definitions: Mapping[str, Mapping[str, Any]]) -> None:
        super().__init__(definitions)
        custom = {name for name, d in definitions.items() if "Schema" in (d.get("properties") or {})}
        custom |= {_ref(definitions[name]["properties"]["Schema"]) for name in custom}
        for name, parsed in sorted(self.names.items()):
            if parsed is None or not parsed.version or name in custom:
                continue
            gvk = definitions[name].get(_GVK) or []
            qualified = next((str(g["group"]) for g in gvk[:1] if g.get("group")), parsed.group)
            groups = self.groups if gvk else self.hidden
            self._add(groups, parsed, parsed.version, qualified, _Object(name, parsed.kind, bool(gvk)))

    def identifier(self, name: str) -> str:
        name = _LEGACY_ALIASES.get(name, name)
        return name[:1].lower() + name[1:]

    def _argument(self, name: str) -> str:
        found = self.identifier(name)
        return found + "Param" if found in KEYWORDS else found

    def _properties(self, id_: str) -> list[tuple[str, Mapping[str, Any]]]:
        left_out = _LEGACY_LEFT_OUT.get(id_, set())
        parsed = self.names[id_]
        result = []
        for name, schema in sorted((self.definitions[id_].get("properties") or {}).items()):
            ref = _ref(schema)
            target = self.names.get(ref)
            if name in left_out or (ref and (target is None or not target.version)):
                continue
            if ref == _LIST_META and not self._keeps_metadata(parsed):
                continue
            if name == "status" and self._status_left_out(id_):
                continue
            result.append((name, schema))
        return result

    @staticmethod
    def _keeps_metadata(list_: Name | None) -> bool:
        """Whether ksonnet-lib forgot to leave out a list's metadata."""
        return list_ is not None and (
            list_.kind in _LEGACY_LISTS_WITH_METADATA
            or (list_.group, list_.kind) == ("networking", "NetworkPolicyList")
        )

    def _status_left_out(self, id_: str) -> bool:
        """Of top-level objects and of most conditions; the few others keep it."""
        if id_.endswith("Condition"):
            return not id_.endswith((".APIServiceCondition", ".HorizontalPodAutoscalerCondition"))
        return bool(self.definitions[id_].get(_GVK))

    def _object(self, item: _Object) -> str:
        lines = [f"{self.identifier(item.kind)}:: {{\n"]
        if item.top_level:
            lines.append(f"local kind = {{ kind: {json.dumps(item.kind)} }},\n")
        parsed = self.names[item.id]
        key = (parsed.group, parsed.version, item.kind) if parsed else ("", "", item.kind)
        base = "apiVersion + kind" if item.top_level else "{}"
        for constructor in LEGACY_CONSTRUCTORS.get(key) or (Constructor("new"),):
            lines.append(_summed(constructor, base, self.identifier))
        mixins = ""
        for name, schema in self._properties(item.id):
            if name in ("apiVersion", "kind"):
                continue
            text = self._property(name, schema, "")
            if self._is_mixin(schema):
                mixins += text
            else:
                lines.append(text)
        lines.append("mixin:: {\n" + mixins + "},\n},\n")
        return "".join(lines)

    @staticmethod
    def _is_mixin(schema: Mapping[str, Any]) -> bool:
        return _ref(schema) not in ("", _INT_OR_STRING)

    def _property(self, name: str, schema: Mapping[str, Any], parent: str) -> str:
        argument = self._argument(name)
        setter = _title(self.identifier(name))
        if self._is_mixin(schema):
            return self._mixin(name, _ref(schema), parent) + self._type_alias(name, _ref(schema))
        if _ref(schema):
            return f"with{setter}({argument}):: {_wrap(parent, f'{_key(name)}: {argument}')},\n"
        text = _setters(name, setter, argument, str(schema.get("type") or "object"), parent)
        item = _item_ref(schema) if schema.get("type") == "array" else ""
        return text + (self._type_alias(name, item) if item else "")

    def _type_alias(self, name: str, ref: str) -> str:
        return self._alias(self.identifier(name) + "Type", ref)

    def _mixin(self, name: str, ref: str, parent: str) -> str:
        memo = (name, ref, parent)
        if memo not in self._memo:
            own = f"__{self.identifier(name)}Mixin"
            inner = "".join(
                self._property(n, s, own) for n, s in self._properties(ref) if n not in ("apiVersion", "kind")
            )
            head = _instance(name, own, self._argument(name), parent)
            self._memo[memo] = f"{self.identifier(name)}:: {{\n{head}{inner}}},\n"
        return self._memo[memo]

    def extension(self) -> str:
        """k.libsonnet as it was written for 1.7: DaemonSets and Deployments alone have mapContainers."""
        kinds = "".join(
            f"{kind}:: k8s.{{0}}.v1beta1.{kind} + {_MAP_CONTAINERS.replace('{', '{{').replace('}', '}}')},\n"
            for kind in ("daemonSet", "deployment")
        )
        parts = "".join(
            f"{group}:: k8s.{group} + {{\nv1beta1:: k8s.{group}.v1beta1 + {{\n{kinds.format(group)}}},\n}},\n"
            for group in ("apps", "extensions")
        )
        core = f"core:: k8s.core + {{\nv1:: k8s.core.v1 + {{\nlist:: {_LIST},\n}},\n}},\n"
        return f'local k8s = import "k8s.libsonnet";\n{_CONTAINER_FUNCTIONS}k8s + {{\n{parts}{core}}}\n'


def _summed(constructor: Constructor, base: str, identifier: Any) -> str:
    """A constructor of the earlier generator: the sum of one setter for each argument."""
    terms = [base]
    for parameter in constructor.parameters:
        setter = parameter.setter or f"with{_title(identifier(parameter.name))}"
        terms.append(f"self.{setter}({parameter.name})")
    arguments = ", ".join(f"{p.name}={p.default}" if p.default else p.name for p in constructor.parameters)
    return f"{constructor.name}({arguments}):: {' + '.join(terms)},\n"


_LIST = """{
  new(items):: { apiVersion: "v1" } + { kind: "List" } + self.items(items),
  items(items):: if std.type(items) == "array" then { items+: items } else { items+: [items] },
}"""

_MAP_CONTAINERS = """{
  mapContainers(f):: fn.mapContainers(f),
  mapContainersWithName(names, f):: fn.mapContainersWithName(names, f),
}"""

_CONTAINER_FUNCTIONS = """local fn = {
  mapContainers(f):: {
    local before = super.spec.template.spec.containers,
    spec+: { template+: { spec+: { containers: std.map(f, before) } } },
  },
  mapContainersWithName(names, f)::
    local wanted = std.set(if std.type(names) == "array" then names else [names]);
    self.mapContainers(function(c) if std.objectHas(c, "name") && std.setMember(c.name, wanted) then f(c) else c),
};

"""
