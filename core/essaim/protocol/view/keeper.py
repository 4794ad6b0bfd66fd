"""Keeping the newest view: what may follow what is held, and what is refused whoever brings it."""

from essaim.protocol.view.diff import apply_diff, check_chain
from essaim.protocol.view.entry import Entry, ordered
from essaim.protocol.view.genesis import Genesis
from essaim.protocol.view.header import Header, check_signed
from essaim.protocol.view.network_view import NetworkView
from essaim.protocol.view.refusal import (
    ExpiredError,
    ForkError,
    ForkEvidence,
    MalformedError,
    RollbackError,
    WrongChainError,
)
from essaim.protocol.view.wire import parse
from essaim.view.v1 import view_pb2


class ViewKeeper:
    """The newest view of one network. `export` is what a client keeps durably, so that a start refuses rollbacks."""

    def __init__(self, genesis: Genesis) -> None:
        self._genesis = genesis
        self.current: NetworkView | None = None

    def accept(self, answer: view_pb2.ViewAnswer, now_ms: int) -> NetworkView:
        """The newest view after a node's answer; ViewRefusedError, and what is held stays."""
        match answer.WhichOneof("answer"):
            case "whole":
                view = self._whole(answer.whole)
            case "diff":
                view = self._diff(answer.diff)
            case "unchanged" if self.current is not None:
                view = self.current
            case _:
                raise MalformedError("not an answer about a view")
        if view.valid_until_ms <= now_ms:
            raise ExpiredError("this view is no longer valid")
        self.current = view
        return view

    def export(self) -> bytes:
        """The view held, serialised; empty when there is none."""
        return self.current.whole().SerializeToString() if self.current is not None else b""

    def restore(self, kept: bytes) -> None:
        """What `export` gave, verified anew; also an expired one, which still bars what is older."""
        if kept:
            self.current = self._whole(parse(view_pb2.WholeView, kept))

    def _whole(self, whole: view_pb2.WholeView) -> NetworkView:
        header = check_signed(self._genesis, whole.header)
        known = self._known(whole.header, header)
        if known is not None:
            return known
        held = self.current
        if held is not None and header.position == (held.epoch, held.serial + 1):
            header.check_follows(held.header)
        network_id, periods = header.network_id, header.parameters.key_periods
        entries = ordered(Entry.parse(entry.pieces, network_id, periods) for entry in whole.nodes)
        return NetworkView.build(whole.header, header, entries)

    def _diff(self, diff: view_pb2.ViewDiff) -> NetworkView:
        header = check_signed(self._genesis, diff.latest)
        known = self._known(diff.latest, header)
        if known is not None:
            return known
        if self.current is None:
            raise WrongChainError("a diff without the view that it continues")
        check_chain(self.current.header, diff.headers, header)
        return NetworkView.build(diff.latest, header, apply_diff(self.current, diff, header))

    def _known(self, signed: view_pb2.SignedHeader, header: Header) -> NetworkView | None:
        """The view held, if that is what is offered; None when the offer is newer."""
        held = self.current
        if held is None or header.position > held.header.position:
            return None
        if header.position < held.header.position:
            raise RollbackError("older than the view held")
        if header.hash != held.hash:
            evidence = ForkEvidence(held.signed.SerializeToString(), signed.SerializeToString())
            raise ForkError("two views of one serial", evidence)
        return held
