# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The OS releases that the roles work on, as a table of docs/base.md."""

from __future__ import annotations

from ansible_collections.bramble.kube.plugins.module_utils.common.os_releases import Release, of_kind

KINDS = {"debian": "Raspberry Pi OS or Debian", "ubuntu": "Ubuntu"}
TESTED = {"lab": "on virtual Pis", "unit": "by unit tests alone"}


def releases() -> str:
    """The table in Markdown, the newest release of each kind first."""
    lines = [
        "| release | tested | kernel parameters | swap | network | clock | its own containerd |",
        "|---|---|---|---|---|---|---|",
        *(_line(release) for kind in KINDS for release in reversed(of_kind(kind))),
    ]
    return "\n".join(lines)


def _line(release: Release) -> str:
    cells = (
        f"{KINDS[release.kind]} {release.version} ({release.codename})",
        TESTED[release.tested],
        release.boot,
        ", ".join(release.swap),
        ", ".join(release.network),
        release.time,
        release.containerd,
    )
    return f"| {' | '.join(cells)} |"
