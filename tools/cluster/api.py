"""The few requests that bringing a cluster up makes of its API server."""

import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

from cluster.command import RefusedError
from cluster.place import API, Place

SECONDS = 10
MISSING, CONFLICT = 404, 409


class Api:
    """As the administrator. A server that does not answer is an OSError."""

    def __init__(self, place: Place) -> None:
        self._context = ssl.create_default_context(cafile=str(place.keys / "ca.crt"))
        self._context.load_cert_chain(place.keys / "admin.crt", place.keys / "admin.key")

    def ready(self) -> bool:
        try:
            self._open("GET", "/readyz", None)
        except OSError:
            return False
        return True

    def get(self, path: str) -> Mapping[str, Any]:
        """Empty when there is no such object."""
        return self._ask("GET", path, None, MISSING)

    def create(self, path: str, content: Mapping[str, Any]) -> None:
        """Nothing is done where there is one of that name."""
        self._ask("POST", path, content, CONFLICT)

    def delete(self, path: str) -> None:
        self._ask("DELETE", path, None, MISSING)

    def _ask(self, method: str, path: str, content: Mapping[str, Any] | None, passed: int) -> Mapping[str, Any]:
        try:
            answer: Mapping[str, Any] = json.loads(self._open(method, path, content))
            return answer
        except urllib.error.HTTPError as error:
            if error.code == passed:
                return {}
            raise RefusedError(f"the API server refused {method} {path} ({error.code})") from None

    def _open(self, method: str, path: str, content: Mapping[str, Any] | None) -> bytes:
        body = None if content is None else json.dumps(content).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{API}{path}", body, headers, method=method)
        with urllib.request.urlopen(request, timeout=SECONDS, context=self._context) as answer:
            read: bytes = answer.read()
            return read
