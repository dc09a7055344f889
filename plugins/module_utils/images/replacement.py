# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""One image in place of another, by a map from old to new."""

from __future__ import annotations

from collections.abc import Mapping

from .reference import InvalidReference, full_prefix, parse


class Replacements:
    """A map of image references; from the most to the least specific, a key is

    - a whole reference (``nginx:1.27``): stands for exactly that image;
    - a repository (``quay.io/org/app``): for all its tags; a value without tag or digest keeps those of the image;
    - a prefix that ends in ``/`` (``docker.io/``): the rest of the name stays.

    ``nginx`` and ``docker.io/library/nginx`` are one key.

    :raises InvalidReference: a key or value is no image reference, or two keys mean the same image.
    """

    def __init__(self, table: Mapping[str, str]) -> None:
        self._exact: dict[str, str] = {}
        self._repositories: dict[str, str] = {}
        self._prefixes: dict[str, str] = {}
        for old, new in table.items():
            if old.endswith("/"):
                target, key = self._prefixes, full_prefix(old)
                new = new.rstrip("/") + "/"
                parse(f"{key}image")
                parse(f"{new}image")
            else:
                reference = parse(old)
                parse(new)
                whole = reference.tag or reference.digest
                target = self._exact if whole else self._repositories
                key = str(reference) if whole else reference.name
            if target.setdefault(key, new) != new:
                raise InvalidReference(f"replacements name {key} twice, with different images")

    def apply(self, image: str) -> str | None:
        """What stands in for this image, or None if it stays.

        :raises InvalidReference: the image is no image reference.
        """
        old = parse(image)
        if str(old) in self._exact:
            return self._exact[str(old)]
        if old.tag and old.digest:
            # Written with tag and digest: a key may name either.
            for single in (old.with_target(None, old.digest), old.with_target(old.tag, None)):
                if str(single) in self._exact:
                    return self._exact[str(single)]
        suffix = (f":{old.tag}" if old.tag else "") + (f"@{old.digest}" if old.digest else "")
        if old.name in self._repositories:
            new = self._repositories[old.name]
            return new if parse(new).tag or parse(new).digest else new + suffix
        for prefix in sorted(self._prefixes, key=len, reverse=True):
            if old.name.startswith(prefix):
                return self._prefixes[prefix] + old.name[len(prefix) :] + suffix
        return None
