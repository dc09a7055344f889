# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""Whether a firewall drops what the other Pis send. Pure functions on what iptables-save and nft print.

A rule that is not understood (who sends, how often, a set of addresses) may hold or not: both are followed, and only
what is dropped in every case counts as dropped.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.bramble.kube.plugins.module_utils.common.pod_networks import NETWORKS

NO, MAYBE, YES = range(3)
ACCEPT, DROP, RETURN, ON = "accept", "drop", "return", "on"
_NUMBERS = {"tcp": 6, "udp": 17, "vrrp": 112}


@dataclass(frozen=True)
class Packet:
    """The first packet of a connection that another Pi begins.

    :ivar port: 0 for a protocol that has none.
    """

    protocol: str
    port: int

    def __str__(self) -> str:
        return f"{self.port}/{self.protocol}" if self.port else self.protocol


def _packet(text: str) -> Packet:
    port, slash, protocol = text.partition("/")
    return Packet(protocol, int(port)) if slash else Packet(text, 0)


#: What several masters need of each other: etcd, and keepalived, which keeps their address.
MASTERS = ("2379/tcp", "2380/tcp", "vrrp")
#: What MetalLB's speakers need of each other, to know which Pi answers for an address.
SPEAKERS = ("7946/tcp", "7946/udp")
#: What Pis need of each other, whatever their role: API server, kubelet, what Pod networks send; masters; speakers.
PACKETS = tuple(
    map(
        _packet,
        (
            *("6443/tcp", "10250/tcp"),
            *(port for network in NETWORKS.values() for port in network.ports),
            *MASTERS,
            *SPEAKERS,
        ),
    )
)


@dataclass(frozen=True)
class Rule:
    """One rule: whether it holds for a packet, and what happens then: a verdict, or the name of a chain."""

    holds: Callable[[Packet], int]
    then: str
    goto: bool = False


@dataclass
class Rules:
    """Chains by name, and the ends of those in which packets to this machine begin."""

    chains: dict[str, list[Rule]] = field(default_factory=dict)
    policies: dict[str, str] = field(default_factory=dict)

    def dropped(self, packets: Iterable[Packet]) -> list[str]:
        """The packets that are dropped in every case."""
        return [
            str(packet)
            for packet in packets
            if any(self._ends(name, packet) - {RETURN} == {DROP} for name in self.policies)
        ]

    def _ends(self, name: str, packet: Packet, above: tuple[str, ...] = ()) -> set[str]:
        """All ways in which a packet may leave a chain."""
        ends: set[str] = set()
        for rule in self.chains.get(name, ()):
            held = rule.holds(packet)
            if held == NO:
                continue
            then = {rule.then}
            if rule.then in self.chains and rule.then not in above:
                inside = self._ends(rule.then, packet, (*above, name))
                then = inside if rule.goto else {ON if end == RETURN else end for end in inside}
            elif rule.then not in (ACCEPT, DROP, RETURN):
                then = {ON}
            ends |= then - {ON}
            if held == YES and ON not in then:
                break
        else:
            ends.add(RETURN)
        if name in self.policies and not above and RETURN in ends:
            ends.add(self.policies[name])
        return ends


def _in_ports(port: int, written: str) -> int:
    """Whether a port is in iptables' list, such as 22,6443,8000:8100."""
    for part in written.split(","):
        first, dash, last = part.partition(":")
        if not re.fullmatch(r"\d*", first + last):
            return MAYBE
        if int(first or 0) <= port <= int((last or 65535) if dash else first):
            return YES
    return NO


def _iptables_rule(words: Sequence[str]) -> Rule:
    """A rule as iptables-save writes it, without -A and the chain's name."""
    options: list[tuple[str, str]] = []
    negated = False
    for number, word in enumerate(words):
        if word.startswith("-"):
            value = words[number + 1] if number + 1 < len(words) and not words[number + 1].startswith("-") else ""
            options.append(("!" + word if negated or value == "!" else word, value))
        negated = word == "!"
    named = dict(options)
    then = named.get("-j") or named.get("-g") or ""

    def holds(packet: Packet) -> int:
        state = YES
        for option, value in options:
            if option in ("-j", "-g", "-m"):
                continue
            if option == "-p":
                held = YES if value in (packet.protocol, "all", str(_NUMBERS[packet.protocol])) else NO
            elif option in ("--dport", "--dports"):
                held = _in_ports(packet.port, value)
            elif option in ("--ctstate", "--state"):
                held = YES if "NEW" in value.split(",") else NO
            elif option == "-i" and value == "lo":
                held = NO
            else:
                held = MAYBE
            state = min(state, held)
        return state

    verdicts = {"ACCEPT": ACCEPT, "DROP": DROP, "REJECT": DROP, "RETURN": RETURN}
    return Rule(holds, verdicts.get(then, then), goto="-g" in named)


def iptables(saved: str) -> Rules:
    """Read the table filter of what iptables-save printed."""
    rules = Rules()
    table = ""
    for line in saved.splitlines():
        if line.startswith("*"):
            table = line[1:]
        elif table == "filter" and line.startswith(":"):
            name, policy = line[1:].split()[:2]
            rules.chains[name] = []
            if name == "INPUT":
                rules.policies[name] = DROP if policy == "DROP" else ACCEPT
        elif table == "filter" and line.startswith("-A "):
            words = shlex.split(re.sub(r'--(comment|log-prefix) ("(\\.|[^"\\])*"|\S+)', "", line))
            rules.chains.setdefault(words[1], []).append(_iptables_rule(words[2:]))
    return rules


def _values(right: Any) -> list[Any]:
    if isinstance(right, Mapping) and "set" in right:
        right = right["set"]
    return list(right) if isinstance(right, list) else [right]


def _is_one_of(wanted: Sequence[Any], right: Any) -> int:
    """Whether a value is the right side of a match: one, a range, or a set of these; named sets are not looked up."""
    state = NO
    for value in _values(right):
        if isinstance(value, Mapping) and "range" in value and isinstance(wanted[0], int):
            first, last = value["range"]
            if isinstance(first, int) and isinstance(last, int):
                state = max(state, YES if first <= wanted[0] <= last else NO)
                continue
        if value in wanted:
            return YES
        if (
            isinstance(value, Mapping)
            or str(value).startswith("@")
            or isinstance(wanted[0], int) != isinstance(value, int)
        ):
            state = MAYBE
    return state


def _nft_match(match: Mapping[str, Any], packet: Packet) -> int:
    left, right, operator = match.get("left") or {}, match.get("right"), match.get("op")
    payload, meta, connection = (left.get(key) or {} for key in ("payload", "meta", "ct"))
    number = _NUMBERS[packet.protocol]
    if payload.get("field") == "dport":
        if payload.get("protocol") not in (packet.protocol, "th"):
            return NO
        held = _is_one_of([packet.port], right)
    elif meta.get("key") == "l4proto" or payload.get("field") in ("protocol", "nexthdr"):
        held = max(
            _is_one_of([packet.protocol], [v for v in _values(right) if isinstance(v, str)]),
            _is_one_of([number], [v for v in _values(right) if not isinstance(v, str)]),
        )
    elif connection.get("key") == "state":
        held = _is_one_of(["new"], right)
    elif connection.get("key") == "status":
        held = NO  # nobody has changed where this packet goes
    elif meta.get("key") in ("iif", "iifname") and right == "lo":
        held = NO
    else:
        return MAYBE
    return held if operator != "!=" else {NO: YES, YES: NO, MAYBE: MAYBE}[held]


def _nft_rules(expressions: Sequence[Mapping[str, Any]]) -> list[Rule]:
    """A rule of nft's; one with a map of verdicts is as many as the map has entries."""
    tests: list[Callable[[Packet], int]] = []
    found: list[Rule] = []

    def rule(then: str, goto: bool = False, more: Callable[[Packet], int] | None = None) -> Rule:
        own = [*tests, *([more] if more else [])]
        return Rule(lambda packet: min((test(packet) for test in own), default=YES), then, goto)

    def verdict(expression: Mapping[str, Any], more: Callable[[Packet], int] | None = None) -> list[Rule]:
        for word, then in (("accept", ACCEPT), ("drop", DROP), ("reject", DROP), ("return", RETURN)):
            if word in expression:
                return [rule(then, more=more)]
        for word in ("jump", "goto"):
            if word in expression:
                return [rule(expression[word]["target"], word == "goto", more)]
        return []

    for expression in expressions:
        if "match" in expression:
            tests.append(lambda packet, match=expression["match"]: _nft_match(match, packet))
        elif "vmap" in expression:
            entries = expression["vmap"].get("data")
            for key, then in entries.get("set", []) if isinstance(entries, Mapping) else []:
                match = {"op": "==", "left": expression["vmap"].get("key"), "right": key}
                found += verdict(then, lambda packet, match=match: _nft_match(match, packet))
            if not isinstance(entries, Mapping):
                found.append(Rule(lambda _packet: MAYBE, ACCEPT))
        elif not {"counter", "log", "comment"} & set(expression):
            ends = verdict(expression)
            found += ends
            if not ends:
                tests.append(lambda _packet: MAYBE)
    return found


def nft(listed: str) -> Rules:
    """Read what `nft --json list ruleset` printed. What iptables put there is in words that are not understood."""
    rules = Rules()
    try:
        entries = json.loads(listed or "{}").get("nftables", [])
    except ValueError:
        return rules
    for entry in entries:
        chain, rule = entry.get("chain"), entry.get("rule")
        if chain and chain["family"] in ("ip", "inet"):
            name = f"{chain['family']} {chain['table']} {chain['name']}"
            rules.chains.setdefault(name, [])
            if chain.get("hook") == "input" and chain.get("type") == "filter":
                rules.policies[name] = DROP if chain.get("policy") == "drop" else ACCEPT
        elif rule and rule["family"] in ("ip", "inet"):
            table = f"{rule['family']} {rule['table']}"
            own = [
                each if each.then in (ACCEPT, DROP, RETURN) else Rule(each.holds, f"{table} {each.then}", each.goto)
                for each in _nft_rules(rule.get("expr") or [])
            ]
            rules.chains.setdefault(f"{table} {rule['chain']}", []).extend(own)
    return rules
