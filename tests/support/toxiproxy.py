# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""toxiproxy, a proxy that breaks connections, built from its Go module when a test first needs it."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from lab_cluster import CACHE, ROOT

MODULE = ROOT / "tests" / "integration" / "push" / "toxiproxy"


def toxiproxy_program() -> Path:
    """Path of toxiproxy's server, built on first use (a minute), kept in the lab's cache."""
    version = re.findall(r"github.com/Shopify/toxiproxy/v2 (v\S+)", (MODULE / "go.mod").read_text())[0]
    program = CACHE / "artifacts" / "toxiproxy" / version / "toxiproxy-server"
    if not program.exists():
        program.parent.mkdir(parents=True, exist_ok=True)
        environment = {
            **os.environ,
            "GOMODCACHE": str(CACHE / "gomod"),
            "GOCACHE": str(CACHE / "gobuild"),
            "CGO_ENABLED": "0",
        }
        subprocess.run(
            ["go", "build", "-o", f"{program}.new", "github.com/Shopify/toxiproxy/v2/cmd/server"],
            cwd=MODULE,
            env=environment,
            check=True,
        )
        Path(f"{program}.new").rename(program)
    return program
