# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""Registries: folders of packages, on disk or in a GitHub repository at a tag, branch or commit."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit

from ..common import atomic_file, http
from . import yamlio
from .errors import KsonnetError, listed

MAX_ARCHIVE = 256 * 1024 * 1024
MAX_REGISTRY = 64 * 1024 * 1024
DEFAULT_MIRROR = "https://codeload.github.com"


@dataclass
class Contents:
    """A registry's files (path below the registry's folder to contents) at one version."""

    files: dict[str, bytes]
    folder: str = ""  # the registry's folder in its repository
    ref: str = ""
    commit: str = ""
    archive: dict[str, str] = field(default_factory=dict)  # url and sha256 of what was downloaded

    def spec(self, where: str) -> dict[str, Any]:
        """registry.yaml."""
        if "registry.yaml" not in self.files:
            raise KsonnetError(f"{where} is not a registry: it has no registry.yaml")
        spec = yamlio.load(self.files["registry.yaml"].decode("utf-8", "replace"), f"registry.yaml of {where}")
        if not isinstance(spec, dict):
            raise KsonnetError(f"registry.yaml of {where} must hold a mapping with the key libraries")
        return spec

    def package(self, name: str, where: str) -> dict[str, bytes]:
        """Files of a package, relative to its folder; KsonnetError lists those that there are."""
        libraries = self.spec(where).get("libraries") or {}
        folder = str((libraries.get(name) or {}).get("path") or name).strip("/")
        found = {path[len(folder) + 1 :]: data for path, data in self.files.items() if path.startswith(folder + "/")}
        if "parts.yaml" not in found:
            known = {path.rsplit("/", 1)[0] for path in self.files if path.endswith("/parts.yaml")}
            raise KsonnetError(f"{where} has no package {name!r}; it has: {listed(known)}")
        return found

    def digest(self) -> str:
        """A checksum of all files, independent of how they were packed, as kustomize_build counts it, too.

        In an unpacked archive: ``find FOLDER -type f | LC_ALL=C sort | xargs sha256sum | sha256sum``.
        """
        named = {f"{self.folder}/{path}".lstrip("/"): data for path, data in self.files.items()}
        lines = [f"{_sha256(data)}  {path}\n" for path, data in sorted(named.items())]
        return "sha256:" + _sha256("".join(lines).encode())


def protocol_of(uri: str) -> str:
    """github for addresses at github.com, fs for folders."""
    return "github" if re.match(r"(https?://)?(www\.)?github\.com/", uri.strip()) else "fs"


def open_folder(uri: str, base: str) -> Contents:
    """A registry folder; a relative one lies below ``base``."""
    path = urlsplit(uri).path if uri.startswith("file://") else os.path.expanduser(uri)
    root = os.path.join(base, path)
    if not os.path.isdir(root):
        raise KsonnetError(f"registry folder {root} does not exist")
    files: dict[str, bytes] = {}
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if name != ".git")
        for name in names:
            full = os.path.join(folder, name)
            if not os.path.islink(full):
                with open(full, "rb") as stream:
                    files[os.path.relpath(full, root).replace(os.sep, "/")] = stream.read()
    return Contents(files=files)


@dataclass(frozen=True)
class GitHubAddress:
    org: str
    repo: str
    ref: str
    path: str

    @property
    def uri(self) -> str:
        return f"github.com/{self.org}/{self.repo}/tree/{self.ref}" + (f"/{self.path}" if self.path else "")


def parse_github(uri: str) -> GitHubAddress:
    """``github.com/ORG/REPO[/tree/REF[/FOLDER]]`` or ``…/blob/REF/[FOLDER/]registry.yaml``."""
    parts = re.sub(r"^(https?://)?(www\.)?github\.com/", "", uri.strip()).strip("/").split("/")
    wrong = KsonnetError(
        f"registry address {uri!r} must be of the form github.com/ORGANISATION/REPOSITORY/tree/TAG/FOLDER"
    )
    if "?" in uri or "#" in uri or len(parts) < 2 or not all(parts):
        raise wrong
    if len(parts) == 2:
        return GitHubAddress(parts[0], parts[1], "master", "")
    if len(parts) < 4 or parts[2] not in ("tree", "blob"):
        raise wrong
    folder = parts[4:]
    if parts[2] == "blob":
        if not folder or folder[-1] != "registry.yaml":
            raise wrong
        folder = folder[:-1]
    return GitHubAddress(parts[0], parts[1], parts[3], "/".join(folder))


@dataclass
class Downloads:
    """Archives, downloaded once and kept under ``cache_dir``; ``mirror`` takes the place of GitHub's own address."""

    cache_dir: str
    mirror: str = DEFAULT_MIRROR
    keep: bool = True  # False in check mode: nothing is written

    def open(self, address: GitHubAddress, checksum: str = "", mirror: str = "") -> Contents:
        """A registry in a repository. ``checksum`` (sha256:…) is that of the archive."""
        record, data = self._cached(address)
        if data is None or (checksum and _sha256(data) != plain(checksum)):
            url = self._url(address, mirror or self.mirror)
            data = fetch(url)
            record = {"url": url, "sha256": _sha256(data)}
            if checksum and record["sha256"] != plain(checksum):
                raise KsonnetError(
                    f"{url} has the checksum sha256:{record['sha256']}, not sha256:{plain(checksum)}; "
                    "do not use it, unless you know why it differs and change the checksum"
                )
            self._store(address, record, data)
        files, commit = _unpack(data, address)
        if not commit and re.fullmatch(r"[0-9a-f]{40}", address.ref):
            commit = address.ref
        return Contents(files=files, folder=address.path, ref=address.ref, commit=commit, archive=record)

    @staticmethod
    def _url(address: GitHubAddress, mirror: str) -> str:
        if "{ref}" in mirror:
            return mirror.format(org=address.org, repo=address.repo, ref=quote(address.ref))
        return f"{mirror.rstrip('/')}/{address.org}/{address.repo}/tar.gz/{quote(address.ref)}"

    def _names(self, address: GitHubAddress) -> tuple[str, str]:
        base = os.path.join(self.cache_dir, "github", address.org, address.repo, quote(address.ref, safe=""))
        return base + ".json", base + ".tar.gz"

    def _cached(self, address: GitHubAddress) -> tuple[dict[str, str], bytes | None]:
        """The archive if it is there and still what its checksum says."""
        record_path, archive_path = self._names(address)
        try:
            with open(record_path, encoding="utf-8") as stream:
                record = json.load(stream)
            with open(archive_path, "rb") as stream:
                data = stream.read()
        except (OSError, ValueError):
            return {}, None
        return (record, data) if record.get("sha256") == _sha256(data) else ({}, None)

    def _store(self, address: GitHubAddress, record: Mapping[str, str], data: bytes) -> None:
        if not self.keep:
            return
        record_path, archive_path = self._names(address)
        os.makedirs(os.path.dirname(record_path), exist_ok=True)
        for path, content in ((archive_path, data), (record_path, json.dumps(dict(record)).encode())):
            atomic_file.replace(path, content, durable=False)


def description(openapi: str, checksum: str, cache_dir: str, keep: bool) -> bytes:
    """An OpenAPI description: a file, or what an address serves (once: it is kept by its checksum)."""
    if not re.match(r"https?://", openapi):
        path = os.path.expanduser(openapi[7:] if openapi.startswith("file://") else openapi)
        try:
            with open(path, "rb") as stream:
                data = stream.read()
        except OSError as exc:
            raise KsonnetError(f"the OpenAPI description {path} cannot be read: {exc.strerror}") from exc
    else:
        if not checksum:
            raise KsonnetError(f"the OpenAPI description {openapi} needs a checksum: sha256: and 64 hexadecimal digits")
        kept = os.path.join(os.path.expanduser(cache_dir), "openapi", plain(checksum) + ".json")
        try:
            with open(kept, "rb") as stream:
                data = stream.read()
        except OSError:
            data = b""
        if _sha256(data) != plain(checksum):  # not kept yet, or damaged since
            data = fetch(openapi)
            if keep and _sha256(data) == plain(checksum):
                os.makedirs(os.path.dirname(kept), exist_ok=True)
                atomic_file.replace(kept, data, durable=False)
    if checksum and _sha256(data) != plain(checksum):
        raise KsonnetError(f"{openapi} has the checksum sha256:{_sha256(data)}, not sha256:{plain(checksum)}")
    return data


def fetch(url: str, limit: int = MAX_ARCHIVE) -> bytes:
    """What an address serves; KsonnetError if it cannot be had or is larger than ``limit`` bytes."""
    try:
        return http.fetch(url, limit)
    except http.TransportError as exc:
        raise KsonnetError(f"{url} cannot be downloaded: {exc}") from exc


def _unpack(data: bytes, address: GitHubAddress) -> tuple[dict[str, bytes], str]:
    """Regular files of the registry's folder, and the commit that ``git archive`` notes in the archive's head."""
    files: dict[str, bytes] = {}
    total = 0
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:*") as archive:
            commit = str(archive.pax_headers.get("comment", ""))
            for member in archive:
                _top, _sep, name = member.name.lstrip("./").partition("/")
                if not (member.isfile() or member.islnk()) or ".." in name.split("/"):
                    continue
                if address.path and not name.startswith(address.path + "/"):
                    continue
                total += member.size
                if total > MAX_REGISTRY:
                    raise KsonnetError(f"{address.uri} holds more than {MAX_REGISTRY // 1024 // 1024} MiB")
                stream = archive.extractfile(member)  # of a hard link: its file's
                if stream is not None:
                    files[name[len(address.path) :].lstrip("/")] = stream.read()
    except (tarfile.TarError, EOFError, OSError, KeyError) as exc:
        raise KsonnetError(f"the archive of {address.uri} is not a readable tar file: {exc}") from exc
    if not files:
        raise KsonnetError(f"{address.org}/{address.repo} at {address.ref} has no folder {address.path!r}")
    return files, commit if re.fullmatch(r"[0-9a-f]{40}", commit) else ""


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def plain(checksum: str) -> str:
    """The digits of a SHA-256 checksum."""
    text = checksum[7:] if checksum.startswith("sha256:") else checksum
    if not re.fullmatch(r"[0-9a-fA-F]{64}", text):
        raise KsonnetError(f"checksum {checksum!r} must be sha256: and 64 hexadecimal digits")
    return text.lower()
