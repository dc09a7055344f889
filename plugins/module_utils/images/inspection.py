# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""What an image offers: platforms and download sizes; and what a cluster's nodes find missing."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ..common.together import together
from . import platform as platforms
from .find import ImageUse
from .platform import Platform
from .reference import InvalidReference, Reference, parse
from .registry import ERROR, INDEX_TYPES, SCHEMA1_TYPES, Document, RegistryClient, RegistryError
from .replacement import Replacements

OK = "ok"
MISSING = "missing"
INVALID = "invalid"

# An index may hold indexes; nobody nests deeper, and a loop must end.
_DEPTH_MAX = 3
# Kinds of configuration that container engines start; anything else is a chart, a model or a signature.
_IMAGE_CONFIGS = (
    "application/vnd.oci.image.config.v1+json",
    "application/vnd.docker.container.image.v1+json",
)


@dataclass(frozen=True)
class Offer:
    """One platform of an image: the digest of its manifest (empty if the image has only one) and its size in bytes."""

    platform: Platform
    digest: str
    size: int | None = None


@dataclass
class Inspected:
    """An image as its registry has it."""

    document: Document
    offers: list[Offer]


@dataclass
class Verdict:
    """What is known about one image; :meth:`as_dict` is what the module returns."""

    image: str
    status: str
    used_by: list[str] = field(default_factory=list)
    asked: str = ""
    replaced_by: str | None = None
    reference: str | None = None
    digest: str | None = None
    media_type: str | None = None
    platforms: list[str] = field(default_factory=list)
    runs_as: dict[str, str] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    error: str | None = None
    source: str | None = None
    age: int | None = None
    stale: bool = False

    def as_dict(self) -> dict[str, object]:
        """Plain data, without the fields that only this file uses."""
        return {name: value for name, value in vars(self).items() if name != "asked"}


def inspect(client: RegistryClient, reference: Reference, wanted: Sequence[Platform], sizes: bool = True) -> Inspected:
    """Ask a registry what an image offers.

    :param wanted: the platforms whose sizes matter; none for all.
    :param sizes: whether to ask for sizes, which costs one request for each platform of an index.
    :raises RegistryError: the registry has no such image, or cannot be asked.
    """
    document = client.manifest(reference)
    offers = _offers(client, reference, document, 0)
    if sizes:
        needed = {platforms.best_match(node, [offer.platform for offer in offers]) for node in wanted}
        offers = [
            _with_size(client, reference, offer) if not wanted or offer.platform in needed else offer
            for offer in offers
        ]
    return Inspected(document, offers)


def _offers(client: RegistryClient, reference: Reference, document: Document, depth: int) -> list[Offer]:
    if document.media_type in INDEX_TYPES:
        found: dict[Platform, Offer] = {}
        for entry in _entries(document.content.get("manifests")):
            for offer in _offers_of_entry(client, reference, entry, depth):
                found.setdefault(offer.platform, offer)
        return list(found.values())
    if document.media_type in SCHEMA1_TYPES:
        # Schema 1 states the architecture alone; images of that time were for Linux.
        architecture = str(document.content.get("architecture") or "amd64")
        return [Offer(platforms.normalize("linux", architecture), document.digest)]
    return _single(client, reference, document)


def _offers_of_entry(
    client: RegistryClient, reference: Reference, entry: Mapping[str, object], depth: int
) -> list[Offer]:
    digest, media_type = str(entry.get("digest") or ""), str(entry.get("mediaType") or "")
    stated = entry.get("platform")
    known = platforms.from_descriptor(stated if isinstance(stated, Mapping) else None)
    if known and media_type not in INDEX_TYPES:
        return [Offer(known, digest)]
    if (isinstance(stated, Mapping) and not known) or not digest or depth >= _DEPTH_MAX or entry.get("artifactType"):
        return []  # an attestation, a signature
    return _offers(client, reference, client.child(reference, digest), depth + 1)


def _single(client: RegistryClient, reference: Reference, document: Document) -> list[Offer]:
    """A manifest says for which platform it is only in its configuration."""
    config = document.content.get("config")
    if not isinstance(config, Mapping) or not config.get("digest"):
        raise RegistryError(
            ERROR, f"{reference.registry} has {reference.repository} in a form that is not an image manifest"
        )
    kind = str(config.get("mediaType") or "")
    if kind not in _IMAGE_CONFIGS:
        raise RegistryError(ERROR, f"{reference} is not a container image but {kind or 'something unnamed'}")
    known = platforms.from_descriptor(client.blob(reference, str(config["digest"])))
    if not known:
        raise RegistryError(ERROR, f"{reference} does not say for which platform it was built")
    return [Offer(known, document.digest, _size(document.content))]


def _with_size(client: RegistryClient, reference: Reference, offer: Offer) -> Offer:
    if offer.size is not None or not offer.digest:
        return offer
    document = client.child(reference, offer.digest)
    if document.media_type in SCHEMA1_TYPES:
        return offer
    return Offer(offer.platform, offer.digest, _size(document.content))


def _size(manifest: Mapping[str, object]) -> int | None:
    """Bytes to download: configuration and compressed layers. A layer that occurs twice is fetched once."""
    layers = {str(layer.get("digest")): layer.get("size") for layer in _entries(manifest.get("layers"))}
    config = manifest.get("config")
    sizes = [config.get("size") if isinstance(config, Mapping) else 0, *layers.values()]
    if not all(isinstance(size, int) and size >= 0 for size in sizes):
        return None
    return sum(sizes)  # type: ignore[arg-type]


def _entries(value: object) -> list[Mapping[str, object]]:
    return [entry for entry in value if isinstance(entry, Mapping)] if isinstance(value, list) else []


def check_images(
    client: RegistryClient,
    uses: Iterable[ImageUse],
    wanted: Sequence[Platform],
    replacements: Replacements | None = None,
    sizes: bool = True,
    workers: int = 8,
) -> list[Verdict]:
    """Ask for many images at once.

    :param uses: images with what uses them; one image used in many places is asked for once.
    :param wanted: platforms of the nodes; what an image lacks of them is in its verdict.
    :param replacements: the replacement is asked for in place of the image.
    :param workers: how many images are asked for at the same time.
    :returns: one verdict for each image as written, in the order in which they first appear.
    """
    verdicts = _collect(uses, replacements or Replacements({}))
    asked = list(dict.fromkeys(verdict.asked for verdict in verdicts if verdict.asked))
    answers = dict(zip(asked, together(lambda key: _try(client, parse(key), wanted, sizes), asked, workers)))
    for verdict in verdicts:
        if verdict.asked:
            _fill(verdict, answers[verdict.asked], wanted)
    return verdicts


def _collect(uses: Iterable[ImageUse], replacements: Replacements) -> list[Verdict]:
    verdicts: dict[str, Verdict] = {}
    for use in uses:
        verdict = verdicts.get(use.image)
        if verdict is None:
            verdict = verdicts[use.image] = Verdict(use.image, OK)
            try:
                verdict.replaced_by = replacements.apply(use.image)
                reference = parse(verdict.replaced_by or use.image)
                verdict.asked = verdict.reference = str(reference)
            except InvalidReference as error:
                verdict.status, verdict.error = INVALID, str(error)
        if use.owner:
            verdict.used_by.append(str(use))
    return list(verdicts.values())


def _try(
    client: RegistryClient, reference: Reference, wanted: Sequence[Platform], sizes: bool
) -> Inspected | RegistryError:
    try:
        return inspect(client, reference, wanted, sizes)
    except RegistryError as error:
        return error


def _fill(verdict: Verdict, answer: Inspected | RegistryError, wanted: Sequence[Platform]) -> None:
    if isinstance(answer, RegistryError):
        verdict.status, verdict.error = answer.status, str(answer)
        return
    document, offers = answer.document, answer.offers
    verdict.digest, verdict.media_type = document.digest or None, document.media_type
    verdict.source, verdict.stale = document.source or None, document.stale
    verdict.age = max(int(time.time() - document.asked_at), 0)
    verdict.platforms = [str(offer.platform) for offer in offers]
    verdict.sizes = {str(offer.platform): offer.size for offer in offers if offer.size is not None}
    for node in wanted:
        match = platforms.best_match(node, [offer.platform for offer in offers])
        if match:
            verdict.runs_as[str(node)] = str(match)
        else:
            verdict.missing.append(str(node))
    if verdict.missing:
        verdict.status = MISSING
        verdict.error = missing_sentence(verdict)


def missing_sentence(verdict: Verdict) -> str:
    """Why an image does not run on some nodes, and what can be done."""
    offered = ", ".join(verdict.platforms) or "no platform at all"
    image = verdict.replaced_by or verdict.image
    return (
        f"{image} is built for {offered}, not for {', '.join(verdict.missing)}; "
        "replace it with an image that is, or leave out what uses it"
    )


def table(verdicts: Iterable[Verdict], wanted: Sequence[Platform]) -> list[str]:
    """Lines of a table for people: image, a column for each wanted platform, remark."""
    verdicts = list(verdicts)
    names = [str(node) for node in wanted]
    rows = [["image", *names, "remark"]]
    for verdict in verdicts:
        cells = [_cell(verdict, name) for name in names]
        remark = ""
        if verdict.status not in (OK, MISSING):
            remark = verdict.error or verdict.status
        elif verdict.stale:
            remark = f"as of {_ago(verdict.age or 0)} ago, its registry does not answer now"
        elif verdict.replaced_by:
            remark = f"in place of {verdict.image}"
        elif not names:
            remark = ", ".join(verdict.platforms)
        rows.append([verdict.replaced_by or verdict.image, *cells, remark])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]


def _cell(verdict: Verdict, node: str) -> str:
    if verdict.status not in (OK, MISSING):
        return "?"
    if node not in verdict.runs_as:
        return "missing"
    match = verdict.runs_as[node]
    size = verdict.sizes.get(match)
    text = f"{size / 1e6:.0f} MB" if size is not None and size >= 1e6 else f"{size / 1e3:.0f} kB" if size else "yes"
    return text if match == node else f"{text} ({match})"


def _ago(seconds: int) -> str:
    for length, word in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= length:
            return f"{seconds // length} {word}"
    return f"{seconds} s"
