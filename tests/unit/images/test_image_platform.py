"""Platforms have containerd's names, and nodes take what containerd would take."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.bramble.kube.plugins.module_utils.images.platform import (
    InvalidPlatform,
    Platform,
    best_match,
    from_descriptor,
    of_node,
    parse,
    runnable,
)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("linux/arm64", "linux/arm64"),
        ("linux/arm64/v8", "linux/arm64"),
        ("arm64", "linux/arm64"),
        ("aarch64", "linux/arm64"),
        ("x86_64", "linux/amd64"),
        ("LINUX/AMD64", "linux/amd64"),
        ("linux/amd64/v1", "linux/amd64"),
        ("linux/arm", "linux/arm/v7"),
        ("arm/7", "linux/arm/v7"),
        ("armhf", "linux/arm/v7"),
        ("armv6l", "linux/arm/v6"),
        ("i386", "linux/386"),
        ("windows/amd64", "windows/amd64"),
        ("linux/arm64/v9.0", "linux/arm64/v9"),
    ],
)
def test_spellings(text: str, wanted: str) -> None:
    assert str(parse(text)) == wanted


@pytest.mark.parametrize(
    ("text", "reason"),
    [("", "not a text"), ("linux", "no architecture"), ("a/b/c", "operating system"), ("a b", "form")],
)
def test_refused(text: str, reason: str) -> None:
    with pytest.raises(InvalidPlatform, match=reason):
        parse(text)


def offered(*texts: str) -> list[Platform]:
    return [parse(text) for text in texts]


def test_exact_before_compatible() -> None:
    assert best_match(parse("arm64"), offered("linux/arm/v7", "linux/arm64")) == parse("arm64")
    assert best_match(parse("arm64"), offered("linux/arm/v6", "linux/arm/v7", "linux/amd64")) == parse("linux/arm/v7")
    assert best_match(parse("linux/arm/v7"), offered("linux/arm/v6", "linux/arm/v5")) == parse("linux/arm/v6")
    assert best_match(parse("amd64"), offered("linux/386")) == parse("linux/386")


def test_nothing_runs_what_is_not_for_it() -> None:
    assert best_match(parse("arm64"), offered("linux/amd64", "windows/arm64")) is None
    assert best_match(parse("linux/arm/v6"), offered("linux/arm/v7", "linux/arm64")) is None
    assert best_match(parse("amd64"), []) is None
    assert best_match(parse("amd64"), offered("linux/amd64/v3")) is None


def test_newer_cores_take_older_images() -> None:
    assert runnable(parse("linux/arm64/v9.2"))[:4] == offered(
        "linux/arm64/v9.2", "linux/arm64/v9.1", "linux/arm64/v9", "linux/arm64/v8.7"
    )
    assert best_match(parse("linux/amd64/v3"), offered("linux/amd64")) == parse("amd64")


def test_attestations_are_no_platform() -> None:
    assert from_descriptor({"os": "unknown", "architecture": "unknown"}) is None
    assert from_descriptor(None) is None
    assert from_descriptor({"os": "linux", "architecture": "arm", "variant": "v6"}) == parse("linux/arm/v6")


def node(name: str, architecture: str) -> dict:
    return {
        "kind": "Node",
        "metadata": {"name": name},
        "status": {"nodeInfo": {"operatingSystem": "linux", "architecture": architecture}},
    }


def test_nodes() -> None:
    nodes = [node("a", "arm64"), node("b", "amd64"), node("d", "arm")]
    assert [str(of_node(each)) for each in nodes] == ["linux/arm64", "linux/amd64", "linux/arm/v7"]
    with pytest.raises(InvalidPlatform, match="node x has no"):
        of_node({"metadata": {"name": "x"}})


@given(
    st.sampled_from(["386", "amd64", "arm", "arm64", "riscv64"]),
    st.sampled_from(["", "v5", "v6", "v7", "v8", "v9", "v3"]),
)
def test_a_node_runs_its_own_platform_first(architecture: str, variant: str) -> None:
    own = parse(f"linux/{architecture}/{variant}" if variant else f"linux/{architecture}")
    assert runnable(own)[0] == own
    assert parse(str(own)) == own
