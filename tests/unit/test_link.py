"""The link machines: hello, grants, calls, pacing. Frames are in tests/property/test_link_frames.py."""

import pytest

from essaim.protocol.geometry import CELL_SIZES, CellClass
from essaim.protocol.keys import SigningKey
from essaim.protocol.link.calls import Budget, CallTable, Total, classes_of
from essaim.protocol.link.frame import MESSAGE_CLASS, Challenge, Hello, Refuse, frames_of
from essaim.protocol.link.grant import ReceiveCredit, SendCredit
from essaim.protocol.link.hello import LINK_VERSION, NOBODY, SERIALS_BACK, LinkIdentity, admit, answer
from essaim.protocol.link.outbox import BATCH_BYTES
from essaim.protocol.link.pacing import Pacer
from essaim.protocol.link.refusal import HelloRefusedError, LinkBrokenError, OldViewError
from essaim.protocol.onion import Refusal
from essaim.testing.randomness import SeededRandom

RANDOM = SeededRandom(2)
ME, OTHER = SigningKey(RANDOM(32)), SigningKey(RANDOM(32))
ACCEPTOR = SigningKey(RANDOM(32)).public.raw
CHALLENGE = Challenge(RANDOM(32), 1)
SERIAL = 100
GRANTS = [(CellClass.SMALL, 4), (CellClass.MEDIUM, 2), (CellClass.LARGE, 1)]


def identity(key=ME, serial=SERIAL):
    return LinkIdentity(key.public.raw, key.sign, lambda: serial)


def judged(hello, challenge=CHALLENGE, serial=SERIAL, listed=True):
    return admit(hello, challenge, ACCEPTOR, serial, lambda _: listed)


def changed(hello, **fields):
    names = ("version", "link_class", "own_id", "peer_id", "view_serial", "signature")
    return Hello(**{name: fields.get(name, getattr(hello, name)) for name in names})


@pytest.mark.parametrize("link_class", [0, 1, 2, MESSAGE_CLASS])
def test_hello_of_a_listed_node_is_admitted(link_class):
    dialler = judged(answer(CHALLENGE, identity(), ACCEPTOR, link_class))
    assert (dialler.node_id, dialler.link_class) == (ME.public.raw, link_class)


def test_hello_of_a_client_names_nobody():
    hello = answer(CHALLENGE, None, ACCEPTOR, 0)
    assert hello.own_id == NOBODY and not any(hello.signature) and hello.view_serial == 0
    assert judged(hello).node_id is None


def test_unlisted_node_is_treated_as_a_client():
    assert judged(answer(CHALLENGE, identity(), ACCEPTOR, 0), listed=False).node_id is None


@pytest.mark.parametrize("who", [None, identity()])
def test_messages_are_for_listed_nodes(who):
    with pytest.raises(HelloRefusedError):
        judged(answer(CHALLENGE, who, ACCEPTOR, MESSAGE_CLASS), listed=False)


@pytest.mark.parametrize(
    "fields",
    [
        {"version": LINK_VERSION + 1},
        {"link_class": 3},
        {"peer_id": OTHER.public.raw},
        {"own_id": OTHER.public.raw},
        {"own_id": b"\xff" * 32},
        {"view_serial": SERIAL + 1},
        {"link_class": 1},
        {"signature": bytes(64)},
    ],
)
def test_changed_hello_is_refused(fields):
    with pytest.raises(HelloRefusedError):
        judged(changed(answer(CHALLENGE, identity(), ACCEPTOR, 0), **fields))


def test_hello_to_another_challenge_is_refused():
    with pytest.raises(HelloRefusedError):
        judged(answer(CHALLENGE, identity(), ACCEPTOR, 0), Challenge(bytes(32), 1))


def test_hello_to_another_node_is_refused():
    with pytest.raises(HelloRefusedError):
        judged(answer(CHALLENGE, identity(), OTHER.public.raw, 0))


def test_last_serials_are_accepted_and_older_refused():
    assert judged(answer(CHALLENGE, identity(serial=SERIAL - SERIALS_BACK), ACCEPTOR, 0)).node_id
    assert judged(answer(CHALLENGE, identity(serial=SERIAL + 5), ACCEPTOR, 0)).node_id
    with pytest.raises(OldViewError):
        judged(answer(CHALLENGE, identity(serial=SERIAL - SERIALS_BACK - 1), ACCEPTOR, 0))


@pytest.mark.parametrize(("reply_class", "initial"), GRANTS)
def test_call_starts_with_its_grant_and_then_waits(reply_class, initial):
    credit = SendCredit(reply_class)
    assert [credit.offer(seq, b"") for seq in range(initial + 2)] == [True] * initial + [False, False]
    assert credit.blocked
    assert credit.granted(1) == [(initial, b"")]
    assert credit.granted(3) == [(initial + 1, b"")]
    assert [credit.offer(9, b""), credit.offer(10, b""), credit.offer(11, b"")] == [True, True, False]


def test_waiting_cells_keep_their_order():
    credit = SendCredit(CellClass.LARGE)
    credit.offer(0, b"")
    credit.offer(1, b"")
    credit.granted(1)
    credit.offer(2, b"")
    credit.offer(3, b"")
    assert credit.granted(5) == [(2, b""), (3, b"")]


@pytest.mark.parametrize(("reply_class", "initial"), GRANTS)
def test_receiver_grants_what_was_handed_on_and_never_more(reply_class, initial):
    sender, receiver, cell = SendCredit(reply_class), ReceiveCredit(reply_class), bytes(CELL_SIZES[reply_class])
    for seq in range(100):
        assert sender.offer(seq, cell)
        receiver.received(cell)
        if grant := receiver.consumed(1):
            sender.granted(grant)
    unread = ReceiveCredit(reply_class)
    for _ in range(initial):
        unread.received(cell)
    with pytest.raises(LinkBrokenError):
        unread.received(cell)


def test_single_reply_costs_no_grant():
    receiver = ReceiveCredit(CellClass.SMALL)
    receiver.received(bytes(CELL_SIZES[0]))
    assert receiver.consumed(1) == 0


def test_reply_of_another_class_breaks_the_link():
    with pytest.raises(LinkBrokenError):
        ReceiveCredit(CellClass.SMALL).received(bytes(CELL_SIZES[1]))


def cell_of(cell_class=0, reply_class=0, size=None):
    return bytes((1, 2, cell_class, reply_class)).ljust(CELL_SIZES[cell_class] if size is None else size, b"\0")


def test_call_numbers_only_grow():
    table: CallTable[str] = CallTable(0)
    table.check_new(5, 0, cell_of())
    table.add(5, "call")
    assert table.find(5) == "call" and table.find(3) is None
    for number, seq in ((5, 0), (4, 0), (6, 1)):
        with pytest.raises(LinkBrokenError):
            table.check_new(number, seq, cell_of())
    with pytest.raises(LinkBrokenError):
        table.find(6)
    assert table.end(5) == "call" and table.end(5) is None and table.find(5) is None


@pytest.mark.parametrize(("cell", "link_class"), [(cell_of(0, 0), 0), (cell_of(0, 2), 2), (cell_of(1, 0), 1)])
def test_call_belongs_on_the_link_of_its_larger_class(cell, link_class):
    assert classes_of(cell).link == link_class
    CallTable(link_class).check_new(1, 0, cell)
    for other in {0, 1, 2, MESSAGE_CLASS} - {link_class}:
        with pytest.raises(LinkBrokenError):
            CallTable(other).check_new(1, 0, cell)


@pytest.mark.parametrize(
    "cell", [b"", bytes(3), cell_of(0, 3), cell_of(0, 0, 20_000), bytes((1, 2, 9, 0)) + bytes(100)]
)
def test_cell_that_belies_its_prefix_is_refused(cell):
    with pytest.raises(LinkBrokenError):
        classes_of(cell)


def test_budget_refuses_beyond_calls_and_bytes():
    budget = Budget(max_calls=2, max_bytes=10)
    budget.calls = 1
    assert budget.admits()
    budget.calls = 2
    assert not budget.admits()
    budget.calls, budget.held = 0, 10
    assert not budget.admits()


def test_clients_share_a_total_and_their_open_requests_count_in_it():
    total = Total(max_bytes=30)
    one, other = (Budget(max_calls=9, max_bytes=20, total=total) for _ in range(2))
    one.open(bytes(15))
    other.take(15)
    assert (one.held, other.held, total.held) == (15, 15, 30)
    assert not one.admits()
    assert not other.admits()
    one.close(bytes(15))
    assert one.admits()
    assert (one.calls, one.held, total.held) == (0, 0, 15)
    node = Budget(max_calls=9, max_bytes=20)
    node.open(bytes(40))
    assert node.admits()


def test_refusals_travel_as_the_onions_codes():
    frames = list(frames_of(memoryview(b"".join(Refuse(1, each, 7).encode() for each in Refusal))))
    assert frames == [Refuse(1, each, 7) for each in Refusal]


def test_idle_link_sends_at_once_and_a_busy_one_in_batches():
    pacer = Pacer(quiet_us=2_000, busy_us=5_000, limit=BATCH_BYTES)
    thin, quarter = CELL_SIZES[0], BATCH_BYTES // 4
    assert pacer.due_us(thin, 1_000) <= 1_000
    pacer.sent(thin, 1_000)
    assert pacer.due_us(thin, 1_500) == 3_000
    assert pacer.due_us(thin, 4_000) <= 4_000
    pacer.sent(quarter, 4_000)
    assert pacer.due_us(thin, 4_500) == 9_000
    assert pacer.due_us(BATCH_BYTES, 4_500) == 4_500  # a full batch never waits
