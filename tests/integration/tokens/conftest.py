"""Lets these tests import the collection by its full name from a plain checkout, and the scan of logs for secrets."""

from __future__ import annotations

import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(REPOSITORY / ".lab" / "collections"), str(REPOSITORY / "tests" / "support")]
