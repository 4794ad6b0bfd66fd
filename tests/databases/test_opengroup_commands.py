"""`essaim room ...` for filters, outboxes, later permissions and whole hosts: processes, through the onion."""

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from essaim_client.rooms.rooms import RoomClient
from real_network import PASSPHRASE, RealNetwork
from test_network_commands import Shell
from testnet import Layout

HOST = "opengroup-1"


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealNetwork]:
    made = RealNetwork(tmp_path_factory.mktemp("rooms"), Layout(storage=3, opengroups=1))
    try:
        made.net.up()
        yield made
    finally:
        made.net.down()


@pytest.fixture(scope="module")
def owner(network: RealNetwork) -> Shell:
    home = network.home()
    token = (network.net.node(HOST).folder / "owner-invitation").read_text().strip()

    async def claim() -> None:
        async with RoomClient(home, PASSPHRASE) as rooms:
            [host] = await rooms.hosts()
            await rooms.claim(host.host_id.hex(), bytes.fromhex(token))

    asyncio.run(claim())
    return Shell(home)


def test_filters_are_set_shown_and_hold(network: RealNetwork, owner: Shell) -> None:
    guest = Shell(network.home())
    [host] = owner.json("room", "hosts")["hosts"]
    settings = ("filter=pills", "filter_alphabets=arabic,kana", "filter_reply=no {member}", "filter_silent=no")
    told = owner.json("room", "filter", host["host"], *settings)
    assert (told["filter"], told["filter_alphabets"], told["filter_silent"]) == ("pills", ["arabic", "kana"], False)
    assert owner.json("room", "filter", host["host"]) == told
    assert guest.refused("room", "filter", host["host"]) == "NOT_ALLOWED"
    assert guest.refused("room", "filter", host["host"], "filter=") == "NOT_ALLOWED"
    assert owner.refused("room", "filter", host["host"], "filter_alphabets=klingon") == "ROOM_ADDRESS_REFUSED"
    assert owner.refused("room", "filter", host["host"], "title=All") == "SETTINGS_REFUSED"
    room = owner.json("room", "create", f"{host['host']}/filtered", "filter_alphabets=cyrillic", "filter_silent=yes")
    assert guest.refused("room", "post", room["room"], "Pi\u200blls") == "FILTERED"
    kept = guest.json("room", "post", room["room"], "привет")["post_id"]
    posts = guest.json("room", "read", room["room"])["posts"]
    assert [each["text"] for each in posts] == ["привет", f"no {posts[0]['author'][:8]}"]
    assert posts[1]["author"] == host["host"]
    found = {each["post_id"]: each["filtered"] for each in owner.json("room", "read", room["room"])["posts"]}
    assert found.pop(kept) and not any(found.values())
    stranger = Shell(network.home())
    assert stranger.json("room", "read", room["room"])["posts"] == []
    assert guest.refused("room", "release", room["room"], kept) == "NOT_ALLOWED"
    assert owner.json("room", "release", room["room"], kept) == {"done": "released"}
    assert [each["text"] for each in stranger.json("room", "read", room["room"])["posts"]] == ["привет"]
    audit = owner.json("room", "audit", room["room"])["audit"]
    assert [each["action"] for each in audit] == ["create_room"]


def test_member_is_purged_from_all_rooms_and_everything_unpinned(network: RealNetwork, owner: Shell) -> None:
    guest = Shell(network.home())
    [host] = owner.json("room", "hosts")["hosts"]
    me = guest.json("room", "hosts")["hosts"][0]["me"]
    first, second = (owner.json("room", "create", f"{host['host']}/{name}")["room"] for name in ("one", "two"))
    post = guest.json("room", "post", first, "spam")["post_id"]
    guest.json("room", "post", second, "spam")
    owner.json("room", "pin", first, post)
    guest.json("room", "react", first, post, "🐝")
    assert guest.refused("room", "unpin-all", first) == "NOT_ALLOWED"
    assert owner.json("room", "unpin-all", first) == {"done": "unpinned"}
    assert owner.json("room", "clear-reactions", first, post)["kinds"] == 1
    assert guest.refused("room", "purge-everywhere", host["host"], me) == "NOT_ALLOWED"
    assert guest.refused("room", "appoint-everywhere", host["host"], me, "moderator") == "NOT_ALLOWED"
    purged = owner.json("room", "purge-everywhere", host["host"], me, "--ban", "--for", "1h")["rooms"]
    assert [(each["name"], each["refused"]) for each in purged] == [("one", None), ("two", None)]
    assert guest.refused("room", "post", first, "back") == "BANNED"
    owner.json("room", "ban-everywhere", host["host"], me, "--lift")
    owner.json("room", "appoint-everywhere", host["host"], me, "moderator", "--hidden")
    assert guest.refused("room", "purge", first, host["me"]) == "OUTRANKED"
    guest.json("room", "post", first, "back")
    assert owner.json("room", "purge", first, me) == {"done": "purged"}
    assert all(each["deleted"] for each in guest.json("room", "read", first)["posts"])
    assert owner.refused("room", "appoint-everywhere", host["host"], me, "king") == "ROOM_ADDRESS_REFUSED"


def test_room_has_a_picture_and_files_have_names(network: RealNetwork, owner: Shell, tmp_path: Path) -> None:
    [host] = owner.json("room", "hosts")["hosts"]
    room = owner.json("room", "create", f"{host['host']}/gallery")["room"]
    (tmp_path / "bee.png").write_bytes(b"a picture")
    name = owner.json("room", "picture", room, str(tmp_path / "bee.png"))["picture"]
    guest = Shell(network.home())
    assert guest.json("room", "show", room)["picture"] == name
    guest.json("room", "download", room, name, str(tmp_path / "copy"))
    assert (tmp_path / "copy").read_bytes() == b"a picture"
    owner.json("room", "post", room, "look", "--file", str(tmp_path / "bee.png"))
    [post] = guest.json("room", "read", room)["posts"]
    assert (post["files"], post["file_names"]) == ([name], ["bee.png"])
    owner.json("room", "picture", room)
    owner.json("room", "change", room, "name=hall")
    assert guest.json("room", "show", room.replace("gallery", "hall"))["picture"] == ""
    assert guest.refused("room", "show", room) == "ROOM_UNKNOWN"


def test_sent_messages_and_later_permissions_are_listed(network: RealNetwork, owner: Shell) -> None:
    guest = Shell(network.home())
    [host] = owner.json("room", "hosts")["hosts"]
    room = owner.json("room", "create", f"{host['host']}/quiet", "defaults=read")["room"]
    guest.json("room", "join", room)
    me = guest.json("room", "hosts")["hosts"][0]["me"]
    owner.json("room", "direct", room, me, "just to you")
    [sent] = owner.json("room", "sent", host["host"])["sent"]
    assert (sent["to"], sent["text"]) == (me, "just to you")
    assert re.search(r"just to you", owner.run("room", "sent", host["host"]).stdout)
    owner.json("room", "sent", host["host"], "--delete-up-to", str(sent["number"]))
    assert owner.json("room", "sent", host["host"]) == {"sent": []}
    assert [each["text"] for each in guest.json("room", "directs", host["host"])["directs"]] == ["just to you"]

    owner.json("room", "permit", room, me, "--allow", "write", "--for", "1h")
    owner.json("room", "permit", room, me, "--allow", "write,upload", "--in", "2h", "--for", "1h")
    [member] = owner.json("room", "members", room, "--which", "overridden")["members"]
    [coming] = member["coming"]
    assert (member["allow"], coming["allow"]) == (2, 6)
    assert coming["until_ms"] - coming["from_ms"] == 3_600_000
    guest.json("room", "post", room, "I may")
    assert owner.refused("room", "permit", room, me, "--in", "soon") == "ROOM_ADDRESS_REFUSED"
