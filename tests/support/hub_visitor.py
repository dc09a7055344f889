# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Somebody at JupyterHub, as far as a program can be: cookies, the log-in form, a button."""

from __future__ import annotations

import http.cookiejar
import urllib.error
import urllib.parse
import urllib.request


class Visitor:
    """One person's cookies."""

    def __init__(self) -> None:
        self.cookies = http.cookiejar.CookieJar()
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self.cookies))

    def ask(self, request: urllib.request.Request | str) -> tuple[int, str]:
        """Status and text of an answer."""
        try:
            with self._opener.open(request, timeout=60) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def log_in(self, hub: str, name: str, password: str) -> tuple[int, str]:
        """What JupyterHub's form answers; with the right password it goes on to the person's server and starts it.

        :param hub: JupyterHub's address.
        """
        status, text = self.ask(hub + "/hub/login")
        assert status == 200, text
        form = {"username": name, "password": password, "_xsrf": self._mark()}
        return self.ask(urllib.request.Request(hub + "/hub/login", urllib.parse.urlencode(form).encode()))

    def stop_server(self, hub: str, name: str) -> int:
        """The status of the answer to the page's button."""
        address = f"{hub}/hub/api/users/{name}/server"
        headers = {"X-XSRFToken": self._mark(), "Referer": hub + "/hub/home"}
        return self.ask(urllib.request.Request(address, headers=headers, method="DELETE"))[0]

    def _mark(self) -> str:
        return next(cookie.value or "" for cookie in self.cookies if cookie.name == "_xsrf")
