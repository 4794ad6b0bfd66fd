"""Which part of a conversation is on the screen: its end, or as many texts of before."""

from essaim_client.cli.chat.place import Place
from essaim_client.messaging.transcript import Shown

SIZE = 300
STEP = SIZE // 2
"""Half of what is there stays in sight."""


class Window:
    """Of one conversation, texts in order. It stays where it is when others are said behind it."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._before: list[bytes] = []
        """Message ids; the window ends before the last of them."""

    @property
    def at_end(self) -> bool:
        """Whether the newest is in it."""
        return not self._before

    def shown(self) -> list[Shown]:
        """At most `SIZE`."""
        return self.place.history(SIZE, self._before[-1] if self._before else b"")

    def earlier(self) -> bool:
        """Half a window back; False: it begins with the first text."""
        here = self.shown()
        if not here or not self.place.history(1, here[0].message_id):
            return False
        self._before.append(here[min(STEP, len(here) - 1)].message_id)
        return True

    def later(self) -> bool:
        """Half a window on, as it came; False: it is at the end."""
        return bool(self._before and self._before.pop())

    def to_end(self) -> None:
        """To what is said now."""
        self._before.clear()
