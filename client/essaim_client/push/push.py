"""Wakes for this device: subscribe at a push host, register ahead with every mailbox day, and take it all back.

A push host learns an endpoint and a key that was drawn for it; a storage node learns a push id that it can join with no
other. Registering is spread over lanes of the mailboxes' own; whoever watches the clock of several storage nodes may
still see that some registrations came together.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from essaim.protocol.errors import ProtocolError
from essaim.protocol.keys import SEED_SIZE
from essaim.protocol.mailbox.rule import DAY_MS
from essaim.protocol.push.endpoint import Endpoint, Kind, pack
from essaim.protocol.push.preview import Preview, PreviewKey
from essaim.protocol.push.refusal import HostRefusedError
from essaim.protocol.push.registration import Registration
from essaim.push.v1 import push_pb2
from essaim_client.mailbox.notices import Notices
from essaim_client.mailbox.swarm_call import Swarms
from essaim_client.messaging.own_mailboxes import OwnMailboxes
from essaim_client.messaging.profile import Profile
from essaim_client.push.asking import Ids, PushAsker
from essaim_client.push.finding import PushHost, find_host, push_hosts
from essaim_client.push.group_places import Book
from essaim_client.push.places import AHEAD_DAYS, PUBLIC_LANE, Place, Places, PrivateInbox
from essaim_client.push.subscribed import Subscribed, day_of

RENEW_MS = DAY_MS
AT_ONCE = 4
SUBSCRIPTION_ID_SIZE = 16


class NotEnabledError(ProtocolError):
    """This device has no subscription."""

    reason = "PUSH_NOT_ENABLED"


class KindRefusedError(ProtocolError):
    """The push host calls no endpoints of this kind."""

    reason = "PUSH_KIND_REFUSED"


@dataclass(frozen=True)
class PushStatus:
    """What this device keeps, and what the host says of it now; `state` is empty where the host did not answer."""

    host_id: bytes
    kind: Kind
    prompt: bool
    preview: bool
    registered: int
    """Mailbox days."""
    until_day: int
    """The last of them: whole days since 1970."""
    state: str = ""
    expires_ms: int = 0
    delivered_ms: int = 0
    groups: bool = False


class Push:
    """One subscription at most. Raises what the network, the swarm (`SwarmUnreachableError`) and the host refuse."""

    def __init__(self, swarms: Swarms, profile: Profile, inbox: PrivateInbox, groups: Book) -> None:
        self._swarms = swarms
        self._profile = profile
        self._places = Places(swarms, OwnMailboxes(profile), inbox, groups)
        self._notices = Notices(swarms)
        self._lock = asyncio.Lock()

    async def hosts(self) -> Sequence[PushHost]:
        """What an application chooses from; `vapid_key` is what it subscribes at a Web Push service with."""
        return await push_hosts(self._swarms)

    async def enable(
        self, endpoint: Endpoint, *, host: str = "", prompt: bool = False, preview: bool = False, groups: bool = False
    ) -> None:
        """Be woken there from now on; again with another endpoint when the first is gone.

        `host`: its id or the beginning of it. `prompt`: at once, which shows the provider when mail comes. `preview`:
        a wake says, to this device alone, for which mailbox and envelope it is. `groups`: closed groups wake, too,
        which shows push host and provider who is woken together. Raises PushHostUnknownError, KindRefusedError.
        """
        async with self._lock:
            found = await find_host(self._swarms, host)
            if endpoint.kind not in found.kinds:
                raise KindRefusedError("this push host calls no endpoints of that kind")
            before = Subscribed.load(self._profile.store)
            if before is not None and before.host_id != found.host_id:
                await self._disable(before)
                before = None
            kept = self._begin(found, before, endpoint, prompt=prompt, preview=preview)
            kept.groups = groups
            if before is not None:
                kept.registered = await self._left(before, groups=groups)
            sealed = found.public.seal(pack(endpoint), self._swarms.random)
            new = push_pb2.NewSubscription(
                subscription_id=bytes.fromhex(kept.subscription), sealed_endpoint=sealed, prompt=prompt
            )
            await self._asker(kept).subscribe(new)
            kept.save(self._profile.store)
            await self._register(kept)

    def _begin(
        self, host: PushHost, before: Subscribed | None, endpoint: Endpoint, *, prompt: bool, preview: bool
    ) -> Subscribed:
        secret = (before.preview if before else "") or self._swarms.random(SEED_SIZE).hex()
        return Subscribed(
            host=host.host_id.hex(),
            nodes=[each.hex() for each in host.node_ids],
            owner=before.owner if before else self._swarms.random(SEED_SIZE).hex(),
            subscription=before.subscription if before else self._swarms.random(SUBSCRIPTION_ID_SIZE).hex(),
            preview=secret if preview else "",
            kind=endpoint.kind,
            prompt=prompt,
            lanes=before.lanes if before else {},
        )

    async def _left(self, before: Subscribed, *, groups: bool) -> dict[str, str]:
        """What could not be taken back of before: the next round tries again."""
        before.groups = groups
        await self._take_back(before)
        return {each.key: before.registered[each.key] for each in self._places.former(before)}

    async def disable(self) -> None:
        """Forget the subscription at the host and take every registration back. Raises NotEnabledError."""
        async with self._lock:
            await self._disable(self._kept())

    async def _disable(self, kept: Subscribed) -> None:
        with suppress(ProtocolError):  # a host that is gone wakes nobody; the registrations name it in vain
            await self._asker(kept).unsubscribe(bytes.fromhex(kept.subscription))
        places = [each for each in self._places.all(kept) if each.key in kept.registered]
        places += self._places.former(kept)
        await _side_by_side(partial(self._put, place, b"") for place in places)
        Subscribed.forget(self._profile.store)

    async def status(self) -> PushStatus:
        """Raises NotEnabledError."""
        kept = self._kept()
        columns = (kept.host_id, Kind(kept.kind), kept.prompt, bool(kept.preview), len(kept.registered))
        until_day = max(map(day_of, kept.registered), default=0)
        with suppress(ProtocolError):
            for each in await self._asker(kept).list():
                if each.subscription_id.hex() == kept.subscription:
                    state = push_pb2.SubscriptionState.Name(each.state).removeprefix("SUBSCRIPTION_STATE_")
                    return PushStatus(*columns, until_day, state, each.expires_ms, each.delivered_ms, kept.groups)
            return PushStatus(*columns, until_day, "UNKNOWN", groups=kept.groups)
        return PushStatus(*columns, until_day, groups=kept.groups)

    @property
    def enabled(self) -> bool:
        """On this device."""
        return Subscribed.load(self._profile.store) is not None

    async def keep(self) -> None:
        """What is due: register with mailboxes of further days and with new ones, keep the subscription alive."""
        async with self._lock:
            kept = Subscribed.load(self._profile.store)
            if kept is not None:
                await self._register(kept)

    def preview(self, content: bytes) -> Preview | None:
        """What a wake had for this device; None for anything else. Needs no network."""
        kept = Subscribed.load(self._profile.store)
        if kept is None or not kept.preview:
            return None
        secret = bytes.fromhex(kept.preview)
        for push_id in {bytes.fromhex(each) for each in kept.registered.values()}:
            with suppress(ProtocolError):
                return Preview.unseal(content, PreviewKey.derive(secret, push_id), push_id)
        return None

    # Registering

    async def _register(self, kept: Subscribed) -> None:
        now_ms, store = self._swarms.clock.now_ms(), self._profile.store
        today = now_ms // DAY_MS
        await self._take_back(kept)
        due = [each for each in self._places.all(kept) if each.key not in kept.registered]
        if not due and now_ms - kept.renewed_ms < RENEW_MS:
            return
        lanes = {each.lane for each in due} or {PUBLIC_LANE}
        days = range(today - 1, today + AHEAD_DAYS + 1)
        ids = await self._asker(kept).renew(bytes.fromhex(kept.subscription), days, lanes)
        kept.renewed_ms = now_ms
        kept.registered = {key: push_id for key, push_id in kept.registered.items() if day_of(key) >= today - 1}
        kept.save(store)
        check_push_ids([ids.get((each.day, each.lane), b"") for each in due], kept)
        await _side_by_side(self._registering(kept, each, ids) for each in self._shuffled(due))

    def _registering(self, kept: Subscribed, place: Place, ids: Ids) -> Callable[[], Awaitable[None]]:
        async def register() -> None:
            push_id = ids.get((place.day, place.lane), b"")
            key = PreviewKey.derive(bytes.fromhex(kept.preview), push_id).public if kept.preview else b""
            await self._put(place, Registration(push_id, kept.node_ids, kept.prompt, key).encoded)
            kept.registered[place.key] = push_id.hex()
            kept.save(self._profile.store)

        return register

    async def _take_back(self, kept: Subscribed) -> None:
        """From groups, or epochs of them, that wake for nothing any more. What fails keeps nothing else waiting."""
        with suppress(ProtocolError):
            await _side_by_side(self._taking_back(kept, each) for each in self._shuffled(self._places.former(kept)))

    def _taking_back(self, kept: Subscribed, place: Place) -> Callable[[], Awaitable[None]]:
        async def take_back() -> None:
            await self._put(place, b"")
            kept.registered.pop(place.key, None)
            kept.save(self._profile.store)

        return take_back

    async def _put(self, place: Place, registration: bytes) -> None:
        await self._notices.register_push(place.access, place.day, registration)

    def _shuffled(self, places: list[Place]) -> list[Place]:
        return sorted(places, key=lambda _: self._swarms.random(8))

    def _kept(self) -> Subscribed:
        kept = Subscribed.load(self._profile.store)
        if kept is None:
            raise NotEnabledError("push is not enabled on this device")
        return kept

    def _asker(self, kept: Subscribed) -> PushAsker:
        return PushAsker(self._swarms, kept.host_id, kept.node_ids, kept.signer)


def check_push_ids(fresh: Sequence[bytes], kept: Subscribed) -> None:
    """A push id for two places would join them for every storage node that sees both. Raises HostRefusedError."""
    known = set(kept.registered.values())
    if len(known | {each.hex() for each in fresh}) != len(known) + len(fresh):
        raise HostRefusedError("the push host gives the same push id for several mailboxes or days")


async def _side_by_side(work: Iterable[Callable[[], Awaitable[None]]]) -> None:
    """A few at a time, each to its end; then the first failure."""
    few = asyncio.Semaphore(AT_ONCE)

    async def one(do: Callable[[], Awaitable[None]]) -> None:
        async with few:
            await do()

    results = await asyncio.gather(*map(one, work), return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
