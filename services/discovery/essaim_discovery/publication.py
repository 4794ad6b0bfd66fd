"""The signed views: made from states, kept in the log before they are published, told to whoever follows."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

from essaim.protocol.view import Entry, Genesis, Header, NetworkView, ViewHistory, ViewKeeper
from essaim.protocol.view.diff import make_diff
from essaim.protocol.view.header import NO_HASH
from essaim.protocol.view.wire import parse
from essaim.view.v1 import view_pb2
from essaim_discovery.apply import apply
from essaim_discovery.authority import Authority
from essaim_discovery.log import WHOLE_EVERY, KeptView, Log
from essaim_discovery.state import State
from essaim_discovery.transaction import BeginView
from essaim_discovery.unsigned_view import entries_of, header_of, pieces_of

ANSWERS_KEPT = 256
"""Answers made once for the newest view; of the whole one a single copy."""
BEFORE_ALL_MS = 0


@dataclass(frozen=True)
class _Compared:
    """Whether a view of `state` after the one with `hash` would show something."""

    hash: bytes
    state: State
    shows: bool


class Publication:
    """The views from the oldest that the log holds on. `renew` blocks on the disk: call it in a thread.

    `least_serial`: of the next view. So a log that was put back from a copy goes on beyond all that the network has
    seen since, and no serial is signed for two views.
    """

    def __init__(self, genesis: Genesis, authority: Authority, log: Log, least_serial: int = 0) -> None:
        """Verifies what the log holds, and signs what a crash left without a signature. ViewRefusedError."""
        self._authority = authority
        self._log = log
        self._least_serial = least_serial
        self._history = ViewHistory()
        self._answers: dict[tuple[int, int], view_pb2.ViewAnswer] = {}
        self._published = asyncio.Event()
        self._ended = False
        self._compared: _Compared | None = None
        keeper = ViewKeeper(genesis)
        for kept in log.views():
            signed = self._signed(kept)
            view = keeper.accept(_answer(kept, signed), BEFORE_ALL_MS)
            if kept.signed is None:
                log.sign(view.header, signed)
            self._history.add(view)

    @property
    def newest(self) -> NetworkView | None:
        return self._history.newest

    def due_ms(self, state: State) -> int:
        """When the next view is due, unix milliseconds: once something shows, but not too often; in any case when the
        newest is no longer fresh."""
        newest = self.newest
        if newest is None or newest.serial < self._least_serial:
            return state.now_ms
        if self._shows(newest, state):
            return newest.valid_from_ms + state.parameters.view_min_interval_ms
        return newest.header.fresh_until_ms

    def begin(self) -> BeginView:
        """What `apply` is told before the next view is made."""
        newest = self.newest
        serial, previous_hash = (newest.serial + 1, newest.hash) if newest is not None else (1, NO_HASH)
        return BeginView(max(serial, self._least_serial), previous_hash)

    def _shows(self, newest: NetworkView, state: State) -> bool:
        """Whether a view of `state` would show something else, or draw new tests."""
        known = self._compared
        if known is None or known.hash != newest.hash or known.state is not state:
            ahead, _ = apply(state, self.begin())
            shown = {node_id: entry.pieces for node_id, entry in newest.entries.items()}
            shows = ahead.round.serial > newest.serial or pieces_of(ahead) != shown
            known = self._compared = _Compared(newest.hash, state, shows)
        return known.shows

    def renew(self, state: State) -> NetworkView:
        """The view of `state`, on disk: first its header, then, when that cannot be taken back, the signatures."""
        newest = self.newest
        entries = entries_of(state, newest.entries if newest is not None else {})
        header = header_of(state, entries, newest.header if newest is not None else None)
        self._log.propose(header, _content(newest, header, entries))
        signed = self._authority.sign(header)
        self._log.sign(header, signed)
        return NetworkView.build(signed, header, entries)

    def publish(self, view: NetworkView) -> None:
        """On the event loop: everybody who follows is told."""
        self._history.add(view)
        self._answers.clear()
        self._published.set()
        self._published = asyncio.Event()

    def end(self) -> None:
        """Whoever follows is left, and turns to the next start."""
        self._ended = True
        self._published.set()

    def answer(self, epoch: int, serial: int) -> view_pb2.ViewAnswer | None:
        """For somebody who has (epoch, serial)."""
        known = self._answers.get((epoch, serial))
        if known is not None:
            return known
        answer = self._history.answer(epoch, serial)
        small = answer is not None and not answer.HasField("whole")
        if answer is not None and len(self._answers) < ANSWERS_KEPT and (small or (epoch, serial) == (0, 0)):
            self._answers[epoch, serial] = answer
        return answer

    async def follow(self, epoch: int, serial: int) -> AsyncIterator[view_pb2.ViewAnswer]:
        """The answer now, then one for each new view that the follower is in time for."""
        while not self._ended:
            published = self._published
            newest, answer = self.newest, self.answer(epoch, serial)
            if newest is not None and answer is not None:
                epoch, serial = newest.epoch, newest.serial
                yield answer
            await published.wait()

    def _signed(self, kept: KeptView) -> view_pb2.SignedHeader:
        if kept.signed is None:
            return self._authority.sign(Header.parse(kept.header))
        return parse(view_pb2.SignedHeader, kept.signed)


def _answer(kept: KeptView, signed: view_pb2.SignedHeader) -> view_pb2.ViewAnswer:
    """What leads a keeper that has the serial before to this view."""
    content = kept.content
    if isinstance(content, view_pb2.WholeView):
        return view_pb2.ViewAnswer(whole=view_pb2.WholeView(header=signed, nodes=content.nodes))
    return view_pb2.ViewAnswer(diff=view_pb2.ViewDiff(latest=signed, removed=content.removed, changed=content.changed))


def _content(
    before: NetworkView | None, header: Header, entries: Mapping[bytes, Entry]
) -> view_pb2.WholeView | view_pb2.ViewDiff:
    """What the log keeps beside the header."""
    unsigned = NetworkView.build(view_pb2.SignedHeader(), header, entries)
    if before is None or header.serial != before.serial + 1 or header.serial % WHOLE_EVERY == 0:
        return unsigned.whole()
    return make_diff(before, (), unsigned)
