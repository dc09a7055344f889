# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The action plugin node_diagnosis reads the Pi by pi_status, and says what the status would say."""

from __future__ import annotations

from types import SimpleNamespace

from scenes import NAMES, Sketch, node

from ansible_collections.bramble.kube.plugins.action.node_diagnosis import ActionModule

NODE = NAMES[1]


def diagnosed(result: dict, **arguments) -> tuple[dict, list[str]]:
    """What it returns when pi_status returns this, and which modules it ran."""
    task = SimpleNamespace(args=arguments, check_mode=False, async_val=0, action="node_diagnosis", diff=False)
    plugin = ActionModule(task, SimpleNamespace(_shell=SimpleNamespace(tmpdir=None)), None, None, None, None)
    ran = []

    def execute(name, module_args=None, task_vars=None):
        ran.append(name)
        return result

    plugin._execute_module = execute
    variables = {"inventory_hostname": NODE, "ansible_host": "192.168.13.8", "groups": {"node": [NODE]}}
    return plugin.run(task_vars=variables), ran


def test_the_pi_is_read_there_and_judged_here() -> None:
    sketch = Sketch()
    sketch.state[NODE]["services"]["containerd"]["state"] = "failed"
    result, ran = diagnosed({"state": sketch.state[NODE], "facts": sketch.facts[NODE]}, problems=["x"], node=node(NODE))
    assert ran == ["bramble.kube.pi_status"]
    assert result["lines"][0] == "The cluster says: x."
    assert result["lines"][1].startswith(f"{NODE}: containerd, in which all Pods run, is failed")
    assert result["changed"] is False


def test_a_pi_that_cannot_be_read_fails_with_the_reason() -> None:
    assert diagnosed({"failed": True, "msg": "no sudo"})[0] == {"failed": True, "msg": "no sudo"}
