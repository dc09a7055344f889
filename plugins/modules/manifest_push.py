#!/usr/bin/python

# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: manifest_push
short_description: Push Kubernetes manifests, fast and safely
version_added: "0.1.0"
author:
  - bramble.kube contributors (@bramble-kube)
description:
  - Pushes a set of Kubernetes objects to a cluster in the right order, concurrently, over a few connections that stay
    open.
  - Uses server-side apply with the field manager C(bramble.kube). Objects that already match the manifests are
    not written.
  - Runs on the laptop (C(delegate_to=localhost)).
extends_documentation_fragment:
  - bramble.kube.api_options
options:
  src:
    description:
      - "Manifests: files, folders (all C(.yaml), C(.yml) and C(.json) files below), globs, or dictionaries with
        C(url) and C(checksum) (C(sha256:…))."
      - A file with a checksum beside it (C(FILE.sha256), as C(sha256sum) prints it and M(bramble.kube.ksonnet_render)
        writes it) is refused if it does not match.
    type: list
    elements: raw
    default: []
  definition:
    description: Objects, YAML text, or a list of either.
    type: raw
    aliases: [resource_definition]
  dest:
    description:
      - File to which the objects are written instead of being pushed, exactly as they would be applied to this server
        and in that order, for kubectl, Flux or Argo CD. Its mode is 0600 when a Secret is among them.
    type: path
  namespace:
    description:
      - Namespace for namespaced objects that name none. The default is the context's, otherwise C(default).
    type: str
  apply_set:
    description:
      - Name of the set, as a ConfigMap in O(namespace), by which objects that are no longer in the manifests are
        found (KEP-3659).
    type: str
  apply_set_takeover:
    description: Whether to take over an apply set that another tool made.
    type: bool
    default: false
  prune:
    description:
      - Whether to delete objects of O(apply_set) that are no longer in the manifests.
      - A source without objects (an empty file, one with comments alone, a text that is empty), and O(select) or
        O(exclude) that leave nothing, are then errors. To make the set empty, write C(definition=[]).
    type: bool
    default: false
  prune_in_use:
    description:
      - Names of CRDs and namespaces that O(prune) may delete along with objects of their kind, or in them,
        that are not from the set. Any other such CRD or namespace is refused with the number of
        these objects, before anything is changed.
    type: list
    elements: str
    default: []
  method:
    description:
      - How objects are written. V(auto) is server-side apply, or a three-way client-side apply on servers before 1.22.
    type: str
    choices: [auto, server_side, client_side]
    default: auto
  force_conflicts:
    description: Whether to take over fields that another manager (a person with C(kubectl edit), another tool) holds.
    type: bool
    default: false
  take_over:
    description:
      - Names of field managers (C(kubectl-create), C(kubectl-edit), C(OpenAPI-Generator) …) whose fields in objects of
        the set become the set's own, so that what is not in the manifests is removed.
    type: list
    elements: str
    default: []
  recreate:
    description:
      - Whether to delete and recreate an object with a change to an immutable field, such as the template of a
        Job. Never done with PersistentVolumeClaims, PersistentVolumes, Namespaces and CustomResourceDefinitions.
    type: bool
    default: false
  drop_unknown_fields:
    description:
      - Whether to leave out fields that an object's kind does not have, with a warning that names them, instead of
        failing.
    type: bool
    default: false
  modernize:
    description: Whether to rewrite objects of API versions that this server no longer serves.
    type: bool
    default: true
  select:
    description: JMESPath expression on one object; only objects for which it is true are pushed.
    type: str
  exclude:
    description: JMESPath expression on one object; objects for which it is true are left out.
    type: str
  images:
    description:
      - "Image references to replace: a whole reference, a repository, or a prefix that ends in C(/), and
        what replaces it. C(nginx) and C(docker.io/library/nginx) are the same, as for C(replacements) of
        M(bramble.kube.image_platforms)."
    type: dict
    default: {}
  labels:
    description: Labels to add to every object.
    type: dict
    default: {}
  wait:
    description: Whether to wait until the objects are ready.
    type: bool
    default: false
  wait_timeout:
    description: Seconds to wait for all objects together.
    type: int
    default: 300
  wait_for:
    description:
      - Further conditions to wait for, with O(wait). O(wait_for[].kind) and O(wait_for[].name) select the object.
    type: list
    elements: dict
    default: []
    suboptions:
      kind:
        description: Kind of the object.
        type: str
        required: true
      name:
        description: Name of the object; without it, all of the kind in the set.
        type: str
      namespace:
        description: Namespace of the object.
        type: str
      expression:
        description: JMESPath expression on the live object that must become true.
        type: str
        required: true
  workers:
    description: Number of connections that are used at a time.
    type: int
    default: 8
  timeout:
    description:
      - Seconds for which requests are retried after faults (no connection, no answer, 429, 5xx), from the first try
        of each object.
    type: int
    default: 120
  return_objects:
    description:
      - Which objects the result lists. V(changed) lists what was created, updated, pruned or failed, a hundred at most
        (failures first), V(all) lists every object, and V(full) adds each as it is on the server, Secrets masked.
    type: str
    choices: [changed, all, full]
    default: changed
requirements:
  - PyYAML
  - jmespath (for O(select), O(exclude) and O(wait_for))
  - kubernetes (for exec plugins, auth-providers and a Pod's own account)
  - openshift (for servers before 1.22, and O(method=client_side))
attributes:
  check_mode:
    support: full
    description:
      - The server itself says what would change (dry-run); what only an earlier step would create is shown as
        created.
  diff_mode:
    support: full
    description: A unified diff for each object; the values of Secrets are masked.
"""

EXAMPLES = r"""
- name: Give the cluster its Pod network
  bramble.kube.manifest_push:
    kubeconfig: "{{ master_kubeconfig }}"
    src: flannel.yaml
    wait: true
  delegate_to: localhost

- name: Push a folder as a set, and delete what left it
  bramble.kube.manifest_push:
    src:
      - manifests/
    namespace: kubeflow
    apply_set: kubeflow
    prune: true
    images:
      docker.io/: registry.example/hub/
"""

RETURN = r"""
objects:
  description: What happened to the objects, see O(return_objects).
  returned: always
  type: list
  elements: dict
  sample:
    - {kind: Deployment, name: web, namespace: default, api_version: apps/v1, action: created}
counts:
  description: Number of objects by action.
  returned: always
  type: dict
  sample: {created: 1, updated: 0, unchanged: 24, pruned: 0, failed: 0}
requests:
  description: Number of HTTP requests.
  returned: always
  type: int
  sample: 9
rewritten:
  description: Objects whose API version was rewritten, with what was changed.
  returned: when there are any
  type: list
  elements: dict
not_ready:
  description: One sentence for each object that is not ready, starting with those that never will be.
  returned: when there are any
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bramble.kube.plugins.module_utils.manifests import options, run


def main() -> None:
    """Read the options, push, report."""
    module = AnsibleModule(
        argument_spec=options.ARGUMENT_SPEC,
        required_one_of=options.REQUIRED_ONE_OF,
        supports_check_mode=True,
        # The parameters may hold Secrets in the middle of definitions, where no option's own no_log could reach them.
        no_log=True,
    )
    failed, result = run.run(module.params, check=module.check_mode, diff=module._diff)
    for warning in result.pop("warnings", []):
        module.warn(warning)
    if failed:
        module.fail_json(**result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
