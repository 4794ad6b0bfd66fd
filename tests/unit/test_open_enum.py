"""Codes of a later version: they are there, and are none of those that are known."""

import pickle

import pytest

from essaim.protocol.view import NodeState, Role


def test_known_code_is_its_member() -> None:
    assert Role(2) is Role.STORAGE and Role(2).known
    assert len(Role) == 4 and Role(9) not in list(Role)


def test_later_code_is_a_member_that_equals_no_other() -> None:
    later = Role(9)
    assert int(later) == 9 and not later.known and later.name == "LATER"
    assert later == Role(9) and later != Role(8)
    assert all(later != each for each in Role)
    assert hash(later) == hash(Role(9)) and pickle.loads(pickle.dumps(later)) == later


@pytest.mark.parametrize("code", [0, -1])
def test_no_code_is_no_member(code: int) -> None:
    with pytest.raises(ValueError):
        NodeState(code)
