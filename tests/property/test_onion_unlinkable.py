"""What an adversary who holds cells can do with them: alter, replay, compare, count bytes."""

from collections.abc import Iterator
from random import Random

import pytest

from essaim.protocol.geometry import CELL_SIZES, LAYOUTS, Suite
from essaim.protocol.onion import (
    BadCellError,
    CellRefusedError,
    CellSpec,
    HopPublic,
    Keyring,
    KeyUnknownError,
    Refusal,
    ReplayError,
    unwrap,
)
from essaim.protocol.onion.kem import decapsulate
from essaim.protocol.onion.routing import Routing
from essaim.protocol.onion.schedule import derive, header_stream
from essaim.testing.onion import NOW_MS, OnionRoute

SEED = 20261123
FLIPS = 10_000
WINDOW = 8


@pytest.fixture
def random() -> Random:
    print("seed", SEED)
    return Random(SEED)


@pytest.mark.parametrize("suite", Suite)
def test_single_bit_flips_are_refused_at_the_first_honest_hop(suite: Suite, random: Random) -> None:
    """Each hop in turn is the first honest one; half of the flips fall into the header, half anywhere."""
    route = OnionRoute(4, SEED)
    cells = route.carry(route.wrap(b"flip me", CellSpec(suite))[0]).cells
    reasons = set()
    for trial in range(FLIPS):
        hop = trial % 4
        at = random.randrange(LAYOUTS[suite].header if trial % 8 < 4 else len(cells[hop]))
        altered = bytearray(cells[hop])
        altered[at] ^= 1 << random.randrange(8)
        with pytest.raises((BadCellError, KeyUnknownError)) as refused:
            unwrap(bytes(altered), route.rings[hop], NOW_MS)
        reasons.add(refused.value.reason)
    assert reasons == {"BAD_CELL", "KEY_UNKNOWN"}


def test_every_byte_of_the_header_is_bound() -> None:
    route = OnionRoute(2, SEED)
    cell, _ = route.wrap(b"x", CellSpec(Suite.X25519))
    taken = []
    for at in range(LAYOUTS[Suite.X25519].header):
        altered = bytearray(cell)
        altered[at] ^= 0xFF if at < 4 else 0x01
        try:
            unwrap(bytes(altered), route.rings[0], NOW_MS)
        except CellRefusedError:
            continue
        taken.append(at)
    assert taken == []


def test_top_bit_of_the_x25519_point_is_bound() -> None:
    """X25519 ignores that bit: only the transcript and the MAC make the cell one of a kind."""
    route = OnionRoute(1, SEED)
    cell = bytearray(route.wrap(b"x", CellSpec(Suite.X25519))[0])
    cell[8 + 31] ^= 0x80
    with pytest.raises(BadCellError):
        unwrap(bytes(cell), route.rings[0], NOW_MS)


@pytest.mark.parametrize("suite", Suite)
def test_replays_are_refused_also_after_a_restart(suite: Suite) -> None:
    route = OnionRoute(1, SEED)
    cells = [route.wrap(b"again", CellSpec(suite))[0] for _ in range(500)]
    for cell in cells:
        unwrap(cell, route.rings[0], NOW_MS)
    restarted = Keyring(route.periods, Random(SEED + 1).randbytes)
    restarted.advance(NOW_MS)
    for cell in cells:
        with pytest.raises(ReplayError):
            unwrap(cell, route.rings[0], NOW_MS)
        with pytest.raises(KeyUnknownError):
            unwrap(cell, restarted, NOW_MS)


def windows(cell: bytes) -> set[bytes]:
    return {cell[at : at + WINDOW] for at in range(len(cell) - WINDOW + 1)}


@pytest.mark.parametrize("suite", Suite)
def test_no_window_of_eight_bytes_survives_a_hop(suite: Suite) -> None:
    """An empty payload is the hardest case: whatever is not encrypted shows. The first 8 bytes differ by key id."""
    route = OnionRoute(4, SEED)
    for _ in range(4):
        cell, _opener = route.wrap(b"", CellSpec(suite))
        seen = [windows(each) for each in route.carry(cell).cells]
        for first in range(4):
            for second in range(first):
                assert not seen[first] & seen[second]


def test_no_window_of_eight_bytes_survives_a_relay_on_the_way_back() -> None:
    route = OnionRoute(4, SEED)
    carried = route.carry(route.wrap(b"", CellSpec(Suite.X25519))[0])
    seq, reply = carried.sealer.heartbeat()
    seen = [windows(each) for each in carried.back(seq, reply)]
    for first in range(4):
        for second in range(first):
            assert not seen[first] & seen[second]


def chi2(data: bytes) -> float:
    """Pearson's chi-square of the byte values against flat: mean 255, deviation 22.6."""
    expected = len(data) / 256
    return sum((data.count(value) - expected) ** 2 for value in range(256)) / expected


CELLS = 60


@pytest.fixture(scope="module")
def hop_cells() -> list[list[bytes]]:
    """For each hop the cells that entered it, without the 8 bytes in the clear; the payload is all zero."""
    route = OnionRoute(4, SEED)
    carried = [route.carry(route.wrap(bytes(11_000), CellSpec(Suite.HYBRID))[0]).cells for _ in range(CELLS)]
    return [[cells[hop][8:] for cells in carried] for hop in range(4)]


def test_bytes_are_flat_at_every_hop(hop_cells: list[list[bytes]]) -> None:
    for cells in hop_cells:
        values = [chi2(cell) for cell in cells]
        assert 240 < sum(values) / CELLS < 270
        assert max(values) < 255 + 6 * 22.6


def features(cell: bytes) -> list[float]:
    """Chi-square of each of 16 parts, so that a part with structure stands out."""
    part = len(cell) // 16
    return [chi2(cell[at * part : (at + 1) * part]) for at in range(16)]


def test_position_on_the_path_cannot_be_learnt(hop_cells: list[list[bytes]]) -> None:
    """A nearest-centroid classifier, trained on half of the cells, guesses the hop of the others: chance is 25 %."""
    examples = [[features(cell) for cell in cells] for cells in hop_cells]
    half = CELLS // 2
    centroids = [[sum(column) / half for column in zip(*rows[:half], strict=True)] for rows in examples]

    def guess(row: list[float]) -> int:
        distances = [sum((a - b) ** 2 for a, b in zip(row, each, strict=True)) for each in centroids]
        return distances.index(min(distances))

    right = sum(guess(row) == hop for hop, rows in enumerate(examples) for row in rows[half:])
    # 120 guesses at 1/4: mean 30, deviation 4.7.
    assert right < 30 + 5 * 4.7


@pytest.mark.parametrize("hops", [1, 2, 3, 4])
def test_tail_at_the_last_hop_is_random_for_every_length_of_path(hops: int) -> None:
    """Zeros there would tell the destination how long the path was."""
    tails = b"".join(last_tails(hops))
    assert 255 - 6 * 22.6 < chi2(tails) < 255 + 6 * 22.6
    assert bytes(16) not in tails


def last_tails(hops: int) -> Iterator[bytes]:
    route = OnionRoute(hops, SEED + hops)
    layout = LAYOUTS[Suite.X25519]
    for _ in range(60):
        cell = route.carry(route.wrap(b"", CellSpec(Suite.X25519))[0]).cells[-1]
        pair = route.rings[-1].pair(cell[4:8])
        assert pair is not None
        shared, transcript = decapsulate(pair, Suite.X25519, cell[8 : layout.beta_at])
        plain = header_stream(derive(shared, transcript, cell[:8])).update(cell[layout.beta_at : layout.gamma_at])
        assert Routing.parse(plain[:64]).next_node == bytes(32)
        yield plain[64:]


def test_reply_and_error_cells_look_alike() -> None:
    """Same size, flat bytes: the hops before cannot tell a failure from a success."""
    route = OnionRoute(4, SEED)
    replies, errors = [], []
    for _ in range(20):
        carried = route.carry(route.wrap(b"", CellSpec(Suite.X25519))[0])
        replies += carried.back(*carried.sealer.seal(b"", last=True))
        carried = route.carry(route.wrap(b"", CellSpec(Suite.X25519))[0])
        errors += carried.back(*carried.relays[2].fail(Refusal.UNREACHABLE), start=2)
    assert {len(each) for each in replies + errors} == {CELL_SIZES[0]}
    for cells in (replies, errors):
        assert 240 < sum(map(chi2, cells)) / len(cells) < 270


def test_two_calls_of_one_client_share_nothing() -> None:
    """Same path, same payload, same minute: only the four bytes of version, suite and classes and the key id recur."""
    route = OnionRoute(4, SEED)
    first, second = (route.wrap(b"same", CellSpec())[0] for _ in range(2))
    assert first[:8] == second[:8]
    assert not windows(first[8:]) & windows(second[8:])


def test_hop_is_used_by_its_public_keys_alone() -> None:
    """A path made of the published keys, as a client has them, carries a cell: nothing private is needed."""
    route = OnionRoute(4, SEED)
    for hop in route.path:
        assert isinstance(hop, HopPublic)
        assert set(vars(hop)) <= {"node_id", "x25519", "mlkem", "key_id", "transcripts"}
