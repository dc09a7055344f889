#!/usr/bin/python
# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: kubeflow_push
short_description: Install components of Kubeflow's catalogue, and remove them
version_added: "0.1.0"
author:
  - bramble.kube contributors (@bramble-kube)
description:
  - Pushes components of a catalogue to a cluster, each as an apply set of its own, those that others need first.
  - Refuses before the first change what does not fit - requests against what the nodes have free, images against their
    architectures - and components that own the same CRD.
  - A component that does not become ready in time is reported with its Pods' reason; the others are still
    installed.
  - Runs on the laptop (C(delegate_to=localhost)). The role P(bramble.kube.kubeflow#role) does everything around it.
extends_documentation_fragment:
  - bramble.kube.api_options
options:
  catalogue:
    description: The catalogue, a list of entries.
    type: list
    elements: raw
    required: true
  catalogue_extra:
    description: Further entries; one of the same name replaces the catalogue's own.
    type: list
    elements: raw
    default: []
  proven:
    description: Whether components come in the versions that this collection's tests run, where those are different.
    type: bool
    default: false
  components:
    description:
      - Names of components, or dictionaries with C(name), C(state) (V(present), V(absent)) and C(data) (V(keep),
        V(delete)), which says what happens to data volumes when a component is removed.
    type: list
    elements: raw
    required: true
  provided:
    description: Components that the cluster already has from elsewhere, which are not installed even if others need
      them.
    type: list
    elements: str
    default: []
  heritage:
    description:
      - What to do with components from earlier days.
      - V(successors) leaves out objects that another component succeeds, and installs that one; V(as_is) installs
        all their objects.
    type: str
    choices: [successors, as_is]
    default: successors
  manifests:
    description:
      - For each component C(path), a file or folder, or C(text), YAML. Everything is refused if one has no object at
        all, or if a file does not match the checksum beside it (C(FILE.sha256), as C(sha256sum) prints it).
      - With C(verified=true) beside C(path) there must be such a checksum.
    type: dict
    required: true
  people:
    description: Names of the people who each get a generated password, where a component has passwords for people.
    type: list
    elements: str
    default: []
  small:
    description: Whether the catalogue's tuning for small nodes is used.
    type: bool
    default: true
  overrides:
    description: Further tuning by component, in the form of the catalogue's field C(small).
    type: dict
    default: {}
  images:
    description: Images and what replaces them, as in M(bramble.kube.image_platforms).
    type: dict
    default: {}
  image_digests:
    description:
      - Whether images are used by digest where the collection knows it, C(name:tag@sha256:…), so that a moved tag
        changes nothing. Images from O(images) and others that it does not know stay as they are written.
    type: bool
    default: true
  access:
    description: How people reach components from outside the cluster.
    type: str
    choices: [node_port, load_balancer, ingress]
    default: node_port
  ingress_class:
    description: Class of Ingress objects.
    type: str
    default: traefik
  node_address:
    description: Address of a node to print. If not set, the control plane's.
    type: str
  prune_in_use:
    description:
      - Names of CRDs that are no longer in a component's manifests and may be deleted along with
        objects of their kind that are not the component's. Any other such CRD fails the component before any
        of it is changed. A CRD that the component's entry names is never deleted while the component is there.
    type: list
    elements: str
    default: []
  beside:
    description:
      - Objects that will be on the cluster beside the components, such as the loop's. They are not pushed, but the
        components have to fit beside them. They represent all Pods of their namespaces.
    type: list
    elements: dict
    default: []
  force:
    description: Whether to push even what does not fit.
    type: bool
    default: false
  force_conflicts:
    description: Whether to take over fields that another manager holds.
    type: bool
    default: false
  mirrors:
    description: Mirrors by registry, as in M(bramble.kube.image_platforms).
    type: dict
    default: {}
  image_cache:
    description: Folder for registries' answers, as O(bramble.kube.image_platforms#module:cache).
    type: path
  wait:
    description: Whether to wait until components are ready.
    type: bool
    default: true
  wait_timeout:
    description: Seconds to wait for a component whose entry sets no time.
    type: int
    default: 900
  workers:
    description: Number of connections that are used at a time for each component.
    type: int
    default: 4
  timeout:
    description: Seconds for which requests are retried after faults (no connection, no answer, 429, 5xx).
    type: int
    default: 120
requirements:
  - PyYAML
attributes:
  check_mode:
    support: full
    description: The server itself says what would change (dry-run).
  diff_mode:
    support: full
    description: A unified diff for each object; the values of Secrets are masked.
seealso:
  - module: bramble.kube.manifest_push
  - module: bramble.kube.image_platforms
"""

EXAMPLES = r"""
- name: Install the training operator
  bramble.kube.kubeflow_push:
    kubeconfig: "{{ master_kubeconfig }}"
    catalogue: "{{ kubeflow_catalogue }}"
    components: [training-operator]
    manifests:
      training-operator: {path: training-operator.json}
  delegate_to: localhost

- name: Remove Katib, and the data that it kept
  bramble.kube.kubeflow_push:
    catalogue: "{{ kubeflow_catalogue }}"
    components:
      - {name: katib, state: absent, data: delete}
    manifests: {}
  delegate_to: localhost
"""

RETURN = r"""
components:
  description: What happened to each component.
  returned: always, unless everything was refused
  type: list
  elements: dict
  contains:
    name:
      description: The component.
      type: str
    action:
      description:
        - V(unchanged), V(installed), V(changed), V(removed), V(not there), V(not ready), V(failed), or V(not pushed),
          because something that it needs could not be installed.
      type: str
    reasons:
      description: What is wrong, in sentences.
      type: list
      elements: str
    notes:
      description: What else is worth knowing, such as data that stays.
      type: list
      elements: str
    counts:
      description: Number of objects by what happened to them.
      type: dict
    needed_by:
      description: Components that need it.
      type: list
      elements: str
    seconds:
      description: How long it took, waiting included.
      type: float
addresses:
  description: Where each component is opened from outside.
  returned: always, unless everything was refused
  type: dict
  sample: {jupyterhub: "http://192.168.13.7:30088/"}
fit:
  description: Lines of a table of what is wanted and what is free, if it was asked for.
  returned: always, unless everything was refused
  type: list
  elements: str
requests:
  description: Number of HTTP requests to the API server.
  returned: always, unless everything was refused
  type: int
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bramble.kube.plugins.module_utils.kubeflow import options, run


def main() -> None:
    """Read the options, push, report."""
    module = AnsibleModule(
        argument_spec=options.ARGUMENT_SPEC,
        supports_check_mode=True,
        # The parameters may hold Secrets in the middle of manifests, where no option's own no_log could reach them.
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
