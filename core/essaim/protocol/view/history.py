"""The last views, so that whoever has one of them is answered by a diff."""

from collections import deque

from essaim.protocol.view.diff import make_diff
from essaim.protocol.view.network_view import NetworkView
from essaim.view.v1 import view_pb2

VIEWS_MAX = 256
"""A holder of anything older is sent the whole view: its diff would hardly be smaller."""


class ViewHistory:
    """Consecutive views, the newest last."""

    def __init__(self, limit: int = VIEWS_MAX) -> None:
        self._views: deque[NetworkView] = deque(maxlen=limit)

    @property
    def newest(self) -> NetworkView | None:
        return self._views[-1] if self._views else None

    def add(self, view: NetworkView) -> None:
        """The next view. After a gap the older ones are forgotten: they lead to no diff."""
        newest = self.newest
        if newest is not None and (view.epoch, view.serial) != (newest.epoch, newest.serial + 1):
            self._views.clear()
        self._views.append(view)

    def answer(self, epoch: int, serial: int) -> view_pb2.ViewAnswer | None:
        """For somebody who has (epoch, serial), zeros for nothing; None while there is no view."""
        newest = self.newest
        if newest is None:
            return None
        if (epoch, serial) == (newest.epoch, newest.serial):
            return view_pb2.ViewAnswer(unchanged=view_pb2.Unchanged())
        held = self._at(epoch, serial)
        if held is None:
            return view_pb2.ViewAnswer(whole=newest.whole())
        between = [view.header.raw for view in self._views if held.serial < view.serial < newest.serial]
        return view_pb2.ViewAnswer(diff=make_diff(held, between, newest))

    def _at(self, epoch: int, serial: int) -> NetworkView | None:
        return next((view for view in self._views if (view.epoch, view.serial) == (epoch, serial)), None)
