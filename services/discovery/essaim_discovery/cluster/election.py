"""Holding the Lease: work goes on only while it is renewed."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from essaim_discovery.cluster.api import CONFLICT, MISSING, Api, ApiRefusedError
from essaim_discovery.cluster.kinds import LEASES
from essaim_discovery.cluster.lease import Observation, may_take, must_stop, observe

RENEWALS = 5
"""In one duration."""


class Election:
    """One candidate for one Lease. `metadata` is of the Lease when this candidate makes it."""

    def __init__(self, api: Api, name: str, me: str, duration_seconds: int, metadata: Mapping[str, Any]) -> None:
        self._api = api
        self._name = name
        self._me = me
        self._duration = duration_seconds
        self._metadata = metadata
        self._renewed = 0.0
        self._seen: Observation | None = None

    async def lead(self, work: Callable[[], Awaitable[None]]) -> None:
        """Wait for the Lease; then work until it is lost, or the work fails. Given back when cancelled."""
        while not await self._take():  # noqa: ASYNC110 - it is the API server that is asked
            await asyncio.sleep(self._duration / RENEWALS)
        working, renewing = asyncio.ensure_future(work()), asyncio.ensure_future(self._renew())
        try:
            await asyncio.wait((working, renewing), return_when=asyncio.FIRST_COMPLETED)
        finally:
            lost = renewing.done()
            for each in (working, renewing):
                each.cancel()
            await asyncio.wait((working, renewing))
            if not lost:
                await self._give_back()
        for each in (working, renewing):
            if not each.cancelled():
                await each

    async def _renew(self) -> None:
        """Returns when the Lease is lost, or cannot be renewed in time."""
        while not must_stop(self._renewed, time.monotonic(), self._duration):
            await asyncio.sleep(self._duration / RENEWALS)
            try:
                async with asyncio.timeout(self._duration / RENEWALS):
                    if not await self._take():
                        return
            except (OSError, TimeoutError, ApiRefusedError):
                continue

    async def _take(self) -> bool:
        """Whether this candidate holds the Lease now, written anew."""
        began = time.monotonic()
        try:
            item = await self._api.get(LEASES, self._name)
        except ApiRefusedError as error:
            if error.code != MISSING:
                raise
            written = await self._write(self._made())
        else:
            self._seen = observe(self._seen, item, began)
            if not may_take(self._seen, self._me, began, self._duration):
                return False
            written = await self._write(self._renewal(item))
        if written:
            self._renewed = began
        return written

    async def _write(self, item: Mapping[str, Any]) -> bool:
        """False when somebody was faster."""
        try:
            if item["metadata"].get("resourceVersion"):
                await self._api.replace(LEASES, self._name, item)
            else:
                await self._api.create(LEASES, item)
        except ApiRefusedError as error:
            if error.code != CONFLICT:
                raise
            return False
        return True

    async def _give_back(self) -> None:
        """So that the next one need not wait. What fails here costs the others the duration, nothing else."""
        try:
            async with asyncio.timeout(self._duration / RENEWALS):
                item = await self._api.get(LEASES, self._name)
                if item["spec"].get("holderIdentity") == self._me:
                    await self._write({**item, "spec": {**item["spec"], "holderIdentity": ""}})
        except (OSError, TimeoutError, ApiRefusedError):
            return

    def _made(self) -> Mapping[str, Any]:
        meta = {"name": self._name, **self._metadata}
        spec = {**self._spec(), "acquireTime": _now(), "leaseTransitions": 0}
        return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": meta, "spec": spec}

    def _renewal(self, item: Mapping[str, Any]) -> Mapping[str, Any]:
        spec = {**item["spec"], **self._spec()}
        if item["spec"].get("holderIdentity") != self._me:
            spec |= {"acquireTime": _now(), "leaseTransitions": item["spec"].get("leaseTransitions", 0) + 1}
        return {**item, "spec": spec}

    def _spec(self) -> Mapping[str, Any]:
        return {"holderIdentity": self._me, "leaseDurationSeconds": self._duration, "renewTime": _now()}


def _now() -> str:
    """MicroTime, for people to read: nothing is decided by it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
