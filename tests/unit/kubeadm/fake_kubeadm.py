#!/usr/bin/env python3
"""A stand-in for ``kubeadm token``, its tokens in a file; FAKE_KUBEADM names the file and the imitated release."""

from __future__ import annotations

import json
import os
import sys
from datetime import datetime, timedelta, timezone

STATE, RELEASE = os.environ["FAKE_KUBEADM"].rsplit(":", 1)
SECRETS = iter(f"{letter * 6}.{letter * 16}" for letter in "qrstuvwxyz")


def fail(message: str) -> None:
    sys.exit(f"{message}\nTo see the stack trace of this error execute with --v=5 or higher")


def main() -> None:
    with open(STATE, encoding="utf-8") as file:
        state = json.load(file)
    state["calls"].append(sys.argv[1:])
    arguments = sys.argv[1:]
    if arguments[0] != "token" or arguments[-2] != "--kubeconfig":
        fail(f"error: unexpected arguments {arguments}")
    if state.get("error"):
        fail(state["error"])
    action, options = arguments[1], arguments[2:-2]
    if action == "list":
        show(state["tokens"], options)
    elif action == "create":
        create(state, dict(zip(options[::2], options[1::2])))
    elif action == "delete":
        state["tokens"] = [token for token in state["tokens"] if not token["token"].startswith(options[0] + ".")]
        print(f'bootstrap token "{options[0]}" deleted')
    with open(STATE, "w", encoding="utf-8") as file:
        json.dump(state, file)


def show(tokens: list[dict], options: list[str]) -> None:
    if RELEASE == "1.9.7" and options:
        fail("Error: unknown shorthand flag: 'o' in -o")
    if options == ["-o", "json"]:
        for token in tokens:
            print(
                json.dumps(
                    {"kind": "BootstrapToken", "apiVersion": "output.kubeadm.k8s.io/v1alpha3", **token}, indent=4
                )
            )
        return
    print("TOKEN   TTL   EXPIRES   USAGES   DESCRIPTION   EXTRA GROUPS")
    for token in tokens:
        cells = (
            token["token"],
            "1h",
            token.get("expires", "<never>"),
            ",".join(token["usages"]),
            token.get("description") or "<none>",
            ",".join(token["groups"]) or "<none>",
        )
        print("   ".join(cells))


def create(state: dict, options: dict[str, str]) -> None:
    token = next(token for token in SECRETS if token not in [known["token"] for known in state["tokens"]])
    hours = int(options["--ttl"].removesuffix("h"))
    made = {
        "token": token,
        "usages": sorted(options["--usages"].split(",")),
        "groups": options["--groups"].split(","),
        "description": options.get("--description", ""),
    }
    if hours:
        expires = datetime.now(timezone.utc) + timedelta(hours=hours)
        made["expires"] = expires.strftime("%Y-%m-%dT%H:%M:%SZ")
    state["tokens"].append(made)
    print(token)


main()
