"""What to_toml writes is read back as the same data by Python's own reader."""

from __future__ import annotations

import pytest
import tomllib
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.bramble.kube.plugins.module_utils.common.toml import to_toml

_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
_plain = st.one_of(_text, st.booleans(), st.integers(-(2**62), 2**62), st.lists(_text, max_size=3))
_tables = st.recursive(_plain, lambda inner: st.dictionaries(_text, inner, max_size=4), max_leaves=12)


@given(st.dictionaries(_text, _tables, max_size=5))
def test_round_trip(data):
    assert tomllib.loads(to_toml(data)) == data


def test_containerd_configuration():
    text = to_toml(
        {
            "version": 3,
            "plugins": {"io.containerd.cri.v1.runtime": {"runtimes": {"runc": {"options": {"SystemdCgroup": True}}}}},
        }
    )
    assert text == (
        'version = 3\n\n[plugins."io.containerd.cri.v1.runtime".runtimes.runc.options]\nSystemdCgroup = true\n'
    )


def test_null_is_refused_with_its_place():
    with pytest.raises(ValueError, match=r"plugins\.cri\.sandbox is None"):
        to_toml({"plugins": {"cri": {"sandbox": None}}})
