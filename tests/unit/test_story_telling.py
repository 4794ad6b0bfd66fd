"""Stories that were told are noted, and not told again."""

from dataclasses import replace

import pytest

from people import telling
from people.telling import Note

NOTE = Note("2026-11-23T12:00:00Z", "abc1234", 0, "passed", 1.5, "0123456789abcdef")


@pytest.fixture(autouse=True)
def notes_elsewhere(tmp_path, monkeypatch):
    monkeypatch.setattr(telling, "NOTES", tmp_path / "notes")


def test_seeds_are_a_number_or_a_range():
    assert telling.seeds_of("3") == range(3)
    assert telling.seeds_of("210-219") == range(210, 220)


def test_asked_takes_a_share_of_a_number_and_a_range_as_it_is(monkeypatch):
    monkeypatch.delenv("ESSAIM_STORIES", raising=False)
    assert telling.asked("50") == range(50)
    assert telling.asked("5", share=10) == range(1)
    monkeypatch.setenv("ESSAIM_STORIES", "7-9")
    assert telling.asked("50", share=10) == range(7, 10)


def test_left_is_what_has_not_passed_last_at_this_commit(monkeypatch):
    monkeypatch.setattr(telling, "commit", lambda: NOTE.commit)
    for made in (NOTE, replace(NOTE, seed=1, result="FAILED", shown=""), replace(NOTE, seed=2, result="FAILED")):
        telling.keep("people", made)
    telling.keep("people", replace(NOTE, seed=2))
    assert telling.left("people", range(4)) == [1, 3]
    assert telling.left("groups", range(2)) == [0, 1]
    monkeypatch.setattr(telling, "commit", lambda: "another")
    assert telling.left("people", range(4)) == [0, 1, 2, 3]


def test_notes_are_read_as_they_were_kept():
    made = [NOTE, replace(NOTE, seed=1, result="FAILED", shown="")]
    for each in made:
        telling.keep("people", each)
    assert telling.notes("people") == made


def test_ranges_join_neighbours():
    assert list(telling.ranges([4, 0, 2, 1, 9])) == ["0-2", "4", "9"]
    assert list(telling.ranges([])) == []
