# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""From the module's parameters to its result: the one place that knows both."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..common.errors import BrambleError
from ..common.redact import foreign_values
from ..common.wording import counted
from . import auth, load, order, plan, push, yamltext
from . import transform as shape
from .client import REQUEST_TIMEOUT, Client
from .errors import ClusterError, ManifestError, Slips, Unreachable
from .masking import mask
from .result import FAILED, UNCHANGED, Report

_IF_WANTED = "if that is what you want, leave it out and write definition: []"
MOST_OBJECTS = 100  # a result names so many objects, unless it is asked for all


def run(
    params: dict[str, Any], check: bool, diff: bool, tell: Callable[[str], None] | None = None
) -> tuple[bool, dict[str, Any]]:
    """Push what the parameters say.

    :param tell: called with a line about what is still waited for, every 20 seconds, if that has changed.
    :returns: whether the module fails, and its result.
    """
    try:
        yamltext.need_yaml()
        return _run(params, check, diff, tell)
    except BrambleError as error:
        return True, {"msg": str(error), "changed": False}
    finally:
        # Ansible returns the parameters with the result; a Secret among them must not be there.
        params["definition"] = mask(params.get("definition"))


def _run(
    params: dict[str, Any], check: bool, diff: bool, tell: Callable[[str], None] | None
) -> tuple[bool, dict[str, Any]]:
    slips = Slips()
    for option in ("workers", "timeout", "wait_timeout"):
        if params[option] < 1:
            slips.add(f"{option} is {params[option]}; it must be at least 1.")
    if params["prune"] and not params["apply_set"]:
        slips.add("prune needs apply_set: the set's name, by which its objects are recognized.")
    loaded = load.load(
        params["src"],
        params["definition"],
        params.get("validate_certs") is not False,
        if_wanted=_IF_WANTED if params["prune"] else "",
        slips=slips,
    )
    items = shape.choose(loaded, params["select"] or "", params["exclude"] or "", slips)
    if params["prune"] and loaded and not items:
        slips.add(f"{_left_out(len(loaded))}, so everything that earlier runs created would be deleted; {_IF_WANTED}.")
    scopes = order.defined_scopes(items)
    shape.refuse_wrong_scopes(items, lambda item: order.known_scope(item.group, item.kind, scopes), slips)
    for item in items:
        try:
            shape.settle(item)
        except ManifestError as error:
            slips.add(str(error), item)
    shape.set_labels(items, params["labels"])
    try:
        shape.set_images(items, params["images"], slips)
    except ManifestError as error:
        slips.add(str(error))
    if params["wait_for"]:
        # Here and below: imported only when it is needed, since imports are half of an unchanged push.
        from . import waiting

        waiting.check_expressions(params["wait_for"], slips)
    options = plan.Options(
        namespace=params["namespace"] or "",
        apply_set=params["apply_set"] or "",
        apply_set_takeover=params["apply_set_takeover"],
        prune=params["prune"],
        prune_in_use=params["prune_in_use"],
        method=params["method"],
        take_over=params["take_over"],
        recreate=params["recreate"],
        drop_unknown_fields=params["drop_unknown_fields"],
        modernize=params["modernize"],
        wait_for=params["wait_for"],
        force_conflicts=params["force_conflicts"],
        wait=params["wait"],
        wait_timeout=float(params["wait_timeout"]),
        workers=max(1, params["workers"]),
        timeout=min(float(params["timeout"]), push.TRIAL) if slips else float(params["timeout"]),
        check=check,
        want_live=diff or params["return_objects"] == "full",
    )
    if tell and params["wait"]:
        from . import waiting

        options.tell = waiting.when_changed(params["apply_set"] or "The push", tell)
    try:
        client = Client(auth.endpoint(params), min(REQUEST_TIMEOUT, options.timeout))
        if check:
            options.timeout = min(options.timeout, 3.0)
        if params["dest"]:
            from .export import export

            made = plan.Plan(client, items, options, slips)
            made.fit()
            slips.tell()
            client.close()
            result = export(items, params["dest"], check, diff)
            if made.warnings:
                result["warnings"] = foreign_values(made.warnings)
            return False, {**result, **({"rewritten": made.rewritten} if made.rewritten else {})}
        report = push.push(client, items, options, slips)
        client.close()
    except ClusterError as error:
        if slips and not isinstance(error, Unreachable):
            slips.add(str(error))
        slips.tell()
        if not check or not isinstance(error, Unreachable):
            raise
        report = push.would_create_all(items, options, str(error))
    failed, result = _result(report, params["return_objects"], check)
    if not report.entries:
        result["msg"] = f"nothing to do: {_left_out(len(loaded)) if loaded else 'the manifests have no objects'}"
    if diff:
        from . import diffing

        text = diffing.diff(report.entries)
        if text:
            result["diff"] = {"prepared": text}
    return failed, result


def _result(report: Report, detail: str, check: bool) -> tuple[bool, dict[str, Any]]:
    listed = [entry for entry in report.entries if detail != "changed" or entry.action != UNCHANGED]
    if detail == "changed" and len(listed) > MOST_OBJECTS:
        # Failures first: they are what a reader looks for.
        listed = sorted(listed, key=lambda entry: entry.action != FAILED)[:MOST_OBJECTS]
    result: dict[str, Any] = {
        "changed": report.changed,
        "counts": report.counts,
        "objects": [],
        "requests": report.requests,
    }
    if report.warnings:
        result["warnings"] = foreign_values(report.warnings)
    for entry in listed:
        fields = entry.summary()
        if detail == "full" and entry.live is not None:
            fields["object"] = mask(entry.live)
        result["objects"].append(fields)
    if report.rewritten:
        result["rewritten"] = report.rewritten
    failures = report.failures
    if failures:
        result["msg"] = f"{len(failures)} of {len(report.entries)} objects were not applied: {_first(failures)}."
    elif report.not_ready:
        result["not_ready"] = report.not_ready
        result["msg"] = f"{_not_ready(len(report.not_ready))}: {_first(result['not_ready'])}."
    else:
        words = "would be " if check else ""
        result["msg"] = ", ".join(f"{number} {words}{action}" for action, number in report.counts.items() if number)
    return bool(failures or report.not_ready), result


def _not_ready(number: int) -> str:
    return f"{counted(number, 'object')} {'is' if number == 1 else 'are'} not ready"


def _left_out(number: int) -> str:
    if number == 1:
        return "select and exclude leave out the only object in the manifests"
    return f"select and exclude leave none of the {number} objects in the manifests"


def _first(sentences: list[str], most: int = 10) -> str:
    more = len(sentences) - most
    return "; ".join(sentences[:most]) + (f"; and {more} more" if more > 0 else "")
