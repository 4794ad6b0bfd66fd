"""Telling discovery that a node has all of a move's data: once is enough, but it must arrive."""

import asyncio
from collections.abc import Awaitable, Callable

from essaim.discovery.v1 import discovery_pb2
from essaim.runtime import logs
from essaim.runtime.discovery_client import DiscoveryLostError, TransactionRefusedError
from essaim.runtime.logs import LogLevel
from essaim.runtime.persist import MembershipEvent, backoff


class TransferNotice:
    """`complete` says it, `run` is the background task that sees to it. Only the last move counts."""

    def __init__(self, submit: Callable[[discovery_pb2.Transaction], Awaitable[None]]) -> None:
        self._submit = submit
        self._due: tuple[int, int] | None = None
        self._told: tuple[int, int] | None = None
        self._changed = asyncio.Event()

    def complete(self, swarm_id: int, move_serial: int) -> None:
        """This node has all that the NEXT swarm will keep. May be said again: what was told is told once."""
        if (swarm_id, move_serial) not in (self._due, self._told):
            self._due = swarm_id, move_serial
            self._changed.set()

    async def run(self) -> None:
        """As long as the node lives."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            number = 0
            while self._due is not None and not await self._tell(self._due):
                await asyncio.sleep(backoff(number))
                number += 1

    async def _tell(self, due: tuple[int, int]) -> bool:
        """Whether that is settled: applied, or a move that is over."""
        notice = discovery_pb2.TransferComplete(swarm_id=due[0], move_serial=due[1])
        try:
            await self._submit(discovery_pb2.Transaction(transfer_complete=notice))
        except DiscoveryLostError:
            logs.write(MembershipEvent.DISCOVERY_LOST, LogLevel.WARNING)
            return False
        except TransactionRefusedError:
            logs.write(MembershipEvent.TRANSACTION_REFUSED, LogLevel.WARNING)
        self._told = due
        if self._due == due:
            self._due = None
        return True
