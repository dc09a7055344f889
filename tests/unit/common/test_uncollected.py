"""Garbage is searched for again afterwards, whatever happened."""

from __future__ import annotations

import gc

import pytest

from ansible_collections.bramble.kube.plugins.module_utils.common.uncollected import uncollected


@pytest.fixture(autouse=True)
def _as_before():
    yield
    gc.unfreeze()
    gc.enable()


@uncollected()
def inside(fail: bool) -> bool:
    if fail:
        raise KeyError
    return gc.isenabled()


def test_off_inside_and_on_again_afterwards():
    gc.enable()
    assert inside(fail=False) is False and gc.isenabled()
    with pytest.raises(KeyError):
        inside(fail=True)
    assert gc.isenabled()


def test_what_was_made_inside_is_not_searched_later():
    gc.enable()
    with uncollected():
        kept = [[] for _number in range(1000)]
    assert gc.get_freeze_count() >= len(kept)
    assert not any(one is kept[0] for one in gc.get_objects())


def test_off_stays_off():
    gc.disable()
    inside(fail=False)
    assert not gc.isenabled()
