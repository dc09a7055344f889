#!/usr/bin/python
# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ksonnet_render
short_description: Render a ksonnet app to Kubernetes objects without ks
version_added: "0.1.0"
description:
  - Returns the objects that C(ks show ENVIRONMENT) prints for a ksonnet app, without C(ks), Go or a network.
  - Reads apps of apiVersion 0.0.1, 0.1.0, 0.2.0 and 0.3.0, with components in jsonnet, YAML and JSON.
  - The app's code runs in a child process with limits on depth, memory and time, and can read only the files of the
    app and of I(library_dirs).
author:
  - bramble.kube contributors (@bramble-kube)
requirements:
  - rjsonnet, gojsonnet or jsonnet (from PyPI)
  - PyYAML
attributes:
  check_mode:
    description: Renders, and says whether I(dest) would change.
    support: full
  diff_mode:
    description: Shows the change of I(dest).
    support: full
options:
  app_dir:
    description: Folder of the app, the one with C(app.yaml).
    type: path
    required: true
  environment:
    description: Name of the environment to render.
    type: str
    required: true
  components:
    description:
      - Render only these components, as C(ks show -c) does. A component of a module is C(module.component).
      - All of the environment's components if empty.
    type: list
    elements: str
    default: []
  params:
    description:
      - Parameters over those that the app's files set, for this rendering only. No file is touched.
      - A mapping of component names to mappings of parameter names to values.
    type: dict
    default: {}
  dest:
    description:
      - File to write the objects to; it is left alone if it holds them already.
      - Its checksum is written beside it (C(FILE.sha256)), so that M(bramble.kube.manifest_push) refuses a file that
        was damaged or changed since. An app without any object is an error.
      - The result is kept beside it (C(.FILE.rendered), mode 0600) and used as long as nothing that it was made of has
        changed, such as the app's files, its libraries, the options or this collection.
      - Its folder must exist.
    type: path
  format:
    description:
      - How I(dest) is written.
      - C(yaml) is one document per object, C(json) one object of kind List.
    type: str
    choices: [yaml, json]
    default: yaml
  ext_vars:
    description: Further external variables (strings) for the app's C(std.extVar), as C(ks show --ext-str) takes them.
    type: dict
    default: {}
  library_dirs:
    description: Further folders to search for imports, and to allow imports from, as C(ks show --jpath) takes them.
    type: list
    elements: path
    default: []
  drop_wrong_namespaces:
    description:
      - Leave the namespace out of objects whose kind lives outside namespaces, such as a ClusterRoleBinding.
      - C(ks) left that to the API server; M(bramble.kube.manifest_push) refuses such an object.
    type: bool
    default: false
  ks_version:
    description:
      - Which ks to render like, where they differ.
      - C(auto) follows the app. apiVersion 0.2.0 and 0.3.0 means C(0.13); 0.1.0 means C(0.11) if the environment's
        parameters read C(std.extVar("__ksonnet/params")) and else C(0.9); 0.0.1 means C(0.9).
      - C(0.9) renders only jsonnet components, and all modules; C(0.11) renders YAML and JSON components too, and of
        the modules only the environment's targets; C(0.13) also labels objects with C(ksonnet.io/component) and sorts
        them by kind.
    type: str
    choices: [auto, "0.9", "0.11", "0.13"]
    default: auto
  evaluator:
    description:
      - The PyPI package that evaluates jsonnet; C(auto) takes the fastest that is installed, and another for what it
        cannot evaluate or would write differently from C(ks).
    type: str
    choices: [auto, rjsonnet, gojsonnet, jsonnet]
    default: auto
  limits:
    description: What the evaluation may use.
    type: dict
    default: {}
    suboptions:
      depth:
        description: Stack frames of jsonnet.
        type: int
        default: 500
      memory_mb:
        description: MiB of memory.
        type: int
        default: 2048
      seconds:
        description: Seconds.
        type: float
        default: 60
extends_documentation_fragment:
  - ansible.builtin.files
seealso:
  - module: bramble.kube.ksonnet_app
  - module: bramble.kube.manifest_push
"""

EXAMPLES = r"""
- name: Render Kubeflow's app for this cluster
  bramble.kube.ksonnet_render:
    app_dir: ~/kubeflow-app
    environment: default
  delegate_to: localhost
  register: kubeflow

- name: Render one component with another image, and keep the result as a file
  bramble.kube.ksonnet_render:
    app_dir: ~/kubeflow-app
    environment: prod
    components: [kubeflow-core]
    params:
      kubeflow-core:
        jupyterHubImage: registry.lan:5000/jupyterhub:1.0.1
    dest: manifests/kubeflow.yaml
    mode: "0644"
  delegate_to: localhost
"""

RETURN = r"""
objects:
  description: The objects, in order.
  returned: success
  type: list
  elements: dict
count:
  description: How many objects there are.
  returned: success
  type: int
  sample: 25
components:
  description: The components that were rendered.
  returned: success
  type: list
  elements: str
  sample: [kubeflow-core]
dest:
  description: The file with the objects.
  returned: when I(dest) is given
  type: str
ks_version:
  description: The ks that was rendered like.
  returned: success
  type: str
  sample: "0.9"
evaluator:
  description: The PyPI package that evaluated the app; several, separated by commas, if one was not enough.
  returned: success
  type: str
  sample: rjsonnet
"""

import os

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bramble.kube.plugins.module_utils.ksonnet import options, run


def main() -> None:
    """Read the options, render, report."""
    module = AnsibleModule(argument_spec=options.RENDER, add_file_common_args=True, supports_check_mode=True)
    result = run.run(run.render, module.params, module.check_mode, module._diff)
    if result.get("failed"):
        module.fail_json(**result)
    for warning in result.pop("warnings", []):
        module.warn(warning)
    dest = module.params["dest"]
    if dest and os.path.exists(dest):
        attributes = module.load_file_common_arguments(module.params, path=dest)
        result["changed"] = module.set_fs_attributes_if_different(attributes, result["changed"])
    module.exit_json(**result)


if __name__ == "__main__":
    main()
