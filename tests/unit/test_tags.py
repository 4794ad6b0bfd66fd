"""The table of tags against what is said of it: the next 64 messages under each header key, and nothing else."""

import random

import pytest

from essaim.protocol.ratchet import header
from essaim.protocol.ratchet.header import tag_key, tag_of
from essaim.protocol.tags import NEAR, WINDOW, TagTable


def tag(key, number):
    return tag_of(tag_key(key), number)


def expected(keys, probe):
    """Who a tag belongs to, by the rule."""
    key, number = probe
    return next((owner for owner, followed in keys.items() if 0 <= number - followed.get(key, 1 << 30) < WINDOW), None)


@pytest.mark.parametrize("seed", range(5))
def test_finds_the_next_64_of_each_key_and_nothing_else(seed):
    rng = random.Random(seed)
    table, owners = TagTable(), {}
    for _ in range(120):
        owner = rng.choice("abcd")
        followed = owners.get(owner, {})
        if followed and rng.random() < 0.1:
            table.forget(owner)
            del owners[owner]
            continue
        kept = {key: first + rng.choice((0, 1, 1, 3, 70)) for key, first in followed.items() if rng.random() < 0.9}
        fresh = {rng.randbytes(32): 0 for _ in range(2 - len(kept))}
        owners[owner] = kept | fresh
        table.follow(owner, list(owners[owner].items()))
        for key, first in rng.sample([pair for each in owners.values() for pair in each.items()], 1):
            for number in (first - 1, first, first + rng.randrange(WINDOW), first + WINDOW - 1, first + WINDOW):
                assert number < 0 or table.find(tag(key, number)) == expected(owners, (key, number))
        if followed:
            gone = next(iter(followed.items()))
            assert table.find(tag(*gone)) == expected(owners, gone)
    for owner in list(owners):
        table.forget(owner)
    assert not table._owners and not table._windows


def test_tags_far_ahead_are_made_only_for_who_asks(monkeypatch):
    made = []
    monkeypatch.setattr("essaim.protocol.tags.tag_of", lambda key, n: made.append(n) or header.tag_of(key, n))
    table, key = TagTable(), bytes(32)
    table.follow("me", [(key, 0)])
    assert len(made) == NEAR and table.find(tag(key, NEAR - 1)) == "me" and len(made) == NEAR
    assert table.find(tag(key, WINDOW - 1)) == "me" and len(made) == WINDOW
    table.follow("me", [(key, 1)])
    assert table.find(bytes(8)) is None and len(made) == WINDOW + 1
    assert table.find(bytes(8)) is None and len(made) == WINDOW + 1
