"""Nothing that belongs to a person is found in what nodes leave behind; a leak that is planted in each service is.

Accounts, mailboxes, envelopes, devices, texts and the clients' address go through a run with errors, garbage, kill -9
and a drain; then every file, log, metric, command line and environment is searched for some 80 forms of each.
"""

import asyncio
import sys
from collections.abc import Sequence

import pytest

from canary.forms import Canary, Kind, needles
from canary.run import Run
from canary.traces import Leak, leaks
from testnet import Layout, Testnet
from testnet.process import NodeProcess

LAYOUT = Layout(relays=4, storage=3, opengroups=1, pushes=1)


class LeakyTestnet(Testnet):
    """Every service with its planted leak."""

    def node(self, name: str) -> NodeProcess:
        clean = super().node(name)
        service = name.partition("-")[0]
        flags = clean.command[clean.command.index(f"essaim_{service}") + 1 :]
        return NodeProcess(name, (sys.executable, "-m", "canary.leaky", service, *flags), clean.folder)


async def searched(net: Testnet, tmp_path, monkeypatch) -> tuple[Run, Sequence[Leak]]:
    """A whole run, and what was found."""
    temporary = tmp_path / "network" / "tmp"
    temporary.mkdir(parents=True)
    monkeypatch.setenv("TMPDIR", str(temporary))
    run = Run(net, tmp_path / "people")
    try:
        await run.whole(await asyncio.to_thread(net.up))
        told = await asyncio.to_thread(run.traces.told)
        assert sum("metrics" in each for each in told) >= 2 * len(LAYOUT.names)
        assert any("log-" in each for each in told), "the log of a start before"
        assert sum("mailboxes.db" in each for each in told) >= LAYOUT.storage
        assert any("push.db" in each for each in told)
        return run, await asyncio.to_thread(leaks, told, run.canaries)
    finally:
        await asyncio.to_thread(net.down)


async def test_nothing_of_a_person_is_found(tmp_path, monkeypatch):
    run, found = await searched(Testnet(tmp_path / "network", LAYOUT), tmp_path, monkeypatch)
    kinds = [each.kind for each in run.canaries]
    assert all(kind in kinds for kind in Kind) and kinds.count(Kind.ENVELOPE) >= 5
    assert not found, "\n".join(sorted({f"{each.where}: {each.kind}, {each.form}" for each in found}))


async def test_a_planted_leak_in_each_service_is_found(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", ":".join(sys.path))
    _, found = await searched(LeakyTestnet(tmp_path / "network", LAYOUT), tmp_path, monkeypatch)
    where = {(each.kind, each.where.partition(",")[0]) for each in found}
    for service in ("relay-", "opengroup-"):
        assert any(kind is Kind.ADDRESS and service in place and "log" in place for kind, place in where), service
    assert any(kind is Kind.MAILBOX and place.endswith("cache") for kind, place in where)
    assert (Kind.ADDRESS, "discovery metrics") in where
    assert any(kind is Kind.ENDPOINT and "push-1" in place and place.endswith("cache") for kind, place in where)


@pytest.mark.parametrize("kind", Kind)
def test_every_form_is_found_where_it_stands(kind):
    raw = b"127.93.217.201" if kind is Kind.ADDRESS else bytes(range(60, 92))
    canary = Canary(kind, raw)
    forms = needles(canary)
    assert len(forms) > 30
    for form, needle in forms.items():
        (first, *_) = [each for each in leaks({"log": b"before" + needle + b"after"}, [canary]) if each.form == form]
        assert first.where == "log"
    assert not leaks({"log": b"before after"}, [canary])


def test_base64_is_found_wherever_it_begins():
    import base64

    canary = Canary(Kind.TEXT, b"a secret of some length")
    for before in (b"", b"1", b"12", b"123"):
        assert leaks({"log": base64.b64encode(before + canary.raw + b"!")}, [canary])


def test_storage_may_name_push_ids_in_its_database_alone():
    push_id, endpoint = (Canary(kind, bytes(range(100, 132))) for kind in (Kind.PUSH_ID, Kind.ENDPOINT))
    told = {"file network/storage-1/mailboxes.db": push_id.raw}
    assert not leaks(told, [push_id])
    assert leaks(told, [endpoint])
    assert leaks({"file network/push-1/push.db": push_id.raw}, [push_id])


def test_storage_may_name_mailboxes_in_its_database_alone():
    mailbox, account = (Canary(kind, bytes(range(100, 132))) for kind in (Kind.MAILBOX, Kind.ACCOUNT))
    told = {"file network/storage-1/mailboxes.db-wal": mailbox.raw}
    assert not leaks(told, [mailbox])
    assert leaks(told, [account])
    assert leaks({"file network/storage-1/log.jsonl": mailbox.raw}, [mailbox])
    assert leaks({"file network/storage-1/mailboxes.db": mailbox.raw.hex().encode()}, [mailbox])
