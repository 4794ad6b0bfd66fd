"""`essaim`, the command, on a network of real processes: what a person types, what it prints, how it ends."""

import asyncio
import base64
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from real_network import PASSPHRASE, PATIENCE_SECONDS, RealNetwork


class Shell:
    """Runs `essaim` in one home."""

    def __init__(self, home: Path, passphrase: str = PASSPHRASE, seconds: float = 60.0) -> None:
        kept = {key: value for key, value in os.environ.items() if not key.startswith("ESSAIM_")}
        self._seconds = seconds
        self._environment = {**kept, "ESSAIM_HOME": str(home), "ESSAIM_PASSPHRASE": passphrase}

    def run(self, *arguments: str, given: str = "", code: int = 0) -> subprocess.CompletedProcess[str]:
        """One command, ended with `code`; whatever it says, it is no trace."""
        done = subprocess.run(
            [sys.executable, "-m", "essaim_client", *arguments],
            input=given,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=self._seconds,
        )
        assert "Traceback" not in done.stdout + done.stderr
        assert done.returncode == code, done.stdout + done.stderr
        return done

    def json(self, *arguments: str, given: str = "") -> dict:
        """The one object that it prints."""
        return json.loads(self.run(*arguments, "--json", given=given).stdout)

    def refused(self, *arguments: str, given: str = "", code: int = 2) -> str:
        """The reason; said to people in one sentence as well."""
        done = self.run(*arguments, "--json", given=given, code=code)
        assert done.stderr.startswith("essaim: ") and done.stderr.count("\n") == 1, done.stderr
        return json.loads(done.stdout)["error"]["reason"]

    async def listen(self) -> asyncio.subprocess.Process:
        pipe = asyncio.subprocess.PIPE
        arguments = ("-m", "essaim_client", "listen", "--json")
        return await asyncio.create_subprocess_exec(
            sys.executable, *arguments, stdin=pipe, stdout=pipe, stderr=pipe, env=self._environment
        )


def test_account_is_made_shown_and_restored(network: RealNetwork, tmp_path: Path) -> None:
    joined = ("--network", str(network.net.network_file))
    first, second = Shell(tmp_path / "first"), Shell(tmp_path / "second")
    made = first.json("account", "new", *joined)
    assert len(made["words"].split()) == 24 and made["network"] == "testnet"
    assert first.json("account", "show")["account_id"] == made["account_id"]
    again = second.json("account", "restore", *joined, given=made["words"])
    assert again["account_id"] == made["account_id"]

    assert first.refused("account", "new", *joined) == "HOME_TAKEN"
    exchanged = " ".join(["art", *["abandon"] * 23])  # a fixed one: of random phrases, one in 256 passes the checksum
    elsewhere = Shell(tmp_path / "third")
    assert elsewhere.refused("account", "restore", *joined, given=exchanged) == "PHRASE_CHECKSUM"
    assert elsewhere.refused("account", "restore", *joined, given="twenty four words it is not") == "PHRASE_LENGTH"
    assert not (tmp_path / "third").exists()


def test_message_goes_from_command_to_command(network: RealNetwork) -> None:
    homes = network.home(), network.home()
    alice_id, bob_id = map(network.account_of, homes)
    alice, bob = map(Shell, homes)
    assert bob.json("receive")["messages"] == []  # online for the first time: from now on others can write to him
    sent = alice.json("send", bob_id, "-", given="grüße, übers Netz")
    assert sent["devices"] == 1
    [message] = bob.json("receive")["messages"]
    assert (message["text"], message["message_id"]) == ("grüße, übers Netz", sent["message_id"])
    assert message["sender"] == alice_id
    assert bob.json("receive")["messages"] == []


async def test_listen_prints_what_waited_and_what_arrives(network: RealNetwork) -> None:
    alice, bob = await network.newcomer(), await network.newcomer()
    async with alice.online() as me:
        await network.say(me, bob, "this waited")
        listening = await Shell(bob.home).listen()
        assert await next_text(listening) == "this waited"
        await network.say(me, bob, "this arrives")
        assert await next_text(listening) == "this arrives"
        listening.send_signal(signal.SIGTERM)  # as Ctrl-C, which a shell has its background jobs ignore
        rest, err = await asyncio.wait_for(listening.communicate(), PATIENCE_SECONDS)
    assert (listening.returncode, rest) == (0, b"") and b"Traceback" not in err


async def next_text(listening: asyncio.subprocess.Process) -> str:
    return json.loads(await asyncio.wait_for(listening.stdout.readline(), PATIENCE_SECONDS))["text"]


def test_path_and_nodes_are_those_of_the_network(network: RealNetwork) -> None:
    me = Shell(network.home())
    nodes = {each["node_id"]: each for each in me.json("nodes")["nodes"]}
    running = {network.net.node(name).facts["node_id"] for name in network.net.layout.names[1:]}
    assert nodes.keys() == running
    hops = me.json("path")["hops"]
    assert [hop["position"] for hop in hops] == ["guard", "middle", "exit", "destination"]
    assert [hop["role"] for hop in hops] == ["relay", "relay", "relay", "storage"]
    assert all(nodes[hop["node_id"]]["address"] == hop["address"] for hop in hops)


@pytest.fixture(scope="module")
def settled(running_network: RealNetwork) -> Path:
    """A home that nobody uses otherwise."""
    return running_network.home()


@pytest.mark.parametrize(
    ("arguments", "passphrase", "reason"),
    [
        (("send", "esm1qqqqqqqqqqqqqqqqqqqq", "text"), PASSPHRASE, "ACCOUNT_ID_REFUSED"),
        (("send", "somebody", "text"), PASSPHRASE, "ACCOUNT_ID_REFUSED"),
        (("receive",), "not the passphrase", "VAULT_REFUSED"),
        (("path", "--home", "/nowhere"), PASSPHRASE, "NO_ACCOUNT"),
        (("account", "new", "--network", "/nowhere"), PASSPHRASE, "NETWORK_FILE_REFUSED"),
    ],
)
def test_wrong_input_is_one_sentence_and_exit_code_2(settled: Path, arguments, passphrase: str, reason: str) -> None:
    assert Shell(settled, passphrase).refused(*arguments) == reason


def test_account_that_cannot_be_written_to_is_refused(network: RealNetwork) -> None:
    home = network.home()
    me, never_online = Shell(home), network.account_of(network.home())
    refusals = [(never_online, "UNKNOWN_ACCOUNT"), (network.account_of(home), "OWN_ACCOUNT")]
    for account_id, reason in refusals:
        done = me.run("send", account_id, "text", "--json", code=2)
        assert json.loads(done.stdout)["error"]["reason"] == reason
        assert done.stderr.splitlines()[-1].startswith("essaim: ")


def test_network_that_cannot_be_reached_is_one_sentence_and_exit_code_1(settled: Path, network: RealNetwork) -> None:
    file = settled / "network.json"
    kept = file.read_text()
    genesis = base64.b64encode(network.net.genesis.signed).decode()
    file.write_text(json.dumps({"genesis": genesis, "seeds": ["127.0.0.1:9"]}))  # nobody is there
    try:
        assert Shell(settled).refused("receive", code=1) == "NO_VIEW"
        assert Shell(settled).refused("nodes", code=1) == "NO_VIEW"
    finally:
        file.write_text(kept)
