# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""Image references, read by the rules that Docker, containerd and the kubelet share.

The rules are those of github.com/distribution/reference v0.6.0 (``ParseNormalizedNamed``): a name without a registry
belongs to docker.io, one without a folder there to ``library/``; the first part is a registry if it holds a dot or a
colon, is ``localhost`` or has a capital letter. tests/integration/images compares this file with that Go module.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from ansible_collections.bramble.kube.plugins.module_utils.common.errors import BrambleError

DEFAULT_REGISTRY = "docker.io"
DEFAULT_TAG = "latest"
# Names under which Docker Hub goes; the first is the one in references, the last the one that answers requests.
DOCKER_HUB_NAMES = ("docker.io", "index.docker.io", "registry-1.docker.io")
NAME_LENGTH_MAX = 255

_ALPHANUMERIC = r"[a-z0-9]+"
_PATH_PART = _ALPHANUMERIC + r"(?:(?:[._]|__|[-]+)" + _ALPHANUMERIC + r")*"
_PATH = _PATH_PART + r"(?:/" + _PATH_PART + r")*"
_HOST_PART = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_HOST = r"(?:" + _HOST_PART + r"(?:\." + _HOST_PART + r")*|\[[a-fA-F0-9:]+\])"
_REGISTRY = _HOST + r"(?::[0-9]+)?"
_TAG = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"
_DIGEST = r"[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}"
_REFERENCE = re.compile(r"(" + _REGISTRY + r")/(" + _PATH + r")(?::(" + _TAG + r"))?(?:@(" + _DIGEST + r"))?\Z")
_IDENTIFIER = re.compile(r"[a-f0-9]{64}\Z")
_REGISTRY_ONLY = re.compile(_REGISTRY + r"\Z")
# Lengths in hexadecimal digits of the algorithms that the OCI image specification registers (descriptor.md, digests).
_DIGEST_LENGTHS = {"sha256": 64, "sha384": 96, "sha512": 128}
_DIGEST_REGISTERED = re.compile(r"(sha256|sha384|sha512):([a-f0-9]+)\Z")


class InvalidReference(BrambleError, ValueError):
    """A text is no image reference; the message is one sentence that says why and what would be right."""


@dataclass(frozen=True)
class Reference:
    """Where an image is: ``registry/repository``, and which one, by tag or digest.

    :ivar registry: registry as written in references (``docker.io``, ``192.168.13.2:5000``).
    :ivar repository: path in the registry (``library/nginx``).
    :ivar tag: tag, or None if none was written.
    :ivar digest: ``algorithm:hex``, or None. When both are there, the digest decides.
    """

    registry: str
    repository: str
    tag: str | None = None
    digest: str | None = None

    @property
    def name(self) -> str:
        """``registry/repository`` in full."""
        return f"{self.registry}/{self.repository}"

    @property
    def target(self) -> str:
        """What a registry is asked for: the digest, else the tag, else ``latest``."""
        return self.digest or self.tag or DEFAULT_TAG

    @property
    def familiar(self) -> str:
        """The short form that people write: ``nginx:1.29`` for ``docker.io/library/nginx:1.29``."""
        if self.registry == DEFAULT_REGISTRY:
            folder, _slash, last = self.repository.rpartition("/")
            short = last if folder == "library" else self.repository
            # A short form that would be read as something else stays long.
            if _split_registry(short) == (self.registry, self.repository):
                return short + self._suffix()
        return self.name + self._suffix()

    def _suffix(self) -> str:
        return (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")

    def __str__(self) -> str:
        """The full form, with ``:latest`` where neither tag nor digest was written."""
        if not self.tag and not self.digest:
            return f"{self.name}:{DEFAULT_TAG}"
        return self.name + self._suffix()

    def with_target(self, tag: str | None, digest: str | None) -> Reference:
        """The same repository with another tag and digest."""
        return replace(self, tag=tag, digest=digest)


def parse(text: str) -> Reference:
    """Read an image reference as the kubelet does.

    :param text: for example ``nginx``, ``ghcr.io/flannel-io/flannel:v0.28.1``, ``[fd00::1]:5000/a/b@sha256:…``.
    :raises InvalidReference: one sentence on what is wrong and what would be right.
    """
    if not isinstance(text, str):
        raise InvalidReference(f"an image is text like nginx:1.29, not {text!r}")
    if not text:
        raise InvalidReference("the image's name is empty; write one like nginx:1.29")
    if text != text.strip():
        raise InvalidReference(f"image {text!r} has spaces around it; write {text.strip()!r}")
    if _IDENTIFIER.match(text):
        raise InvalidReference(f"image {text!r} is an image's ID, which no registry can find; write its name")
    registry, rest = _split_registry(text)
    path = rest.split(":", 1)[0]
    match = _REFERENCE.match(f"{registry}/{rest}")
    if path.lower() != path or not match:
        raise InvalidReference(_why_invalid(text, registry, rest))
    found_registry, repository, tag, digest = match.groups()
    if len(repository) > NAME_LENGTH_MAX:
        raise InvalidReference(
            f"image {text[:40]!r}… has a name of {len(repository)} characters; at most {NAME_LENGTH_MAX} are allowed"
        )
    if digest:
        _check_digest(text, digest)
    return Reference(found_registry, repository, tag, digest)


_PLACEHOLDER = re.compile(r"\$[({]|\{\{|<[^>]*>|%\w+%|@[A-Z_]+@")
# Pages that show an image, and its name as registries know it.
_PAGES = (
    (re.compile(r"hub\.docker\.com/_/([^/?#]+)"), r"\1"),
    (re.compile(r"hub\.docker\.com/(?:r|repository/docker)/([^/?#]+/[^/?#]+)"), r"\1"),
    (re.compile(r"quay\.io/repository/([^?#]+)"), r"quay.io/\1"),
    (re.compile(r"github\.com/([^/?#]+)/[^/?#]+/pkgs/container/([^/?#]+)"), r"ghcr.io/\1/\2"),
    (re.compile(r"gallery\.ecr\.aws/([^/?#]+/[^?#]+)"), r"public.ecr.aws/\1"),
)


def why_a_page(text: str) -> str:
    """What to write in place of the address of a page that shows an image; empty for anything else."""
    address = text.split("://", 1)[-1].removeprefix("www.")
    for page, name in _PAGES:
        match = page.match(address)
        if match:
            written = match.expand(name).rstrip("/").replace("%2F", "/")
            return f"image {text!r} is the address of a page that shows an image; write {written!r}"
    return ""


def is_reference(text: object) -> bool:
    """Whether :func:`parse` would accept this."""
    try:
        parse(text)  # type: ignore[arg-type]
    except InvalidReference:
        return False
    return True


def normalize_registry(name: str) -> str:
    """The name under which references know a registry: every name of Docker Hub becomes ``docker.io``.

    Accepts what people write in settings: a host, a host with port, an address with ``https://`` and a path
    (docker's own configuration has ``https://index.docker.io/v1/``).
    """
    host = name.split("://", 1)[-1].split("/", 1)[0]
    return DEFAULT_REGISTRY if host in DOCKER_HUB_NAMES else host


def full_prefix(text: str) -> str:
    """The beginning of full names that a beginning as people write it stands for.

    ``docker.io/`` stays, ``kubeflow/`` is ``docker.io/kubeflow/``, ``ghcr.io/owner/`` stays.
    """
    first, _slash, rest = text.partition("/")
    if _is_registry(first):
        return f"{normalize_registry(first)}/{rest}"
    return f"{DEFAULT_REGISTRY}/{text}"


def _is_registry(first: str) -> bool:
    """Whether the first part of a name with more than one is a registry."""
    return first == "localhost" or "." in first or ":" in first or first.lower() != first


def _split_registry(text: str) -> tuple[str, str]:
    first, slash, rest = text.partition("/")
    if not slash:
        return DEFAULT_REGISTRY, f"library/{text}"
    if first == "index.docker.io":
        registry, remainder = DEFAULT_REGISTRY, rest
    elif _is_registry(first):
        registry, remainder = first, rest
    else:
        registry, remainder = DEFAULT_REGISTRY, text
    if registry == DEFAULT_REGISTRY and "/" not in remainder:
        remainder = f"library/{remainder}"
    return registry, remainder


def _check_digest(text: str, digest: str) -> None:
    match = _DIGEST_REGISTERED.match(digest)
    algorithm = digest.split(":", 1)[0]
    if not match:
        known = ", ".join(_DIGEST_LENGTHS)
        if algorithm in _DIGEST_LENGTHS:
            raise InvalidReference(
                f"image {text!r} has a digest with capital letters; digests are written in lower case"
            )
        raise InvalidReference(f"image {text!r} has a digest by {algorithm!r}; registries know {known}")
    wanted = _DIGEST_LENGTHS[algorithm]
    if len(match.group(2)) != wanted:
        raise InvalidReference(
            f"image {text!r} has a {algorithm} digest of {len(match.group(2))} digits; it must have {wanted}"
        )


def _why_invalid(text: str, registry: str, rest: str) -> str:
    """The most helpful sentence for a reference that did not match."""
    if _PLACEHOLDER.search(text):
        return f"image {text!r} is a placeholder that nothing has filled in; write an image such as nginx:1.29"
    page = why_a_page(text)
    if page:
        return page
    if "://" in text:
        return f"image {text!r} starts like a web address; write {text.split('://', 1)[1]!r}"
    if re.search(r"\s", text):
        return f"image {text!r} has a space in it"
    if not _REGISTRY_ONLY.match(registry):
        return f"image {text!r} names the registry {registry!r}, which is not a host name, address or host:port"
    name, at, digest = rest.partition("@")
    path, colon, tag = name.partition(":")
    if not path or path.endswith("library/") or path.startswith("/"):
        return f"image {text!r} has no name before its tag; write one like nginx:1.29"
    if path.lower() != path:
        written = path if path in text else path[len("library/") :]
        return f"image {text!r} has capital letters in its name; write {text.replace(written, written.lower())!r}"
    if not re.match(_PATH + r"\Z", path):
        return (
            f"image {text!r} has a name that registries refuse; allowed are lower-case letters, digits, single dots, "
            "one or two underscores and dashes between them, parts divided by /"
        )
    if colon and not re.match(_TAG + r"\Z", tag):
        return (
            f"image {text!r} has the tag {tag!r}; a tag has 1 to 128 letters, digits, dots, dashes and underscores "
            "and starts with none of the dots and dashes"
        )
    if at:
        return f"image {text!r} has the digest {digest!r}; write it like sha256: and 64 hexadecimal digits"
    return f"image {text!r} is not an image reference; write one like ghcr.io/owner/name:tag"
