"""An endpoint's address on the web, in one spelling only.

What resolvers, HTTP clients and proxies read differently is refused instead of guessed at: user names, fragments,
spaces, backslashes, letters outside ASCII, numbers for an IPv4 address in any form but four decimals without leading
zeros (RFC 3986, section 7.4), zones of IPv6 addresses. What passes is read the same by everybody, and written anew from
its parts: the address that was checked is the address that is called.
"""

import re
from dataclasses import dataclass, field
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Final

from essaim.protocol.push.refusal import EndpointRefusedError

MAX_URL = 1_024
MAX_NAME = 253
HTTPS, HTTP = "https", "http"
PORTS: Final = {HTTPS: 443, HTTP: 80}
LEAST_FREE_PORT = 1_024
"""Below it only 80 and 443 are called: nothing that answers mail or shells mistakes a wake for its own language."""
_URL: Final = re.compile(
    r"(?P<scheme>[A-Za-z]{4,5})://(?P<host>\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9_.-]{1,253})(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<path>/[A-Za-z0-9._~%!$&'()*+,;=:@/?-]*)?",
    re.ASCII,
)
_LABEL: Final = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)", re.ASCII)
_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*", re.ASCII)
_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")


@dataclass(frozen=True, slots=True)
class Url:
    """Where to POST. Nothing of it is ever shown: it names somebody's device."""

    scheme: str
    host: str = field(repr=False)
    """A name in lower case, or an IP address without brackets."""
    port: int
    path: str = field(repr=False)
    """With the query, from the first slash on."""

    @classmethod
    def parse(cls, text: str) -> "Url":
        """Raises EndpointRefusedError, which says nothing of the text."""
        found = _URL.fullmatch(text) if len(text) <= MAX_URL else None
        if found is None:
            raise EndpointRefusedError("not a plain http or https address without user name and fragment")
        scheme, path = found["scheme"].lower(), found["path"] or "/"
        if scheme not in PORTS or _ESCAPE.search(path):
            raise EndpointRefusedError("an endpoint begins with https:// and has whole percent escapes")
        port = int(found["port"]) if found["port"] else PORTS[scheme]
        if port not in PORTS.values() and not LEAST_FREE_PORT <= port <= 0xFFFF:
            raise EndpointRefusedError("an endpoint's port is 443, 80 or from 1024 on")
        return cls(scheme, _host(found["host"].lower()), port, path)

    @property
    def address(self) -> IPv4Address | IPv6Address | None:
        """Where the host is no name."""
        if ":" in self.host:
            return IPv6Address(self.host)
        return IPv4Address(self.host) if _is_numeric(self.host) else None

    @property
    def authority(self) -> str:
        """host[:port] as a Host header has it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def origin(self) -> str:
        """RFC 6454: what a VAPID token is for."""
        return f"{self.scheme}://{self.authority}"

    @property
    def text(self) -> str:
        return self.origin + self.path


def _is_numeric(host: str) -> bool:
    """Whether a browser would read an IPv4 address (WHATWG URL, "ends in a number")."""
    return bool(_NUMBER.fullmatch(host.rpartition(".")[2]))


def _host(host: str) -> str:
    try:
        if host.startswith("["):
            return str(IPv6Address(host[1:-1]))
        if _is_numeric(host):
            return str(IPv4Address(host))
    except AddressValueError:
        raise EndpointRefusedError("an IP address in an unusual spelling") from None
    if len(host) > MAX_NAME or not all(map(_LABEL.fullmatch, host.split("."))):
        raise EndpointRefusedError("not the name of a host")
    return host
