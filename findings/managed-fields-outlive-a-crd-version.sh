#!/usr/bin/env bash
# CustomResourceDefinition: after the documented migration off a version, objects that were applied in it cannot be applied again.
#
# With: k8s.io/apiextensions-apiserver and k8s.io/apimachinery 0.37.2, by which the Kubernetes API server converts custom
# resources and keeps their managedFields (Go proxy).
#
# Guess: once every object is stored in v1 and v1alpha1 is neither in the CRD nor in status.storedVersions, the old version
# is forgotten; an entry of managedFields that still names it is dropped, as it is for kinds of Kubernetes itself.
#
# Behaviour: an object keeps the version in which it was last applied in its managedFields. As long as the CRD has that
# version, applying works in any other one. Without it, each later server-side apply fails, by whoever and of whatever
# field, since the API server first brings the object into every version that managedFields names. For kinds of Kubernetes
# itself a version that is gone counts as missing, and its entry is dropped; the converter of custom resources answers with
# an error that does not count as that. An entry that names the version that stays makes applying possible again.
#
# Seen:
#   CRD with v1alpha1 and v1, applied in v1: done
#   CRD with v1 alone, applied in v1: request to convert CR to an invalid group/version: example.org/v1alpha1
#   the same, managedFields name v1: done
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export GOPATH=$work/go GOCACHE=$work/cache GOFLAGS="-modcacherw -mod=mod"
cd "$work"
cat >go.mod <<'GO'
module show

go 1.26

require (
	k8s.io/apiextensions-apiserver v0.37.2
	k8s.io/apimachinery v0.37.2
)
GO
cat >main.go <<'GO'
package main

import (
	"errors"
	"fmt"

	v1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/conversion"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/managedfields"
)

const group, kind = "example.org", "Sample"

// The API server's part for a kind without a schema of its own: nothing has a default, and a new object is empty.
type simple struct{}

func (simple) Default(runtime.Object) {}

func (simple) New(of schema.GroupVersionKind) (runtime.Object, error) {
	made := &unstructured.Unstructured{}
	made.SetGroupVersionKind(of)
	return made, nil
}

func manager(version string, versions ...string) *managedfields.FieldManager {
	crd := &v1.CustomResourceDefinition{}
	crd.Name = "samples." + group
	crd.Spec.Group = group
	crd.Spec.Scope = v1.NamespaceScoped
	crd.Spec.Conversion = &v1.CustomResourceConversion{Strategy: v1.NoneConverter}
	for _, name := range versions {
		crd.Spec.Versions = append(crd.Spec.Versions, v1.CustomResourceDefinitionVersion{Name: name, Served: true})
	}
	factory, err := conversion.NewCRConverterFactory(nil, nil)
	must(err)
	safe, _, err := factory.NewConverter(crd)
	must(err)
	of := schema.GroupVersionKind{Group: group, Version: version, Kind: kind}
	made, err := managedfields.NewDefaultCRDFieldManager(
		managedfields.NewDeducedTypeConverter(), safe, simple{}, simple{}, of, of.GroupVersion(), "", nil)
	must(err)
	return made
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func object(version string, number int64) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": group + "/" + version,
		"kind":       kind,
		"metadata":   map[string]any{"name": "one", "namespace": "default"},
		"spec":       map[string]any{"number": number},
	}}
}

func told(err error) string {
	for inner := err; inner != nil; inner = errors.Unwrap(inner) {
		err = inner
	}
	if err == nil {
		return "done"
	}
	return err.Error()
}

func main() {
	empty, err := simple{}.New(schema.GroupVersionKind{Group: group, Version: "v1alpha1", Kind: kind})
	must(err)
	empty.(*unstructured.Unstructured).SetName("one")
	empty.(*unstructured.Unstructured).SetNamespace("default")
	live, err := manager("v1alpha1", "v1alpha1", "v1").Apply(empty, object("v1alpha1", 1), "first", false)
	must(err)
	stored := live.(*unstructured.Unstructured)
	stored.SetAPIVersion(group + "/v1") // as the rewrite of every object leaves it

	_, err = manager("v1", "v1alpha1", "v1").Apply(stored.DeepCopy(), object("v1", 1), "second", false)
	fmt.Println("CRD with v1alpha1 and v1, applied in v1:", told(err))
	_, err = manager("v1", "v1").Apply(stored.DeepCopy(), object("v1", 1), "second", false)
	fmt.Println("CRD with v1 alone, applied in v1:", told(err))

	entries := stored.GetManagedFields()
	for number := range entries {
		entries[number].APIVersion = group + "/v1"
	}
	stored.SetManagedFields(entries)
	_, err = manager("v1", "v1").Apply(stored.DeepCopy(), object("v1", 1), "second", false)
	fmt.Println("the same, managedFields name v1:", told(err))
}
GO
go get . 2>errors || { cat errors >&2; exit 1; }
seen=$(go run .)
printf '%s\n' "$seen"
diff - <(printf '%s\n' "$seen") <<'EXPECTED' || { echo "The behaviour has changed." >&2; exit 1; }
CRD with v1alpha1 and v1, applied in v1: done
CRD with v1 alone, applied in v1: request to convert CR to an invalid group/version: example.org/v1alpha1
the same, managedFields name v1: done
EXPECTED
