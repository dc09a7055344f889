#!/usr/bin/env bash
# Server-side apply: a whole number that does not fit into its field is stored as its lower 32 bits, without an error.
#
# With: k8s.io/apimachinery and k8s.io/api 0.37.2, by which the Kubernetes API server reads what is applied (Go proxy).
#
# Assumed, not written down beforehand: 99999999999 replicas are refused, as with a plain POST, PUT or PATCH, whose JSON is
# read straight into the kind's own type; strict field validation makes that all the more sure.
#
# Behaviour: what is applied is first a tree without types, is merged, and only then brought into the kind's type by the
# unstructured converter. That copies whole numbers without looking whether they fit, with strict validation, too: every
# field of 32 bits (replicas, ports, periodSeconds, completions) keeps the lower 32 bits. Unknown fields are told, and
# fields of 64 bits (terminationGracePeriodSeconds) keep the number.
#
# Seen:
#   as JSON: json: cannot unmarshal number 99999999999 into Go struct field DeploymentSpec.spec.replicas of type int32
#   by the converter, strictly: replicas 1215752191, grace period 99999999999, error <nil>
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export GOPATH=$work/go GOCACHE=$work/cache GOFLAGS="-modcacherw -mod=mod"
cd "$work"
cat >go.mod <<'GO'
module show

go 1.26

require (
	k8s.io/api v0.37.2
	k8s.io/apimachinery v0.37.2
)
GO
cat >main.go <<'GO'
package main

import (
	"encoding/json"
	"fmt"

	apps "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

func main() {
	text := []byte(`{"spec": {"replicas": 99999999999}}`)
	fmt.Println("as JSON:", json.Unmarshal(text, &apps.Deployment{}))

	tree := map[string]any{"spec": map[string]any{
		"replicas": int64(99999999999),
		"template": map[string]any{"spec": map[string]any{"terminationGracePeriodSeconds": int64(99999999999)}},
	}}
	var made apps.Deployment
	err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(tree, &made, true)
	grace := *made.Spec.Template.Spec.TerminationGracePeriodSeconds
	fmt.Printf("by the converter, strictly: replicas %d, grace period %d, error %v\n", *made.Spec.Replicas, grace, err)
}
GO
seen=$(go run .)
printf '%s\n' "$seen"
wanted='as JSON: json: cannot unmarshal number 99999999999 into Go struct field DeploymentSpec.spec.replicas of type int32
by the converter, strictly: replicas 1215752191, grace period 99999999999, error <nil>'
[ "$seen" = "$wanted" ] || { echo "This is no longer so." >&2; exit 1; }
