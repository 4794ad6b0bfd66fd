"""Addresses that a node listens on or is found at: a numeric IP and a port, never a name (nothing here asks DNS)."""

import ipaddress
from dataclasses import dataclass

MAX_PORT = 65535


@dataclass(frozen=True)
class Address:
    """`ip:port`; an IPv6 address stands in brackets, as in `[::1]:4000`."""

    ip: str
    port: int

    @classmethod
    def parse(cls, text: str) -> "Address":
        """From `ip:port`. Raises ValueError with the rule, not with the text: it may be somebody's address."""
        host, colon, port = text.rpartition(":")
        if not colon or not (port.isascii() and port.isdigit()) or int(port) > MAX_PORT:
            raise ValueError("must be ip:port with a port of at most 65535, like 127.0.0.1:4000")
        bracketed = host.startswith("[") and host.endswith("]")
        try:
            ip = ipaddress.ip_address(host[1:-1] if bracketed else host)
        except ValueError:
            raise ValueError("must be a numeric ip:port, like 127.0.0.1:4000 or [::1]:4000, not a name") from None
        if bracketed != (ip.version == 6) or "%" in host:
            raise ValueError("must have an IPv6 address, and only that, in brackets, like [::1]:4000")
        return cls(str(ip), int(port))

    def with_port(self, port: int) -> "Address":
        return Address(self.ip, port)

    @property
    def is_unspecified(self) -> bool:
        """0.0.0.0 or ::, which one can listen on but not be found at."""
        return ipaddress.ip_address(self.ip).is_unspecified

    def __str__(self) -> str:
        return f"[{self.ip}]:{self.port}" if ":" in self.ip else f"{self.ip}:{self.port}"
