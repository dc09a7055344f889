# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Of which of the images that the collection itself names the digest is known."""

from __future__ import annotations

from collections.abc import Mapping

from ansible_collections.bramble.kube.plugins.module_utils.images.known_digests import DIGESTS
from ansible_collections.bramble.kube.plugins.module_utils.images.reference import parse


def table(images: Mapping[str, list[str]], digests: Mapping[str, str] = DIGESTS) -> str:
    """Two lists in Markdown: what goes by digest, and what by its tag alone."""
    lines = ["| named by | by digest | by tag alone |", "|---|---|---|"]
    users = dict.fromkeys(user for who in images.values() for user in who)
    for user in sorted(users):
        own = [image for image, who in images.items() if user in who]
        cells = ([image for image in own if digests.get(image)], [image for image in own if not digests.get(image)])
        lines.append("| `" + user + "` | " + " | ".join(", ".join(map(_short, cell)) for cell in cells) + " |")
    return "\n".join(lines)


def _short(image: str) -> str:
    return f"`{parse(image).familiar}`"
