"""Answers kept for retries."""

import asyncio

import pytest

from essaim.runtime.answers import KEPT_MS, LARGEST_KEPT, MOST_KEPT, Answers
from essaim.testing.clock import FakeClock


class Work:
    """Counts how often it was done."""

    def __init__(self, answer=b"done"):
        self.answer = answer
        self.times = 0
        self.may_end = asyncio.Event()

    async def __call__(self):
        self.times += 1
        return self.answer

    async def slowly(self):
        self.times += 1
        await self.may_end.wait()
        return self.answer

    async def failing(self):
        self.times += 1
        raise ValueError


async def test_answer_is_kept_for_ten_minutes():
    clock, work = FakeClock(), Work()
    answers = Answers(clock.now_ms)
    for _ in range(3):
        assert await answers.once(b"id", work) == b"done"
    assert work.times == 1
    clock.advance(KEPT_MS)
    await answers.once(b"id", work)
    assert work.times == 2


async def test_retry_joins_the_request_under_way():
    work, answers = Work(), Answers(FakeClock().now_ms)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(answers.once(b"id", work.slowly)) for _ in range(3)]
        await asyncio.sleep(0)
        work.may_end.set()
    assert [task.result() for task in tasks] == [b"done"] * 3
    assert work.times == 1


async def test_failure_is_not_kept():
    work, answers = Work(), Answers(FakeClock().now_ms)
    for _ in range(2):
        with pytest.raises(ValueError):
            await answers.once(b"id", work.failing)
    assert work.times == 2


async def test_large_answers_are_not_kept():
    work, answers = Work(bytes(LARGEST_KEPT + 1)), Answers(FakeClock().now_ms)
    await answers.once(b"id", work)
    assert len(answers) == 0


async def test_memory_is_bounded():
    answers = Answers(FakeClock().now_ms)
    for number in range(MOST_KEPT + 10):
        await answers.once(number.to_bytes(4, "big"), Work())
    assert len(answers) <= MOST_KEPT
