"""What all tests need: the collection importable by its full name, and no test that fails for being slow."""

from __future__ import annotations

import sys
from pathlib import Path

from hypothesis import HealthCheck, settings

REPOSITORY = Path(__file__).resolve().parents[1]


def _link_collection() -> Path:
    """Give the checkout the path that collections are imported by (the link that `make setup` makes).

    :returns: the folder to put on ``sys.path``.
    """
    root = REPOSITORY / ".lab" / "collections"
    link = root / "ansible_collections" / "bramble" / "kube"
    if not link.exists():
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to("../../../..")
    return root


sys.path.insert(0, str(_link_collection()))

settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")
