#!/usr/bin/env bash
# KubeSpawner reads memory in JupyterHub's units, and every text of its settings as a template.
#
# With: jupyterhub 6.1.1, jupyterhub-kubespawner 7.1.0, kubernetes_asyncio 36.1.0 (PyPI).
#
# Guess: mem_limit is Kubernetes' quantity, so "1G" is 10^9 bytes and "1Gi" is 2^30; an environment variable or an
# annotation that holds JSON reaches the Pod as it is.
#
# Behaviour: "1G" becomes 2^30 bytes and "1Gi", the way that Kubernetes writes just that, is refused; so is the plain
# number "1073741824" as a text, and a fraction below one byte drops the limit. Environment variables and annotations
# are Python format strings: JSON in them ends the start of the notebook with KeyError, until each brace is doubled.
#
# Seen:
#   mem_limit 1G: {'memory': 1073741824}
#   mem_limit 1Gi: TraitError
#   mem_limit 1073741824: TraitError
#   mem_limit 0.5: {}
#   environment {"debug": 1}: KeyError
#   environment {{"debug": 1}}: {"debug": 1}
#   annotation {"debug": 1}: KeyError
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" --quiet --disable-pip-version-check install \
  jupyterhub==6.1.1 jupyterhub-kubespawner==7.1.0 kubernetes_asyncio==36.1.0
# Nothing listens there: a Pod is only written, never sent.
cat >"$work/kubeconfig" <<'KUBECONFIG'
apiVersion: v1
kind: Config
current-context: none
contexts: [{name: none, context: {cluster: none, user: none}}]
clusters: [{name: none, cluster: {server: "https://127.0.0.1:9"}}]
users: [{name: none, user: {token: none}}]
KUBECONFIG
cat >"$work/show.py" <<'PYTHON'
import asyncio
from kubespawner import KubeSpawner


def show(name, value, take, **settings):
    async def pod():
        return await KubeSpawner(_mock=True, image="image", **settings).get_pod_manifest()

    try:
        seen = take(asyncio.run(pod()))
    except Exception as error:
        seen = type(error).__name__
    print(f"{name} {value}: {seen}")


def limits(pod):
    return pod.spec.containers[0].resources.limits


def variable(pod):
    return next(each.value for each in pod.spec.containers[0].env if each.name == "SETTINGS")


for limit in ("1G", "1Gi", "1073741824", 0.5):
    show("mem_limit", limit, limits, mem_limit=limit)
for text in ('{"debug": 1}', '{{"debug": 1}}'):
    show("environment", text, variable, environment={"SETTINGS": text})
show("annotation", '{"debug": 1}', lambda pod: pod.metadata.annotations, extra_annotations={"settings": '{"debug": 1}'})
PYTHON
export KUBECONFIG=$work/kubeconfig
seen=$("$work/venv/bin/python" "$work/show.py" 2>"$work/errors") || { cat "$work/errors" >&2; exit 1; }
printf '%s\n' "$seen"
diff - <(printf '%s\n' "$seen") <<'EXPECTED' || { echo "The behaviour has changed." >&2; exit 1; }
mem_limit 1G: {'memory': 1073741824}
mem_limit 1Gi: TraitError
mem_limit 1073741824: TraitError
mem_limit 0.5: {}
environment {"debug": 1}: KeyError
environment {{"debug": 1}}: {"debug": 1}
annotation {"debug": 1}: KeyError
EXPECTED
