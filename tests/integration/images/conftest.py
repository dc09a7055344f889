"""Lets these tests import the collection by its full name from a plain checkout, after `make setup`."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / ".lab" / "collections"))
