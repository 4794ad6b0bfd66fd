"""`essaim` as a process against a network in this one: what it prints, and how it ends."""

import asyncio
import json
import re
import signal

import pytest

from client_world import World
from essaim_commands import Commands

IDS = re.compile(r"esm1[a-z0-9]+")


@pytest.fixture
async def world(tmp_path):
    async with World(tmp_path) as made:
        yield made


async def test_two_people_write_to_each_other(world):
    alice = Commands(world, world.home())
    bob = Commands(world, world.home())
    bob_id = (await bob.json("account", "show"))["account_id"]
    assert (await bob.json("receive"))["messages"] == []  # the first time online: he can be written to from now on
    sent = await alice.json("send", bob_id, "-", given="grüße\n".encode())
    assert sent["devices"] == 1 and len(sent["message_id"]) == 32 and sent["changes"] == ["NEW_ACCOUNT"]
    [message] = (await bob.json("receive"))["messages"]
    assert message["text"] == "grüße\n"
    assert message["message_id"] == sent["message_id"]
    assert message["sender"] == (await alice.json("account", "show"))["account_id"]
    code, out, err = await bob.run("send", message["sender"], "and back\x1b[2J")
    assert code == 0 and "sent" in out and "no anonymity against it" in err
    code, out, _ = await alice.run("receive")
    assert code == 0 and "and back" in out and "\x1b" not in out


async def test_listen_prints_a_line_for_each_message_and_ends_on_a_signal(world):
    home = world.home()
    async with world.client() as alice:
        account_id = (await Commands(world, home).json("account", "show"))["account_id"]
        async with world.client(home) as first:
            await first.ready()
        listening = await Commands(world, home).start("listen", "--json")
        for text in ("one", "two"):
            await alice.send(account_id, text)
            line = await asyncio.wait_for(listening.stdout.readline(), 30)
            assert json.loads(line)["text"] == text
        busy = await Commands(world, home).json("receive", code=2)
        assert busy["error"]["reason"] == "STORE_BUSY"
        listening.send_signal(signal.SIGTERM)  # as Ctrl-C, which a shell has its background jobs ignore
        rest, err = await listening.communicate()
        assert listening.returncode == 0 and rest == b"" and b"Traceback" not in err


async def test_new_account_is_restored_from_its_words(world, tmp_path):
    network = ("--network", str(world.network_file()))
    made = await Commands(world, tmp_path / "new").json("account", "new", *network)
    assert len(made["words"].split()) == 24 and made["network"] == "world"
    restored = Commands(world, tmp_path / "restored")
    again = await restored.json("account", "restore", *network, given=made["words"].encode())
    assert again["account_id"] == made["account_id"]
    taken = await restored.json("account", "restore", *network, given=made["words"].encode(), code=2)
    assert taken["error"]["reason"] == "HOME_TAKEN"
    wrong = await Commands(world, tmp_path / "x").json("account", "restore", *network, given=b"one two", code=2)
    assert wrong["error"]["reason"] == "PHRASE_LENGTH"
    assert not (tmp_path / "x").exists()


async def test_path_and_nodes_tell_the_network(world):
    me = Commands(world, world.home())
    path = await me.json("path")
    assert [hop["position"] for hop in path["hops"]] == ["guard", "middle", "exit", "destination"]
    nodes = await me.json("nodes")
    assert len(nodes["nodes"]) == 8 and nodes["serial"] == 1
    assert {hop["node_id"] for hop in path["hops"]} <= {node["node_id"] for node in nodes["nodes"]}
    code, out, _ = await me.run("path")
    assert code == 0 and out.count("cell bytes: 16384") == 4


@pytest.mark.parametrize(
    ("arguments", "passphrase", "reason"),
    [
        (("send", "esm1qqqq", "text"), "pass", "ACCOUNT_ID_REFUSED"),
        (("receive",), "wrong", "VAULT_REFUSED"),
        (("receive",), None, "PASSPHRASE_REFUSED"),
        (("receive", "--home", "/nowhere"), "pass", "NO_ACCOUNT"),
        (("account", "new", "--network", "/nowhere"), "pass", "NETWORK_FILE_REFUSED"),
        (("receive", "--passphrase-file", "/nowhere"), None, "PASSPHRASE_REFUSED"),
    ],
)
async def test_bad_input_is_one_sentence_and_exit_2(tmp_path, arguments, passphrase, reason):
    world = World(tmp_path)  # none of this asks anybody
    code, out, err = await Commands(world, world.home()).run(*arguments, "--json", passphrase=passphrase)
    assert code == 2 and json.loads(out)["error"]["reason"] == reason
    assert err.startswith("essaim: ") and err.count("\n") == 1


async def test_system_without_a_key_ring_is_told_so(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.fail.Keyring")
    network = str(World(tmp_path).network_file())
    me = Commands(None, tmp_path / "new")
    refused = await me.json("account", "new", "--keyring", "--network", network, code=2)
    assert refused["error"]["reason"] == "VAULT_REFUSED" and "passphrase" in refused["error"]["message"]


async def test_passphrase_file_opens_what_it_closed(tmp_path):
    network, secret = str(World(tmp_path).network_file()), tmp_path / "secret"
    secret.write_text("from a file\n")
    me = Commands(None, tmp_path / "new")
    made = await me.json("account", "new", "--network", network, "--passphrase-file", str(secret), passphrase=None)
    assert (await me.json("account", "show", passphrase="from a file"))["account_id"] == made["account_id"]


async def test_network_that_is_away_is_exit_1(world):
    me = Commands(world, world.home())
    for node in world.nodes:
        await node.stop()
    await world.seed.stop(None)
    refused = await me.json("receive", code=1)
    assert refused["error"]["reason"] == "NO_VIEW"
    code, out, err = await me.run("receive")
    assert (code, out) == (1, "") and err.startswith("essaim: ") and err.count("\n") == 1
