# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""The packages that evaluate jsonnet. Nothing of them is imported here."""

from __future__ import annotations

import importlib.util

#: Order of preference: fastest first (docs/ksonnet.md has the comparison). Import name of each PyPI package.
BINDINGS = {"rjsonnet": "rjsonnet", "gojsonnet": "_gojsonnet", "jsonnet": "_jsonnet"}


def available(wanted: str = "auto") -> list[str]:
    """Names of the bindings to try, best first."""
    names = list(BINDINGS) if wanted == "auto" else [wanted]
    return [name for name in names if importlib.util.find_spec(BINDINGS[name])]
