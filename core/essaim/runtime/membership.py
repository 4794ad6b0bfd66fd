"""A node's membership: registers this start, renews its keys and uptime, follows the views, leaves on drain.

A start has fresh onion keys and a start id of its own. The node is ready once a signed view names this start with its
address and keys; until then it serves whoever already has a link, and nothing else is promised.
"""

import asyncio
from collections.abc import Callable, Collection, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any

from essaim.discovery.v1 import discovery_pb2
from essaim.protocol.geometry import Suite
from essaim.protocol.link.hello import LinkIdentity
from essaim.protocol.onion import ALL_SUITES, Keyring
from essaim.protocol.view import Descriptor, Genesis, NetworkView, NodeState, Role, ViewRefusedError
from essaim.protocol.view.testers import TestKind
from essaim.runtime import logs
from essaim.runtime.discovery_client import DiscoveryClient, DiscoveryLostError, TransactionRefusedError
from essaim.runtime.examiner import Examiner
from essaim.runtime.key_publication import KeyPublication
from essaim.runtime.logs import LogLevel
from essaim.runtime.operator import standing_of
from essaim.runtime.persist import MembershipEvent, backoff, persist
from essaim.runtime.reachability import Reachability
from essaim.runtime.refusal import StartError
from essaim.runtime.retirement import RetirementLimits, retire
from essaim.runtime.standing import Standing
from essaim.runtime.start import Start
from essaim.runtime.transfer import TransferNotice
from essaim.runtime.view_holder import ViewHolder

if TYPE_CHECKING:
    from essaim.runtime.settings import NodeSettings

START_ID_SIZE = 16


class Membership:
    """`background` are tasks of the process, `join`, `retire` and `leave` its hooks (essaim.runtime.start.Service);
    `transfer.complete(swarm_id, move_serial)` is for who keeps data; `examiner.tests` takes further kinds of tests."""

    def __init__(self, start: Start[Any], genesis: Genesis, role: Role) -> None:
        settings: NodeSettings = start.settings
        if settings.discovery is None:
            raise StartError("--discovery is missing: name discovery's ip:port.")
        self._start = start
        self._genesis = genesis
        self._role = role
        self._operator = standing_of(settings, genesis.network_id, start.identity.node_id)
        self.start_id = start.random(START_ID_SIZE)
        """Names this start in the views."""
        self._now_ms = start.clock.now_ms
        self._leaving = False
        self._was_named = False
        self._was_retired = False  # an authority let it go: it is dropped, and does not come back by itself
        self.holder = ViewHolder(genesis, settings.data_dir)
        self.keyring = Keyring(genesis.parameters.key_periods, start.random)
        self.keyring.advance(self._now_ms())
        self._discovery = DiscoveryClient(
            settings.discovery,
            genesis.discovery_certificates,
            genesis.network_id,
            start.identity.signing,
            self._now_ms,
        )
        self.transfer = TransferNotice(self.submit)
        self.examiner = Examiner(self.holder, start.identity.node_id, self._now_ms, self.submit)
        self.examiner.tests[TestKind.REACHABILITY] = Reachability(
            self.holder,
            LinkIdentity(start.identity.node_id, start.identity.signing.sign, self._serial),
            self._now_ms,
            start.random,
            settings.test_answer_seconds,
            settings.test_pause_seconds,
        )
        self._keys = KeyPublication(
            self.keyring,
            genesis.parameters.key_periods,
            self._discovery,
            start.identity.signing,
            self.start_id,
            self._now_ms,
            self._is_listed,
        )

    @property
    def standing(self) -> Standing:
        """The current view, seen through what links and cells need of it."""
        return Standing(self._start.identity.node_id, self._now_ms, self._listed, self._serial, self._suites)

    def _listed(self, node_id: bytes) -> bool:
        return self.holder.current is not None and node_id in self.holder.current.nodes

    def _is_listed(self) -> bool:
        return self._listed(self._start.identity.node_id)

    def _serial(self) -> int:
        return self.holder.current.serial if self.holder.current is not None else 0

    def _suites(self) -> Collection[Suite]:
        return self.holder.current.parameters.suites if self.holder.current is not None else ALL_SUITES

    @property
    def background(self) -> tuple[Callable[[], Coroutine[Any, Any, None]], ...]:
        """Coroutine functions that run as long as the node does."""
        return (
            self._follow,
            self._keys.renew,
            self._keys.publish,
            self._prove_uptime,
            self.transfer.run,
            self.examiner.run,
        )

    # Joining and leaving

    async def open(self) -> None:
        """Before anything else: the channel to discovery."""
        await self._discovery.__aenter__()

    async def close(self) -> None:
        await self._discovery.__aexit__(None, None, None)

    async def join(self) -> None:
        """Returns once a signed view names this start's address and keys."""
        await persist(self._register)
        view = await self.holder.wait_for(self._names_this_start)
        logs.write(MembershipEvent.REGISTERED, epoch=view.epoch, serial=view.serial)

    async def retire(self, limits: RetirementLimits, *, for_good: bool = False) -> bool:
        """For who keeps data, before `leave`: returns when the node may stop, and whether its data has moved.

        At once when nobody retires it; `for_good` retires it now.
        """
        leaving = partial(self.submit, discovery_pb2.Transaction(leave=discovery_pb2.Leave()))
        ask = partial(persist, leaving) if for_good else None
        return await retire(self.holder, self._start.identity.node_id, limits, ask)

    async def leave(self) -> None:
        """No new work: the next view says so. A storage node will be back, and keeps its place."""
        self._leaving = True
        view, own_id = self.holder.current, self._start.identity.node_id
        if view is None or own_id in view.nodes:
            gone = self._role == Role.STORAGE
            await self._tell(discovery_pb2.Transaction(leave=discovery_pb2.Leave(gone=gone)))

    async def submit(self, transaction: discovery_pb2.Transaction) -> None:
        """Any transaction of this node, numbered and signed (TestReport ...). Returns once it is applied
        and on discovery's disk; TransactionRefusedError, DiscoveryLostError."""
        await self._discovery.submit(transaction)

    def _names_this_start(self, view: NetworkView) -> bool:
        node = view.nodes.get(self._start.identity.node_id)
        if node is None or node.start_id != self.start_id or node.state not in (NodeState.ACTIVE, NodeState.LEAVING):
            return False
        return node.address == str(self._start.address) and node.hop(self._now_ms()) is not None

    async def _register(self) -> None:
        settings, signing = self._start.settings, self._start.identity.signing
        operator_id, admission = self._operator
        descriptor = Descriptor(
            network_id=self._genesis.network_id,
            node_id=self._start.identity.node_id,
            role=self._role,
            address=str(self._start.address),
            certificates=(self._start.identity.certificate.der,),
            operator_id=operator_id,
            region=settings.region,
            start_id=self.start_id,
            sequence=self._now_ms(),
            issued_ms=self._now_ms(),
            version=settings.release,
        )
        keys = self.keyring.published
        records = self._keys.records(keys)
        register = discovery_pb2.Register(descriptor=descriptor.sign(signing), keys=records, admission=admission)
        await self._discovery.submit(discovery_pb2.Transaction(register=register))
        self._keys.note_published(keys)

    # What discovery is told from time to time

    async def _prove_uptime(self) -> None:
        while True:
            await asyncio.sleep(self._genesis.parameters.uptime_seconds)
            if self._is_listed() and not self._leaving:
                await self._tell(
                    discovery_pb2.Transaction(prove_uptime=discovery_pb2.ProveUptime(start_id=self.start_id))
                )

    async def _tell(self, transaction: discovery_pb2.Transaction) -> None:
        """Once; a loss is noted, the next occasion comes."""
        try:
            await self._discovery.submit(transaction)
        except DiscoveryLostError:
            logs.write(MembershipEvent.DISCOVERY_LOST, LogLevel.WARNING)
        except TransactionRefusedError:
            logs.write(MembershipEvent.TRANSACTION_REFUSED, LogLevel.WARNING)

    # The views

    async def _follow(self) -> None:
        """Every view as it is signed; after a break from what is held. A node that was dropped registers again."""
        number = 0
        while True:
            held = self.holder.current
            epoch, serial = (held.epoch, held.serial) if held is not None else (0, 0)
            try:
                async for answer in self._discovery.follow(epoch, serial):
                    await self.holder.take(answer, self._now_ms())
                    number = 0
                    await self._return_if_dropped()
            except DiscoveryLostError:
                logs.write(MembershipEvent.DISCOVERY_LOST, LogLevel.DEBUG, attempt=number)
            except ViewRefusedError as error:
                logs.write(MembershipEvent.VIEW_REFUSED, LogLevel.ERROR, error=type(error))
            await asyncio.sleep(backoff(number))
            number += 1

    async def _return_if_dropped(self) -> None:
        view = self.holder.current
        node = view.nodes.get(self._start.identity.node_id) if view is not None else None
        named = node is not None and node.start_id == self.start_id
        if self._was_named and not named and not self._leaving and not self._was_retired:
            await persist(self._register)
        self._was_named = named
        self._was_retired = node.state == NodeState.LEAVING if node is not None else self._was_retired
