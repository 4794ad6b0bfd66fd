"""The requests that the agent makes of the API server, through the client named `kubernetes`; JSON in, JSON out.

Only the agent imports that client: it takes seconds and memory that no other discovery needs.
"""

import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from kubernetes.aio.client import ApiClient, Configuration
from kubernetes.aio.config import load_incluster_config

SECONDS = 10.0
WATCH_SECONDS = 300
NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
MERGE = "application/merge-patch+json"
PAGE = 500
"""Objects in one answer: a large list does not come as one piece."""


class ApiRefusedError(Exception):
    """The API server said no. `code` is HTTP's; MISSING and CONFLICT are told apart."""

    def __init__(self, code: int) -> None:
        super().__init__(f"the API server refused ({code})")
        self.code = code


MISSING, CONFLICT = 404, 409


class Api:
    """`async with Api(...)`; `what` is one of the constants above, in one namespace."""

    def __init__(self, configuration: Configuration, namespace: str) -> None:
        self._client = ApiClient(configuration)
        self.namespace = namespace

    @classmethod
    def in_cluster(cls) -> "Api":
        """As the service account of this pod."""
        configuration = Configuration()
        load_incluster_config(configuration)  # type: ignore[no-untyped-call]
        return cls(configuration, NAMESPACE_FILE.read_text().strip())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.close()  # type: ignore[no-untyped-call]

    async def all(self, what: str, selector: str) -> list[Mapping[str, Any]]:
        """All of it, as the API server has it now: a decision to give a node up is not made on a cache."""
        items: list[Mapping[str, Any]] = []
        query = [("labelSelector", selector), ("limit", str(PAGE))]
        while True:
            page = await self._ask("GET", what, query=query)
            items += page["items"]
            if not (following := page["metadata"].get("continue")):
                return items
            query = [("labelSelector", selector), ("limit", str(PAGE)), ("continue", following)]

    async def watch(self, what: str, selector: str) -> AsyncIterator[None]:
        """One for each change from now on, until the API server ends it."""
        query = [("labelSelector", selector), ("watch", "true"), ("timeoutSeconds", str(WATCH_SECONDS))]
        answer = await self._call("GET", what, query=query, seconds=WATCH_SECONDS + SECONDS)
        try:
            while await answer.content.readline():
                yield
        finally:
            answer.close()

    async def get(self, what: str, name: str) -> Mapping[str, Any]:
        """ApiRefusedError with MISSING when there is none."""
        return await self._ask("GET", what, name)

    async def create(self, what: str, content: Mapping[str, Any]) -> Mapping[str, Any]:
        """As it is then. ApiRefusedError with CONFLICT when there is one."""
        return await self._ask("POST", what, body=content)

    async def replace(self, what: str, name: str, content: Mapping[str, Any]) -> Mapping[str, Any]:
        """ApiRefusedError with CONFLICT when it has changed since."""
        return await self._ask("PUT", what, name, body=content)

    async def patch_status(self, what: str, name: str, status: Mapping[str, Any]) -> None:
        await self._ask("PATCH", what, f"{name}/status", body={"status": status})

    async def delete(self, what: str, name: str) -> None:
        """Nothing is done where there is none."""
        try:
            await self._ask("DELETE", what, name)
        except ApiRefusedError as error:
            if error.code != MISSING:
                raise

    async def _ask(
        self,
        method: str,
        what: str,
        name: str = "",
        *,
        query: list[tuple[str, str]] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> Mapping[str, Any]:
        answer = await self._call(method, what, name, query=query, body=body)
        content: Mapping[str, Any] = json.loads(await answer.read())
        return content

    async def _call(
        self,
        method: str,
        what: str,
        name: str = "",
        *,
        query: list[tuple[str, str]] | None = None,
        body: Mapping[str, Any] | None = None,
        seconds: float = SECONDS,
    ) -> Any:
        group, _, plural = what.rpartition("/")
        path = f"/{group}/namespaces/{self.namespace}/{plural}" + (f"/{name}" if name else "")
        headers = {"Accept": "application/json", "Content-Type": MERGE if method == "PATCH" else "application/json"}
        verb, url, sent, _, _ = await self._client.param_serialize(
            method, path, query_params=query or [], header_params=headers, auth_settings=["BearerToken"]
        )  # without the body: there an empty text would become null
        answer = await self._client.call_api(verb, url, sent, body, _request_timeout=seconds)
        if not 200 <= answer.status < 300:
            answer.response.close()
            raise ApiRefusedError(answer.status)
        return answer.response
