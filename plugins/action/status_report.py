# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Shows the cluster's status; on the laptop, because only there the screen is."""

from __future__ import annotations

import os
import sys
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.bramble.kube.plugins.module_utils.common import atomic_file as place
from ansible_collections.bramble.kube.plugins.module_utils.common.cluster_nodes import cluster_nodes
from ansible_collections.bramble.kube.plugins.module_utils.common.pod_networks import DEFAULT
from ansible_collections.bramble.kube.plugins.module_utils.loop import settings
from ansible_collections.bramble.kube.plugins.module_utils.status import (
    audit,
    audit_items,
    certificates,
    diagnosis,
    report,
    screen,
)
from ansible_collections.bramble.kube.plugins.module_utils.status.model import BAD, Scene, read_pi
from ansible_collections.bramble.kube.plugins.plugin_utils.shown import show


def _gate(variables: Any) -> dict[str, Any] | None:
    """The Gate that a host's loop_models and people make, if they make one."""
    models, people = (variables.get(name) or [] for name in ("loop_models", "people"))
    wrong = settings.errors(models, people, str(variables.get("inventory_dir") or ""))
    return settings.gate(models, people) if models and not wrong else None


class ActionModule(ActionBase):
    """Diagnoses, prints, and writes the page."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Do it without going to any host."""
        super().run(tmp, task_vars)
        for present, library in ((screen.HAS_RICH, "rich"), (certificates.HAS_CRYPTOGRAPHY, "cryptography")):
            if not present:
                raise AnsibleActionFail(
                    f"The Python library {library} is missing here: {sys.executable} -m pip install {library}."
                )
        _result, options = self.validate_argument_spec(
            {
                "hosts": {"type": "list", "elements": "str"},
                "cluster": {"type": "dict", "required": True},
                "kubeconfig": {"type": "path", "default": ""},
                "renew_days": {"type": "int", "default": 30},
                "drill_days": {"type": "int", "default": 30},
                "dest": {"type": "path"},
                "audit": {"type": "bool", "default": False},
            }
        )
        # Not options: a task's arguments are resolved as a whole, which not every variable of every host can be.
        groups, hostvars = task_vars["groups"], task_vars["hostvars"]
        listed = [*groups.get("master", ()), *groups.get("node", ())]
        hosts = [host for host in listed if options["hosts"] is None or host in options["hosts"]]
        first = hostvars[hosts[0]] if hosts else {}
        scene = Scene(
            pis=[read_pi(host, groups, hostvars[host], hostvars[host].get("status_pi") or {}) for host in hosts],
            cluster=options["cluster"],
            kubeconfig=options["kubeconfig"],
            renew_days=options["renew_days"],
            drill_days=options["drill_days"],
            network=str(first.get("kubeadm_cni") or DEFAULT),
            gate=_gate(first) if options["audit"] else None,
            left_out=[cluster_nodes([host], hostvars)[host]["name"] for host in listed if host not in hosts],
        )
        return self._audit(scene) if options["audit"] else self._status(scene, options["dest"])

    def _show(self, draw: Any, *what: Any) -> None:
        """Draw for the screen that there is, and show it."""
        display = Display()
        terminal = os.isatty(1) or bool(os.environ.get("ANSIBLE_FORCE_COLOR", "0") not in ("0", "", "false", "False"))
        color = terminal and not os.environ.get("ANSIBLE_NOCOLOR")
        show(draw(*what, width=display.columns, color=color))

    def _status(self, scene: Scene, dest: str | None) -> dict[str, Any]:
        findings = diagnosis.diagnose(scene)
        self._show(screen.screen, scene, findings)
        result = {
            "changed": False,
            "findings": [finding.public() for finding in findings],
            "troubles": [finding.sentence for finding in findings if finding.severity == BAD],
        }
        if dest:
            path = os.path.abspath(os.path.expanduser(dest))
            result["dest"] = path
            if not self._task.check_mode:
                place.write(
                    place.Wanted(path, report.page(scene, findings).encode(), 0o644, (os.getuid(), os.getgid()))
                )
        return result

    def _audit(self, scene: Scene) -> dict[str, Any]:
        items = audit.audit(scene, audit_items.ITEMS)
        self._show(screen.audit_screen, items)
        return {
            "changed": False,
            "audited": [item.public() for item in items],
            "troubles": [f"{item.id} {item.title}: {item.found}" for item in items if item.verdict == audit.FAIL],
        }
