# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""Objects of an app's environment, as ``ks show`` gives them.

ks rendered in three ways over its life; PROFILES says which apps get which (docs/ksonnet.md tells users).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.bramble.kube.plugins.module_utils.common.merge_patch import merge_patch

from . import app as apps
from . import yamlio
from .errors import KsonnetError, listed
from .evaluator import Evaluator, JsonnetError, Limits, Sandbox, limited, pick
from .files import Answers

COMPONENTS = "__ksonnet/components"
PARAMS = "__ksonnet/params"
ENVIRONMENTS = "__ksonnet/environments"
LABEL = "ksonnet.io/component"


@dataclass(frozen=True)
class Profile:
    """What differs between releases of ks."""

    name: str
    module_params: bool  # parameters and components are evaluated module by module (0.10 and later)
    labels: bool = False  # objects get the label ksonnet.io/component and are sorted by kind (0.12 and later)


PROFILES = {
    "0.9": Profile("0.9", module_params=False),
    "0.11": Profile("0.11", module_params=True),
    "0.13": Profile("0.13", module_params=True, labels=True),
}


@dataclass
class Request:
    """What to render. ``params``: component name to parameter names to values, over what the files say."""

    app_dir: str
    environment: str
    components: Sequence[str] = ()
    params: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    ext_vars: Mapping[str, str] = field(default_factory=dict)
    library_dirs: Sequence[str] = ()
    ks_version: str = "auto"
    evaluator: str = "auto"
    limits: Limits = field(default_factory=Limits)


@dataclass
class Result:
    objects: list[dict[str, Any]]
    components: list[str]
    ks_version: str
    evaluator: str
    warnings: list[str] = field(default_factory=list)
    answers: Answers | None = None  # all that the file system was asked; None where it changed meanwhile


def render(request: Request) -> Result:
    """Evaluate in a limited child and return the objects; KsonnetError in one sentence otherwise."""
    app = apps.load(os.path.abspath(request.app_dir))
    env = app.environment(request.environment)
    profile = choose_profile(app, env, request.ks_version)
    bindings = pick(request.evaluator)
    renderer = Renderer(app, env, profile, request)
    answer = limited(lambda: renderer.answer(bindings), request.limits)
    return Result(
        objects=answer["objects"],
        components=[component.qualified for component in renderer.chosen],
        ks_version=profile.name,
        evaluator=answer["evaluator"],
        warnings=answer["warnings"],
        answers=answer["answers"],
    )


def choose_profile(app: apps.App, env: apps.Environment, wanted: str) -> Profile:
    """apiVersion 0.2.0 and 0.3.0 come from ks 0.12 and 0.13, 0.0.1 from 0.8, 0.1.0 from 0.9, 0.10 and 0.11.

    The latter two wrote environments that read their parameters from std.extVar("__ksonnet/params"), which ks 0.9
    cannot evaluate.
    """
    if wanted != "auto":
        return PROFILES[wanted]
    if app.version >= (0, 2):
        return PROFILES["0.13"]
    path = os.path.join(app.environment_dir(env), "params.libsonnet")
    try:
        newer = PARAMS in app.files.text(path)
    except (OSError, UnicodeDecodeError):
        newer = False
    return PROFILES["0.11" if newer else "0.9"]


class Renderer:
    """One rendering. Everything that can be checked without jsonnet is checked in the constructor."""

    def __init__(self, app: apps.App, env: apps.Environment, profile: Profile, request: Request) -> None:
        self.app = app
        self.env = env
        self.profile = profile
        self.request = request
        self.warnings: list[str] = []
        self.env_dir = app.environment_dir(env)
        self.main = self._main_file()
        self.chosen = self._choose_components()
        self._check_params()
        self.library = app.library_dir(env)
        self.evaluator: Evaluator

    # What to render

    def _main_file(self) -> str:
        """main.jsonnet; before ks 0.8 the file was called like the environment."""
        names = ["main.jsonnet", os.path.basename(self.env.path) + ".jsonnet"]
        for name in names:
            if self.app.files.is_file(os.path.join(self.env_dir, name)):
                return os.path.join(self.env_dir, name)
        raise KsonnetError(
            f"environment {self.env.name!r} is in app.yaml, "
            f"but environments/{self.env.path}/main.jsonnet does not exist"
        )

    def _modules(self) -> list[str]:
        """Modules that this environment shows ('' is the root)."""
        targets = [target.strip("/").replace(".", "/") for target in self.env.targets]
        known = apps.all_modules(self.app.root, self.app.files)
        if not targets:
            return [""] if self.profile.module_params else known
        for target in targets:
            if target and target not in known and not self._is_component_file(target):
                raise KsonnetError(
                    f"target {target!r} of environment {self.env.name!r} is not a module; "
                    f"there are: {listed(m or '/' for m in known)}"
                )
        if self.profile.module_params:
            return sorted(set(targets))
        # ks 0.9 takes what lies below a target, too
        return [m for m in known if any(m == t or m.startswith(t + "/") or t == "" for t in targets)]

    def _is_component_file(self, target: str) -> bool:
        path = os.path.join(self.app.root, "components", target)
        return not self.profile.module_params and self.app.files.is_file(path)

    def _choose_components(self) -> list[apps.Component]:
        shown = [c for module in self._modules() for c in apps.module_components(self.app.root, module, self.app.files)]
        if not self.profile.module_params:
            skipped = [c for c in shown if c.kind != "jsonnet"]
            shown = [c for c in shown if c.kind == "jsonnet"]
            if skipped:
                self.warnings.append(
                    "not rendered, because ks 0.9 did not (ks_version: '0.11' does): "
                    + listed(os.path.relpath(c.path, self.app.root) for c in skipped)
                )
        if not self.request.components:
            return shown
        names: dict[str, list[apps.Component]] = {}
        for component in shown:
            for name in dict.fromkeys(
                (component.qualified, component.name, f"{component.module}/{component.name}".lstrip("/"))
            ):
                names.setdefault(name, []).append(component)
        missing = [name for name in self.request.components if name not in names]
        if missing:
            raise KsonnetError(
                f"no such component in environment {self.env.name!r}: {listed(missing)}; "
                f"there are: {listed(c.qualified for c in shown)}"
            )
        wanted = [c for name in self.request.components for c in names[name]]
        return [c for c in shown if c in wanted]

    def _check_params(self) -> None:
        known = {c.qualified for c in self.chosen} | {c.name for c in self.chosen}
        for name, values in self.request.params.items():
            if name not in known:
                raise KsonnetError(
                    f"params are given for component {name!r}, which is not rendered; rendered are: "
                    f"{listed(c.qualified for c in self.chosen)}"
                )
            if not isinstance(values, Mapping):
                raise KsonnetError(f"params of component {name!r} must be a mapping of parameter names to values")

    # How to render

    def answer(self, bindings: Sequence[str]) -> dict[str, Any]:
        """Objects, warnings and the bindings that gave them; runs in the limited child."""
        objects = self.objects(bindings)
        fractions = sorted(set(self.evaluator.fractions))
        if fractions and self.request.evaluator == "auto":
            self.warnings.append(
                f"fractions became text ({listed(fractions)}), which ks wrote with 17 digits, such as "
                "0.10000000000000001 for 0.1; pip install jsonnet to have them as ks did, or choose "
                "evaluator: rjsonnet for the short form"
            )
        return {
            "objects": objects,
            "warnings": self.warnings,
            "evaluator": ", ".join(self.evaluator.used),
            "answers": self.app.files.answers if self.app.files.steady else None,
        }

    def objects(self, bindings: Sequence[str]) -> list[dict[str, Any]]:
        """Objects in order; runs in the limited child."""
        libraries = [os.path.abspath(path) for path in self.request.library_dirs]
        root = self.app.root
        vendor, lib = os.path.join(root, "vendor"), os.path.join(root, "lib")
        environments = os.path.join(root, "environments")
        library = [self.library] if self.library else []
        if self.profile.module_params:
            modules = [os.path.join(root, "components", *m.split("/")) for m in reversed(self._modules())]
            search = modules + library + [lib, vendor, self.env_dir, environments] + libraries
        else:
            search = [vendor, *library, environments, *libraries]
        sandbox = Sandbox(
            roots=[root, *libraries], search=search, rename=self._versioned_packages(), files=self.app.files
        )
        self.evaluator = Evaluator(sandbox, self.request.limits, bindings)
        try:
            if self.profile.module_params:
                return self._by_module()
            return self._all_at_once(self.chosen)
        except JsonnetError as exc:
            raise KsonnetError(self._explain(exc)) from exc

    def _versioned_packages(self) -> dict[str, str]:
        """``registry/package`` to the folder with the version in its name (ks 0.12 and later)."""
        if self.app.version < (0, 2):
            return {}
        merged: dict[str, tuple[str, str]] = {}
        for libraries in (self.app.libraries, self.env.libraries):
            for key, library in libraries.items():
                if library and library.get("version"):
                    prefix = f"{library.get('registry', '')}/{key.rsplit('/', 1)[-1]}"
                    merged[prefix] = (prefix, str(library["version"]))
        folders = {p: os.path.join(self.app.root, "vendor", f"{p}@{v}") for p, (_p, v) in merged.items()}
        return {prefix: folder for prefix, folder in folders.items() if self.app.files.is_folder(folder)}

    def _codes(self, **codes: str) -> dict[str, str]:
        result = {name: json.dumps(value) for name, value in self.request.ext_vars.items()}
        result.update(codes)
        return result

    def _destination(self) -> str:
        namespace = self.env.namespace or ("" if self.profile.module_params else "default")
        return json.dumps({"server": self.env.server, "namespace": namespace})

    # ks 0.9: one evaluation per module, everything lazily inside jsonnet

    def _all_at_once(self, chosen: Iterable[apps.Component]) -> list[dict[str, Any]]:
        modules: dict[str, list[apps.Component]] = {}
        for component in chosen:
            modules.setdefault(component.module, []).append(component)
        result: list[dict[str, Any]] = []
        for members in modules.values():
            code = "{" + ",".join(f"{quote(c.name)}: import {quote(c.path)}" for c in members) + "}"
            value = self.evaluator.evaluate_file(
                self.main,
                self._codes(
                    **{COMPONENTS: code, PARAMS: self._params_code(members), ENVIRONMENTS: self._destination()}
                ),
            )
            result.extend(flatten(value, f"environment {self.env.name!r}"))
        return result

    def _params_code(self, members: Sequence[apps.Component]) -> str:
        code = f"import {quote(os.path.join(self.env_dir, 'params.libsonnet'))}"
        overrides = {c.name: dict(values) for c in members for values in self._given(c)}
        if overrides:
            fields = ",".join(
                f"{quote(name)}+: {{{','.join(f'{quote(k)}: {json.dumps(v)}' for k, v in values.items())}}}"
                for name, values in overrides.items()
            )
            code = f"({code}) + {{components+: {{{fields}}}}}"
        return code

    def _given(self, component: apps.Component) -> list[Mapping[str, Any]]:
        names = dict.fromkeys([component.name, component.qualified])
        return [self.request.params[name] for name in names if name in self.request.params]

    # ks 0.10 and later: parameters are data before a module is evaluated

    def _by_module(self) -> list[dict[str, Any]]:
        result: list[dict[str, Any]] = []
        chosen = {c.qualified for c in self.chosen}
        for module in self._modules():
            members = apps.module_components(self.app.root, module, self.app.files)
            if not any(c.qualified in chosen for c in members):
                continue
            params = self._module_params(module, members)
            for name, value in sorted(self._module_values(members, params).items()):
                # main.jsonnet may add fields of its own; they are no components and are shown when all are
                if self.request.components and name not in chosen:
                    continue
                result.extend(self._finish(name, value, members, params))
        return sorted(result, key=show_order) if self.profile.labels else result

    def _module_params(self, module: str, members: Sequence[apps.Component]) -> dict[str, Any]:
        """What std.extVar("__ksonnet/params") is for the module's components."""
        folder = os.path.join(self.app.root, "components", *module.split("/"))
        path = os.path.join(folder, "params.libsonnet")
        if not self.app.files.is_file(path):
            raise KsonnetError(
                f"module {module or '/'!r} has no params.libsonnet: "
                f"{os.path.relpath(path, self.app.root)} does not exist"
            )
        own = self.evaluator.evaluate_file(path, self._codes(**{ENVIRONMENTS: self._destination()}))
        if not isinstance(own, dict) or not isinstance(own.get("components"), dict):
            raise KsonnetError(f"{os.path.relpath(path, self.app.root)} must be an object with the field components")
        shared = own.get("global", {})
        components = {name: merge_patch(values, shared) for name, values in own["components"].items()}
        prefix = module.replace("/", ".") + "." if module and self.profile.labels else ""
        before = {"components": {prefix + name: values for name, values in components.items()}}
        env_path = os.path.join(self.env_dir, "params.libsonnet")
        # written by ks 0.9 and kept since: the relative import means the module's own parameters
        old = 'import "../../components/params.libsonnet"'
        self.evaluator.sandbox.put(env_path, self._read(env_path).replace(old, f"std.extVar({quote(PARAMS)})"))
        after = self.evaluator.evaluate_file(
            env_path,
            self._codes(**{PARAMS: json.dumps(before), ENVIRONMENTS: self._destination()}),
        )
        values = after.get("components") if isinstance(after, dict) else None
        if not isinstance(values, dict):
            raise KsonnetError(
                f"{os.path.relpath(env_path, self.app.root)} must be an object with the field components"
            )
        if self.profile.labels:
            values = {
                name[len(prefix) :]: value
                for name, value in values.items()
                if (name.startswith(prefix) if prefix else "." not in name)
            }
        params = {"components": dict(values)}
        for component in members:
            for given in self._given(component):
                params["components"][component.name] = {**params["components"].get(component.name, {}), **given}
        return params

    def _module_values(self, members: Sequence[apps.Component], params: Mapping[str, Any]) -> dict[str, Any]:
        fields = []
        for component in members:
            if component.kind == "jsonnet":
                value = f"import {quote(component.path)}"
            else:
                value = json.dumps(merge_patch(self._document(component), self._own_params(component)))
            fields.append(f"{quote(component.qualified)}: {value}")
        value = self.evaluator.evaluate_file(
            self.main,
            self._codes(
                **{
                    COMPONENTS: "{" + ",".join(fields) + "}",
                    PARAMS: json.dumps(params),
                    ENVIRONMENTS: self._destination(),
                }
            ),
        )
        if not isinstance(value, dict):
            raise KsonnetError(f"{os.path.relpath(self.main, self.app.root)} must be an object of components")
        return value

    def _read(self, path: str) -> str:
        try:
            text = self.app.files.text(path)
        except (OSError, UnicodeDecodeError) as exc:
            raise KsonnetError(f"{path} cannot be read: {exc}") from exc
        return text.replace("\r\n", "\n").replace("\r", "\n")

    def _document(self, component: apps.Component) -> dict[str, Any]:
        where = os.path.relpath(component.path, self.app.root)
        documents = yamlio.load_all(self._read(component.path), where)
        if not documents or not isinstance(documents[0], dict):
            raise KsonnetError(f"component {component.qualified!r} ({where}) holds no object")
        if len(documents) > 1:
            self.warnings.append(f"{where} holds {len(documents)} documents; like ks, only the first is rendered")
        return documents[0]

    def _own_params(self, component: apps.Component) -> dict[str, Any]:
        """Parameters of a YAML component straight from its module's params.libsonnet: ks patches twice."""
        path = os.path.join(os.path.dirname(component.path), "params.libsonnet")
        own = self.evaluator.evaluate_file(path, self._codes(**{ENVIRONMENTS: self._destination()}))
        return (own.get("components") or {}).get(component.name) or {}

    def _finish(
        self, name: str, value: Any, members: Sequence[apps.Component], params: Mapping[str, Any]
    ) -> list[dict[str, Any]]:
        component = next((c for c in members if c.qualified == name), None)
        if component is not None and component.kind != "jsonnet" and isinstance(value, dict):
            # by its full name, as ks looks it up: in a module, only params given to this rendering reach it
            for patch in [params["components"].get(name) or {}, *self._given(component)]:
                value = merge_patch(value, patch)
        objects = flatten(value, f"component {name!r}")
        if self.profile.labels:
            for item in objects:
                metadata = item.get("metadata")
                if not isinstance(metadata, dict):
                    metadata = item["metadata"] = {}
                if not isinstance(metadata.get("labels"), dict):
                    metadata["labels"] = {}
                metadata["labels"][LABEL] = name.lstrip("/").replace("/", ".")
        return objects

    # Errors

    def _explain(self, error: JsonnetError) -> str:
        """One sentence: component, file of the app, line, reason."""
        component = ""
        file, line = "", 0
        for path, number in error.places():
            if not os.path.isabs(path) or not path.startswith(self.app.root + os.sep):
                continue
            relative = os.path.relpath(path, self.app.root)
            if not file:
                file, line = relative, number
            found = next((c for c in self.chosen if c.path == path), None)
            if found is not None:
                component = found.qualified
                break
        if not component:
            component = self._find_culprit()
        what = f"component {component!r} of" if component else "the parameters or overrides of"
        where = f"{file}, line {line}: " if file else ""
        reason = error.reason().replace(self.app.root + os.sep, "")
        if "'k.libsonnet' found nothing" in reason:
            release = self.env.kubernetes_version or "any release"
            reason += f"; let ksonnet_app make it for Kubernetes {release} (its option libraries)"
        return f"{what} environment {self.env.name!r} cannot be rendered: {where}{reason}"

    def _find_culprit(self) -> str:
        """The component that fails alone, too; '' if none does or the error needs no component to appear."""
        if self.profile.module_params:
            return ""
        # The third would take very long for all components.
        self.evaluator.bindings = self.evaluator.bindings[:2]
        try:
            self._all_at_once([])
            self.evaluator.evaluate_file(os.path.join(self.env_dir, "params.libsonnet"), self._codes())
        except KsonnetError:
            return ""
        for component in self.chosen:
            try:
                self._all_at_once([component])
            except KsonnetError:
                return component.qualified
        return ""


def quote(text: str) -> str:
    """A jsonnet string literal."""
    return json.dumps(text, ensure_ascii=False)


def flatten(value: Any, where: str) -> list[dict[str, Any]]:
    """Objects in arrays, objects of objects and Lists, in order (utils/acquire.go, jsonWalk and FlattenToV1)."""
    if isinstance(value, list):
        return [item for member in value for item in flatten(member, where)]
    if not isinstance(value, dict):
        raise KsonnetError(
            f"{where} gives {json.dumps(value)[:80]} where a Kubernetes object, or a list of them, is needed"
        )
    if isinstance(value.get("items"), list) and value.get("kind"):
        return [found for item in value["items"] for found in _list_item(item, value, where)]
    if value.get("kind") is not None and value.get("apiVersion") is not None:
        return [value]
    return [item for key in sorted(value) for item in flatten(value[key], where)]


def _list_item(item: Any, parent: Mapping[str, Any], where: str) -> list[dict[str, Any]]:
    """An item without kind and apiVersion has those that its List implies."""
    if not isinstance(item, dict) or isinstance(item.get("items"), list):
        return flatten(item, where)
    if not item.get("kind") and not item.get("apiVersion"):
        kind = str(parent["kind"])
        item = {**item, "kind": kind[:-4] if kind.endswith("List") else kind, "apiVersion": parent.get("apiVersion")}
    return [item]


_KIND_ORDER = {
    kind: rank
    for rank, kind in enumerate(
        [
            "Namespace",
            "ResourceQuota",
            "LimitRange",
            "PodSecurityPolicy",
            "Secret",
            "ConfigMap",
            "StorageClass",
            "PersistentVolume",
            "PersistentVolumeClaim",
            "ServiceAccount",
            "CustomResourceDefinition",
            "ClusterRole",
            "ClusterRoleBinding",
            "Role",
            "RoleBinding",
            "Service",
            "DaemonSet",
            "Pod",
            "ReplicationController",
            "ReplicaSet",
            "Deployment",
            "StatefulSet",
            "Job",
            "CronJob",
            "Ingress",
            "APIService",
        ]
    )
}


def show_order(item: Mapping[str, Any]) -> tuple[Any, ...]:
    """Order of ``ks show`` since 0.12 (pkg/cluster/sort.go): namespace, kind in order of creation, version, name."""
    metadata = item.get("metadata") or {}
    kind = str(item.get("kind", ""))
    return (
        str(metadata.get("namespace") or ""),
        _KIND_ORDER.get(kind, len(_KIND_ORDER)),
        "" if kind in _KIND_ORDER else kind,
        str(item.get("apiVersion", "")),
        str(metadata.get("name") or ""),
        str(metadata.get("generateName") or ""),
        str(metadata.get("uid") or ""),
    )


def to_text(objects: Sequence[Mapping[str, Any]], form: str) -> str:
    """Objects as the text of a file: YAML documents, or one JSON object of kind List."""
    if form == "json":
        return (
            json.dumps(
                {"apiVersion": "v1", "kind": "List", "items": objects}, indent=2, sort_keys=True, ensure_ascii=False
            )
            + "\n"
        )
    return yamlio.dump_all(objects)
