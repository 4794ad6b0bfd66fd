"""The lengths that docs/protocol/onion.md states, against what geometry derives."""

import pytest

from essaim.protocol.geometry import (
    ENVELOPE_SIZES,
    LAYOUTS,
    MESSAGE_LIMIT,
    CellClass,
    Suite,
    reply_class_of,
)


def test_layout_has_the_written_sizes() -> None:
    classic, hybrid = LAYOUTS[Suite.X25519], LAYOUTS[Suite.HYBRID]
    assert (classic.kem, classic.slot, classic.beta, classic.header) == (32, 112, 400, 456)
    assert (hybrid.kem, hybrid.slot, hybrid.beta, hybrid.header) == (1120, 1200, 3664, 4808)
    assert [classic.body(each) for each in CellClass] == [15928, 65080, 261688]
    assert [hybrid.body(each) for each in CellClass] == [11576, 60728, 257336]
    assert [hybrid.payload(each) for each in CellClass] == [11556, 60708, 257316]


def test_reply_payload_is_the_class_without_tag_kind_and_length() -> None:
    assert [each.reply_payload for each in CellClass] == [16363, 65515, 262123]


@pytest.mark.parametrize(("size", "forward", "count"), [(4096, 0, 2), (10240, 0, 1), (57344, 1, 1), (253952, 2, 1)])
def test_envelopes_fit_the_class_that_the_design_gives_them(size: int, forward: int, count: int) -> None:
    assert size in ENVELOPE_SIZES
    hybrid = LAYOUTS[Suite.HYBRID]
    assert hybrid.class_of(size * count) == CellClass(forward) == hybrid.class_of(size)
    assert reply_class_of(size) == CellClass(forward)


def test_smallest_reply_holds_three_small_envelopes() -> None:
    assert reply_class_of(3 * 4096) == CellClass.SMALL


def test_class_of_is_none_for_what_no_cell_holds() -> None:
    hybrid = LAYOUTS[Suite.HYBRID]
    assert hybrid.class_of(hybrid.payload(CellClass.LARGE)) == CellClass.LARGE
    assert hybrid.class_of(hybrid.payload(CellClass.LARGE) + 1) is None
    assert reply_class_of(CellClass.LARGE.reply_payload + 1) is None


def test_message_limit_holds_a_full_batch_of_each_class() -> None:
    for each in CellClass:
        assert each.batch_limit * each.size < MESSAGE_LIMIT
        assert each.initial_grant * each.size <= 131072 or each is CellClass.LARGE
