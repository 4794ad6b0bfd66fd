"""What listed nodes say afterwards: further keys, that they are up or leave, that they have their data, their tests."""

from dataclasses import replace

from essaim.protocol.view import NodeState, Role
from essaim.protocol.view.testers import TestKind
from essaim.protocol.view.wire import require
from essaim_discovery import keys
from essaim_discovery.events import Event, EventKind
from essaim_discovery.refusal import (
    DecommissionedError,
    NotDrawnError,
    NotListedError,
    NotMovingError,
    RoundOverError,
    WrongStartError,
)
from essaim_discovery.registration import REMEMBERED_MS
from essaim_discovery.state import Member, State
from essaim_discovery.transaction import Checked
from essaim_discovery.trial import Word

MOST_RESULTS = 64
"""In one report. A node is drawn for 5 others and kind, on the average; a small swarm for all its members."""
_KINDS = frozenset(int(kind) for kind in TestKind)


def publish_keys(state: State, checked: Checked) -> tuple[State, tuple[Event, ...]]:
    """Further onion keys of the registered start."""
    member, periods = _listed(state, checked), state.parameters.key_periods
    new = keys.read(checked.message.publish_keys.keys, member.descriptor, periods, state.now_ms)
    former = keys.alive(member.keys, periods, state.now_ms)
    changed = replace(member, keys=keys.merged(former, new))
    return state.with_member(changed), (Event(EventKind.KEYS_PUBLISHED, member.descriptor.role),)


def prove_uptime(state: State, checked: Checked) -> tuple[State, tuple[Event, ...]]:
    """The node is up; one that was away is back."""
    member = _listed(state, checked)
    if checked.message.prove_uptime.start_id != member.descriptor.start_id:
        raise WrongStartError("a proof of another start")
    back = member.state == NodeState.AWAY
    proven = replace(member, proven_ms=state.now_ms, state=NodeState.ACTIVE if back else member.state)
    kind = EventKind.RETURNED if back else EventKind.PROVEN
    return state.with_member(proven), (Event(kind, member.descriptor.role),)


def leave(state: State, checked: Checked) -> tuple[State, tuple[Event, ...]]:
    """The node takes no new work; or its process has stopped, and only what has no data to keep is listed no longer."""
    member = _listed(state, checked)
    role = member.descriptor.role
    if member.state == NodeState.DECOMMISSIONED:
        raise DecommissionedError("an expelled node does not leave: it could register anew")
    if not checked.message.leave.gone:
        leaving = replace(member, state=NodeState.LEAVING)
        return state.with_member(leaving), (Event(EventKind.LEAVING, role),)
    if not member.placed:
        until_ms = state.now_ms + REMEMBERED_MS
        return state.with_member(member).without(member.node_id, until_ms), (Event(EventKind.GONE, role),)
    away = NodeState.AWAY if member.state == NodeState.ACTIVE else member.state
    return state.with_member(replace(member, state=away)), (Event(EventKind.WENT_AWAY, role),)


def transfer_complete(state: State, checked: Checked) -> tuple[State, tuple[Event, ...]]:
    """The node has all that the swarm which it joins, or stays in, will keep. NOT_MOVING."""
    member, body = _listed(state, checked), checked.message.transfer_complete
    move = state.move_of(member)
    if move is None or (move.serial, member.next_id) != (body.move_serial, body.swarm_id):
        raise NotMovingError("not a move that is under way")
    done = replace(move, complete=move.complete | {(body.swarm_id, member.node_id)})
    moves = tuple(done if each is move else each for each in state.moves)
    return replace(state, moves=moves).with_member(member), (Event(EventKind.COMPLETED, Role.STORAGE),)


def report_tests(state: State, checked: Checked) -> tuple[State, tuple[Event, ...]]:
    """What a drawn tester has seen. MALFORMED, ROUND_OVER, NOT_DRAWN."""
    member, body, tests = _listed(state, checked), checked.message.test_report, state.round
    if body.view_serial != tests.serial or not tests.serial:
        raise RoundOverError("not the round of tests that is under way")
    require(0 < len(body.results) + len(body.silent) <= MOST_RESULTS, "a report has 1 to 64 results")
    require(all(each.kind in _KINDS for each in body.results), "a test of an unknown kind")
    said = [((TestKind(each.kind), each.node_id), Word.PASSED if each.passed else Word.FAILED) for each in body.results]
    said += [((TestKind.STORAGE, each), Word.SILENT) for each in body.silent]
    for subject, word in said:
        if not tests.has_drawn(member.node_id, *subject):
            raise NotDrawnError("a test that this node was not drawn for")
        tests = tests.with_word(member.node_id, *subject, word)
    return replace(state, round=tests).with_member(member), (Event(EventKind.REPORTED, member.descriptor.role),)


def _listed(state: State, checked: Checked) -> Member:
    """The node, with this transaction as its last."""
    member = state.members.get(checked.node_id)
    if member is None:
        raise NotListedError("the node is not registered")
    return replace(member, seen=checked.seen)
