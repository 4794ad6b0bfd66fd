"""Node tests in discovery: who is expelled, who is not, and how one comes back."""

import random
from collections.abc import Callable

import pytest

from essaim.discovery.v1 import discovery_pb2
from essaim.protocol.errors import ProtocolError
from essaim.protocol.keys import SigningKey
from essaim.protocol.view import Genesis, NodeState, Parameters, Role, SwarmSizes
from essaim.protocol.view.testers import TestKind
from essaim.protocol.view.transaction import sign_transaction
from essaim.testing.clock import MONDAY_MS
from essaim.testing.effort import examples
from essaim.testing.registrant import Registrant
from essaim_discovery import snapshot
from essaim_discovery.apply import apply
from essaim_discovery.state import Expelled, State
from essaim_discovery.transaction import BeginView, Tick
from essaim_discovery.trial import MOST_CREDIT
from essaim_discovery.unsigned_view import entries_of, header_of
from essaim_discovery.verdict import RETURN_CREDIT

PARAMETERS = Parameters(
    x25519_period_seconds=86_400,
    kem_period_seconds=8 * 86_400,
    swarm_sizes=SwarmSizes(3, 3, 5),
    uptime_seconds=60,
    away_seconds=180,
    drop_seconds=86_400,
)
AUTHORITY = SigningKey(bytes(31) + b"\7")
GENESIS = Genesis.create("paper", [AUTHORITY], PARAMETERS, [], MONDAY_MS)
ROUND_MS = PARAMETERS.away_seconds * 1_000
SILENT = "silent"


class Trials:
    """A network whose nodes prove their uptime and report what `sees` tells them."""

    def __init__(self, relays: int, storage: int, seed: int = 1) -> None:
        self.dice = random.Random(seed)
        roles = [Role.RELAY] * relays + [Role.STORAGE] * storage
        self.nodes = [Registrant(GENESIS, number, role) for number, role in enumerate(roles)]
        self.by_id = {node.node_id: node for node in self.nodes}
        self.state, _ = apply(State.of(GENESIS), Tick(MONDAY_MS + 1))
        for node in self.nodes:
            self.do(node.register(self.state.now_ms))
        self.silent: set[bytes] = set()
        self.sees: Callable[[bytes, TestKind, bytes], bool | str | None] = lambda tester, kind, subject: True
        """True, False, SILENT, or None for nothing to say."""
        for _ in range(3):
            self.view()
        self.round(report=False)

    def do(self, transaction) -> None:
        self.state, _ = apply(self.state, transaction)

    def view(self) -> None:
        self.do(BeginView(self.state.serial + 1, self.dice.randbytes(32)))

    def round(self, *, report: bool = True) -> None:
        """Everybody reports, a round's time passes, a view judges it and draws the next."""
        if report:
            self.report()
        self.do(Tick(self.state.now_ms + ROUND_MS - 1))
        for node in self.nodes:
            if node.node_id not in self.silent and node.node_id in self.state.members:
                self.do(node.prove())
        self.do(Tick(self.state.now_ms + 1))
        before = self.state.round.serial
        self.view()
        assert self.state.round.serial == self.state.serial > before

    def report(self) -> None:
        words: dict[bytes, list[discovery_pb2.TestResult]] = {}
        silent: dict[bytes, list[bytes]] = {}
        for (kind, subject), testers in self.state.round.draw.items():
            for tester in testers:
                said = self.sees(tester, kind, subject)
                if said == SILENT:
                    silent.setdefault(tester, []).append(subject)
                elif said is not None:
                    words.setdefault(tester, []).append(
                        discovery_pb2.TestResult(
                            node_id=subject, kind=discovery_pb2.TestKind.ValueType(kind), passed=said is True
                        )
                    )
        for tester in sorted({*words, *silent}):
            said = self.by_id[tester].report(
                self.state.round.serial, *words.get(tester, ()), silent=silent.get(tester, ())
            )
            self.do(said)

    def expelled(self) -> set[bytes]:
        return {key for key, member in self.state.members.items() if member.state == NodeState.DECOMMISSIONED}

    def rounds_until(self, wanted, most: int = 40) -> int:
        for count in range(most + 1):
            if wanted():
                return count
            self.round()
        raise AssertionError(f"not within {most} rounds")


@pytest.fixture
def net() -> Trials:
    return Trials(relays=6, storage=6)


# Who is expelled


def test_forgetful_store_is_expelled_after_three_rounds(net: Trials) -> None:
    bad = net.nodes[7].node_id
    net.sees = lambda tester, kind, subject: not (kind == TestKind.STORAGE and subject == bad)
    assert net.rounds_until(net.expelled) == 3
    assert net.expelled() == {bad} and net.state.members[bad].expelled == Expelled.FORGETFUL


def test_store_that_dropped_a_twentieth_is_found_within_five_rounds(net: Trials) -> None:
    """Each tester asks for 64 records of its own choice: it notices with 96%."""
    bad = net.nodes[8].node_id

    def sees(_tester: bytes, kind: TestKind, subject: bytes) -> bool:
        caught = any(net.dice.random() < 0.05 for _ in range(64))
        return not (kind == TestKind.STORAGE and subject == bad and caught)

    net.sees = sees
    assert net.rounds_until(lambda: net.expelled() == {bad}) <= 5


def test_node_that_nobody_reaches_is_expelled_after_twelve_rounds(net: Trials) -> None:
    bad = net.nodes[2].node_id
    net.sees = lambda tester, kind, subject: subject != bad
    assert net.rounds_until(net.expelled) == MOST_CREDIT
    assert net.expelled() == {bad} and net.state.members[bad].expelled == Expelled.UNREACHABLE


def test_store_that_answers_nobody_is_expelled_after_twelve_rounds(net: Trials) -> None:
    bad = net.nodes[7].node_id
    net.sees = lambda tester, kind, subject: SILENT if kind == TestKind.STORAGE and subject == bad else True
    assert net.rounds_until(net.expelled) == MOST_CREDIT
    assert net.expelled() == {bad} and net.state.members[bad].expelled == Expelled.FORGETFUL
    for _ in range(2 * RETURN_CREDIT):
        net.round()
    assert net.expelled() == {bad}, "it does not come back by being reachable"


# Who is not


def test_silence_of_a_store_that_nobody_reaches_counts_once(net: Trials) -> None:
    """Cut off, it is not reached: that costs one, as ever, and it comes back by itself."""
    bad = net.nodes[7].node_id
    net.sees = lambda tester, kind, subject: True if subject != bad else SILENT if kind == TestKind.STORAGE else False
    net.round()
    assert net.state.members[bad].credit == MOST_CREDIT - 1
    net.rounds_until(net.expelled)
    assert net.state.members[bad].expelled == Expelled.UNREACHABLE


def test_silence_that_few_or_most_speak_of_costs_nothing(net: Trials) -> None:
    """A tester that hears nobody, and a night in which no store hears another."""
    deaf = net.nodes[7].node_id
    net.sees = lambda tester, kind, subject: SILENT if kind == TestKind.STORAGE and tester == deaf else True
    net.round()
    net.sees = lambda tester, kind, subject: SILENT if kind == TestKind.STORAGE else True
    net.round()
    assert {member.credit for member in net.state.members.values()} == {MOST_CREDIT}


@pytest.mark.parametrize("victim", [0, 7])
def test_liar_expels_nobody_and_saves_nobody(net: Trials, victim: int) -> None:
    liar = net.nodes[9].node_id
    target, forgetful = net.nodes[victim].node_id, net.nodes[10].node_id
    net.sees = lambda tester, kind, subject: subject != target if tester == liar else True
    for _ in range(20):
        net.round()
    assert net.expelled() == set()
    net.sees = lambda tester, kind, subject: tester == liar or subject != forgetful
    for _ in range(3 * MOST_CREDIT):
        net.round()
    assert liar not in net.expelled()


def test_slow_node_that_fails_now_and_then_keeps_its_credit(net: Trials) -> None:
    slow = net.nodes[6].node_id
    count = [0]

    def sees(_tester: bytes, kind: TestKind, subject: bytes) -> bool:
        return not (subject == slow and kind == TestKind.STORAGE and count[0] % 6 == 0)

    net.sees = sees
    for count[0] in range(36):
        net.round()
        assert net.expelled() == set()


def test_short_partition_of_one_node_costs_little_and_is_made_good(net: Trials) -> None:
    lonely = net.nodes[6].node_id
    net.sees = lambda tester, kind, subject: (
        None if kind == TestKind.STORAGE and lonely in (tester, subject) else lonely not in (tester, subject)
    )
    for _ in range(MOST_CREDIT - 1):
        net.round()
    assert net.expelled() == set() and net.state.members[lonely].credit == 1
    assert all(member.credit == MOST_CREDIT for key, member in net.state.members.items() if key != lonely)
    net.sees = lambda tester, kind, subject: True
    for _ in range(MOST_CREDIT):
        net.round()
    assert net.state.members[lonely].credit == MOST_CREDIT


@pytest.mark.parametrize("share", [0.4, 0.7, 1.0])
def test_outage_of_a_part_of_the_network_expels_nobody(share: float) -> None:
    net = Trials(relays=12, storage=9)
    away = {node.node_id for node in net.nodes[:: max(1, round(1 / share))]}
    net.sees = lambda tester, kind, subject: (tester in away) == (subject in away) if share < 1 else False
    for _ in range(2 * MOST_CREDIT):
        net.round()
    assert net.expelled() == set()


def test_silence_of_all_testers_is_no_failure(net: Trials) -> None:
    net.sees = lambda tester, kind, subject: None
    for _ in range(20):
        net.round()
    assert net.expelled() == set()


def test_one_of_ten_at_most_is_expelled_at_a_time() -> None:
    net = Trials(relays=24, storage=0)
    bad = {node.node_id for node in net.nodes[:5]}
    net.sees = lambda tester, kind, subject: subject not in bad
    for _ in range(3 * MOST_CREDIT):
        net.round()
    assert len(net.expelled()) == 2 and net.expelled() < bad


def test_swarm_keeps_a_quorum_whatever_the_tests_say() -> None:
    net = Trials(relays=30, storage=3)
    bad = {node.node_id for node in net.nodes[-3:-1]}
    net.sees = lambda tester, kind, subject: subject not in bad
    for _ in range(2 * MOST_CREDIT):
        net.round()
    assert len(net.expelled()) == 1, "there is no second that the swarm can do without"


# The way back


def test_unreachable_node_comes_back_when_it_has_passed_eight_rounds(net: Trials) -> None:
    bad = net.nodes[2].node_id
    net.sees = lambda tester, kind, subject: subject != bad
    net.rounds_until(lambda: net.expelled() == {bad})
    net.do(net.by_id[bad].register(net.state.now_ms))
    assert net.expelled() == {bad}, "another start does not help"
    net.sees = lambda tester, kind, subject: True
    assert net.rounds_until(lambda: not net.expelled()) == RETURN_CREDIT


def test_forgetful_store_comes_back_by_an_authoritys_word_alone(net: Trials) -> None:
    bad = net.nodes[7].node_id
    net.sees = lambda tester, kind, subject: not (kind == TestKind.STORAGE and subject == bad)
    net.rounds_until(lambda: net.expelled() == {bad})
    net.sees = lambda tester, kind, subject: True
    for _ in range(3 * MOST_CREDIT):
        net.round()
    assert net.expelled() == {bad}
    body = discovery_pb2.Transaction(
        network_id=GENESIS.network_id,
        node_id=AUTHORITY.public.raw,
        sequence=1,
        recommission=discovery_pb2.Recommission(node_id=bad),
    )
    net.do(sign_transaction(body, AUTHORITY))
    assert net.expelled() == set() and net.state.members[bad].credit >= RETURN_CREDIT


def test_expelled_node_that_was_dropped_registers_as_expelled(net: Trials) -> None:
    bad = net.nodes[2].node_id
    net.sees = lambda tester, kind, subject: subject != bad
    net.rounds_until(lambda: net.expelled() == {bad})
    net.silent.add(bad)
    net.do(Tick(net.state.now_ms + PARAMETERS.drop_seconds * 1_000))
    assert bad not in net.state.members
    net.state = snapshot.load(snapshot.dump(net.state), GENESIS)
    net.do(net.by_id[bad].register(net.state.now_ms))
    assert net.expelled() == {bad}


# Reports


def refused(net: Trials, transaction) -> str:
    with pytest.raises(ProtocolError) as caught:
        apply(net.state, transaction)
    return caught.value.reason


def test_report_that_nobody_asked_for_is_refused(net: Trials) -> None:
    serial = net.state.round.serial
    (kind, subject), testers = next(iter(net.state.round.draw.items()))
    result = discovery_pb2.TestResult(node_id=subject, kind=discovery_pb2.TestKind.ValueType(kind), passed=False)
    tester = net.by_id[testers[0]]
    assert refused(net, net.by_id[subject].report(serial, result)) == "NOT_DRAWN"
    for other in (0, serial - 1, serial + 1):
        assert refused(net, tester.report(other, result)) == "ROUND_OVER"
    unknown = discovery_pb2.TestResult(node_id=subject, kind=discovery_pb2.TEST_KIND_UNSPECIFIED)
    assert refused(net, tester.report(serial, unknown)) == "MALFORMED"
    assert refused(net, tester.report(serial)) == "MALFORMED"
    assert refused(net, tester.report(serial, *[result] * 65)) == "MALFORMED"
    assert refused(net, Registrant(GENESIS, 99).report(serial, result)) == "NOT_LISTED"


def test_first_word_of_a_tester_counts(net: Trials) -> None:
    (kind, subject), testers = next(iter(net.state.round.draw.items()))
    passed = discovery_pb2.TestResult(node_id=subject, kind=discovery_pb2.TestKind.ValueType(kind), passed=True)
    failed = replace_passed(passed, value=False)
    serial, tester = net.state.round.serial, net.by_id[testers[0]]
    net.do(tester.report(serial, passed, failed))
    votes = net.state.round.votes
    net.do(tester.report(serial, failed))
    assert net.state.round.votes == votes and votes[kind, subject].failed == 0


def replace_passed(result: discovery_pb2.TestResult, *, value: bool) -> discovery_pb2.TestResult:
    copy = discovery_pb2.TestResult()
    copy.CopyFrom(result)
    copy.passed = value
    return copy


def test_header_says_which_view_draws() -> None:
    state, _ = apply(State.of(GENESIS), Tick(MONDAY_MS + 1))
    nodes = [Registrant(GENESIS, number) for number in range(3)]
    for node in nodes:
        state, _ = apply(state, node.register(state.now_ms))
    before, drawn = None, []
    for _ in range(7):
        state, _ = apply(state, Tick(state.now_ms + ROUND_MS // 3 - 1))
        for node in nodes:
            state, _ = apply(state, node.prove())
        state, _ = apply(state, Tick(state.now_ms + 1))
        state, _ = apply(state, BeginView(before.serial + 1 if before else 1, before.hash if before else bytes(32)))
        before = header_of(state, entries_of(state, {}), before)
        drawn.append(before.draws_tests)
        assert not before.draws_tests or state.round.seed == before.previous_hash
    assert drawn == [False, False, True, False, False, True, False]


# Any reports at all


@pytest.mark.parametrize("seed", range(examples(6)))
def test_whatever_up_to_a_fifth_of_liars_say_expels_no_honest_node(seed: int) -> None:
    """Liars vote at random or against everybody; four of five testers must agree, so one in five cannot."""
    print(f"seed {seed}")
    net = Trials(relays=12, storage=0, seed=seed)
    dice = random.Random(seed)
    liars = {node.node_id for node in dice.sample(net.nodes, 2)}
    spite = dice.random() < 0.5
    net.sees = lambda tester, kind, subject: (
        True if tester not in liars else (subject in liars if spite else dice.choice([True, False, None]))
    )
    for _ in range(25):
        net.round()
        back = snapshot.load(snapshot.dump(net.state), GENESIS)
        assert back == net.state
    assert net.expelled() == set()
