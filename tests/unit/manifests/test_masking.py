"""No value of a Secret reaches a result, a log or a message."""

from __future__ import annotations

import base64

import pytest

from ansible_collections.bramble.kube.plugins.module_utils.manifests.load import Item
from ansible_collections.bramble.kube.plugins.module_utils.manifests.masking import MASK, mask
from ansible_collections.bramble.kube.plugins.module_utils.manifests.result import FAILED, Entry

SECRET = "hunter2-hunter2"
IN_BASE64 = base64.b64encode(SECRET.encode()).decode()


@pytest.mark.parametrize(
    "values",
    [
        {"stringData": {"key": SECRET}},
        {"stringdata": {"key": SECRET}},
        {"data": {"key": IN_BASE64}},
        {"stringData": SECRET},
        {"data": [SECRET]},
        {"spec": {"key": {"nested": SECRET}}},
        {"kind": "secret", "stringData": {"key": SECRET}},
    ],
)
def test_a_secret_shows_kind_name_and_keys_alone(values):
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "a", "annotations": {"last-applied": SECRET}, "managedFields": [SECRET]},
        **values,
    }
    shown = mask({"kind": "List", "items": [secret]})["items"][0]
    assert SECRET not in str(shown) and IN_BASE64 not in str(shown)
    assert shown["metadata"]["name"] == "a" and shown["kind"] == secret["kind"]
    assert set(shown) == set(secret)
    failed = Entry(Item(secret, "f", 1), FAILED, f'cannot parse "{SECRET}" (or {IN_BASE64}) as a map')
    assert SECRET not in str(failed.summary()) and IN_BASE64 not in str(failed.summary()) and MASK in failed.reason


def test_other_objects_and_words_stay():
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"key": "value"}}
    assert mask(config) == config
    assert Entry(Item(config, "f", 1), FAILED, "value is too long").reason == "value is too long"
