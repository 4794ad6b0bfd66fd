"""Who may take the Lease, and when its holder must have stopped: no two agents act at once."""

import pytest

from essaim_discovery.cluster.lease import may_take, must_stop, observe

DURATION = 15


def lease(holder: str, version: str) -> dict:
    return {"metadata": {"resourceVersion": version}, "spec": {"holderIdentity": holder}}


def test_lease_of_nobody_and_the_own_one_may_be_taken():
    for holder in ("", "me"):
        assert may_take(observe(None, lease(holder, "1"), 0.0), "me", 0.0, DURATION)


def test_lease_of_another_is_taken_only_when_it_was_not_renewed_for_the_whole_duration():
    seen = observe(None, lease("other", "1"), 100.0)
    seen = observe(seen, lease("other", "1"), 110.0)
    assert not may_take(seen, "me", 114.9, DURATION)
    assert may_take(seen, "me", 115.0, DURATION)


def test_renewal_begins_the_duration_anew():
    seen = observe(observe(None, lease("other", "1"), 100.0), lease("other", "2"), 114.0)
    assert not may_take(seen, "me", 120.0, DURATION)


@pytest.mark.parametrize("late", range(40))
def test_holder_has_stopped_before_anybody_may_take_it(late: int):
    """The holder's last renewal reached the server `late` / 10 seconds after it began; another saw it right then."""
    began, seen = 100.0, observe(None, lease("holder", "9"), 100.0 + late / 10)
    taken = next(now for now in (began + step / 10 for step in range(400)) if may_take(seen, "other", now, DURATION))
    stopped = next(now for now in (began + step / 10 for step in range(400)) if must_stop(began, now, DURATION))
    assert stopped < taken
