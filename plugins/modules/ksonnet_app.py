#!/usr/bin/python
# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: ksonnet_app
short_description: Declare a ksonnet app without ks
version_added: "0.1.0"
description:
  - Brings an app folder to what is declared, as C(ks init), C(env add), C(env set), C(env rm), C(registry add),
    C(pkg install), C(generate), C(param set), C(component rm) and C(module create) do one by one.
  - Writes the layout that C(ks) reads, for apiVersion 0.1.0, 0.2.0 and 0.3.0. An app of 0.0.1 is changed only with
    I(upgrade).
  - What is not declared stays as it is, with its comments. Nothing is written if anything declared is wrong.
author:
  - bramble.kube contributors (@bramble-kube)
requirements:
  - rjsonnet, gojsonnet or jsonnet (from PyPI)
  - PyYAML
attributes:
  check_mode:
    description: Says what would change; downloads are read but not kept.
    support: full
  diff_mode:
    description: Shows the change of each text file of the app; packages and generated libraries are summed up.
    support: full
options:
  app_dir:
    description: Folder of the app; made if it does not exist.
    type: path
    required: true
  name:
    description: Name of a new app; its folder's name if not given.
    type: str
  api_version:
    description:
      - Form of a new app. C(0.1.0) is what ks 0.9 to 0.11 read, C(0.2.0) ks 0.12 and C(0.3.0) ks 0.13.
      - C(0.1.0) if not given. An app that exists keeps its own.
    type: str
    choices: ["0.1.0", "0.2.0", "0.3.0"]
  upgrade:
    description: Make an app of apiVersion 0.0.1 one of 0.1.0, as C(ks upgrade) did.
    type: bool
    default: false
  libraries:
    description:
      - Have C(k.libsonnet) and C(k8s.libsonnet) for these releases of Kubernetes, made from their OpenAPI description.
      - A library folder that the app has already is left as it is.
    type: list
    elements: dict
    default: []
    suboptions:
      version:
        description: The release, such as C(v1.7.0); what the OpenAPI description says of itself if not given.
        type: str
      openapi:
        description: File or address of the description (C(swagger.json)).
        type: str
      checksum:
        description: C(sha256:) and the checksum of the description; needed for an address.
        type: str
      kubeconfig:
        description: Take the description from this cluster's C(/openapi/v2).
        type: path
      context:
        description: Context of I(kubeconfig).
        type: str
  environments:
    description: The environments of the app.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Its name, such as C(default) or C(us-west/prod).
        type: str
        required: true
      state:
        description: Whether it is there.
        type: str
        choices: [present, absent]
        default: present
      rename_from:
        description: Make it of the environment with this name, if that exists.
        type: str
      server:
        description: Address of the cluster's API server.
        type: str
      namespace:
        description: Namespace of its objects; C(default) for a new environment.
        type: str
      kubernetes_version:
        description: Release whose library its components import as C(k.libsonnet).
        type: str
      targets:
        description: The modules that it shows; C(/) is the root module. All that ks shows by itself if empty.
        type: list
        elements: str
      params:
        description: Parameters of components in this environment alone, a mapping of component names to parameters.
        type: dict
        default: {}
      globals:
        description: Parameters of all components in this environment; not in environments written by ks 0.9.
        type: dict
        default: {}
  registries:
    description: Where packages come from.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Its name.
        type: str
        required: true
      state:
        description: Whether it is there.
        type: str
        choices: [present, absent]
        default: present
      uri:
        description:
          - A folder (relative to I(app_dir) or absolute) with C(registry.yaml), or
            C(github.com/ORGANISATION/REPOSITORY/tree/TAG/FOLDER) with a tag, a branch or a commit.
        type: str
      mirror:
        description:
          - Address that takes GitHub's place, such as a LAN cache. The archive is looked for at
            C(MIRROR/ORGANISATION/REPOSITORY/tar.gz/TAG), or where C({org}), C({repo}) and C({ref}) put it.
        type: str
      checksum:
        description: C(sha256:) and the checksum that the archive must have.
        type: str
      update:
        description: Accept that a tag or branch now holds something else than when it was first downloaded.
        type: bool
        default: false
  packages:
    description: Packages to install from the registries.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Its name, or C(REGISTRY/NAME@VERSION).
        type: str
        required: true
      registry:
        description: The registry that it comes from.
        type: str
      version:
        description: Tag, branch or commit, if not the registry's own.
        type: str
      environment:
        description: Install it for this environment alone (apiVersion 0.2.0 and later).
        type: str
      state:
        description: Whether it is installed.
        type: str
        choices: [present, absent]
        default: present
  modules:
    description: Modules, the folders below C(components).
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Its name, such as C(web) or C(web.admin); C(/) is the root module.
        type: str
        required: true
      state:
        description: Whether it is there; C(absent) removes its components, too.
        type: str
        choices: [present, absent]
        default: present
      params:
        description: Parameters of all its components (C(global)).
        type: dict
        default: {}
  components:
    description: Components.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Its name; C(module.name) for one in a module.
        type: str
        required: true
      module:
        description: The module that it lies in.
        type: str
      prototype:
        description: Prototype to make it from, if it does not exist; the end of its name is enough where it is clear.
        type: str
      params:
        description:
          - Its parameters. Those that the prototype declares get the declared type.
          - Parameters that are not named keep their value.
        type: dict
        default: {}
      remove_params:
        description: Parameters that it must not have.
        type: list
        elements: str
        default: []
      state:
        description: Whether it is there; C(absent) removes its parameters everywhere, too.
        type: str
        choices: [present, absent]
        default: present
  cache_dir:
    description: Where downloaded archives and generated libraries are kept.
    type: path
    default: ~/.cache/bramble.kube/ksonnet
  evaluator:
    description: The PyPI package that evaluates jsonnet; C(auto) takes the fastest that is installed.
    type: str
    choices: [auto, rjsonnet, gojsonnet, jsonnet]
    default: auto
seealso:
  - module: bramble.kube.ksonnet_render
"""

EXAMPLES = r"""
- name: Kubeflow 0.1 as a ksonnet app
  bramble.kube.ksonnet_app:
    app_dir: ~/kubeflow-app
    libraries:
      - openapi: files/swagger-1.7.0.json
    environments:
      - name: default
        server: https://192.168.13.7:6443
        namespace: kubeflow
    registries:
      - name: kubeflow
        uri: github.com/kubeflow/kubeflow/tree/v0.1.3/kubeflow
    packages:
      - name: kubeflow/core
    components:
      - name: kubeflow-core
        prototype: kubeflow-core
        params:
          jupyterHubServiceType: NodePort
  delegate_to: localhost

- name: Another image in production, and one component less
  bramble.kube.ksonnet_app:
    app_dir: ~/kubeflow-app
    environments:
      - name: prod
        namespace: production
        params:
          kubeflow-core:
            jupyterHubImage: registry.lan:5000/jupyterhub:1.0.1
    components:
      - name: serving
        state: absent
  delegate_to: localhost
"""

RETURN = r"""
app_dir:
  description: The app's folder.
  returned: success
  type: str
api_version:
  description: The app's form.
  returned: success
  type: str
  sample: 0.1.0
files:
  description: Files that were (or would be) written or removed, relative to the app's folder.
  returned: success
  type: list
  elements: str
  sample: [app.yaml, components/params.libsonnet]
components:
  description: All components that the app has now.
  returned: success
  type: list
  elements: str
"""

import json
import traceback

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

try:
    import yaml  # noqa: F401  # pylint: disable=unused-import

    YAML_ERROR = None
except ImportError:
    YAML_ERROR = traceback.format_exc()
else:
    from ansible_collections.bramble.kube.plugins.module_utils.ksonnet.declare import Declaration, declare
    from ansible_collections.bramble.kube.plugins.module_utils.ksonnet.errors import KsonnetError
    from ansible_collections.bramble.kube.plugins.module_utils.ksonnet.evaluator import available
    from ansible_collections.bramble.kube.plugins.module_utils.ksonnet.registry import DEFAULT_MIRROR, Downloads
    from ansible_collections.bramble.kube.plugins.module_utils.manifests.auth import endpoint
    from ansible_collections.bramble.kube.plugins.module_utils.manifests.client import Client, Fault
    from ansible_collections.bramble.kube.plugins.module_utils.manifests.errors import ApiError, ClusterError

STATE = {"type": "str", "choices": ["present", "absent"], "default": "present"}


def dicts(**options: dict) -> dict:
    return {"type": "list", "elements": "dict", "default": [], "options": options}


def argument_spec() -> dict:
    name = {"type": "str", "required": True}
    return {
        "app_dir": {"type": "path", "required": True},
        "name": {"type": "str"},
        "api_version": {"type": "str", "choices": ["0.1.0", "0.2.0", "0.3.0"]},
        "upgrade": {"type": "bool", "default": False},
        "libraries": {
            **dicts(
                version={"type": "str"},
                openapi={"type": "str"},
                checksum={"type": "str"},
                kubeconfig={"type": "path"},
                context={"type": "str"},
            ),
            "required_one_of": [["openapi", "kubeconfig"]],
            "mutually_exclusive": [["openapi", "kubeconfig"]],
        },
        "environments": dicts(
            name=name,
            state=STATE,
            rename_from={"type": "str"},
            server={"type": "str"},
            namespace={"type": "str"},
            kubernetes_version={"type": "str"},
            targets={"type": "list", "elements": "str"},
            params={"type": "dict", "default": {}},
            globals={"type": "dict", "default": {}},
        ),
        "registries": dicts(
            name=name,
            state=STATE,
            uri={"type": "str"},
            mirror={"type": "str"},
            checksum={"type": "str"},
            update={"type": "bool", "default": False},
        ),
        "packages": dicts(
            name=name,
            registry={"type": "str"},
            version={"type": "str"},
            environment={"type": "str"},
            state=STATE,
        ),
        "modules": dicts(name=name, state=STATE, params={"type": "dict", "default": {}}),
        "components": dicts(
            name=name,
            module={"type": "str"},
            prototype={"type": "str"},
            params={"type": "dict", "default": {}},
            remove_params={"type": "list", "elements": "str", "default": []},
            state=STATE,
        ),
        "cache_dir": {"type": "path", "default": "~/.cache/bramble.kube/ksonnet"},
        "evaluator": {"type": "str", "choices": ["auto", "rjsonnet", "gojsonnet", "jsonnet"], "default": "auto"},
    }


def read_live(kubeconfig: str, context: str) -> bytes:
    """/openapi/v2 of a cluster, always in the same words."""
    try:
        client = Client(endpoint({"kubeconfig": kubeconfig, "context": context or None}))
        description = client.get("/openapi/v2")
        # servers since 1.31 tell no patch release there
        description["info"]["version"] = client.get("/version")["gitVersion"]
        client.close()
    except (ClusterError, ApiError, Fault, OSError, KeyError, TypeError) as exc:
        raise KsonnetError(f"/openapi/v2 of the cluster in {kubeconfig} cannot be read: {exc}") from exc
    return json.dumps(description, sort_keys=True).encode("utf-8")


def main() -> None:
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    if YAML_ERROR:
        module.fail_json(msg=missing_required_lib("PyYAML"), exception=YAML_ERROR)
    p = module.params
    if not available(p["evaluator"]):
        module.fail_json(msg=missing_required_lib("rjsonnet" if p["evaluator"] == "auto" else p["evaluator"]))
    wanted = Declaration(
        name=p["name"] or "",
        api_version=p["api_version"] or "",
        upgrade=p["upgrade"],
        libraries=p["libraries"],
        environments=p["environments"],
        registries=p["registries"],
        packages=p["packages"],
        modules=p["modules"],
        components=p["components"],
    )
    downloads = Downloads(cache_dir=p["cache_dir"], mirror=DEFAULT_MIRROR, keep=not module.check_mode)
    try:
        outcome = declare(p["app_dir"], wanted, downloads, p["evaluator"], live=read_live)
        changes = outcome.tree.changes()
        folders = outcome.tree.new_folders()
        if not module.check_mode:
            outcome.tree.commit()
    except KsonnetError as exc:
        module.fail_json(msg=str(exc))
    except OSError as exc:
        module.fail_json(msg=f"{exc.filename or p['app_dir']} cannot be written: {exc.strerror}")
    answer = {
        "changed": bool(changes or folders),
        "app_dir": outcome.tree.root,
        "api_version": outcome.app.api_version,
        "files": sorted(changes),
        "components": outcome.components,
    }
    if module._diff:
        answer["diff"] = [difference(name, before, after) for name, (before, after) in changes.items()]
    module.exit_json(**answer)


def difference(name: str, before: bytes | None, after: bytes | None) -> dict:
    """A file's change for --diff; what came from elsewhere is summed up."""
    if name.startswith(("vendor/", "lib/")):
        return {"prepared": f"{name}: {size(before)} -> {size(after)}\n"}
    return {
        "before_header": name,
        "after_header": name,
        "before": (before or b"").decode("utf-8", "replace"),
        "after": (after or b"").decode("utf-8", "replace"),
    }


def size(content: bytes | None) -> str:
    return "absent" if content is None else f"{len(content)} bytes"


if __name__ == "__main__":
    main()
