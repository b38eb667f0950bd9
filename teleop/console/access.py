"""Who may see the page, and who may move the arm through it."""

from __future__ import annotations

import hmac
import ipaddress
import secrets
from urllib.parse import urlsplit


class Access:
    """On loopback whoever is on this machine; beyond it, whoever knows the token."""

    def __init__(self, host: str, token: str = "") -> None:
        self.local_only = _is_loopback(host)
        self.token = "" if self.local_only else token or secrets.token_urlsafe(16)

    def refuses(self, host_header: str, origin: str | None, needs_origin: bool) -> str | None:
        """Why a request is refused, if it is.

        Another site's page may reach us, but its browser says whose it is (Origin); a name that
        was bent to this machine (DNS rebinding) shows in Host.
        """
        name = urlsplit(f"//{host_header}").hostname or ""
        if self.local_only and not _is_loopback(name):
            return f"{host_header!r} is not an address of this machine: open the one it printed"
        if origin is None:
            return "a socket needs an Origin, which browsers send" if needs_origin else None
        if urlsplit(origin).netloc != host_header:
            return f"pages of {origin!r} may not use this console"
        return None

    def may_act(self, token: str) -> bool:
        """Whether a page with this token may move the arm or touch a recording."""
        return self.local_only or hmac.compare_digest(token.encode(), self.token.encode())


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
