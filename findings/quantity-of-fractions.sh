#!/usr/bin/env bash
# Kubernetes writes 1.1Gi of memory as thousandths of bytes.
#
# With: k8s.io/apimachinery 0.37.2, the library by which the API server and kubectl read and write quantities (Go
# proxy).
#
# Guess: an amount keeps the unit that it was written with, or becomes bytes: 1.1Gi stays 1.1Gi or is 1181116006.
#
# Behaviour: 1.5Gi becomes 1536Mi, but an amount that is no whole number of bytes becomes "1181116006400m", as CPU is
# written, in the form that the API server stores and everybody reads back; 1.0001Gi even "1073849198182400u". Who
# compares what was applied with what is there as text sees a change for ever, and a reader that takes m for CPU alone
# fails. The same goes for 1024Ki (1Mi), 1.7T (1700G), 0.5 (500m); 1e3, +1, and 01 are kept as they are.
#
# Seen:
#   1.1Gi 1181116006400m
#   1.5Gi 1536Mi
#   1.0001Gi 1073849198182400u
#   1024Ki 1Mi
#   1000Ki 1000Ki
#   1.7T 1700G
#   0.5 500m
#   1e3 1e3
#   +1 +1
#   01 01
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export GOPATH=$work/go GOCACHE=$work/cache GOFLAGS="-modcacherw -mod=mod"
cd "$work"
cat >go.mod <<'GO'
module show

go 1.24

require k8s.io/apimachinery v0.37.2
GO
cat >main.go <<'GO'
package main

import (
	"encoding/json"
	"fmt"

	"k8s.io/apimachinery/pkg/api/resource"
)

func main() {
	for _, amount := range []string{"1.1Gi", "1.5Gi", "1.0001Gi", "1024Ki", "1000Ki", "1.7T", "0.5", "1e3", "+1", "01"} {
		var quantity resource.Quantity
		if err := json.Unmarshal([]byte(`"`+amount+`"`), &quantity); err != nil {
			panic(err)
		}
		fmt.Println(amount, quantity.String())
	}
}
GO
go get . 2>errors || { cat errors >&2; exit 1; }
seen=$(go run .)
printf '%s\n' "$seen"
diff - <(printf '%s\n' "$seen") <<'EXPECTED' || { echo "The behaviour has changed." >&2; exit 1; }
1.1Gi 1181116006400m
1.5Gi 1536Mi
1.0001Gi 1073849198182400u
1024Ki 1Mi
1000Ki 1000Ki
1.7T 1700G
0.5 500m
1e3 1e3
+1 +1
01 01
EXPECTED
