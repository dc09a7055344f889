# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What may have become of a file on a laptop's disk, for hypothesis to choose from."""

from __future__ import annotations

from hypothesis import strategies as st


def damages(content: bytes, other: bytes) -> st.SearchStrategy[bytes]:
    """Any damage to a file: empty, cut at any byte, a range of zeros, one byte changed, more at the end, another file.

    :param other: the content of another file of the same kind.
    """
    place = st.integers(0, len(content) - 1)
    return st.one_of(
        st.just(b""),
        st.just(other),
        st.just(bytes(len(content))),
        place.map(lambda at: content[:at]),
        st.tuples(place, place).map(lambda two: _zeroed(content, min(two), max(two) + 1)),
        st.tuples(place, st.integers(1, 255)).map(lambda two: _flipped(content, *two)),
        st.binary(min_size=1, max_size=20).map(lambda more: content + more),
        st.binary(max_size=60),
    )


def _zeroed(content: bytes, first: int, end: int) -> bytes:
    return content[:first] + bytes(end - first) + content[end:]


def _flipped(content: bytes, at: int, bits: int) -> bytes:
    return content[:at] + bytes([content[at] ^ bits]) + content[at + 1 :]
