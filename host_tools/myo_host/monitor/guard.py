"""Who may see the page: whoever has the address with its token, from this computer, and no other site's scripts.

The page shows biosignals and starts recordings, and a browser reaches loopback for every site that it shows. Each request
is therefore checked three times: its ``Host`` must be the server's own (a name that an attacker points at 127.0.0.1, DNS
rebinding, is not), its ``Origin`` and ``Sec-Fetch-Site``, where a browser sends them, must be the page's own, and its path
must begin with the token. The token stands in the path, not in a cookie: cookies of 127.0.0.1 go to every port.

References
----------
RFC 6455, section 10.2 (Origin of WebSockets); W3C Fetch Metadata Request Headers; W3C Content Security Policy Level 3.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

HOST = "127.0.0.1"  # the only address that the server binds
TOKEN_BYTES = 24


@dataclass(frozen=True)
class Guard:
    """Checks requests to a server at a port of loopback.

    Attributes
    ----------
    port
        TCP port of the server.
    token
        What the path of every request begins with; new in each run.
    """

    port: int
    token: str = field(default_factory=lambda: secrets.token_urlsafe(TOKEN_BYTES))

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://{HOST}:{self.port}/{self.token}/"

    @property
    def hosts(self) -> tuple[str, ...]:
        """Values of ``Host`` that are this server."""
        return f"{HOST}:{self.port}", f"localhost:{self.port}"

    def refuse(
        self, method: str, path: str, headers: Mapping[str, Sequence[str]], *, is_socket: bool = False
    ) -> str:
        """Return why a request is refused, or nothing.

        Parameters
        ----------
        method, path
            As requested; the path begins with a slash.
        headers
            All values of ``host``, ``origin`` and ``sec-fetch-site``, by lower-case name.
        is_socket
            Whether it asks for the WebSocket, which needs an ``Origin``.
        """
        host = headers.get("host", ())
        if len(host) != 1 or host[0].lower() not in self.hosts:
            return "the Host header is not this server's"
        origin = headers.get("origin", ())
        if (is_socket or origin) and list(origin) != [f"http://{host[0].lower()}"]:
            return "the Origin header is not this page's"
        if any(site not in ("same-origin", "none") for site in headers.get("sec-fetch-site", ())):
            return "another site asks"
        given = path.split("/", 2)[1] if path.startswith("/") else ""
        if not hmac.compare_digest(given.encode(errors="replace"), self.token.encode()):
            return "the address lacks the token; open the one that `myopatch monitor` printed"
        if method != "GET":
            return "only GET is served"
        return ""

    def response_headers(self) -> dict[str, str]:
        """Headers of every answer: nothing from elsewhere, nothing to elsewhere, in nobody's frame, kept nowhere."""
        sockets = " ".join(f"ws://{host}" for host in self.hosts)
        return {
            "Content-Security-Policy": (
                "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
                f"connect-src 'self' {sockets}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
            ),
            "Cache-Control": "no-store",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
            "X-Frame-Options": "DENY",
        }
