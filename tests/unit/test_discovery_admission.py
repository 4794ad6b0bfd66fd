"""Who may register: the file, the operator's signature, and that neither is of use to anybody else."""

import asyncio
from contextlib import suppress
from pathlib import Path

import pytest

from essaim.discovery.v1 import discovery_pb2
from essaim.protocol.errors import ProtocolError
from essaim.protocol.keys import SigningKey
from essaim.protocol.view import Genesis, Parameters
from essaim.protocol.view.admission import admit
from essaim.runtime.identity import load_identity
from essaim.runtime.operator import standing_of
from essaim.runtime.refusal import StartError
from essaim.runtime.settings import NodeSettings
from essaim.testing.clock import MONDAY_MS, FakeClock
from essaim.testing.registrant import Registrant
from essaim_discovery.admission import Admission, admit_operator, load_admission, make_operator_key
from essaim_discovery.authority import Authority
from essaim_discovery.driver import Driver
from essaim_discovery.log import Log

KEY = SigningKey(bytes(31) + b"\7")
OPERATOR = SigningKey(bytes(31) + b"\x08")
GENESIS = Genesis.create("paper", [KEY], Parameters(), [], MONDAY_MS)
CLOSED = Admission(operators=frozenset([OPERATOR.public.raw]))


def admitted(number: int, operator: SigningKey = OPERATOR) -> Registrant:
    node = Registrant(GENESIS, number)
    node.operator_id = operator.public.raw
    node.admission = admit(operator, GENESIS.network_id, node.node_id)
    return node


def refused(admission: Admission, transaction: discovery_pb2.SignedTransaction) -> bool:
    try:
        admission.check(transaction)
    except ProtocolError as error:
        assert error.reason == "NOT_ADMITTED"
        return True
    return False


def test_node_that_the_operator_signed_for_is_let_in() -> None:
    assert not refused(CLOSED, admitted(1).register(MONDAY_MS))


def test_listed_node_needs_no_operator() -> None:
    node = Registrant(GENESIS, 1)
    assert refused(CLOSED, node.register(MONDAY_MS))
    assert not refused(Admission(nodes=frozenset([node.node_id])), node.register(MONDAY_MS))


def test_open_network_lets_everybody_in() -> None:
    assert not refused(Admission(everybody=True), Registrant(GENESIS, 1).register(MONDAY_MS))


def test_word_for_another_node_network_or_operator_is_none() -> None:
    other = admitted(2)
    node = admitted(1)
    node.admission = other.admission
    assert refused(CLOSED, node.register(MONDAY_MS)), "replayed from another node"
    node.admission = admit(OPERATOR, bytes(32), node.node_id)
    assert refused(CLOSED, node.register(MONDAY_MS)), "of another network"
    stranger = SigningKey(bytes(31) + b"\x09")
    assert refused(CLOSED, admitted(1, stranger).register(MONDAY_MS)), "of an operator who is not listed"
    node = admitted(1, stranger)
    node.operator_id = OPERATOR.public.raw
    assert refused(CLOSED, node.register(MONDAY_MS)), "in another operator's name"
    node.admission = b""
    assert refused(CLOSED, node.register(MONDAY_MS))


def test_whatever_else_a_node_says_is_not_asked_for_admission() -> None:
    node = Registrant(GENESIS, 1)
    noise = discovery_pb2.SignedTransaction(transaction=b"\xff" * 40)
    for transaction in (node.prove(), node.leave(), node.complete(0, 1), noise):
        assert not refused(CLOSED, transaction)


async def test_refused_registration_leaves_no_trace_and_is_let_in_once_listed(tmp_path: Path) -> None:
    node, clock = admitted(1), FakeClock()
    for admission, reason in ((Admission(), "NOT_ADMITTED"), (CLOSED, None)):
        driver = Driver(GENESIS, Authority.of(GENESIS, KEY), Log(tmp_path), clock.now_ms, 1_024, admission)
        task = asyncio.create_task(driver.run())
        outcomes = await asyncio.wait_for(driver.submit([node.register(clock.now_ms())]), 20)
        assert [each.reason if each else None for each in outcomes] == [reason]
        assert list(driver.state.members) == ([] if reason else [node.node_id])
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await driver.close()


# The file


def test_network_begins_with_its_founder_alone(tmp_path: Path) -> None:
    key = make_operator_key(tmp_path)
    assert make_operator_key(tmp_path) == key and (tmp_path / "operator.key").stat().st_mode & 0o777 == 0o600
    admit_operator(tmp_path, key.public.raw)
    admit_operator(tmp_path, bytes(32))  # what is there is kept
    assert load_admission(tmp_path, None, everybody=False) == Admission(operators=frozenset([key.public.raw]))


def test_file_lists_operators_and_nodes_with_remarks(tmp_path: Path) -> None:
    file = tmp_path / "who"
    file.write_text(f"# us\noperator {'a' * 64}\n\nnode {'0' * 64}  # the one in the cellar\n")
    expected = Admission(operators=frozenset([b"\xaa" * 32]), nodes=frozenset([bytes(32)]))
    assert load_admission(tmp_path, file, everybody=False) == expected


@pytest.mark.parametrize("line", ["operator", "node abc", f"friend {'a' * 64}", f"node {'A' * 64}", "\xff"])
def test_file_that_cannot_be_read_is_one_sentence(tmp_path: Path, line: str) -> None:
    file = tmp_path / "who"
    file.write_bytes(line.encode("latin-1"))
    with pytest.raises(StartError):
        load_admission(tmp_path, file, everybody=False)


def test_nobody_runs_an_open_network_by_mistake(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="--open-admission"):
        load_admission(tmp_path, None, everybody=False)
    assert load_admission(tmp_path, None, everybody=True).everybody


# The node's side


def test_node_with_the_operators_key_admits_itself(tmp_path: Path) -> None:
    (tmp_path / "operator.key").write_bytes(bytes(31) + b"\x08")
    node_id = load_identity(tmp_path).node_id
    settings = NodeSettings(data_dir=tmp_path, operator_key=tmp_path / "operator.key")
    operator_id, word = standing_of(settings, GENESIS.network_id, node_id)
    assert operator_id == OPERATOR.public.raw and word == admit(OPERATOR, GENESIS.network_id, node_id)
    by_hand = NodeSettings(data_dir=tmp_path, operator_id=operator_id.hex(), admission=word.hex())
    assert standing_of(by_hand, GENESIS.network_id, node_id) == (operator_id, word)
    assert standing_of(NodeSettings(data_dir=tmp_path), GENESIS.network_id, node_id) == (b"", b"")


def test_operators_key_that_is_another_or_damaged_is_one_sentence(tmp_path: Path) -> None:
    file = tmp_path / "operator.key"
    file.write_bytes(bytes(32))
    for settings in (
        NodeSettings(data_dir=tmp_path, operator_key=file, operator_id="ab" * 32),
        NodeSettings(data_dir=tmp_path, operator_key=tmp_path / "none"),
    ):
        with pytest.raises(StartError):
            standing_of(settings, GENESIS.network_id, bytes(32))
    file.write_bytes(b"short")
    with pytest.raises(StartError):
        standing_of(NodeSettings(data_dir=tmp_path, operator_key=file), GENESIS.network_id, bytes(32))
