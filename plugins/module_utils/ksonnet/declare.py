# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""Bring an app folder to what is declared: what ``ks init, env, registry, pkg, generate, param, component`` do."""

from __future__ import annotations

import copy
import json
import os
import posixpath
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from . import app as apps
from . import klibsonnet, parameters, prototype, registry, system_prototypes, yamlio
from .errors import KsonnetError, listed
from .evaluator import JsonnetError, Limits, evaluate_text, pick
from .tree import Tree

_PUNCTUATION = re.compile(r"[\\,;':!()?\"{}\[\]*&%@$\s]")
_VERSION = re.compile(r"v?\d+\.\d+\.\d+([-+].*)?")
_NEW_MAIN = """local base = import "base.libsonnet";

base + {
  // Changes of this environment's objects, e.g.
  // "nginx-deployment"+: { metadata+: { labels+: { foo: "bar" } } },
}
"""
_NEW_BASE = """local components = std.extVar("__ksonnet/components");
components + {
  // Changes of all environments' objects
}
"""
_NEW_GITIGNORE = "/lib\n/.ksonnet/registries\n/app.override.yaml\n/.ks_environment\n"


@dataclass
class Declaration:
    """What the module's options say; lists of plain mappings as the argument spec checks them."""

    name: str = ""
    api_version: str = ""
    upgrade: bool = False
    libraries: Sequence[Mapping[str, Any]] = ()
    environments: Sequence[Mapping[str, Any]] = ()
    registries: Sequence[Mapping[str, Any]] = ()
    packages: Sequence[Mapping[str, Any]] = ()
    modules: Sequence[Mapping[str, Any]] = ()
    components: Sequence[Mapping[str, Any]] = ()


@dataclass
class Outcome:
    tree: Tree
    app: apps.App
    components: list[str] = field(default_factory=list)


#: reads /openapi/v2 of the cluster that a kubeconfig and a context name
Live = Callable[[str, str], bytes]


def declare(
    app_dir: str,
    wanted: Declaration,
    downloads: registry.Downloads,
    evaluator: str = "auto",
    live: Live | None = None,
) -> Outcome:
    """All changes, collected in the outcome's tree; nothing is written. KsonnetError for the first wrong thing."""
    tree = Tree(os.path.abspath(app_dir))
    work = _Work(tree, _open(tree, wanted), downloads, evaluator)
    for entry in wanted.libraries:
        work.library(entry, live)
    for entry in wanted.environments:
        work.environment(entry)
    for entry in wanted.registries:
        work.registry(entry)
    for entry in wanted.packages:
        work.package(entry)
    for entry in wanted.modules:
        work.module(entry)
    for entry in wanted.components:
        work.component(entry)
    for entry in wanted.environments:
        work.environment_params(entry)
    work.save()
    return Outcome(tree, work.app, work.all_components())


def _open(tree: Tree, wanted: Declaration) -> apps.App:
    if tree.read("app.yaml") is None:
        return _create(tree, wanted)
    app = apps.load(tree.root)
    if app.api_version == "0.0.1":
        if not wanted.upgrade:
            raise KsonnetError(
                f"{tree.root} has apiVersion 0.0.1, which can be rendered but not changed: "
                "upgrade: true makes it 0.1.0, as `ks upgrade` did (environments move from spec.json into app.yaml)"
            )
        return _upgrade(tree, app)
    if wanted.api_version and wanted.api_version != app.api_version:
        raise KsonnetError(
            f"{tree.root} has apiVersion {app.api_version}, not {wanted.api_version}; "
            "leave api_version out for an app that exists"
        )
    return app


def _create(tree: Tree, wanted: Declaration) -> apps.App:
    """``ks init``."""
    if os.path.isdir(tree.root) and os.listdir(tree.root) and os.path.isdir(tree.path("components")):
        raise KsonnetError(
            f"{tree.root} has a components folder but no app.yaml: name another app_dir, or restore app.yaml"
        )
    version = wanted.api_version or "0.1.0"
    spec: dict[str, Any] = {
        "apiVersion": version,
        "kind": "ksonnet.io/app",
        "name": wanted.name or os.path.basename(tree.root),
        "version": "0.0.1",
    }
    for folder in ("components", "environments", "lib", "vendor", ".ksonnet/registries"):
        tree.folder(folder)
    tree.write("components/params.libsonnet", parameters.MODULE_PARAMS)
    tree.write("environments/base.libsonnet", _NEW_BASE)
    app = apps.App(root=tree.root, api_version=version, spec=spec, environments={})
    if app.version >= (0, 2):
        tree.write(".gitignore", _NEW_GITIGNORE)
    return app


def _upgrade(tree: Tree, app: apps.App) -> apps.App:
    """``ks upgrade`` from 0.0.1: spec.json into app.yaml, .metadata into lib/VERSION."""
    spec = dict(app.spec, apiVersion="0.1.0")
    spec["environments"] = {}
    for env in app.environments.values():
        folder = f"environments/{env.path}"
        spec["environments"][env.name] = {
            "destination": {"server": env.server, "namespace": env.namespace},
            "k8sVersion": env.kubernetes_version,
            "path": env.path,
        }
        old_main = f"{folder}/{posixpath.basename(env.path)}.jsonnet"
        text = tree.read(old_main)
        if text is not None and tree.read(f"{folder}/main.jsonnet") is None:
            tree.write(f"{folder}/main.jsonnet", text)
            tree.remove(old_main)
        for name in ("k.libsonnet", "k8s.libsonnet", "swagger.json"):
            data = tree.read_bytes(f"{folder}/.metadata/{name}")
            if data is None:
                continue
            if tree.read_bytes(f"lib/{env.kubernetes_version}/{name}") is None:
                tree.write(f"lib/{env.kubernetes_version}/{name}", data)
            tree.remove(f"{folder}/.metadata/{name}")
        tree.remove(f"{folder}/spec.json")
    return apps.App(root=tree.root, api_version="0.1.0", spec=spec, environments=app.environments)


class _Work:
    """The steps, in the order in which ``declare`` calls them."""

    def __init__(self, tree: Tree, app: apps.App, downloads: registry.Downloads, evaluator: str) -> None:
        self.tree = tree
        self.app = app
        self.spec = copy.deepcopy(app.spec)
        self.downloads = downloads
        self.evaluator = evaluator
        self._opened: dict[tuple[str, str], registry.Contents] = {}
        self._declared: dict[str, Mapping[str, Any]] = {}

    def save(self) -> None:
        old = self.tree.read("app.yaml")
        if old is None or yamlio.load(old, "app.yaml") != self.spec:
            self.tree.write("app.yaml", yamlio.dump(self.spec))

    def _evaluate(self, code: str) -> Any:
        return evaluate_text(code, Limits(seconds=10), pick(self.evaluator))

    def _edit(self, name: str) -> parameters.Editor:
        text = self.tree.read(name)
        if text is None:
            raise KsonnetError(f"{self.tree.path(name)} does not exist, so no parameter can be set in it")
        return parameters.Editor(text, name, self._evaluate)

    # k.libsonnet

    def library(self, entry: Mapping[str, Any], live: Live | None) -> None:
        """What ``ks env add --api-spec`` makes; a folder that is there is used as it is."""
        version = entry.get("version") or ""
        if version and not version.startswith("v"):
            version = "v" + version
        if version and self._library_folder(version):
            return
        if entry.get("kubeconfig"):
            if live is None:
                raise KsonnetError("a library from a cluster can only be made by the module ksonnet_app")
            data = live(entry["kubeconfig"], entry.get("context") or "")
        else:
            data = registry.description(
                entry["openapi"], entry.get("checksum") or "", self.downloads.cache_dir, self.downloads.keep
            )
        library = klibsonnet.cached(data, version, self.downloads.cache_dir, self.downloads.keep)
        if self._library_folder(library.version):
            return
        folder = f"lib/{'ksonnet-lib/' if self.app.version >= (0, 2) else ''}{library.version}"
        self.tree.write(f"{folder}/swagger.json", data)
        self.tree.write(f"{folder}/k8s.libsonnet", library.k8s)
        self.tree.write(f"{folder}/k.libsonnet", library.k)

    def _library_folder(self, version: str) -> str:
        folders = (f"lib/{version}", f"lib/ksonnet-lib/{version}")
        return next((folder for folder in folders if self.tree.read(f"{folder}/k.libsonnet") is not None), "")

    # Environments

    def environment(self, entry: Mapping[str, Any]) -> None:
        """``ks env add``, ``env set`` and ``env rm``."""
        name = entry["name"]
        _check_name("environment", name)
        known = self.spec.setdefault("environments", {})
        if entry.get("state") == "absent":
            if name in known:
                self.tree.remove_folder(f"environments/{known[name].get('path') or name}")
                del known[name]
            return
        old_name = entry.get("rename_from")
        if old_name and old_name in known and name not in known:
            self._rename(old_name, name)
        env = known.setdefault(name, {})
        env.setdefault("path", name)
        destination = env.setdefault("destination", {})
        for key, default in (("server", ""), ("namespace", "default")):
            if entry.get(key) is not None:
                destination[key] = entry[key]
            destination.setdefault(key, default)
        version = entry.get("kubernetes_version")
        if version and not _VERSION.fullmatch(version):
            raise KsonnetError(
                f"kubernetes_version {version!r} of environment {name!r} must be a release such as v1.7.0"
            )
        if version:
            env["k8sVersion"] = version if version.startswith("v") else "v" + version
        env.setdefault("k8sVersion", self._lone_library())
        if entry.get("targets") is not None:
            env["targets"] = list(entry["targets"])
            if not env["targets"]:
                del env["targets"]
        self._environment_files(env["path"])

    def _lone_library(self) -> str:
        """The Kubernetes version of the only lib folder, for an environment that names none."""
        found = {name.split("/")[-2] for name in self.tree.files("lib") if name.endswith("/k.libsonnet")}
        return found.pop() if len(found) == 1 else ""

    def _rename(self, old: str, new: str) -> None:
        known = self.spec["environments"]
        known[new] = known.pop(old)
        source = f"environments/{known[new].get('path') or old}"
        for file in list(self.tree.files(source)):
            self.tree.write(f"environments/{new}{file[len(source) :]}", self.tree.read_bytes(file) or b"")
            self.tree.remove(file)
        known[new]["path"] = new

    def _environment_files(self, path: str) -> None:
        folder = f"environments/{path}"
        if self.tree.read(f"{folder}/main.jsonnet") is not None:
            return
        up = "../" * (path.count("/") + 2)
        newer = self.app.version >= (0, 2)
        text = parameters.ENVIRONMENT_PARAMS if newer else parameters.ENVIRONMENT_PARAMS_09.replace("../../", up)
        self.tree.write(f"{folder}/main.jsonnet", _NEW_MAIN)
        self.tree.write(f"{folder}/params.libsonnet", text)
        if newer:
            self.tree.write(f"{folder}/globals.libsonnet", parameters.GLOBALS)

    def environment_params(self, entry: Mapping[str, Any]) -> None:
        """``ks param set --env``."""
        if entry.get("state") == "absent":
            return
        folder = f"environments/{self.spec['environments'][entry['name']]['path']}"
        if entry.get("globals"):
            if self.tree.read(f"{folder}/globals.libsonnet") is None:
                raise KsonnetError(
                    f"environment {entry['name']!r} has no globals.libsonnet (ks 0.9 knew none): "
                    "set the parameter of each component"
                )
            editor = self._edit(f"{folder}/globals.libsonnet")
            if editor.set_global(entry["globals"], ()):
                self.tree.write(f"{folder}/globals.libsonnet", editor.text)
        if not entry.get("params"):
            return
        known = self.all_components()
        editor = self._edit(f"{folder}/params.libsonnet")
        changed = False
        for component, values in entry["params"].items():
            if component.replace("/", ".") not in known:
                raise KsonnetError(
                    f"params of environment {entry['name']!r} name the component {component!r}, which does not exist; "
                    f"there are: {listed(known)}"
                )
            if not isinstance(values, Mapping):
                raise KsonnetError(
                    f"params of component {component!r} in environment {entry['name']!r} must be a mapping"
                )
            changed |= editor.set(component.replace("/", "."), values, override=True)
        if changed:
            self.tree.write(f"{folder}/params.libsonnet", editor.text)

    # Registries and packages

    def registry(self, entry: Mapping[str, Any]) -> None:
        """``ks registry add`` and ``registry set``."""
        name = entry["name"]
        _check_name("registry", name)
        known = self.spec.setdefault("registries", {})
        if entry.get("state") == "absent":
            users = [key for key, library in self._libraries() if library.get("registry") == name]
            if users and name in known:
                raise KsonnetError(f"registry {name!r} cannot go: packages {listed(users)} come from it")
            known.pop(name, None)
            self.tree.remove_folder(f".ksonnet/registries/{name}")
            return
        self._declared[name] = entry
        old = known.get(name) or {}
        uri = entry.get("uri") or old.get("uri")
        if not uri:
            raise KsonnetError(
                f"registry {name!r} needs uri: a folder, or github.com/ORGANISATION/REPOSITORY/tree/TAG/FOLDER"
            )
        protocol = registry.protocol_of(uri)
        if protocol == "github":
            address = registry.parse_github(uri)
            if old.get("uri") == uri and self._registry_cached(name, old):
                return
            contents = self._contents(name, uri, address.ref)
            new: dict[str, Any] = {"protocol": "github", "uri": uri}
            if self.app.version < (0, 2):
                new["gitVersion"] = {"refSpec": address.ref, "commitSha": contents.commit or address.ref}
            known[name] = new
            self._cache_registry(name, uri, contents)
            return
        contents = self._contents(name, uri, "")
        contents.spec(f"registry {name!r} ({uri})")
        known[name] = {**old, "protocol": "fs", "uri": uri}

    def _registry_cached(self, name: str, old: Mapping[str, Any]) -> bool:
        return self.tree.read(self._registry_file(name, (old.get("gitVersion") or {}).get("commitSha", ""))) is not None

    def _registry_file(self, name: str, commit: str) -> str:
        """Where ks keeps registry.yaml: by commit up to 0.11, under its own name since."""
        return f".ksonnet/registries/{name}/{'registry' if self.app.version >= (0, 2) else commit}.yaml"

    def _cache_registry(self, name: str, uri: str, contents: registry.Contents) -> None:
        spec = contents.spec(f"registry {name!r} ({uri})")
        version = contents.commit or contents.ref
        cached: dict[str, Any] = {
            "apiVersion": "0.2.0" if self.app.version >= (0, 2) else "0.1.0",
            "kind": "ksonnet.io/registry",
            "libraries": spec.get("libraries") or {},
        }
        if self.app.version >= (0, 2):
            cached["version"] = version
        else:
            cached["gitVersion"] = {"refSpec": contents.ref, "commitSha": version}
        self.tree.write(self._registry_file(name, version), yamlio.dump(cached))

    def _contents(self, name: str, uri: str, ref: str) -> registry.Contents:
        """The registry's files at ``ref``; what was downloaded before must be the same now."""
        key = (uri, ref)
        if key in self._opened:
            return self._opened[key]
        if registry.protocol_of(uri) == "fs":
            found = registry.open_folder(uri, self.tree.root)
            self._check_files(name, uri, found)
        else:
            address = registry.parse_github(uri)
            address = registry.GitHubAddress(address.org, address.repo, ref or address.ref, address.path)
            declared = self._declared.get(name, {})
            own_ref = registry.parse_github(uri).ref == address.ref
            found = self.downloads.open(
                address,
                checksum=(declared.get("checksum") or "") if own_ref else "",
                mirror=declared.get("mirror") or "",
            )
            if own_ref:
                self._check_files(name, address.uri, found)
            self._check_record(name, address, found)
        self._opened[key] = found
        return found

    def _check_files(self, name: str, where: str, found: registry.Contents) -> None:
        """The files must be those that the declaration means."""
        wanted = self._declared.get(name, {}).get("files_sha256")
        if wanted and "sha256:" + registry.plain(wanted) != found.digest():
            raise KsonnetError(
                f"registry {name!r}: the files of {where} have the checksum {found.digest()}, "
                f"not sha256:{registry.plain(wanted)}; do not use them, unless you know why they differ"
            )

    def _check_record(self, name: str, address: registry.GitHubAddress, found: registry.Contents) -> None:
        """Keep the contents' checksum in the app, so that every later download gives the same files."""
        file = f".ksonnet/registries/{name}/checksums.yaml"
        records = yamlio.load(self.tree.read(file) or "{}", file) or {}
        old = (records.get(address.ref) or {}).get("contents")
        digest = found.digest()
        declared = self._declared.get(name, {})
        if old and old != digest and not declared.get("update"):
            raise KsonnetError(
                f"registry {name!r}: {address.uri} now holds {digest}, but {file} says {old}; "
                "if the change is wanted, set update: true"
            )
        if old != digest:
            records[address.ref] = {"contents": digest, "commit": found.commit}
            self.tree.write(file, yamlio.dump(records))

    def _libraries(self) -> Iterable[tuple[str, dict[str, Any]]]:
        yield from (self.spec.get("libraries") or {}).items()
        for env in (self.spec.get("environments") or {}).values():
            yield from ((env or {}).get("libraries") or {}).items()

    def package(self, entry: Mapping[str, Any]) -> None:
        """``ks pkg install`` and ``pkg remove``."""
        name, registry_name, version = entry["name"], entry.get("registry") or "", entry.get("version") or ""
        if "@" in name:
            name, version = name.split("@", 1)
        if "/" in name:
            registry_name, name = name.split("/", 1)
        registries = self.spec.get("registries") or {}
        if registry_name not in registries:
            raise KsonnetError(
                f"package {name!r} names the registry {registry_name!r}, which the app does not have; "
                f"it has: {listed(registries)}"
            )
        scope = self._scope(entry)
        key = f"{registry_name}/{name}" if self.app.version >= (0, 3) else name
        if entry.get("state") == "absent":
            self._remove_package(scope, key, registry_name, name)
            return
        old = scope.get(key) or {}
        if old and old.get("registry") == registry_name and self._is_installed(old, name, version):
            return
        uri = registries[registry_name]["uri"]
        ref = version or (registry.parse_github(uri).ref if registry.protocol_of(uri) == "github" else "")
        contents = self._contents(registry_name, uri, ref)
        files = contents.package(name, f"registry {registry_name!r} ({uri})")
        commit = contents.commit or contents.ref
        library: dict[str, Any] = {"name": name, "registry": registry_name}
        if self.app.version >= (0, 2):
            library["version"] = commit
        elif commit:
            library["gitVersion"] = {"refSpec": contents.ref, "commitSha": commit}
        scope[key] = library
        self._vendor(library, name, files)

    def _scope(self, entry: Mapping[str, Any]) -> dict[str, Any]:
        """Where the package is recorded: the app, or since 0.2.0 one environment."""
        env_name = entry.get("environment")
        if not env_name:
            return self.spec.setdefault("libraries", {})
        if self.app.version < (0, 2):
            raise KsonnetError(
                f"packages of one environment need apiVersion 0.2.0; this app has {self.app.api_version}"
            )
        environments = self.spec.get("environments") or {}
        if env_name not in environments:
            raise KsonnetError(f"environment {env_name!r} does not exist; there are: {listed(environments)}")
        return environments[env_name].setdefault("libraries", {})

    def _folder(self, library: Mapping[str, Any], name: str) -> str:
        version = library.get("version") if self.app.version >= (0, 2) else ""
        return f"vendor/{library['registry']}/{name}" + (f"@{version}" if version else "")

    def _is_installed(self, old: Mapping[str, Any], name: str, version: str) -> bool:
        git = old.get("gitVersion") or {}
        versions = {old.get("version"), git.get("refSpec"), git.get("commitSha")}
        if self.app.version >= (0, 2) and version and version not in versions:
            records = yamlio.load(
                self.tree.read(f".ksonnet/registries/{old['registry']}/checksums.yaml") or "{}", "checksums"
            )
            versions.add(version if (records.get(version) or {}).get("commit") == old.get("version") else "")
        if version and version not in versions:
            return False
        return any(
            self.tree.read(f"{folder}/parts.yaml") is not None
            for folder in (self._folder(old, name), f"vendor/{old['registry']}/{name}")
        )

    def _vendor(self, library: Mapping[str, Any], name: str, files: Mapping[str, bytes]) -> None:
        folder = self._folder(library, name)
        for old in list(self.tree.files(folder)):
            if old[len(folder) + 1 :] not in files:
                self.tree.remove(old)
        for path, data in files.items():
            self.tree.write(f"{folder}/{path}", data)

    def _remove_package(self, scope: dict[str, Any], key: str, registry_name: str, name: str) -> None:
        old = scope.pop(key, None)
        if old is None:
            return
        folder = self._folder(old, name)
        if all(self._folder(other, k.rsplit("/", 1)[-1]) != folder for k, other in self._libraries()):
            self.tree.remove_folder(folder)

    # Modules and components

    def _modules(self) -> list[str]:
        found = {posixpath.dirname(name)[len("components/") :] for name in self.tree.files("components")}
        return sorted(found)

    def all_components(self) -> list[str]:
        return [component for module in self._modules() for component in self._components(module)]

    def _components(self, module: str) -> dict[str, str]:
        """Qualified name to file of the module's components."""
        folder = f"components/{module}".rstrip("/")
        result = {}
        for name in self.tree.files(folder):
            stem, ext = posixpath.splitext(posixpath.basename(name))
            if posixpath.dirname(name) == folder and ext in (".jsonnet", ".yaml", ".json"):
                result[f"{module.replace('/', '.')}.{stem}" if module else stem] = name
        return result

    def module(self, entry: Mapping[str, Any]) -> None:
        """``ks module create``, and ``param set --as global``."""
        path = "" if entry["name"] in ("", "/") else entry["name"].replace(".", "/")
        if path:
            _check_name("module", path)
        folder = f"components/{path}".rstrip("/")
        if entry.get("state") == "absent":
            if not path:
                raise KsonnetError("the root module cannot be absent")
            self.tree.remove_folder(folder)
            return
        if path:
            self._need_modules(path)
        if self.tree.read(f"{folder}/params.libsonnet") is None:
            self.tree.write(f"{folder}/params.libsonnet", parameters.MODULE_PARAMS)
        if entry.get("params"):
            editor = self._edit(f"{folder}/params.libsonnet")
            if editor.set_global(entry["params"]):
                self.tree.write(f"{folder}/params.libsonnet", editor.text)

    def _need_modules(self, module: str) -> None:
        """ks 0.9's environments read the root's parameters alone, so a module's components would have none."""
        for name, env in (self.spec.get("environments") or {}).items():
            text = self.tree.read(f"environments/{(env or {}).get('path') or name}/params.libsonnet")
            if text is not None and "__ksonnet/params" not in text:
                raise KsonnetError(
                    f"module {module!r} cannot be used by environment {name!r}, which is written for ks 0.9 and reads "
                    "the parameters of components/params.libsonnet alone: use api_version 0.2.0 or later for a new app"
                )

    def component(self, entry: Mapping[str, Any]) -> None:
        """``ks generate``, ``param set``, ``param delete`` and ``component rm``."""
        name = entry["name"].replace("/", ".")
        module = (entry.get("module") or "").strip("/").replace(".", "/")
        if "." in name:
            prefix, name = name.rsplit(".", 1)
            module = prefix.replace(".", "/")
        _check_name("component", name)
        qualified = f"{module.replace('/', '.')}.{name}" if module else name
        file = self._components(module).get(qualified)
        if entry.get("state") == "absent":
            self._remove_component(module, name, qualified, file)
            return
        params = entry.get("params") or {}
        if file is None:
            self._generate(entry, module, name, qualified, params)
            return
        if params or entry.get("remove_params"):
            params = self._typed(entry, name, params)
            folder = f"components/{module}".rstrip("/")
            editor = self._edit(f"{folder}/params.libsonnet")
            changed = editor.set(name, params) if params else False
            changed |= editor.unset(name, entry.get("remove_params") or [])
            if changed:
                self.tree.write(f"{folder}/params.libsonnet", editor.text)

    def _typed(self, entry: Mapping[str, Any], name: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """Parameters in the types that the prototype gives them, so that a second run finds what the first wrote."""
        if not entry.get("prototype"):
            return dict(params)
        found = prototype.find(entry["prototype"], self._prototypes())
        where = f"prototype {found.name} (component {name!r})"
        known = {p.name: p for p in found.parameters}
        return {k: self._value(known[k].code(v, where)) if k in known else v for k, v in params.items()}

    def _value(self, code: str) -> Any:
        try:
            return json.loads(code)
        except ValueError:
            return self._evaluate(code)

    def _generate(
        self, entry: Mapping[str, Any], module: str, name: str, qualified: str, params: Mapping[str, Any]
    ) -> None:
        known = listed(self.all_components())
        if not entry.get("prototype"):
            raise KsonnetError(
                f"component {qualified!r} does not exist and has no prototype to make it from; there are: {known}"
            )
        found = prototype.find(entry["prototype"], self._prototypes())
        codes = found.codes(params, name)
        if module:
            self._need_modules(module)
        folder = f"components/{module}".rstrip("/")
        if self.tree.read(f"{folder}/params.libsonnet") is None:
            self.tree.write(f"{folder}/params.libsonnet", parameters.MODULE_PARAMS)
        editor = self._edit(f"{folder}/params.libsonnet")
        if editor.has(name):
            raise KsonnetError(
                f"{folder}/params.libsonnet has parameters of {name!r} already, but the component has no file"
            )
        editor.set_raw(name, codes)
        try:
            self._evaluate(f"{{{','.join(f'{json.dumps(k)}: {v}' for k, v in codes.items())}}}")
        except JsonnetError as exc:
            raise KsonnetError(f"parameters of component {qualified!r} are not valid jsonnet: {exc.reason()}") from exc
        self.tree.write(f"{folder}/params.libsonnet", editor.text)
        self.tree.write(f"{folder}/{name}.jsonnet", found.expand(name))

    def _prototypes(self) -> list[prototype.Prototype]:
        """Those of all installed packages, and the built-in ones."""
        result = []
        for key, library in self._libraries():
            name = key.rsplit("/", 1)[-1]
            folders = [self._folder(library, name), f"vendor/{library.get('registry')}/{name}"]
            for folder in dict.fromkeys(folders):
                files = [f for f in self.tree.files(f"{folder}/prototypes") if f.endswith(".jsonnet")]
                for file in files:
                    result.append(
                        prototype.parse(self.tree.read(file) or "", file, f"{library.get('registry')}/{name}")
                    )
                if files:
                    break
        return [*result, *system_prototypes.PROTOTYPES]

    def _remove_component(self, module: str, name: str, qualified: str, file: str | None) -> None:
        if file is not None:
            self.tree.remove(file)
        targets = [(f"components/{module}".rstrip("/") + "/params.libsonnet", name)]
        for env_name, env in (self.spec.get("environments") or {}).items():
            targets.append((f"environments/{(env or {}).get('path') or env_name}/params.libsonnet", qualified))
        for path, key in targets:
            text = self.tree.read(path)
            if text is None:
                continue
            editor = parameters.Editor(text, path, self._evaluate)
            if editor.remove_component(key):
                self.tree.write(path, editor.text)


def _check_name(what: str, name: str) -> None:
    """As ks: no blanks or punctuation, no slash at either end; and nothing that leaves the app's folder."""
    parts = name.split("/")
    if not name or _PUNCTUATION.search(name) or "" in parts or "." in parts or ".." in parts:
        raise KsonnetError(
            f"{what} name {name!r} is not valid: it must have no blanks or punctuation, and no slash at its ends"
        )
