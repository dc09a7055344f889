#!/usr/bin/env bash
# What Python's parser of Prometheus' text format takes, and the one of node exporter's textfile collector refuses.
#
# With: prometheus_client 0.26.0 (PyPI); github.com/prometheus/common 0.74.0, whose expfmt.TextParser reads the files
# of the textfile collector and what is pushed to the Pushgateway (Go proxy).
#
# Guess: both are Prometheus' own and read one format, so that a file that one has read without an error is right.
#
# Behaviour: Go's parser ends with an error at a last line without a line break, at a second HELP or TYPE of a metric
# (two scripts' files put together), and at the types info and unknown; the whole file is then left out. Python's
# takes all of them. The other way round, Go takes "# TYPE pis Gauge", which Python refuses.
#
# Seen:
#   pis 3\n: Go taken, Python taken
#   pis 3: Go refused, Python taken
#   # HELP pis a\n# HELP pis b\npis 3\n: Go refused, Python taken
#   # TYPE pis info\npis 3\n: Go refused, Python taken
#   # TYPE pis unknown\npis 3\n: Go refused, Python taken
#   # TYPE pis Gauge\npis 3\n: Go taken, Python refused
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" --quiet --disable-pip-version-check install prometheus_client==0.26.0
export GOPATH=$work/go GOCACHE=$work/cache GOFLAGS="-modcacherw -mod=mod"
cd "$work"
cat >go.mod <<'GO'
module show

go 1.25

require github.com/prometheus/common v0.74.0
GO
cat >main.go <<'GO'
package main

import (
	"fmt"
	"os"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

func main() {
	parser := expfmt.NewTextParser(model.UTF8Validation)
	if _, err := parser.TextToMetricFamilies(os.Stdin); err != nil {
		fmt.Println("refused")
		return
	}
	fmt.Println("taken")
}
GO
cat >show.py <<'PYTHON'
import sys

from prometheus_client.parser import text_string_to_metric_families

try:
    list(text_string_to_metric_families(sys.stdin.read()))
    print("taken")
except ValueError:
    print("refused")
PYTHON
go get . 2>errors || { cat errors >&2; exit 1; }
go build -o show .
seen=$(for text in 'pis 3\n' 'pis 3' '# HELP pis a\n# HELP pis b\npis 3\n' '# TYPE pis info\npis 3\n' '# TYPE pis unknown\npis 3\n' \
  '# TYPE pis Gauge\npis 3\n'; do
  printf '%s: Go %s, Python %s\n' "$text" "$(printf '%b' "$text" | ./show)" "$(printf '%b' "$text" | venv/bin/python show.py)"
done)
printf '%s\n' "$seen"
diff - <(printf '%s\n' "$seen") <<'EXPECTED' || { echo "The behaviour has changed." >&2; exit 1; }
pis 3\n: Go taken, Python taken
pis 3: Go refused, Python taken
# HELP pis a\n# HELP pis b\npis 3\n: Go refused, Python taken
# TYPE pis info\npis 3\n: Go refused, Python taken
# TYPE pis unknown\npis 3\n: Go refused, Python taken
# TYPE pis Gauge\npis 3\n: Go taken, Python refused
EXPECTED
