"""Lets these tests import the real API server of the tests of the push, and what lies beside them."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "push"), str(HERE)]
