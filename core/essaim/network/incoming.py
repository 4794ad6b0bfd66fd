"""One call on a link that was dialled to this process: its grants, and the frames of its answer."""

from typing import Protocol

from essaim.network.call import IncomingListener
from essaim.protocol.geometry import CellClass
from essaim.protocol.link.calls import Budget
from essaim.protocol.link.frame import End, Refuse
from essaim.protocol.link.grant import SendCredit
from essaim.protocol.onion.refusal import Refusal


class AnswerSide(Protocol):
    """What a call needs of its link."""

    budget: Budget

    def send_cell(self, number: int, seq: int, cell: bytes) -> None:
        """Queue a reply cell; its bytes are held already."""

    def send_frame(self, frame: End | Refuse) -> None:
        """Queue the frame that ends a call."""

    def forget(self, number: int, cell: bytes) -> None:
        """The call with this request has ended here."""


class LinkedCall:
    """An `IncomingCall` of a link."""

    __slots__ = ("_credit", "_ended", "_ending", "_link", "_number", "cell", "listener", "peer")

    def __init__(self, link: AnswerSide, number: int, cell: bytes, reply_class: CellClass, peer: bytes | None) -> None:
        self._link = link
        self._number = number
        self._credit = SendCredit(reply_class)
        self._ending = self._ended = False
        self.cell = cell
        self.peer = peer
        self.listener: IncomingListener | None = None

    def reply(self, seq: int, cell: bytes) -> bool:
        """Send a reply cell, or keep it until it is granted (False)."""
        if self._ended or self._ending:
            return True
        self._link.budget.take(len(cell))
        if not self._credit.offer(seq, cell):
            return False
        self._link.send_cell(self._number, seq, cell)
        return True

    def refuse(self, refusal: Refusal, time_ms: int = 0) -> None:
        """End it at once."""
        if not self._ended:
            self._finish(Refuse(self._number, refusal, time_ms))

    def end(self) -> None:
        """End it behind the last reply given."""
        if self._ended or self._ending:
            return
        if self._credit.blocked:
            self._ending = True
        else:
            self._finish(End(self._number))

    def granted(self, cells: int) -> None:
        """A GRANT came."""
        freed = self._credit.granted(cells)
        for seq, cell in freed:
            self._link.send_cell(self._number, seq, cell)
        if self._ending and not self._credit.blocked:
            self._finish(End(self._number))
        elif freed and self.listener is not None:
            self.listener.on_handed(len(freed))

    def cancelled(self) -> None:
        """The caller has cancelled, or its link is gone."""
        if not self._ended:
            self._close()
            if self.listener is not None:
                self.listener.on_cancelled()

    def _finish(self, frame: End | Refuse) -> None:
        self._close()
        self._link.send_frame(frame)

    def _close(self) -> None:
        self._ended = True
        if self._credit.blocked:
            self._link.budget.give(self._credit.waiting_bytes)
            self._credit.drop()
        self._link.forget(self._number, self.cell)
