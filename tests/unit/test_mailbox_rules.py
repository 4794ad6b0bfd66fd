"""Each malformed policy, slot, version, expiry, id, cursor and puzzle has one clear reason."""

import pytest

from essaim.protocol.keys import SigningKey
from essaim.protocol.mailbox import puzzle, rule
from essaim.protocol.mailbox.cursor import Cursor
from essaim.protocol.mailbox.envelope import check_have, check_ids, check_size
from essaim.protocol.mailbox.policy import Kind, Policy
from essaim.protocol.mailbox.refusal import MailboxRefusedError

NOW = 1_800_000_000_000
A, B, C = (SigningKey(bytes([n]) * 32).public for n in (1, 2, 3))
NONE = bytes(32)
NOT_A_POINT = b"\x02" + bytes(31)
CONTENT = bytes(32) + b"\0"
SMALL_ORDER = bytes.fromhex("01") + bytes(31)


def refused(call, *arguments) -> str:
    with pytest.raises(MailboxRefusedError) as caught:
        call(*arguments)
    return caught.value.reason


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "POLICY_MALFORMED"),
        (b"\x01" + A.raw + NONE + NONE + b"\0", "POLICY_MALFORMED"),
        (b"\x00" + A.raw + NONE + NONE, "POLICY_MALFORMED"),
        (b"\x06" + A.raw + NONE + NONE, "POLICY_MALFORMED"),
        (b"\x01" + NONE + NONE + NONE, "POLICY_MALFORMED"),
        (b"\x01" + A.raw + B.raw + NONE, "POLICY_MALFORMED"),
        (b"\x01" + A.raw + NONE + B.raw, "POLICY_MALFORMED"),
        (b"\x01" + NOT_A_POINT + NONE + NONE, "POLICY_MALFORMED"),
        (b"\x01" + SMALL_ORDER + NONE + NONE, "POLICY_MALFORMED"),
        (b"\x02" + A.raw + B.raw + NONE, "POLICY_MALFORMED"),
        (b"\x03" + A.raw + NONE + NONE, "POLICY_MALFORMED"),
        (b"\x04" + A.raw + B.raw + NONE, "POLICY_MALFORMED"),
        (b"\x04" + A.raw + B.raw + A.raw + CONTENT, "POLICY_MALFORMED"),
        (b"\x05" + NONE + NONE + A.raw, "POLICY_MALFORMED"),
        (b"\x05" + NONE + NONE + A.raw + CONTENT[:-1], "POLICY_MALFORMED"),
        (b"\x05" + NONE + NONE + A.raw + CONTENT[:-1] + b"\4", "POLICY_MALFORMED"),
        (b"\x05" + NONE + B.raw + A.raw + CONTENT, "POLICY_MALFORMED"),
        (b"\x01" + A.raw + NONE + NONE + CONTENT, "POLICY_MALFORMED"),
    ],
)
def test_policy_malformed_is_refused(data: bytes, reason: str) -> None:
    assert refused(Policy.parse, data) == reason


def test_policy_of_another_mailbox_is_refused() -> None:
    policy, other = Policy.public_inbox(A), Policy.public_inbox(B)
    assert Policy.check(policy.encoded, policy.mailbox_id) == policy
    assert refused(Policy.check, policy.encoded, other.mailbox_id) == "POLICY_MISMATCH"


def test_policy_owner_is_the_read_key_but_in_an_outbox() -> None:
    assert Policy.public_inbox(A).owner == A == Policy.private_inbox(A, B).owner
    assert Policy.outbox(B).owner == B


def test_policy_owner_is_the_delete_key_of_groups_and_blobs() -> None:
    group, blob = Policy.group(A, B, C), Policy.blob(C, bytes(4096))
    assert (group.owner, group.reader) == (C, A)
    assert (blob.owner, blob.reader) == (C, None)
    assert Policy.parse(group.encoded) == group and Policy.parse(blob.encoded) == blob


def test_blob_of_other_bytes_size_or_key_is_another_mailbox() -> None:
    same, other = Policy.blob(C, bytes(4096)), bytes(4095) + b"x"
    policies = (same, Policy.blob(C, other), Policy.blob(C, bytes(10240)), Policy.blob(A, bytes(4096)))
    assert len({each.mailbox_id for each in policies}) == 4
    assert Policy.blob(C, bytes(4096)).mailbox_id == same.mailbox_id
    assert refused(Policy.blob, C, bytes(4097)) == "ENVELOPE_MALFORMED"


@pytest.mark.parametrize("slot", [b"", b"\x05", b"\0\0", b"manifest"])
@pytest.mark.parametrize("kind", [Kind.PUBLIC_INBOX, Kind.PRIVATE_INBOX])
def test_slot_of_an_inbox_is_one_byte(kind: Kind, slot: bytes) -> None:
    assert refused(rule.check_slot, kind, slot) == "SLOT_REFUSED"
    rule.check_slot(kind, b"\x04")


@pytest.mark.parametrize("kind", [Kind.OUTBOX, Kind.GROUP])
@pytest.mark.parametrize("slot", [b"", b"\0", b"m", b"m" * 33, b"with space", b"caf\xc3\xa9", b"nul\0"])
def test_entry_name_is_short_printable_ascii(kind: Kind, slot: bytes) -> None:
    assert refused(rule.check_slot, kind, slot) == "SLOT_REFUSED"
    rule.check_slot(kind, b"m" * 32)


def test_blob_has_no_slot() -> None:
    rule.check_slot(Kind.BLOB, b"")
    assert refused(rule.check_slot, Kind.BLOB, b"\0") == "SLOT_REFUSED"


@pytest.mark.parametrize(
    ("entry", "slot"),
    [(b"prekeys/0", 0), (b"prekeys/4", 4), (b"prekeys/5", None), (b"prekeys/", None), (b"manifest", None)],
)
def test_entry_slot_is_what_follows_the_slash(entry: bytes, slot: int | None) -> None:
    assert rule.entry_slot(entry) == slot


@pytest.mark.parametrize(
    ("kind", "version"),
    [(Kind.PUBLIC_INBOX, 1), (Kind.OUTBOX, 0), (Kind.OUTBOX, 1 << 63), (Kind.GROUP, 1 << 63), (Kind.BLOB, NOW - 1)],
)
def test_version_out_of_place_is_refused(kind: Kind, version: int) -> None:
    assert refused(rule.check_version, kind, version, NOW) == "VERSION_REFUSED"


def test_version_of_a_group_is_free_and_of_a_blob_its_expiry() -> None:
    rule.check_version(Kind.GROUP, 0, NOW)
    rule.check_version(Kind.GROUP, 7, NOW)
    rule.check_version(Kind.BLOB, NOW, NOW)


@pytest.mark.parametrize("ttl", [-1, 0, 4_999, 14 * rule.DAY_MS + rule.CLOCK_SKEW_MS + 1])
def test_expiry_too_soon_or_too_late_is_refused(ttl: int) -> None:
    assert refused(rule.check_new_expiry, Kind.PUBLIC_INBOX, NOW + ttl, NOW) == "EXPIRY_REFUSED"


@pytest.mark.parametrize(("kind", "ttl"), [(Kind.PUBLIC_INBOX, 14 * rule.DAY_MS), (Kind.OUTBOX, 400 * rule.DAY_MS)])
def test_expiry_from_ten_seconds_to_the_longest_passes(kind: Kind, ttl: int) -> None:
    rule.check_new_expiry(kind, NOW + rule.SHORTEST_TTL_MS, NOW)
    rule.check_new_expiry(kind, NOW + ttl, NOW)


@pytest.mark.parametrize("size", [0, 1, 4095, 4097, 65536, 253953])
def test_envelope_of_another_size_is_refused(size: int) -> None:
    assert refused(check_size, bytes(size)) == "ENVELOPE_MALFORMED"


@pytest.mark.parametrize(
    "ids", [(), (bytes(31),), (bytes(32), bytes(32)), tuple(n.to_bytes(32, "big") for n in range(257))]
)
def test_ids_missing_short_repeated_or_too_many_are_refused(ids: tuple[bytes, ...]) -> None:
    assert refused(check_ids, ids) == "IDS_REFUSED"


@pytest.mark.parametrize(
    ("salt", "have"), [(b"", (bytes(8),)), (bytes(16), (bytes(7),)), (bytes(15), ()), (bytes(16), (bytes(8),) * 4097)]
)
def test_have_malformed_is_refused(salt: bytes, have: tuple[bytes, ...]) -> None:
    assert refused(check_have, salt, have) == "HAVE_REFUSED"


NODE, OTHER, INCARNATION = b"n" * 32, b"o" * 32, b"i" * 16


def test_cursor_keeps_up_to_eight_replicas_newest_first() -> None:
    cursor = Cursor()
    for n in range(9):
        cursor = cursor.advanced(bytes([n]) * 32, INCARNATION, n + 1)
    assert len(cursor.positions) == 8
    assert cursor.number_at(bytes(32), INCARNATION) == 0
    assert cursor.number_at(bytes([8]) * 32, INCARNATION) == 9 == cursor.positions[0].number
    assert Cursor.parse(cursor.encoded) == cursor


def test_cursor_of_another_incarnation_starts_again() -> None:
    cursor = Cursor().advanced(NODE, INCARNATION, 7)
    assert cursor.number_at(NODE, b"j" * 16) == 0
    assert cursor.advanced(NODE, b"j" * 16, 1).number_at(NODE, INCARNATION) == 0
    assert Cursor.parse(b"") == Cursor()


def test_cursor_malformed_is_refused() -> None:
    good = Cursor().advanced(NODE, INCARNATION, 7).encoded
    twice = b"\x01\x02" + good[2:] * 2
    large = good[:-8] + b"\xff" * 8
    for data in (
        b"\0",
        b"\x01\x00",
        b"\x02" + good[1:],
        good[:-1],
        good + b"\0",
        b"\x01\x09" + good[2:] * 9,
        twice,
        large,
    ):
        assert refused(Cursor.parse, data) == "CURSOR_MALFORMED"


MAILBOX, SUBJECT = b"m" * 32, b"s" * 32


def test_puzzle_of_no_difficulty_asks_for_nothing() -> None:
    puzzle.check(MAILBOX, SUBJECT, b"", 0, NOW)


def test_puzzle_required_names_the_difficulty() -> None:
    with pytest.raises(puzzle.PuzzleRequiredError) as caught:
        puzzle.check(MAILBOX, SUBJECT, b"", 12, NOW)
    assert caught.value.reason == "PUZZLE_REQUIRED"
    assert caught.value.metadata == {"puzzleBits": "12"}


def test_puzzle_solution_holds_for_its_mailbox_subject_and_window_alone() -> None:
    solution = puzzle.solve(MAILBOX, SUBJECT, 14, NOW)
    puzzle.check(MAILBOX, SUBJECT, solution, 14, NOW + 10 * 60_000)
    puzzle.check(MAILBOX, SUBJECT, solution, 14, NOW - 60_000)
    for arguments in (
        (b"x" * 32, SUBJECT, solution, 14, NOW),
        (MAILBOX, b"x" * 32, solution, 14, NOW),
        (MAILBOX, SUBJECT, solution, 40, NOW),
        (MAILBOX, SUBJECT, solution + b"\0", 14, NOW),
        (MAILBOX, SUBJECT, solution, 14, NOW + 11 * 60_000),
        (MAILBOX, SUBJECT, solution, 14, NOW - 2 * 60_000),
    ):
        assert refused(puzzle.check, *arguments) == "PUZZLE_REQUIRED"
