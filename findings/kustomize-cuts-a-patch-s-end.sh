#!/usr/bin/env bash
# kustomize drops the last line break of a value when its patch stands in the kustomization; Argo Workflows then does not start.
#
# With: kustomize 5.8.1 (Go proxy), which is also the one in kubectl 1.37.2; Argo Workflows 3.7.3.
#
# Assumed, not written down beforehand: a patch means the same in the kustomization as in a file, so a block scalar (|) at its
# end ends with a line break. Our catalogue had one like this.
#
# Behaviour: white space at both ends of a patch in the kustomization is cut before it is read as YAML, so that the last
# value has no line break; in a file of its own it keeps it. Argo's controller joins the keys of its ConfigMap to one
# text: below "executor:" what has a line break, and behind "executor: " what has none. "imagePullPolicy: IfNotPresent"
# without one becomes "executor: imagePullPolicy: IfNotPresent", and the controller ends with "yaml: line 9: mapping
# values are not allowed in this context". It has no readiness probe, so its Deployment was available for a moment, in
# which our role took it for ready.
#
# Seen:
#   in the kustomization: 'imagePullPolicy: IfNotPresent'
#   in a file: |
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export GOPATH=$work/go GOBIN=$work/bin GOCACHE=$work/cache GOFLAGS=-modcacherw
mkdir "$work/built"
go install sigs.k8s.io/kustomize/kustomize/v5@v5.8.1
cd "$work/built"
cat >settings.yaml <<'YAML'
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
YAML
cat >patch.yaml <<'YAML'
- op: add
  path: /data
  value:
    executor: |
      imagePullPolicy: IfNotPresent
YAML
{
    echo "resources: [settings.yaml]"
    echo "patches:"
    echo "  - target: {kind: ConfigMap}"
} >start
{ cat start; echo "    patch: |"; sed 's/^/      /' patch.yaml; } >kustomization.yaml
"$work/bin/kustomize" build . | sed -n 's/^  executor:/in the kustomization:/p' >seen
{ cat start; echo "    path: patch.yaml"; } >kustomization.yaml
"$work/bin/kustomize" build . | sed -n 's/^  executor:/in a file:/p' >>seen
diff - seen <<'SEEN' && cat seen
in the kustomization: 'imagePullPolicy: IfNotPresent'
in a file: |
SEEN
