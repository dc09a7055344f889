# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files from the network, with a limit to their size and to the time that they may take."""

from __future__ import annotations

import http.client
import socket
import time
from urllib.error import HTTPError, URLError

from ansible.module_utils.urls import open_url

from ansible_collections.bramble.kube.plugins.module_utils.common.errors import BrambleError

MIB = 1024 * 1024
#: Seconds without a byte after which a server is given up.
SILENCE_S = 15


class DownloadError(BrambleError):
    """A file cannot be had; the message says why, as the end of a sentence: "no answer in time".

    :ivar code: the server's answer, such as 404; 0 when there was none.
    """

    def __init__(self, message: str, code: int = 0) -> None:
        super().__init__(message)
        self.code = code


def reason(error: Exception) -> str:
    """Say in a few words why an address did not answer."""
    if isinstance(error, HTTPError):
        return f"the answer is {error.code} {error.reason}"
    inner = error.reason if isinstance(error, URLError) else error
    if isinstance(inner, socket.gaierror):
        return "its name is not known to the name server"
    if isinstance(inner, (socket.timeout, TimeoutError)) or "timed out" in str(inner):
        return "no answer in time"
    if "CERTIFICATE_VERIFY_FAILED" in str(inner):
        return "its certificate is not trusted; is the clock right?"
    if isinstance(inner, ConnectionRefusedError):
        return "connection refused"
    return str(getattr(inner, "strerror", None) or inner)


def download(url: str, most: int, seconds: float) -> bytes:
    """Get a file.

    :param most: bytes that it may have.
    :param seconds: time that the whole of it may take, however slowly it comes.
    :raises DownloadError: when it is not there, larger, or slower.
    """
    end = time.monotonic() + seconds
    parts, size = [], 0
    try:
        with open_url(url, timeout=min(SILENCE_S, seconds), http_agent="bramble.kube") as answer:
            while True:
                part = answer.read1(65536) if hasattr(answer, "read1") else answer.read(65536)
                if not part:
                    break
                size += len(part)
                if size > most:
                    raise DownloadError(f"it is larger than {most // MIB or most / MIB:.2g} MiB")
                if time.monotonic() > end:
                    raise DownloadError(f"it did not come within {seconds:g} seconds")
                parts.append(part)
            # A connection that was cut is an end like any other to read1.
            if getattr(answer, "length", None):
                raise DownloadError("the connection was cut before its end")
    except HTTPError as error:
        raise DownloadError(reason(error), error.code) from None
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise DownloadError(reason(error)) from None
    return b"".join(parts)
