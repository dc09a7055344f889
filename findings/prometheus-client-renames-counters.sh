#!/usr/bin/env bash
# prometheus_client gives the metrics of other exporters another name when it passes them on.
#
# With: prometheus_client 0.26.0 (PyPI).
#
# Guess: text that its parser reads and generate_latest writes again (a proxy, a filter, a collector of textfiles) is
# the same but for comments and the form of numbers.
#
# Behaviour: a counter whose name does not end in _total, which the text format allows and older exporters have, gets
# the end _total on its samples too: queries and alerts on the old name find nothing any more. And a counter in the
# way that OpenMetrics groups it, a type line without _total and a sample with it, loses its type, beside an empty
# family of the right name, which leaves two type lines for one metric.
#
# Seen:
#   read:    # TYPE node_power_cuts counter / node_power_cuts 3
#   written: # TYPE node_power_cuts_total counter / node_power_cuts_total 3.0
#   read:    # TYPE jobs counter / jobs_total 3
#   written: # TYPE jobs_total counter / # TYPE jobs_total untyped / jobs_total 3.0
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" --quiet --disable-pip-version-check install prometheus_client==0.26.0
cat >"$work/show.py" <<'PYTHON'
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families


class PassedOn:
    def __init__(self, text):
        self.text = text

    def collect(self):
        return text_string_to_metric_families(self.text)


for text in ("# TYPE node_power_cuts counter\nnode_power_cuts 3\n", "# TYPE jobs counter\njobs_total 3\n"):
    registry = CollectorRegistry()
    registry.register(PassedOn(text))
    written = generate_latest(registry).decode().splitlines()
    print("read:   ", " / ".join(text.splitlines()))
    print("written:", " / ".join(line for line in written if not line.startswith("# HELP")))
PYTHON
seen=$("$work/venv/bin/python" "$work/show.py")
printf '%s\n' "$seen"
diff - <(printf '%s\n' "$seen") <<'EXPECTED' || { echo "The behaviour has changed." >&2; exit 1; }
read:    # TYPE node_power_cuts counter / node_power_cuts 3
written: # TYPE node_power_cuts_total counter / node_power_cuts_total 3.0
read:    # TYPE jobs counter / jobs_total 3
written: # TYPE jobs_total counter / # TYPE jobs_total untyped / jobs_total 3.0
EXPECTED
