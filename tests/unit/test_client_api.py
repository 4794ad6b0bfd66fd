"""What the client library exports, and the files that it begins with."""

import base64
import inspect
import json
import os
import subprocess
import sys

import pytest
from nacl.pwhash import argon2id

import essaim_client
from essaim.testing.views import PaperNetwork
from essaim_client import Client, NetworkFile, SyncClient
from essaim_client.home import Home, HomeTakenError, needs_passphrase
from essaim_client.messaging.profile import NoAccountError
from essaim_client.network_file import NetworkFileError
from essaim_client.store.vault import Cost

CHEAP = Cost(argon2id.OPSLIMIT_MIN, argon2id.MEMLIMIT_MIN)
GENESIS = PaperNetwork().genesis


def text_of(**changes) -> str:
    fields = {"genesis": base64.b64encode(GENESIS.signed).decode(), "seeds": ["127.0.0.1:4000", "[::1]:4001"]}
    return json.dumps(fields | changes)


def test_library_exports_what_the_documentation_names():
    assert sorted(essaim_client.__all__) == [
        "AccountId",
        "AccountMoved",
        "Archive",
        "Change",
        "Client",
        "ConfigurationChanged",
        "Contact",
        "DevicesChanged",
        "Disappeared",
        "Disappearing",
        "Edited",
        "Event",
        "File",
        "FileProgress",
        "GroupChanged",
        "GroupInfo",
        "GroupInvited",
        "GroupMember",
        "InGroup",
        "Message",
        "NetworkFile",
        "NewDevice",
        "OwnDevice",
        "ProtocolError",
        "Range",
        "Reacted",
        "Read",
        "Sent",
        "SessionRenewed",
        "Settings",
        "Shown",
        "SyncClient",
        "TimerChanged",
        "Trace",
        "TracedHop",
        "Typing",
        "Unsent",
    ]
    assert all(hasattr(essaim_client, name) for name in essaim_client.__all__)


def test_client_has_the_public_members_that_the_documentation_names():
    members = {name for name, _ in inspect.getmembers(Client) if not name.startswith("_")}
    assert members == {
        "account_id",
        "archives",
        "backup",
        "bring_back",
        "change_settings",
        "contacts",
        "create_account",
        "delete",
        "devices",
        "diverse",
        "edit",
        "events",
        "export",
        "groups",
        "history",
        "join",
        "listen",
        "live",
        "mark_read",
        "move_to",
        "nodes",
        "offline",
        "open",
        "paths",
        "problem",
        "push",
        "react",
        "ready",
        "receive",
        "receive_events",
        "remove",
        "restore_account",
        "rooms",
        "save_file",
        "send",
        "send_file",
        "set_timer",
        "settings",
        "timer",
        "trace",
        "typing",
        "unsend",
        "view",
        "waiting",
        "wipe",
    }
    assert all(getattr(Client, name).__doc__ for name in members)


ASYNCIO_ALONE = {
    "join",  # made of several waits: `asyncio.run` it
    "paths",
    "rooms",  # both by SyncClient.run
}


def test_synchronous_client_has_what_the_client_has():
    members = {name for name, _ in inspect.getmembers(Client) if not name.startswith("_")}
    wrapped = {name for name, _ in inspect.getmembers(SyncClient) if not name.startswith("_")}
    assert wrapped == members - ASYNCIO_ALONE | {"run"}
    for name in wrapped:
        assert getattr(SyncClient, name).__doc__
        assert not inspect.iscoroutinefunction(getattr(SyncClient, name))
        if name in members and callable(getattr(Client, name)) and name not in {"listen", "events"}:
            one, other = (inspect.signature(getattr(each, name)) for each in (Client, SyncClient))
            assert list(one.parameters) == list(other.parameters)


def test_network_file_is_read_back():
    network = NetworkFile.parse(text_of())
    assert NetworkFile.parse(network.encode()) == network
    assert [seed.address for seed in network.seeds] == ["127.0.0.1:4000", "[::1]:4001"]
    assert network.seeds[0].certificates == GENESIS.discovery_certificates


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "5",
        "{}",
        text_of(genesis="???"),
        text_of(genesis=5),
        text_of(genesis=base64.b64encode(GENESIS.signed[:-1]).decode()),
        text_of(genesis=base64.b64encode(GENESIS.signed[:-1] + bytes([GENESIS.signed[-1] ^ 1])).decode()),
        text_of(genesis=""),
        text_of(seeds=[]),
        text_of(seeds="127.0.0.1:4000"),
        text_of(seeds=["localhost:4000"]),
        text_of(seeds=["127.0.0.1"]),
        text_of(seeds=[5]),
        text_of(seeds=None),
    ],
)
def test_file_that_is_no_network_file_is_refused(text):
    with pytest.raises(NetworkFileError):
        NetworkFile.parse(text)


def test_home_is_made_once_for_its_owner_alone(tmp_path):
    path, network = tmp_path / "a" / "b", NetworkFile.parse(text_of())
    Home.create(path, network, "pass", bytes(32), CHEAP).close()
    assert path.stat().st_mode & 0o777 == 0o700
    assert (path / "store.db").stat().st_mode & 0o777 == 0o600
    assert needs_passphrase(path)
    with pytest.raises(HomeTakenError):
        Home.create(path, network, "pass", bytes(32), CHEAP)
    opened = Home.open(path, "pass")
    assert opened.network == network
    opened.close()


def test_start_that_was_interrupted_can_be_made_again(tmp_path):
    network = NetworkFile.parse(text_of())
    Home.create(tmp_path, network, "pass", bytes(32), CHEAP).close()
    (tmp_path / "vault.json").unlink()  # the last thing that is written
    with pytest.raises(NoAccountError):
        Home.open(tmp_path, "pass")
    Home.create(tmp_path, network, "other", b"\1" * 32, CHEAP).close()
    opened = Home.open(tmp_path, "other")
    assert opened.account.seed != bytes(32)
    opened.close()


def test_no_file_of_the_store_is_ever_readable_by_others(tmp_path):
    (tmp_path / "shared").mkdir(mode=0o755)
    home = Home.create(tmp_path / "shared", NetworkFile.parse(text_of()), "pass", bytes(32), CHEAP)
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "shared").glob("store.db*")}
    home.close()
    assert modes == {"store.db": 0o600, "store.db-wal": 0o600}


def test_grpc_writes_no_addresses_by_itself():
    code = "import essaim_client, os; print(os.environ['GRPC_VERBOSITY'])"
    environment = {key: value for key, value in os.environ.items() if key != "GRPC_VERBOSITY"}
    told = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert told.stdout == "NONE\n"


def test_home_may_be_named_from_the_tilde(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    Client.create_account("~/me", NetworkFile.parse(text_of()), "secret")
    assert (tmp_path / "me" / "store.db").exists()


def test_second_factor_makes_another_account_of_the_same_words(tmp_path):
    network, ids = NetworkFile.parse(text_of()), []
    for number, factor in enumerate(("blue heron", "blue heron", "grey heron", "")):
        home = Home.create(tmp_path / str(number), network, "pass", bytes(32), CHEAP, second_factor=factor)
        ids.append(str(home.account_id))
        home.close()
    assert ids[0] == ids[1] and len(set(ids)) == 3


def test_removed_home_leaves_nothing_and_can_be_made_again(tmp_path):
    network = NetworkFile.parse(text_of())
    Home.create(tmp_path, network, "pass", bytes(32), CHEAP).close()
    Client.remove(tmp_path)
    assert list(tmp_path.iterdir()) == []
    Client.remove(tmp_path)
    Home.create(tmp_path, network, "pass", bytes(32), CHEAP).close()
