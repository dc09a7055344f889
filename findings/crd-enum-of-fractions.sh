#!/usr/bin/env bash
# CustomResourceDefinition: an enum with a whole number in it accepts fractions that are nowhere in it.
#
# With: k8s.io/apiextensions-apiserver 0.37.2, by which the Kubernetes API server validates custom resources (Go proxy).
#
# Guess: `type: number, enum: [0, 0.5, 1]` takes these three numbers and refuses 0.7, as JSON Schema says.
#
# Behaviour: a value is compared with each member of the enum in the member's own type, and a 0 or 1 without a fraction
# is an integer there. So 0.7 and -0.3 are cut to 0, 1.9 to 1, and all of them are valid; 2 is not. In an enum of
# fractions alone 0.7 is refused. A rule of CEL, `self in [0.0, 0.5, 1.0]`, compares as one would expect.
#
# Seen:
#   [0,0.5,1] 0.5 valid, 0.7 valid, 1.9 valid, 2 refused, -0.3 valid
#   [0.25,0.5] 0.5 valid, 0.7 refused, 1.9 refused, 2 refused, -0.3 refused
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export GOPATH=$work/go GOCACHE=$work/cache GOFLAGS="-modcacherw -mod=mod"
cd "$work"
cat >go.mod <<'GO'
module show

go 1.26

require k8s.io/apiextensions-apiserver v0.37.2
GO
cat >main.go <<'GO'
package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	v1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	kubejson "k8s.io/apimachinery/pkg/util/json"
)

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func main() {
	for _, enum := range []string{"[0,0.5,1]", "[0.25,0.5]"} {
		var written v1.JSONSchemaProps
		must(json.Unmarshal([]byte(`{"type":"number","enum":`+enum+`}`), &written))
		var schema apiextensions.JSONSchemaProps
		must(v1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(&written, &schema, nil))
		validator, _, err := validation.NewSchemaValidator(&schema)
		must(err)
		var told []string
		for _, number := range []string{"0.5", "0.7", "1.9", "2", "-0.3"} {
			var value any
			must(kubejson.Unmarshal([]byte(number), &value))
			word := "refused"
			if validator.Validate(value).IsValid() {
				word = "valid"
			}
			told = append(told, number+" "+word)
		}
		fmt.Println(enum, strings.Join(told, ", "))
	}
}
GO
go get . 2>errors || { cat errors >&2; exit 1; }
seen=$(go run .)
printf '%s\n' "$seen"
diff - <(printf '%s\n' "$seen") <<'EXPECTED' || { echo "The behaviour has changed." >&2; exit 1; }
[0,0.5,1] 0.5 valid, 0.7 valid, 1.9 valid, 2 refused, -0.3 valid
[0.25,0.5] 0.5 valid, 0.7 refused, 1.9 refused, 2 refused, -0.3 refused
EXPECTED
