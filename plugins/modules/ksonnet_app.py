#!/usr/bin/python
# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ksonnet_app
short_description: Declare a ksonnet app without ks
version_added: "0.1.0"
description:
  - Makes an app folder match what is declared, as C(ks init), C(env add), C(env set), C(env rm), C(registry add),
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
      - Provide C(k.libsonnet) and C(k8s.libsonnet) for these releases of Kubernetes, made from their OpenAPI
        description.
      - A library folder that the app already has is left as it is.
    type: list
    elements: dict
    default: []
    suboptions:
      version:
        description: The release, such as C(v1.7.0); if not given, the one in the OpenAPI description.
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
        description: Whether it exists.
        type: str
        choices: [present, absent]
        default: present
      rename_from:
        description: Rename the environment of this name to it, if that exists.
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
        description: The modules that it shows; C(/) is the root module. If empty, those that ks shows by default.
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
        description: Whether it exists.
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
          - Address to use instead of GitHub, such as a LAN cache. The archive is looked for at
            C(MIRROR/ORGANISATION/REPOSITORY/tar.gz/TAG), or where C({org}), C({repo}) and C({ref}) put it.
        type: str
      checksum:
        description: C(sha256:) and the checksum that the archive must have.
        type: str
      files_sha256:
        description:
          - SHA-256 of the list of the registry's files, in the form that M(bramble.kube.kustomize_build) describes.
            It stays the same when GitHub packs the same files in another way.
          - C(find kubeflow -type f | LC_ALL=C sort | xargs sha256sum | sha256sum) prints it for the folder
            C(kubeflow) of an unpacked archive. For a registry in a folder, run C(find * -type f) in that folder.
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
        description: The module that it is in.
        type: str
      prototype:
        description: Prototype to make it from, if it does not exist; the end of its name is enough if it is
          unambiguous.
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
  description: The app's apiVersion.
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

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bramble.kube.plugins.module_utils.ksonnet import options, run


def main() -> None:
    """Read the options, declare, report."""
    module = AnsibleModule(argument_spec=options.APP, supports_check_mode=True)
    result = run.run(run.declare, module.params, module.check_mode, module._diff)
    if result.get("failed"):
        module.fail_json(**result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
