#!/usr/bin/env bash
# A Kubernetes CronJob takes fewer schedules than cron and than the libraries of Python, and one that never runs.
#
# With: github.com/robfig/cron/v3 3.0.1, the parser of the CronJob controller and of the API server's check (Go proxy);
# croniter 7.0.0 (PyPI).
#
# Guess: five fields of crontab(5) mean the same everywhere: Sunday is 0 and 7, a range may end with it, and a date that
# never comes is refused by all or by none.
#
# Behaviour: CronJob knows Sunday as 0 and SUN alone. 7, 5-7, and sat-sun are refused; croniter takes all three. The
# 31st of February is accepted and its next time is the year 1, where croniter has an error: a CronJob that never runs
# and says nothing.
#
# Seen:
#   0 3 * * 0 | CronJob: 2026-03-08 | croniter: 2026-03-08
#   0 3 * * 7 | CronJob: refused | croniter: 2026-03-08
#   0 3 * * 5-7 | CronJob: refused | croniter: 2026-03-06
#   0 3 * * sat-sun | CronJob: refused | croniter: 2026-03-07
#   0 3 31 2 * | CronJob: 0001-01-01 | croniter: refused
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" --quiet --disable-pip-version-check install croniter==7.0.0
export GOPATH=$work/go GOCACHE=$work/cache GOFLAGS="-modcacherw -mod=mod"
cd "$work"
cat >go.mod <<'GO'
module show

go 1.24

require github.com/robfig/cron/v3 v3.0.1
GO
cat >main.go <<'GO'
package main

import (
	"fmt"
	"os"
	"time"

	"github.com/robfig/cron/v3"
)

func main() {
	schedule, err := cron.ParseStandard(os.Args[1])
	if err != nil {
		fmt.Println("refused")
		return
	}
	fmt.Println(schedule.Next(time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)).Format("2006-01-02"))
}
GO
cat >show.py <<'PYTHON'
import sys
from datetime import datetime

from croniter import CroniterError, croniter

try:
    print(croniter(sys.argv[1], datetime(2026, 3, 2)).get_next(datetime).date())
except CroniterError:
    print("refused")
PYTHON
go build -o show . 2>errors || { cat errors >&2; exit 1; }
seen=$(for schedule in "0 3 * * 0" "0 3 * * 7" "0 3 * * 5-7" "0 3 * * sat-sun" "0 3 31 2 *"; do
  printf '%s | CronJob: %s | croniter: %s\n' "$schedule" "$(./show "$schedule")" "$(venv/bin/python show.py "$schedule")"
done)
printf '%s\n' "$seen"
diff - <(printf '%s\n' "$seen") <<'EXPECTED' || { echo "The behaviour has changed." >&2; exit 1; }
0 3 * * 0 | CronJob: 2026-03-08 | croniter: 2026-03-08
0 3 * * 7 | CronJob: refused | croniter: 2026-03-08
0 3 * * 5-7 | CronJob: refused | croniter: 2026-03-06
0 3 * * sat-sun | CronJob: refused | croniter: 2026-03-07
0 3 31 2 * | CronJob: 0001-01-01 | croniter: refused
EXPECTED
