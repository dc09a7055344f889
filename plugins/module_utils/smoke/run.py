# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""The proofs of one run, in an order in which one can use what another has made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..common.errors import Stop
from ..common.system import System
from ..manifests import auth, yamltext
from ..manifests.client import Client
from ..manifests.options import AUTH_OPTIONS
from . import basics, notebook, serving, training
from .namespace import Workplace
from .proof import NotProven, Result, attempt, table

TFJOB, TRAINJOB, SERVE, NOTEBOOK, STORAGE, METRICS = "tfjob", "trainjob", "serve", "notebook", "storage", "metrics"
PROOFS = (STORAGE, METRICS, TFJOB, TRAINJOB, SERVE, NOTEBOOK)
VOLUMES = {TFJOB: "smoke-tfjob-model", TRAINJOB: "smoke-trainjob-model", SERVE: "smoke-server-model"}
#: Options that say where is what a proof needs.
NEEDED = {NOTEBOOK: "jupyterhub", SERVE: "model_server"}


def _names(*options: str) -> dict[str, dict[str, Any]]:
    """Options that are names of things on the cluster, all of them needed."""
    return {name: {"type": "str", "required": True, "no_log": False} for name in options}


OPTIONS: dict[str, dict[str, Any]] = {
    **AUTH_OPTIONS,
    "proofs": {"type": "list", "elements": "str", "choices": list(PROOFS), "required": True},
    "namespace": {"type": "str", "default": "kubeflow-smoke"},
    "image": {"type": "str", "required": True},
    "programs": {"type": "dict", "required": True},
    "jupyterhub": {
        "type": "dict",
        "options": {
            **_names("namespace", "deployment", "url"),
            "token": {"type": "str", "required": True, "no_log": True},
        },
    },
    "model_server": {"type": "dict", "options": _names("namespace", "deployment")},
    "timeout": {"type": "int", "default": 600},
    "keep": {"type": "bool", "default": False},
}


@dataclass
class Plan:
    """What is proven, and with what.

    :ivar image: has Python, scikit-learn and KServe's model server.
    :ivar programs: file name → text, of what runs in Pods.
    :ivar hub: where JupyterHub is: namespace, deployment, url; and token, with which it lets the smoke test in.
    :ivar server: where the model server is: namespace, deployment.
    """

    proofs: list[str]
    image: str
    programs: dict[str, str]
    hub: dict[str, str] = field(default_factory=dict)
    server: dict[str, str] = field(default_factory=dict)
    trained: dict[str, dict[str, Any]] = field(default_factory=dict)


def carry_out(place: Workplace, plan: Plan) -> list[Result]:
    """Every proof of the plan; one that fails does not keep the others from being tried."""
    steps: dict[str, tuple[str, Callable[[], str]]] = {
        STORAGE: ("a volume", lambda: basics.prove_storage(place, plan.image)),
        METRICS: ("the load of the nodes", lambda: basics.prove_metrics(place)),
        TFJOB: ("a TFJob trains a classifier of digits", lambda: _train(place, plan, TFJOB, training.prove_tfjob)),
        TRAINJOB: ("a TrainJob trains the same", lambda: _train(place, plan, TRAINJOB, training.prove_trainjob)),
        SERVE: ("the trained model is served", lambda: _serve(place, plan)),
        NOTEBOOK: ("a test user's notebook server", lambda: _notebook(place, plan)),
    }
    try:
        place.open()
        place.make(training.script(plan.programs))
        results = [attempt(name, *steps[name]) for name in PROOFS if name in plan.proofs]
    except NotProven as error:
        return [Result("namespace", "a place for the proofs", False, str(error), 0.0)]
    return results


def _train(place: Workplace, plan: Plan, name: str, prove: Callable[[Workplace, str, str], dict[str, Any]]) -> str:
    told = prove(place, plan.image, VOLUMES[name])
    plan.trained[name] = told
    return training.judge(told)


def _serve(place: Workplace, plan: Plan) -> str:
    """Serve what an operator has trained, or what a plain Job trains if none has."""
    name = next((name for name in (TFJOB, TRAINJOB) if name in plan.trained), SERVE)
    if name == SERVE:
        plan.trained[SERVE] = training.train_alone(place, plan.image, VOLUMES[SERVE])
    return serving.prove_serving(place, plan.server, VOLUMES[name], plan.trained[name]["examples"])


def _notebook(place: Workplace, plan: Plan) -> str:
    hub = plan.hub
    image = notebook.image_of(place, hub["namespace"], hub["deployment"])
    return notebook.prove_notebook(place, plan.programs["notebook.py"], image, hub)


def run(_system: System, options: Mapping[str, Any], check_mode: bool) -> dict[str, Any]:
    """Prove in a namespace that comes and goes, unless it is to be kept.

    :raises Stop: when an option is missing.
    :raises BrambleError: when the namespace does not go.
    """
    for proof, option in NEEDED.items():
        if proof in options["proofs"] and not options[option]:
            raise Stop(f"The proof {proof} needs the option {option}, which says where it is.")
    results: list[Result] = []
    if not check_mode:
        yamltext.need_yaml()
        place = Workplace(Client(auth.endpoint(options)), options["namespace"], options["timeout"])
        plan = Plan(
            options["proofs"],
            options["image"],
            options["programs"],
            options["jupyterhub"] or {},
            options["model_server"] or {},
        )
        results = carry_out(place, plan)
        if not options["keep"]:
            place.close()
    return {
        "changed": options["keep"] and not check_mode,
        "results": [result.as_dict() for result in results],
        "failed_proofs": [result.proof for result in results if not result.ok],
        "table": table(results) if results else [],
        **({"msg": "Nothing is proven in check mode."} if check_mode else {}),
    }
