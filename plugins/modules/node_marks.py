#!/usr/bin/python
# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: node_marks
short_description: Labels and taints of nodes, kept as the inventory has them
version_added: "0.1.0"
author:
  - bramble.kube contributors (@bramble-kube)
description:
  - Gives each node the labels and taints that it should have, and takes away those that it got from here earlier and
    should no longer have. What others put on a node stays.
  - Runs on the laptop (C(delegate_to=localhost)).
options:
  nodes:
    description: For each node's name its C(labels) (name to value) and C(taints) (each with key, effect, value).
    type: dict
    required: true
  kubeconfig:
    description: The administrator's kubeconfig on the laptop.
    type: path
    required: true
  context:
    description: A context in it, its current one by default.
    type: str
attributes:
  check_mode:
    description: Tells what would be changed; where there is no cluster or node yet, nothing is known to change.
    support: full
  diff_mode:
    description: Shows labels and taints that come and go.
    support: full
"""

EXAMPLES = r"""
- name: Keep Pods that need a fast disk together
  bramble.kube.node_marks:
    kubeconfig: "{{ inventory_dir }}/kubeconfig"
    nodes:
      k8s-node1:
        labels: {disk: nvme}
        taints: [{key: example.org/slow, effect: PreferNoSchedule}]
      k8s-node2: {}
  delegate_to: localhost
  become: false
  vars:
    ansible_python_interpreter: "{{ ansible_playbook_python }}"
"""

RETURN = r"""
nodes:
  description: For each node that was changed, what came and went.
  returned: always
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ansible_collections.bramble.kube.plugins.module_utils.common.errors import Stop
from ansible_collections.bramble.kube.plugins.module_utils.manifests import auth, retry, yamltext
from ansible_collections.bramble.kube.plugins.module_utils.manifests.client import Client, Fault
from ansible_collections.bramble.kube.plugins.module_utils.manifests.errors import ApiError, ClusterError, Unreachable
from ansible_collections.bramble.kube.plugins.module_utils.nodes import labels_taints as marks

MERGE_PATCH = "application/merge-patch+json"
CONFLICT = 409
TRIES = 5


def mark(client: Client, name: str, node: dict, labels: dict, taints: list, check: bool) -> list[str]:
    """Bring one node to what it should be; try again when somebody else changed it meanwhile."""
    path = f"/api/v1/nodes/{name}"
    for attempt in range(TRIES):
        patch, told = marks.change(node, labels, taints)
        if check or not patch:
            return told
        try:
            client.request("PATCH", path, body=patch, content_type=MERGE_PATCH)
            return told
        except ApiError as error:
            if error.status != CONFLICT or attempt == TRIES - 1:
                raise Stop(f"The node {name} could not be changed: {error.message.rstrip('.')}.") from None
        node = client.get(path)
    return []


def run(module: AnsibleModule) -> dict:
    """Find out what is to be done, and do it."""
    wanted = {name: entry or {} for name, entry in module.params["nodes"].items()}
    for name, entry in wanted.items():
        found = marks.problems(entry.get("labels") or {}, entry.get("taints") or [])
        if found:
            raise Stop(f"{name}: {'; '.join(found)}.")
    client = Client(auth.endpoint(module.params))
    present = {item["metadata"]["name"]: item for item in retry.get(client, "/api/v1/nodes").get("items") or []}
    missing = [name for name in wanted if name not in present]
    if missing and not module.check_mode:
        raise Stop(f"The cluster does not know the node {missing[0]}: run site.yml, which joins it.")
    changed = {}
    for name, entry in wanted.items():
        if name in present:
            labels, taints = entry.get("labels") or {}, entry.get("taints") or []
            told = mark(client, name, present[name], labels, taints, module.check_mode)
            if told:
                changed[name] = told
    client.close()
    after = "".join(f"{name}: {text}\n" for name, texts in changed.items() for text in texts)
    return {"changed": bool(changed), "nodes": changed, "diff": {"before": "", "after": after}}


def main() -> None:
    """Read the options, act, report."""
    module = AnsibleModule(
        argument_spec={
            "nodes": {"type": "dict", "required": True},
            "kubeconfig": {"type": "path", "required": True},
            "context": {"type": "str"},
        },
        supports_check_mode=True,
    )
    if not yamltext.HAS_YAML:
        module.fail_json(msg=missing_required_lib("PyYAML"))
    try:
        result = run(module)
    except Unreachable as error:
        if not module.check_mode:
            module.fail_json(msg=str(error))
        result = {"changed": False, "nodes": {}, "msg": "There is no cluster yet."}
    except (Stop, ClusterError, Fault) as error:
        module.fail_json(msg=str(error))
    except ApiError as error:
        module.fail_json(msg=f"The API server refused: {error.message}")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
