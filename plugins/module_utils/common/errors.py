# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""The root of all errors of this collection, and how a module's work says that it cannot go on."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from ansible_collections.bramble.kube.plugins.module_utils.common.redact import foreign


class BrambleError(Exception):
    """Something that a user can put right.

    Its text is fit to be shown whatever it quotes: control characters escaped, secrets out, length bounded.

    :cvar longest: characters that a message may have.
    """

    longest = 600

    def __str__(self) -> str:
        return foreign(super().__str__(), self.longest, lines=True)


class Stop(BrambleError):
    """A module cannot go on.

    :param message: a sentence for the user, without a secret.
    :param result: what the module returns beside it.
    """

    def __init__(self, message: str, **result: Any) -> None:
        super().__init__(message)
        self.result = result


@contextlib.contextmanager
def stopping(failed: str, result: dict[str, Any] | None = None) -> Iterator[None]:
    """Say of everything that goes wrong inside what came of it.

    :param failed: a clause, "No backup was made".
    :param result: what the module returns beside it, as far as it has come by then.
    :raises Stop: with the clause and the reason.
    """
    try:
        yield
    except Stop:
        raise
    except BrambleError as error:
        raise Stop(f"{failed}: {error}.", **(result or {})) from None
    except OSError as error:
        why = f"{error.filename or 'a file'}: {error.strerror or error}"
        raise Stop(f"{failed}: {why}.", **(result or {})) from None
