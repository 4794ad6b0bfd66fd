"""The debt of a swarm: what is counted, and that a busy node is not taken for one that lags."""

from essaim_storage.owed import Debt, Owed


def above(numbers: list[int]):
    return lambda position: sum(number > position for number in numbers)


def test_nothing_is_owed_where_everybody_has_all() -> None:
    assert Owed().measure(0.0, 7, [7, 9], above([3, 7])) == Debt(0, 0, 0.0)
    assert Owed().measure(0.0, 0, [], above([])) == Debt(0, 0, 0.0)


def test_copies_are_summed_and_records_are_of_the_furthest() -> None:
    debt = Owed().measure(0.0, 3, [0, 2], above([1, 2, 3]))
    assert (debt.copies, debt.records) == (4, 3)


def test_lag_is_the_age_of_the_oldest_that_is_missing() -> None:
    owed = Owed()
    owed.measure(0.0, 1, [0], above([1]))
    owed.measure(5.0, 2, [0], above([1, 2]))
    assert owed.measure(10.0, 3, [1], above([1, 2, 3])).lag_seconds == 5.0
    assert owed.measure(15.0, 3, [3], above([1, 2, 3])).lag_seconds == 0.0


def test_a_busy_member_that_keeps_up_does_not_lag() -> None:
    """At no moment it has all, yet what it lacks is always new."""
    owed = Owed()
    lags = [owed.measure(5.0 * n, 10 * n, [10 * n - 1], above(list(range(10 * n + 1)))).lag_seconds for n in range(100)]
    assert max(lags) == 0.0


def test_what_was_removed_before_it_came_is_not_waited_for() -> None:
    owed = Owed()
    owed.measure(0.0, 5, [0], above([5]))
    assert owed.measure(5.0, 0, [0], above([])).lag_seconds == 0.0
