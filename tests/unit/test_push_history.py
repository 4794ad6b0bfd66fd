"""The judge of push histories finds what must not happen, and nothing else."""

from push_history import Call, History, SentWake

SPACING, SETTLING = 1.0, 0.5


def history(*calls: Call, kills: tuple[tuple[float, float], ...] = (), wakes: int = 2) -> History:
    sent = {bytes([number]): SentWake("a", 10.0 + number, 11.0 + number) for number in range(wakes)}
    return History(sent, list(calls), list(kills))


def call(topic: str, began: float, status: int = 200) -> Call:
    return Call("a", topic, began, began + 0.1, status)


def test_push_history_that_may_happen_passes() -> None:
    assert history(call("one", 11.5), call("two", 13.0)).judge(SPACING, SETTLING) == []
    assert history(call("one", 11.5)).judge(SPACING, SETTLING) == [], "one call tells both"
    assert history(call("one", 11.5, 500), call("one", 12.0)).judge(SPACING, SETTLING) == []
    assert history(call("one", 11.5), call("one", 12.0), kills=((11.8, 11.9),)).judge(SPACING, SETTLING) == []


def test_push_history_that_may_not_happen_is_found() -> None:
    wrong = {
        "never told": history(call("one", 10.5)),
        "was never told": history(call("one", 11.5, 500)),
        "deliveries to a for": history(call("one", 11.5), call("two", 13.0), wakes=1),
        "nobody was killed": history(call("one", 11.5), call("one", 12.0), kills=((13.0, 13.1), (11.0, 11.1))),
        "after another": history(call("one", 11.5), call("two", 11.8)),
    }
    for words, each in wrong.items():
        faults = each.judge(SPACING, SETTLING)
        assert any(words in fault for fault in faults), (words, faults)
