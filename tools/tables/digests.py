# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The images that the collection itself names, and of which of them the digest is known."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import yaml

from ansible_collections.bramble.kube.plugins.module_utils.images.known_digests import DIGESTS
from ansible_collections.bramble.kube.plugins.module_utils.images.reference import parse
from ansible_collections.bramble.kube.plugins.module_utils.kubeflow.catalogue import pinned


def own_images(roles: Path) -> dict[str, list[str]]:
    """Image in full → who names it: components of the catalogue, and variables of roles.

    :param roles: the collection's folder of roles.
    """
    found: dict[str, list[str]] = {}

    def add(image: str, who: str) -> None:
        names = found.setdefault(str(parse(image)), [])
        names += [who] if who not in names else []

    for defaults in sorted(roles.glob("*/defaults/main.yml")):
        for name, value in (yaml.safe_load(defaults.read_text()) or {}).items():
            if name.endswith("_image"):
                add(value, name)
    for entry in yaml.safe_load((roles / "kubeflow/vars/main/catalogue.yml").read_text())["kubeflow_catalogue"]:
        for proven in (False, True):
            for image in pinned(entry, proven).get("images", ()):
                add(image["image"], entry["name"])
    return dict(sorted(found.items()))


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
