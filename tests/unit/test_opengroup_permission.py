"""The permission matrix: each role, each act, each state of room and member."""

from dataclasses import replace

import pytest

from essaim.protocol.opengroup.permission import (
    ALL,
    Act,
    Override,
    Permission,
    Role,
    RoomRules,
    Standing,
    check_rank,
    permissions,
    refusal,
)
from essaim.protocol.opengroup.refusal import OutrankedError

NOW_MS = 1_800_000_000_000
HOUR_MS = 3_600_000
KNOWN = Standing(known_ms=NOW_MS - HOUR_MS)
READ_ONLY = RoomRules(defaults=Permission.READ | Permission.REACT)
GRANT = Override(allow=Permission.WRITE)
MUTE = Override(deny=Permission.WRITE | Permission.REACT, until_ms=NOW_MS + 1)
BAD_PAST = Override(deny=ALL, from_ms=NOW_MS - 9, until_ms=NOW_MS)
COMING = Override(allow=ALL, deny=Permission.READ, from_ms=NOW_MS + 1)
CAME = Override(allow=Permission.WRITE, from_ms=NOW_MS)
NEXT = Override(allow=Permission.WRITE, from_ms=NOW_MS + 1)
GONE_NEXT, WENT = Override(from_ms=NOW_MS + 1), Override(from_ms=NOW_MS - 1)
OVER = Override(allow=Permission.WRITE, from_ms=NOW_MS - 9, until_ms=NOW_MS)
INVITED = RoomRules(by_invitation=True)
YOUNG = RoomRules(min_age_ms=HOUR_MS + 1)
STATES = {
    "open": (RoomRules(), KNOWN),
    "banned": (RoomRules(), replace(KNOWN, banned_until_ms=NOW_MS + 1)),
    "ban_over": (RoomRules(), replace(KNOWN, banned_until_ms=NOW_MS)),
    "read_only": (READ_ONLY, KNOWN),
    "closed": (RoomRules(defaults=Permission(0)), KNOWN),
    "archived": (RoomRules(archived=True), KNOWN),
    "invitation": (INVITED, KNOWN),
    "invited": (INVITED, replace(KNOWN, joined=True)),
    "young": (YOUNG, KNOWN),
    "young_named": (YOUNG, replace(KNOWN, override=GRANT)),
    "granted": (READ_ONLY, replace(KNOWN, override=GRANT)),
    "muted": (RoomRules(), replace(KNOWN, override=MUTE)),
    "mute_over": (RoomRules(), replace(KNOWN, override=BAD_PAST)),
    "grant_comes": (READ_ONLY, replace(KNOWN, override=COMING)),
    "grant_came": (READ_ONLY, replace(KNOWN, override=MUTE, coming=(CAME,))),
    "grant_is_next": (READ_ONLY, replace(KNOWN, coming=(NEXT,))),
    "grant_goes_next": (READ_ONLY, replace(KNOWN, override=GRANT, coming=(GONE_NEXT,))),
    "grant_went": (READ_ONLY, replace(KNOWN, override=GRANT, coming=(WENT, NEXT))),
    "grant_came_and_ended": (READ_ONLY, replace(KNOWN, override=GRANT, coming=(OVER,))),
    "young_named_since": (YOUNG, replace(KNOWN, coming=(CAME,))),
}
LETTERS = {
    ".": None, "B": "BANNED", "I": "INVITATION_NEEDED", "A": "ARCHIVED", "N": "NOT_ALLOWED", "Y": "TOO_YOUNG",
}  # fmt: skip
# A column for each role: stranger, member, moderator, admin, owner.
OPEN = {
    "read": ".....", "write": "N....", "upload": "N....", "react": "N....", "edit_own": "N....",
    "delete_own": "N....", "report": "N....", "direct": "N....", "delete_any": "NN...", "pin": "NN...",
    "whisper": "NN...", "moderate": "NN...", "configure": "NNN..", "destroy": "NNNN.",
}  # fmt: skip
NO_WRITE = {"write": "NN...", "upload": "NN...", "edit_own": "NN...", "direct": "NN..."}
GRANTED = {"upload": "NN..."}
TABLE = {
    "open": OPEN,
    "banned": dict.fromkeys(OPEN, "BBBBB"),
    "ban_over": OPEN,
    "read_only": OPEN | NO_WRITE,
    "closed": OPEN | dict.fromkeys(list(OPEN)[:8], "NN..."),
    "archived": OPEN | dict.fromkeys(("write", "upload", "react", "edit_own", "pin", "whisper"), "AAAAA"),
    "invitation": dict.fromkeys(OPEN, "II...") | {"configure": "IIN..", "destroy": "IINN."},
    "invited": OPEN,
    "young": OPEN | dict.fromkeys(("write", "upload", "react", "edit_own", "direct", "report"), "NY..."),
    "young_named": OPEN | dict.fromkeys(("upload", "react", "report"), "NY..."),
    "granted": OPEN | GRANTED,
    "muted": OPEN | NO_WRITE | {"react": "NN..."},
    "mute_over": OPEN,
    "grant_comes": OPEN | NO_WRITE,
    "grant_came": OPEN | GRANTED,
    "grant_is_next": OPEN | NO_WRITE,
    "grant_goes_next": OPEN | GRANTED,
    "grant_went": OPEN | NO_WRITE,
    "grant_came_and_ended": OPEN | NO_WRITE,
    "young_named_since": OPEN | dict.fromkeys(("upload", "react", "report"), "NY..."),
}


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("act", Act)
def test_refusal_is_what_the_table_says(state: str, act: Act) -> None:
    rules, standing = STATES[state]
    for role, letter in zip(Role, TABLE[state][act], strict=True):
        refused = refusal(act, rules, replace(standing, role=role), NOW_MS)
        assert (refused.reason if refused else None) == LETTERS[letter], (state, act, role)


def test_table_is_whole() -> None:
    assert TABLE.keys() == STATES.keys()
    assert all(row.keys() == set(Act) and {len(each) for each in row.values()} == {5} for row in TABLE.values())
    assert set("".join(each for row in TABLE.values() for each in row.values())) == LETTERS.keys()


@pytest.mark.parametrize("actor", Role)
@pytest.mark.parametrize("target", Role)
def test_rank_protects_equals_and_those_above(actor: Role, target: Role) -> None:
    allowed = target < Role.MODERATOR or target < actor
    if allowed:
        check_rank(actor, target)
    else:
        with pytest.raises(OutrankedError):
            check_rank(actor, target)


def test_permissions_of_moderators_are_whole() -> None:
    nothing = RoomRules(defaults=Permission(0))
    assert permissions(nothing, Standing(role=Role.MODERATOR, override=MUTE), NOW_MS) == ALL
    assert permissions(RoomRules(), Standing(role=Role.MEMBER, override=MUTE), NOW_MS) == ALL & ~MUTE.deny
