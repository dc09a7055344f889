"""Release numbers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.versions import (
    OLDEST_MINOR,
    parse_version,
)

numbers = st.integers(0, 99)


@given(numbers, numbers, numbers)
def test_order_is_that_of_the_numbers(major, minor, patch):
    version = parse_version(f"v{major}.{minor}.{patch}")
    assert parse_version(str(version)) == version
    assert (version < parse_version("1.24.0")) == ((major, minor) < OLDEST_MINOR)


def test_a_pre_release_is_older_than_its_release():
    assert parse_version("1.37.0-rc.1") < parse_version("1.37.0") < parse_version("1.37.1-alpha.0+abc")


@pytest.mark.parametrize("text", ["", "1.37", "latest", "1.37.2.1", "1,37,2", "stable-1.37"])
def test_other_words_are_refused_with_an_example(text):
    with pytest.raises(ValueError, match=r"such as 1\.37\.2"):
        parse_version(text)
