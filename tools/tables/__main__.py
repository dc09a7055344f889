# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Writes the tables of docs/ that are made from the code.

usage: python tools/tables [--check]     --check changes nothing, and fails if a page says something else
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / ".lab/collections"))

import digests
import preflight
import reference
import releases
import status
import what_runs
from marks import filled

from ansible_collections.bramble.kube.plugins.module_utils.kubeflow.shipped import own_images

#: page → its tables by name
PAGES = {
    "base.md": {"releases": releases.releases},
    "preflight.md": {"inventories": preflight.inventories, "checks": preflight.checks},
    "status.md": {"checks": status.checks},
    "security.md": {"audit": status.audited},
    "reference.md": {
        "modules": lambda: reference.plugins(ROOT, "modules"),
        "filters": lambda: reference.plugins(ROOT, "filter"),
        "callbacks": lambda: reference.plugins(ROOT, "callback"),
        "lookups": lambda: reference.plugins(ROOT, "lookup"),
        "roles": lambda: reference.roles(ROOT),
    },
    "catalogue.md": {
        "pins": lambda: what_runs.pins(ROOT / "roles"),
        "digests": lambda: digests.table(own_images()),
    },
    "what-runs.md": {
        "components": lambda: what_runs.whole_catalogue(ROOT / "roles"),
        "pins": lambda: what_runs.pins(ROOT / "roles"),
    },
}


def main() -> int:
    """Write or compare all pages."""
    stale = []
    for name, tables in PAGES.items():
        page = ROOT / "docs" / name
        text = new = page.read_text(encoding="utf-8")
        for title, table in tables.items():
            new = filled(new, title, table())
        if new != text:
            stale.append(f"docs/{name}")
            if "--check" not in sys.argv[1:]:
                page.write_text(new, encoding="utf-8")
    if stale and "--check" in sys.argv[1:]:
        print(f"{', '.join(stale)}: not what the code says; run make tables", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
