# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Shows at the end of site.yml what this run did, and how the cluster is used."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
import sys
from typing import Any

from ansible import context
from ansible.plugins.action import ActionBase

from ansible_collections.bramble.kube.plugins.module_utils.common.errors import BrambleError
from ansible_collections.bramble.kube.plugins.module_utils.manifests import auth
from ansible_collections.bramble.kube.plugins.module_utils.manifests.client import Client
from ansible_collections.bramble.kube.plugins.module_utils.status.closing import (
    Ending,
    closing,
    passwords,
    seconds_of,
)
from ansible_collections.bramble.kube.plugins.plugin_utils.shown import nobody_keeps_it, show


def _age() -> float | None:
    """Seconds since ansible-playbook, the parent of this task's worker, was started."""
    command = ["ps", "-o", "etime=", "-p", str(os.getppid())]
    try:
        return seconds_of(subprocess.run(command, capture_output=True, text=True, check=False).stdout)
    except OSError:  # a small container has no ps
        return None


def _near(path: str) -> str:
    """A path as it is written from the folder in which the run was started."""
    near = os.path.relpath(path) if os.path.isabs(path) else path
    return path if near.startswith("..") else near


def _program() -> str:
    """How ansible-playbook is called from here: by its name alone where that leads to the one that runs."""
    found = shutil.which("ansible-playbook")
    alone = not os.path.exists(sys.argv[0]) or (found and os.path.samefile(found, sys.argv[0]))
    return "ansible-playbook" if alone else _near(os.path.abspath(sys.argv[0]))


def _people(kubeconfig: str) -> dict[str, str]:
    """JupyterHub's people and their passwords; empty when the cluster does not say, for the box has the command."""
    try:
        client = Client(auth.endpoint({"kubeconfig": kubeconfig}))
        found = client.get("/api/v1/namespaces/jupyterhub/secrets/jupyterhub-passwords").get("data") or {}
    except BrambleError:
        return {}
    return {str(name): base64.b64decode(text).decode() for name, text in found.items()}


class ActionModule(ActionBase):
    """See the documentation of the module of this name."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Look at what earlier tasks have registered, and show it."""
        super().run(tmp, task_vars)
        _result, options = self.validate_argument_spec(
            {
                "kubeconfig": {"type": "path", "default": ""},
                "addresses": {"type": "dict", "default": {}},
                "installed": {"type": "list", "elements": "str", "default": []},
            }
        )
        variables = task_vars or {}
        groups, hostvars = variables["groups"], variables["hostvars"]
        listed = list(dict.fromkeys([*groups.get("master", ()), *groups.get("node", ())]))
        looked = (hostvars[host].get("ready_nodes") or {} for host in listed)
        pis = [host for host in listed if "preflight_facts" in hostvars[host]] or listed
        not_ready = next((list(found["not_ready"]) for found in looked if "not_ready" in found), None)
        end = Ending(
            playbook=(context.CLIARGS.get("args") or ["site.yml"])[0],
            inventory=[_near(str(source)) for source in variables.get("ansible_inventory_sources") or ()],
            pis=pis,
            tags=[tag for tag in variables.get("ansible_run_tags") or () if tag != "all"],
            skipped=variables.get("ansible_skip_tags") or (),
            others=len(listed) - len(pis),
            not_ready=not_ready,
            kubeconfig=options["kubeconfig"] if os.path.exists(options["kubeconfig"]) else "",
            kubectl=bool(shutil.which("kubectl")),
            addresses={str(name): str(url) for name, url in options["addresses"].items()},
            seconds=_age(),
            program=_program(),
        )
        show("\n".join(["", *closing(end)]))
        if "jupyterhub" in options["installed"] and nobody_keeps_it():
            show("\n".join(["", *passwords(_people(end.kubeconfig))]), screen_only=True)  # not in Ansible's own log
        return {"changed": False}
