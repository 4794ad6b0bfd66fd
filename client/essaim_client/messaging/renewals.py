"""Which of the sessions that a device began is its newest: what it said before, and arrives late, brings none back.

Mailboxes give envelopes in any order. A device whose store was an old copy has thrown its sessions away; were an older
one sent in again, because something of it came last, it could read nothing and could not say so.
"""

from essaim.protocol.conversation import Opened, Peer
from essaim_client.messaging.profile import Profile


class Renewals:
    """By the other device's own time, which is kept in the store. Call these inside a transaction."""

    def __init__(self, profile: Profile) -> None:
        self._profile = profile

    def began(self, opened: Opened, sent_ms: int, now_ms: int) -> None:
        """A message began a session: after a later one had been begun it is given up already."""
        if not self._newest(opened.sender, min(sent_ms, now_ms)):
            self._profile.device.give_up(opened.sender, opened.session)

    def gave_up_others(self, opened: Opened, sent_ms: int, now_ms: int) -> None:
        """A message says that its session is the only one; not if another one was begun after that."""
        if self._newest(opened.sender, min(sent_ms, now_ms)):
            self._profile.device.retire(opened.sender, opened.session)

    def said_after(self, peer: Peer, time_ms: int) -> bool:
        """Whether it began a session, or said that it began anew, after that."""
        return int(self._profile.store.get(_key(peer)) or b"0") > time_ms

    def _newest(self, peer: Peer, said_ms: int) -> bool:
        """Whether nothing later was said; it is remembered. Never later than now: clocks are put right again."""
        key = _key(peer)
        newest = said_ms >= int(self._profile.store.get(key) or b"0")
        if newest:
            self._profile.store.put(key, b"%d" % said_ms)
        return newest


def _key(peer: Peer) -> str:
    return f"renewal/{peer.account.raw.hex()}/{peer.slot}"
