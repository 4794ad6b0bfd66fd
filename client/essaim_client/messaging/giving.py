"""Giving again what somebody lacks: the entries asked for and, as far as there is room, those before them."""

from collections.abc import Iterable

from essaim.messaging.v1 import content_pb2
from essaim_client.messaging.profile import Profile
from essaim_client.store.history import Entry

ASKED_MAX = 64
ROOM = 50_000
"""Bytes of one answer: it fits an envelope of 57,344, also as an initial message."""
BEFORE_MAX = 200
"""Entries before the missing ones that are given unasked: who lacks one often lacks more."""


class Giving:
    """From this device's history. The caller has checked that the asker takes part in the conversation."""

    def __init__(self, profile: Profile) -> None:
        self._history = profile.store.history

    def answer(self, conversation: bytes, ids: Iterable[bytes]) -> content_pb2.Given:
        """What is there still, and of what is gone that it is."""
        names = list(dict.fromkeys(ids))[:ASKED_MAX]
        asked = [entry for name in names for entry in self._history.find(conversation, name)]
        given, room = content_pb2.Given(), ROOM
        for entry in (entry for entry in asked if not entry.content):
            given.gone.add(message_id=entry.message_id, after=self._history.parents(conversation, entry.message_id))
        for entry in [*(entry for entry in asked if entry.content), *self._before(asked)]:
            message = content_pb2.Entry(author=entry.author, content=entry.content, slot=entry.slot)
            room -= message.ByteSize() + 8
            if room < 0 and given.entries:
                break
            given.entries.append(message)
        return given

    def _before(self, asked: list[Entry]) -> list[Entry]:
        if not asked:
            return []
        earliest = min(asked, key=lambda entry: (entry.position, entry.message_id))
        return self._history.before(earliest, BEFORE_MAX)
