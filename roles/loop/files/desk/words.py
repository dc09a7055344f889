# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the desk says, in the reader's language: one file of words for each language, with the same keys."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from element import Markup, join

HERE = Path(__file__).resolve().parent
DEFAULT = "en"
_PLACE = re.compile(r"\{([a-zA-Z]+)\}")


def read(folder: Path = HERE) -> dict[str, dict[str, Any]]:
    """Language → words, from the files `words.LANGUAGE.json`."""
    return {path.name.split(".")[1]: json.loads(path.read_text("utf-8")) for path in folder.glob("words.*.json")}


def choose(known: Mapping[str, Any], wanted: str, accept: str) -> str:
    """The language for a reader.

    :param wanted: what the person has chosen; "" for no choice.
    :param accept: the browser's `Accept-Language`.
    """
    if wanted in known:
        return wanted
    liked = []
    for part in accept[:500].split(","):
        tag, _semicolon, quality = part.partition(";q=")
        try:
            weight = float(quality) if quality else 1.0
        except ValueError:
            weight = 0.0
        liked.append((-weight, len(liked), tag.strip().lower().split("-")[0]))
    return next((tag for weight, _place, tag in sorted(liked) if tag in known and weight < 0), DEFAULT)


class Words:
    """The words of one language: `words("case.of", number=3, count=20)`."""

    def __init__(self, language: str, texts: Mapping[str, Any]) -> None:
        self.language = language
        self._texts = texts

    def _text(self, key: str, values: Mapping[str, Any]) -> str:
        text = self._texts[key]
        if isinstance(text, dict):
            return text["one" if values.get("count") == 1 and "one" in text else "other"]
        return text

    def has(self, key: str) -> bool:
        """Whether there are words for this."""
        return key in self._texts

    def __call__(self, key: str, **values: Any) -> str:
        """The text, with its places filled.

        :raises KeyError: for a key or a place that nobody knows.
        """
        return _PLACE.sub(lambda place: self._shown(values[place[1]]), self._text(key, values))

    def rich(self, key: str, **values: Any) -> Markup:
        """The text with elements in its places."""
        pieces = _PLACE.split(self._text(key, values))
        shown = [values[piece] if number % 2 else piece for number, piece in enumerate(pieces)]
        return join([part if isinstance(part, Markup) else self._shown(part) for part in shown])

    def _shown(self, value: Any) -> str:
        return self.number(value) if isinstance(value, (int, float)) else str(value)

    def number(self, value: float) -> str:
        """A number as people write it: at most four digits that count, thousands apart."""
        if isinstance(value, int) or float(value).is_integer():
            return f"{int(value):,}"
        return f"{value:.4g}" if abs(value) < 1000 else f"{value:,.0f}"

    def percent(self, share: float) -> str:
        """A share of one as per cent, one digit behind the point where it says something."""
        text = f"{share * 100:.1f}".removesuffix(".0")
        return self("percent", value=text)

    def moment(self, when: str) -> str:
        """A moment (RFC 3339) as text, in UTC; the text as it stands if it is none."""
        try:
            moment = datetime.fromisoformat(when.replace("Z", "+00:00")).astimezone(timezone.utc)
        except ValueError:
            return when
        month = self(f"month.{moment.month}")
        return self("moment", day=moment.day, month=month, year=str(moment.year), time=moment.strftime("%H:%M"))

    def own(self, text: Any) -> str:
        """A text of a model's owner: plain, or one for each language."""
        if isinstance(text, dict):
            return str(text.get(self.language) or text.get(DEFAULT) or next(iter(text.values()), ""))
        return "" if text is None else str(text)


def canonical(text: Any) -> str:
    """An owner's text as it is kept, whichever language it was read in."""
    return Words(DEFAULT, {}).own(text)
