# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""Gives images the digests that are known of them, so that a tag that moves brings nothing else onto the cluster.

The tag stays where it was: ``registry/name:tag@sha256:…``. Kubernetes and containerd take the digest and ignore it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from .find import images_of
from .known_digests import DIGESTS
from .reference import is_reference, parse


def pinned(image: str, digests: Mapping[str, str] | None = None) -> str:
    """An image with its digest, if that is known and it has none yet; else as it is.

    :param image: as in a manifest, for example ``busybox`` or ``ghcr.io/owner/name:tag``.
    :param digests: image in full → digest; by default those of DIGESTS.
    """
    if not is_reference(image):
        return image
    digest = (DIGESTS if digests is None else digests).get(str(parse(image)))
    return f"{image}@{digest}" if digest else image


def unpinned(image: str) -> str:
    """The image by its tag alone, as people write it; as it is when it has no tag, or is no image reference."""
    if not is_reference(image) or not parse(image).tag:
        return image
    return image.partition("@")[0]


def pin(document: dict[str, Any], digests: Mapping[str, str] | None = None) -> list[str]:
    """Give all images of an object their digests, in place: in containers, arguments, and texts of ConfigMaps.

    :param digests: image in full → digest; by default those of DIGESTS.
    :returns: images that stay by their tag alone.
    :raises UnreadableText: as `images_of`.
    """
    images = _images(document)
    known = {image: new for image in images if (new := pinned(image, digests)) != image}
    if known:
        _write(document, known, _pattern(known))
        images = _images(document)
    return [image for image in images if is_reference(image) and not parse(image).digest]


def _images(document: dict[str, Any]) -> list[str]:
    return list(dict.fromkeys(use.image for use in images_of([document])))


def _pattern(images: Iterable[str]) -> re.Pattern[str]:
    """Finds these images in a text. One without a tag may be any word, and counts only where a field has it."""
    field = r"(?<=\bimage: )|(?<=\bimage\": \")|(?<=\bimage\":\")|(?<==)"
    words = "|".join(
        (r"" if ":" in image.rpartition("/")[2] else f"(?:{field})") + re.escape(image)
        for image in sorted(images, key=len, reverse=True)
    )
    return re.compile(rf"(?<![\w./:@-])(?:{words})(?![\w./:@-])")


def _write(node: Any, known: Mapping[str, str], pattern: re.Pattern[str]) -> None:
    for key, value in list(node.items() if isinstance(node, dict) else enumerate(node)):
        if isinstance(value, str):
            node[key] = known.get(value) or pattern.sub(lambda found: known[found.group()], value)
        elif isinstance(value, (dict, list)):
            _write(value, known, pattern)
