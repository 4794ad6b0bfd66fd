"""The main job on real processes: once through the client library, once as the demo tells it."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from real_network import RealNetwork, listening

TOOLS = Path(__file__).parents[2] / "tools"
LIVE = [f"live {number}" for number in range(20)]


async def test_strangers_write_to_each_other_while_nodes_die(network: RealNetwork) -> None:
    alice, bob = await network.newcomer(), await network.newcomer()
    async with alice.online() as me:
        await network.say(me, bob, "read this when you are back")
        victim, *survivors = network.swarm_of(me.view, bob)
        network.net.node(victim).kill()
        assert len(survivors) == 2
        async with bob.online() as he:
            [message] = await he.receive()
            assert (message.text, message.sender) == ("read this when you are back", alice.account_id)
            async with listening(he) as arrived:
                for text in LIVE:
                    await network.say(me, bob, text)
                    assert await arrived.texts(1) == [text]

                middle = [path.middle for _, path in me.paths][-1]
                network.net.node(network.net.name_of(middle.node_id)).kill()
                await network.say(me, bob, "still there?")
                assert await arrived.texts(1) == ["still there?"]
                assert arrived.empty()
            assert await he.receive() == []
            assert [shown.text for shown in he.history()] == ["read this when you are back", *LIVE, "still there?"]


def demo(**environment: str) -> subprocess.CompletedProcess[str]:
    """`python -m demo --json` as `make demo ARGS=--json` runs it."""
    return subprocess.run(
        [sys.executable, "-m", "demo", "--json"],
        env={**os.environ, "PYTHONPATH": str(TOOLS), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


@pytest.mark.timeout(120)
def test_demo_prints_one_object_and_succeeds() -> None:
    done = demo()
    told = json.loads(done.stdout)  # the object alone: anything before or after it is no JSON
    assert done.returncode == 0, done.stderr
    assert told["ok"] is True and set(told) == {"ok", "seconds", "steps", "live_ms", "path"}
    assert len(told["steps"]) == 11
    for step in told["steps"]:
        assert set(step) == {"name", "ok", "seconds", "evidence"}
        assert step["ok"] is True and step["evidence"]
    assert 0 < sum(step["seconds"] for step in told["steps"]) <= told["seconds"]
    assert len(told["live_ms"]) == 20 and min(told["live_ms"]) > 0
    assert [hop["role"] for hop in told["path"]] == ["guard", "middle", "exit", "destination"]
    assert len({hop["node"] for hop in told["path"]}) == 4
    assert all(set(hop) == {"node", "role", "sees"} and hop["sees"] for hop in told["path"])


@pytest.mark.timeout(60)
def test_demo_of_a_network_that_cannot_start_fails_and_says_so() -> None:
    done = demo(ESSAIM_RELAY_DRAIN_SECONDS="100000")  # a wrong setting: each relay ends at once
    told = json.loads(done.stdout)
    assert done.returncode == 1
    assert told["ok"] is False
    assert [step["ok"] for step in told["steps"]] == [False]
    assert "relay-1" in told["steps"][0]["evidence"]["error"]
    assert "Traceback" not in done.stderr


async def test_message_is_sent_while_its_recipient_reads(network: RealNetwork) -> None:
    """Both directions at once, so that neither side's requests wait for the other's."""
    alice, bob = await network.newcomer(), await network.newcomer()
    there, back = [f"there {number}" for number in range(10)], [f"back {number}" for number in range(10)]
    async with alice.online() as me, bob.online() as he, listening(me) as to_me, listening(he) as to_him:
        await asyncio.gather(network.say(me, bob, *there), network.say(he, alice, *back))
        assert sorted(await to_him.texts(10)) == there
        assert sorted(await to_me.texts(10)) == back
        assert to_him.empty() and to_me.empty()
