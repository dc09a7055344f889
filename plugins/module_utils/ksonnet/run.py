# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""From the parameters of ksonnet_app and ksonnet_render to their results."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ansible.module_utils.basic import missing_required_lib

from ..common import checksum_file
from .bindings import available
from .errors import KsonnetError

if TYPE_CHECKING:
    from .files import Answers

Task = Callable[[dict[str, Any], bool, bool], dict[str, Any]]


def run(task: Task, params: dict[str, Any], check: bool, diff: bool) -> dict[str, Any]:
    """The result of :func:`declare` or :func:`render`; ``failed`` and ``msg`` when it cannot be done."""
    wanted = params["evaluator"]
    missing = "" if available(wanted) else "rjsonnet" if wanted == "auto" else wanted
    missing = missing if importlib.util.find_spec("yaml") else "PyYAML"
    if missing:
        return {"failed": True, "msg": missing_required_lib(missing)}
    try:
        return task(params, check, diff)
    except KsonnetError as exc:
        return {"failed": True, "msg": str(exc)}
    except OSError as exc:
        what = exc.filename or params.get("dest") or params["app_dir"]
        return {"failed": True, "msg": f"{what} cannot be read or written: {exc.strerror or exc}"}


# ksonnet_render


def render(params: dict[str, Any], check: bool, diff: bool) -> dict[str, Any]:
    """The objects, which ``dest`` is brought to; what is kept is taken where rendering would give the same."""
    if not params["dest"]:
        return _rendered(params)[0]
    # Here and below: imported only when it is needed, since imports are most of an unchanged rendering.
    from . import kept

    dest, path, identity = params["dest"], kept.path_beside(params["dest"]), kept.identity(params)
    text = _text_of(dest) if os.path.isfile(dest) else None
    result = kept.find(path, identity, text)
    if result is not None and text is not None:
        return {**result, **place(dest, text, octal(params.get("mode")), check, diff)}
    result, answers = _rendered(params)
    if not result["objects"]:
        raise KsonnetError(
            f"no component of {params['app_dir']} gives an object, so nothing is written to {dest}: "
            "pushing that file would delete what an earlier one created"
        )
    from .render import to_text

    text = to_text(result["objects"], params["format"])
    placed = place(dest, text, octal(params.get("mode")), check, diff)
    if answers is not None and identity and not check:
        from .tree import write_file

        with contextlib.suppress(OSError):  # the folder may be one in which dest alone can be written
            write_file(path, kept.pack(identity, text, answers, result), 0o600)
    return {**result, **placed}


def _rendered(params: dict[str, Any]) -> tuple[dict[str, Any], Answers | None]:
    """The result without ``dest``, and what the file system was asked for it."""
    from .evaluator import Limits
    from .render import Request
    from .render import render as rendered

    limits = {key: value for key, value in (params["limits"] or {}).items() if value is not None}
    found = rendered(
        Request(
            app_dir=params["app_dir"],
            environment=params["environment"],
            components=params["components"],
            params=params["params"],
            ext_vars={name: str(value) for name, value in params["ext_vars"].items()},
            library_dirs=params["library_dirs"],
            ks_version=params["ks_version"],
            evaluator=params["evaluator"],
            limits=Limits(**limits),
        )
    )
    if params["drop_wrong_namespaces"]:
        drop_wrong_namespaces(found.objects)
    result: dict[str, Any] = {
        "changed": False,
        "objects": found.objects,
        "count": len(found.objects),
        "components": found.components,
        "ks_version": found.ks_version,
        "evaluator": found.evaluator,
    }
    if found.warnings:
        result["warnings"] = found.warnings
    return result, found.answers


def drop_wrong_namespaces(objects: list[dict[str, Any]]) -> None:
    """Do in place what the API server does with a namespace of an object whose kind lives outside namespaces."""
    from ..manifests import order
    from ..manifests.load import Item

    items = [Item(document, "", 0) for document in objects]
    defined = order.defined_scopes(items)
    for item in items:
        if item.namespace and order.known_scope(item.group, item.kind, defined) is False:
            del item.object["metadata"]["namespace"]


def place(dest: str, text: str, mode: int | None, check: bool, diff: bool) -> dict[str, Any]:
    """Bring the file to this text and mode, and its checksum beside it; nothing is written when they are so already."""
    if os.path.isdir(dest):
        raise KsonnetError(f"dest {dest} is a folder; name a file in it, such as {os.path.join(dest, 'objects.yaml')}")
    if not os.path.isdir(os.path.dirname(os.path.abspath(dest))):
        raise KsonnetError(f"the folder of dest {dest} does not exist; make it first")
    before = _text_of(dest)
    beside, checksum = dest + checksum_file.SUFFIX, checksum_file.line(dest, text.encode("utf-8"))
    changed = False
    for path, wanted in ((dest, text), (beside, checksum)):
        # The checksum last: after a power cut between the two, the file is refused and not trusted.
        changed |= _bring(path, wanted, mode, check)
    result: dict[str, Any] = {"dest": dest, "changed": changed}
    if diff:
        result["diff"] = {"before_header": dest, "after_header": dest, "before": before or "", "after": text}
    return result


def _text_of(path: str) -> str | None:
    if not os.path.exists(path):
        return None
    with open(path, encoding="utf-8", errors="surrogateescape", newline="") as stream:
        return stream.read()


def _bring(path: str, text: str, mode: int | None, check: bool) -> bool:
    before = _text_of(path)
    other_mode = before is not None and mode is not None and os.stat(path).st_mode & 0o7777 != mode
    if before != text and not check:
        from .tree import write_file

        write_file(os.path.abspath(path), text.encode("utf-8"), mode)
    elif other_mode and not check:
        os.chmod(path, mode or 0)
    return before != text or other_mode


def octal(mode: Any) -> int | None:
    """A mode given in digits; None for none, or one in letters."""
    if isinstance(mode, int):
        return mode
    return int(mode, 8) if isinstance(mode, str) and re.fullmatch(r"[0-7]{1,5}", mode) else None


# ksonnet_app


def declare(params: dict[str, Any], check: bool, diff: bool) -> dict[str, Any]:
    """Bring the app's folder to what is declared."""
    from .declare import Declaration
    from .declare import declare as declared
    from .registry import DEFAULT_MIRROR, Downloads

    wanted = Declaration(
        name=params["name"] or "",
        api_version=params["api_version"] or "",
        upgrade=params["upgrade"],
        libraries=params["libraries"],
        environments=params["environments"],
        registries=params["registries"],
        packages=params["packages"],
        modules=params["modules"],
        components=params["components"],
    )
    downloads = Downloads(cache_dir=params["cache_dir"], mirror=DEFAULT_MIRROR, keep=not check)
    outcome = declared(params["app_dir"], wanted, downloads, params["evaluator"], live=read_live)
    changes = outcome.tree.changes()
    folders = outcome.tree.new_folders()
    if not check:
        outcome.tree.commit()
    result: dict[str, Any] = {
        "changed": bool(changes or folders),
        "app_dir": outcome.tree.root,
        "api_version": outcome.app.api_version,
        "files": sorted(changes),
        "components": outcome.components,
    }
    if diff:
        result["diff"] = [_difference(name, before, after) for name, (before, after) in changes.items()]
    return result


def read_live(kubeconfig: str, context: str) -> bytes:
    """/openapi/v2 of a cluster, always in the same words."""
    from ..manifests.auth import endpoint
    from ..manifests.client import Client, Fault
    from ..manifests.errors import ApiError, ClusterError

    try:
        client = Client(endpoint({"kubeconfig": kubeconfig, "context": context or None}))
        description = client.get("/openapi/v2")
        # servers since 1.31 tell no patch release there
        description["info"]["version"] = client.get("/version")["gitVersion"]
        client.close()
    except (ClusterError, ApiError, Fault, OSError, KeyError, TypeError) as exc:
        raise KsonnetError(f"/openapi/v2 of the cluster in {kubeconfig} cannot be read: {exc}") from exc
    return json.dumps(description, sort_keys=True).encode("utf-8")


def _difference(name: str, before: bytes | None, after: bytes | None) -> dict[str, str]:
    """A file's change for --diff; what came from elsewhere is summed up."""
    if name.startswith(("vendor/", "lib/")):
        return {"prepared": f"{name}: {_size(before)} -> {_size(after)}\n"}
    return {
        "before_header": name,
        "after_header": name,
        "before": (before or b"").decode("utf-8", "replace"),
        "after": (after or b"").decode("utf-8", "replace"),
    }


def _size(content: bytes | None) -> str:
    return "absent" if content is None else f"{len(content)} bytes"
