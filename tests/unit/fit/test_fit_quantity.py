"""Quantities mean what they mean to Kubernetes."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.bramble.kube.plugins.module_utils.fit.quantity import InvalidQuantity, amount, parse, show


@pytest.mark.parametrize(
    ("resource", "text", "wanted"),
    [
        ("cpu", "250m", 250),
        ("cpu", "1", 1000),
        ("cpu", 2, 2000),
        ("cpu", 0.5, 500),
        ("cpu", "0.1", 100),
        ("cpu", ".5", 500),
        ("cpu", "1.", 1000),
        ("cpu", "1u", 1),
        ("cpu", "100n", 1),
        ("memory", "512Mi", 512 * 1024**2),
        ("memory", "1.5Gi", 1536 * 1024**2),
        ("memory", "1G", 10**9),
        ("memory", "1k", 1000),
        ("memory", "1e3", 1000),
        ("memory", "1E3", 1000),
        ("memory", "1E", 10**18),
        ("memory", "128974848000m", 128974848),
        ("memory", "100m", 1),
        ("memory", "0", 0),
        ("pods", "110", 110),
    ],
)
def test_amounts(resource: str, text: object, wanted: int) -> None:
    assert amount(resource, text) == wanted


@pytest.mark.parametrize("text", ["", "1K", "1 Gi", "Gi", "1mi", "one", "1e", None, True, "1Gi\n", "--1", "1e999", []])
def test_refused(text: object) -> None:
    with pytest.raises(InvalidQuantity, match="write one like 250m, 512Mi or 2"):
        parse(text)


@given(st.integers(0, 10**15), st.sampled_from(["m", "", "k", "Mi", "Gi"]))
def test_sums_of_amounts_are_never_below_the_amount_of_the_sum(number: int, suffix: str) -> None:
    half = Decimal(number) / 2
    assert parse(f"{number}{suffix}") == parse(f"{half}{suffix}") * 2
    assert amount("memory", f"{number}{suffix}") <= 2 * amount("memory", f"{half}{suffix}")


def test_shown() -> None:
    assert show("cpu", 250) == "250m"
    assert show("cpu", 1500) == "1.5"
    assert show("memory", 1536 * 1024**2) == "1.5 GiB"
    assert show("memory", 70 * 1024**2) == "70 MiB"
    assert show("memory", 1020 * 1024**2) == "1020 MiB"
    assert show("nvidia.com/gpu", 1) == "1"
