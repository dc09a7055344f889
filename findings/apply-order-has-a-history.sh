#!/usr/bin/env bash
# Server-side apply: the same two configurations, applied again, end in another order of a container's environment.
#
# With: sigs.k8s.io/structured-merge-diff/v6 6.4.2, the library by which the Kubernetes API server merges (Go proxy).
#
# Guess: the result of an apply depends on what each manager applied last. Whoever applies A, B, then B, A, and then
# A, B again is back where it began.
#
# Behaviour: the items of other managers keep their place in the live list, and only the applied items move around them.
# Another manager's C stood behind A and B; after A and B have changed places and changed back, it stands before both.
# For environment variables order has a meaning: C="$(A)" is expanded in the state A B C, and stays the text "$(A)" in
# the state C A B, with the same configurations in both.
#
# Seen:
#   other applies B C: B C
#   ours applies A B: A B C
#   ours applies B A: B C A
#   ours applies A B: C A B
#   ours applies A B: C A B
#   other applies B C: A B C
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export GOPATH=$work/go GOCACHE=$work/cache GOFLAGS="-modcacherw -mod=mod"
cd "$work"
cat >go.mod <<'GO'
module show

go 1.24

require sigs.k8s.io/structured-merge-diff/v6 v6.4.2
GO
cat >main.go <<'GO'
package main

import (
	"fmt"
	"strings"

	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	"sigs.k8s.io/structured-merge-diff/v6/merge"
	"sigs.k8s.io/structured-merge-diff/v6/typed"
)

// The list as the API server's schema has it: a map by name.
const schema = `types:
- name: container
  map:
    fields:
    - name: env
      type: {list: {elementType: {namedType: variable}, elementRelationship: associative, keys: [name]}}
- name: variable
  map:
    fields: [{name: name, type: {scalar: string}}]
`

// One version of the API: nothing to convert.
type oneVersion struct{}

func (oneVersion) Convert(object *typed.TypedValue, _ fieldpath.APIVersion) (*typed.TypedValue, error) {
	return object, nil
}
func (oneVersion) IsMissingVersionError(error) bool { return false }

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func main() {
	container := must(typed.NewParser(schema)).Type("container")
	updater := (&merge.UpdaterBuilder{Converter: oneVersion{}}).BuildUpdater()
	live, managers := must(container.FromYAML("{}")), fieldpath.ManagedFields{}
	for _, step := range [][]string{
		{"other", "B", "C"}, {"ours", "A", "B"}, {"ours", "B", "A"}, {"ours", "A", "B"}, {"ours", "A", "B"}, {"other", "B", "C"},
	} {
		text := "{env: [{name: " + strings.Join(step[1:], "}, {name: ") + "}]}"
		applied := must(container.FromYAML(typed.YAMLObject(text)))
		next, owners, err := updater.Apply(live, applied, "v1", managers, step[0], false)
		if err != nil {
			panic(err)
		}
		if managers = owners; next != nil { // nil: nothing to change
			live = next
		}
		var order []string
		for _, item := range live.AsValue().Unstructured().(map[string]any)["env"].([]any) {
			order = append(order, item.(map[string]any)["name"].(string))
		}
		fmt.Printf("%s applies %s: %s\n", step[0], strings.Join(step[1:], " "), strings.Join(order, " "))
	}
}
GO
go get . 2>errors || { cat errors >&2; exit 1; }
seen=$(go run .)
printf '%s\n' "$seen"
diff - <(printf '%s\n' "$seen") <<'EXPECTED' || { echo "The behaviour has changed." >&2; exit 1; }
other applies B C: B C
ours applies A B: A B C
ours applies B A: B C A
ours applies A B: C A B
ours applies A B: C A B
other applies B C: A B C
EXPECTED
