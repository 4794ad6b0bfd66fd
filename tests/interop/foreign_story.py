"""What a client in another language must be able to do with the Python client; each language's test file has these.

The client's own vector tests run before, by `tools/interop`.
"""

import asyncio
import base64
import json
import uuid

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from essaim.protocol.account import Account
from essaim.protocol.phrase import entropy_of, seed_of
from essaim.view.v1 import view_pb2
from essaim_client import Client, NetworkFile
from foreign import SECONDS, Foreign

ONE_TIME_PREKEYS = 60  # 20 at each of three members


@pytest.fixture(scope="module")
def made(program, testnet, tmp_path_factory):
    """An account, and what it said when it was made."""
    foreign = Foreign(program, tmp_path_factory.mktemp("foreign") / "store")
    (said,) = foreign.run("create", str(testnet.network_file))
    return foreign, said


@pytest.fixture(scope="module")
def home(testnet, tmp_path_factory):
    path = tmp_path_factory.mktemp("python") / "alice"
    Client.create_account(path, NetworkFile.load(testnet.network_file), passphrase="pass")
    return path


@pytest.fixture
def foreign(made):
    return made[0]


async def away(what, *arguments):
    """The other program runs; the Python client's event loop goes on meanwhile."""
    return await asyncio.to_thread(what, *arguments)


def test_account_is_the_one_of_its_24_words(made):
    foreign, said = made
    assert len(said["words"].split()) == 24
    assert said["id"] == str(Account(seed_of(entropy_of(said["words"]))).id) == foreign.id


def test_view_is_the_one_that_the_authorities_signed(foreign, network):
    (shown,) = foreign.run("show")
    network.fetch_view()
    while shown["serial"] != network.view.header.serial:  # a node may have said something new meanwhile
        (shown,) = foreign.run("show")
        network.fetch_view()
    assert (shown["view"], shown["nodes"]) == (network.view.hash.hex(), len(network.view.nodes))


def other_network(testnet, tmp_path, *, signed_by_itself):
    """A network file with this network's seeds and certificates, and an authority of its own."""
    known = json.loads(testnet.network_file.read_text())
    signed = view_pb2.SignedGenesis.FromString(base64.b64decode(known["genesis"]))
    genesis, authority = view_pb2.Genesis.FromString(signed.genesis), Ed25519PrivateKey.generate()
    genesis.authorities[:] = [authority.public_key().public_bytes_raw()]
    signed.genesis = genesis.SerializeToString()
    if signed_by_itself:
        signed.signatures[0].signature = authority.sign(b"essaim/genesis-signature/v1" + signed.genesis)
    path = tmp_path / "network.json"
    path.write_text(json.dumps(known | {"genesis": base64.b64encode(signed.SerializeToString()).decode()}))
    return path


@pytest.mark.parametrize(("signed_by_itself", "reason"), [(True, "WRONG_NETWORK"), (False, "BAD_SIGNATURE")])
def test_view_of_other_authorities_is_refused(program, testnet, tmp_path, signed_by_itself, reason):
    file = other_network(testnet, tmp_path, signed_by_itself=signed_by_itself)
    done = Foreign(program, tmp_path / "store").attempt("create", str(file))
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"essaim: {reason}\n")


def test_wrong_passphrase_is_refused(foreign):
    other = Foreign(("env", "ESSAIM_PASSPHRASE=other", *foreign.command), foreign.store)
    done = other.attempt("show")
    assert (done.returncode, done.stderr) == (2, "essaim: WRONG_PASSPHRASE\n")


async def test_conversation_that_the_other_client_begins(foreign, home):
    async with Client.open(home, passphrase="pass") as alice:
        await alice.ready()
        name, own = str(alice.account_id), await away(lambda: foreign.id)
    await away(foreign.send, name, "one")  # nobody is there: it waits
    await away(foreign.send, name, "two")
    async with Client.open(home, passphrase="pass") as alice:
        await alice.ready()
        got = [(str(message.sender), message.text) for message in await alice.receive()]
        assert got == [(own, "one"), (own, "two")]
        await alice.send(own, "three")
    assert await away(foreign.receive) == [(name, "three")]
    assert await away(foreign.receive) == []  # it was confirmed
    await away(foreign.send, name, "four")
    async with Client.open(home, passphrase="pass") as alice:
        assert [message.text for message in await alice.receive()] == ["four"]


async def test_conversation_that_the_python_client_begins(program, testnet, tmp_path):
    """With one of the one-time prekeys, while the other is away; then both live, in turn."""
    foreign = Foreign(program, tmp_path / "store")
    (said,) = await away(foreign.run, "create", str(testnet.network_file))
    Client.create_account(tmp_path / "bob", NetworkFile.load(testnet.network_file), passphrase="pass")
    async with Client.open(tmp_path / "bob", passphrase="pass") as bob:
        await bob.ready()
        name = str(bob.account_id)
        await bob.send(said["id"], "one")
        assert await away(foreign.receive) == [(name, "one")]
        (shown,) = await away(foreign.run, "show")
        assert shown["prekeys"] == ONE_TIME_PREKEYS - 1  # it was used, and is forgotten
        await bob.send(said["id"], "two")
        await away(foreign.send, name, "three")
        assert [message.text for message in await bob.receive()] == ["three"]
        assert await away(foreign.receive) == [(name, "two")]


async def test_messages_arrive_live_in_both_directions(foreign, home):
    async with Client.open(home, passphrase="pass") as alice:
        await alice.ready()
        name, own = str(alice.account_id), await away(lambda: foreign.id)
        texts = [str(uuid.uuid4()) for _ in range(3)]
        with foreign.listening() as lines:
            for text in texts:
                await alice.send(own, text)
                assert await away(next, lines) == {"from": name, "text": text}
        arriving = alice.listen()
        async with asyncio.timeout(SECONDS):
            for text in texts:
                coming = asyncio.ensure_future(anext(arriving))
                await alice.live.wait()
                await away(foreign.send, name, text)
                assert (await coming).text == text


async def test_listening_goes_on_after_a_relay_has_restarted(foreign, home, testnet):
    """All three are on every path: its stream breaks, and the relay's new onion keys come with a diff of the view."""
    (before,) = await away(foreign.run, "show")
    async with Client.open(home, passphrase="pass") as alice:
        await alice.ready()
        name, relay = str(alice.account_id), testnet.node("relay-2")
        with foreign.listening() as lines:
            relay.kill()
            relay.start()
            await away(relay.await_ready, 30)
            await alice.send(before["id"], "after all")
            assert await away(next, lines) == {"from": name, "text": "after all"}
    (after,) = await away(foreign.run, "show")
    assert after["serial"] > before["serial"]
