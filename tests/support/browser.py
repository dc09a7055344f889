# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real Chromium with axe, for pages. It needs Chromium, Node.js and two packages:

apt-get install chromium fonts-noto-cjk && npm install --prefix .lab/browser playwright-core axe-core

With BRAMBLE_PICTURES=FOLDER the tests write the pictures of docs/ there; `make pictures` does it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
MODULES = Path(__file__).resolve().parents[2] / ".lab/browser"


def missing() -> str:
    """What is not installed."""
    if CHROMIUM is None:
        return "Chromium is not installed"
    if shutil.which("node") is None:
        return "Node.js is not installed"
    packages = [name for name in ("playwright-core", "axe-core") if not (MODULES / "node_modules" / name).is_dir()]
    return f"npm install --prefix .lab/browser {' '.join(packages)}" if packages else ""


needs_browser = pytest.mark.skipif(bool(missing()), reason=missing())


def drive(script: Path, **environment: str) -> dict[str, Any]:
    """What a script says in its last line; it is told where Chromium and the packages are."""
    told = {**os.environ, "BROWSER_CHROMIUM": str(CHROMIUM), "BROWSER_MODULES": str(MODULES), **environment}
    done = subprocess.run(["node", str(script)], env=told, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])
