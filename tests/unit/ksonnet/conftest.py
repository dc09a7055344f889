"""Fixtures of the ksonnet tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from app_builder import Builder, standard


@pytest.fixture
def build(tmp_path: Path) -> Builder:
    return Builder(tmp_path / "app", tmp_path / "cache")


@pytest.fixture
def app(build: Builder) -> Builder:
    build.apply(**standard())
    return build


@pytest.fixture
def configmap() -> Callable[..., str]:
    """Jsonnet text of a config map."""

    def text(name: str, data: str = "{}") -> str:
        return f'{{ apiVersion: "v1", kind: "ConfigMap", metadata: {{ name: "{name}" }}, data: {data} }}'

    return text
