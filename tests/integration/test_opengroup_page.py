"""The page of public rooms: what it shows, what it does not, and that no post breaks it; in a real browser too."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from html.parser import HTMLParser
from pathlib import Path

import aiohttp
import pytest
import zxingcpp
from aiohttp import web
from PIL import Image

import browser
from essaim.opengroup.v1 import room_pb2, statement_pb2
from essaim_client.rooms.address import RoomAddress
from essaim_opengroup.page.invitation import picture_of
from essaim_opengroup.page.shown import plain
from essaim_opengroup.page.site import HEADERS, Site
from room_host import HOST_ID, RunningHost

HOSTILE = (
    "<script>document.title = 'broken'</script>",
    '"><img src="http://127.0.0.1:{port}/loaded" onerror="document.title=\'broken\'">',
    "</div></article></li></ol></main><h1>broken</h1><!--",
    "<style>body{display:none}</style><link rel=stylesheet href=http://127.0.0.1:{port}/loaded>",
    "{{ 7 * 7 }} {% raw %} ${{7*7}} &lt;b&gt; &#60;script&#62;",
    "javascript:document.title='broken' <a href='javascript:document.title=1'>x</a>",
    "\u202e right to left override \u202d\u2066 isolates \u0000"[:-1],
    "z" + "\u0301" * 400,
    "W" * 4_000,
    "\n" * 500 + "far below",
    "<meta http-equiv=refresh content='0;url=http://127.0.0.1:{port}/loaded'><base href=http://127.0.0.1:{port}/>",
    "<iframe src=http://127.0.0.1:{port}/loaded></iframe><form action=http://127.0.0.1:{port}/loaded><svg onload=a()>",
)


class Outline(HTMLParser):
    """The elements of a page, and whether they close in order."""

    VOID = frozenset({"meta", "link", "input", "br", "hr", "img"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag) -> None:
        assert self.open.pop() == tag

    def all(self, *tags: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.elements if tag in tags]


@pytest.fixture
async def host(tmp_path: Path) -> AsyncIterator[RunningHost]:
    async with AsyncExitStack() as stack:
        running = await stack.enter_async_context(RunningHost(tmp_path / "host"))
        site = await stack.enter_async_context(Site("127.0.0.1:0", 'A <host> & "more"', running.host.asking))
        running.site = f"http://{site.address}"
        yield running


async def get(url: str, **options) -> tuple[int, dict[str, str], str]:
    async with aiohttp.ClientSession() as session, session.get(url, **options) as response:
        return response.status, dict(response.headers), await response.text()


async def test_page_shows_what_everybody_may_read(host: RunningHost) -> None:
    room = await host.room(title="A & B", description="about <things>")
    hidden = [
        await host.room("unlisted", listed=False),
        await host.room("invited", by_invitation=True),
        await host.room("closed", defaults=room_pb2.PERMISSION_WRITE),
    ]
    alice = host.member(1)
    first = await alice.post(room.room_id, "hello, world")
    await host.member(2).post(room.room_id, "an answer", reply_to=first)
    await room.owner.post(room.room_id, "psst", whisper_to=alice.key)
    gone = await alice.post(room.room_id, "regretted")
    await alice.say(room.room_id, delete=statement_pb2.Delete(post_id=gone))
    await alice.say(room.room_id, edit=statement_pb2.Edit(post_id=first, text="hello, whole world"))
    await alice.say(room.room_id, react=statement_pb2.React(post_id=first, emoji="🐝"))
    await room.owner.say(room.room_id, pin=statement_pb2.Pin(post_id=first))

    status, headers, index = await get(f"{host.site}/")
    assert status == 200 and "A &amp; B" in index and "about &lt;things&gt;" in index
    assert not any(name in index for name in ("unlisted", "invited", "closed"))
    assert all(headers[name] == value for name, value in HEADERS.items()) and "Set-Cookie" not in headers
    _, _, page = await get(f"{host.site}/r/lobby/")
    assert "hello, whole world" in page and "an answer" in page and "deleted" in page and "🐝" in page
    assert not any(word in page for word in ("psst", "regretted", "hello, world", alice.key.hex()))
    _, _, thread = await get(f"{host.site}/r/lobby/1/")
    assert "an answer" in thread and "hello, whole world" in thread
    _, _, found = await get(f"{host.site}/r/lobby/", params={"q": "answer"})
    assert "an answer" in found and "whole world" not in found
    for name in ("unlisted", "invited", "closed", "nowhere", "%3Cscript%3E", "a" * 300):
        status, headers, text = await get(f"{host.site}/r/{name}/")
        assert (status, headers["Content-Security-Policy"]) == (404, HEADERS["Content-Security-Policy"])
        assert "script" not in text.replace("no script", "")
    assert len(hidden) == 3


async def test_invitation_says_the_address_of_a_public_room(host: RunningHost) -> None:
    await host.room(title="</title><svg onload=a()>")
    await host.room("invited", by_invitation=True)
    await host.room("unlisted", listed=False)
    status, headers, page = await get(f"{host.site}/r/lobby/invite")
    times = picture_of.cache_info().misses
    assert (await get(f"{host.site}/r/lobby/invite"))[2] == page
    assert picture_of.cache_info().misses == times  # drawing takes the loop's time, and anybody may ask
    outline, address = Outline(page), f"{HOST_ID.hex()}/lobby"
    assert status == 200 and all(headers[name] == value for name, value in HEADERS.items()) and outline.open == []
    assert address in page and f"essaim room join {address[:20]}/lobby" in page
    assert RoomAddress.parse(address).host == HOST_ID.hex()
    [drawn] = outline.all("svg")
    assert [each["role"] for each in outline.all("figure")] == ["img"] and outline.all("script", "img", "style") == []
    assert not [name for _, attributes in outline.elements for name in attributes if name.startswith(("on", "style"))]
    assert drawn["viewbox"].split()[:2] == ["0", "0"]
    assert 'href="/r/lobby/invite"' in (await get(f"{host.site}/r/lobby/"))[2]
    for name in ("invited", "unlisted", "nowhere"):
        status, _, text = await get(f"{host.site}/r/{name}/invite")
        assert status == 404 and "svg" not in text


async def test_pages_go_back_to_the_first_post(host: RunningHost) -> None:
    room = await host.room()
    alice = host.member(1)
    for number in range(70):
        await alice.post(room.room_id, f"post number {number}.")
    url, found = f"{host.site}/r/lobby/", []
    for _ in range(3):
        _, _, page = await get(url)
        found += re.findall(r"post number (\d+)\.", page)
        older = re.search(r'rel="next" href="([^"]+)"', page)
        url = host.site + older[1] if older else ""
    assert [int(each) for each in found] == list(range(69, -1, -1)) and not url


async def test_strange_requests_get_a_page_and_no_trace(host: RunningHost) -> None:
    await host.room()
    for path in ("/r/lobby/?before=abc", "/r/lobby/?before=-1&q=%00", "/r/lobby/?q=" + "%22*" * 100, "/r/lobby/999/"):
        status, _, text = await get(host.site + path)
        assert status in (200, 404), path
        assert "Traceback" not in text and "Error" not in text
    async with aiohttp.ClientSession() as session, session.post(f"{host.site}/") as response:
        assert response.status == 405


async def hostile_room(host: RunningHost, port: int) -> None:
    room = await host.room(title="</title><script>document.title='broken'</script>")
    for number, text in enumerate(HOSTILE):
        post_id = await host.member(number + 1).post(room.room_id, text.replace("{port}", str(port)))
    await host.member(1).say(room.room_id, react=statement_pb2.React(post_id=post_id, emoji="<b>"))


async def test_no_post_breaks_the_page(host: RunningHost) -> None:
    await hostile_room(host, 9)
    for path in ("/", "/r/lobby/", "/r/lobby/1/", "/r/lobby/?q=%3Cscript%3E"):
        _, _, page = await get(host.site + path)
        outline = Outline(page)
        assert outline.open == []
        assert outline.all("script", "img", "iframe", "style", "base", "object", "svg") == []
        assert [each.get("href") for each in outline.all("link")] == ["/style.css"]
        assert all(each["href"].startswith(("/", "#")) for each in outline.all("a"))
        assert not [name for _, attributes in outline.elements for name in attributes if name.startswith("on")]
        assert not any(len(each) > 5 for each in re.findall("\u0301+", page)) and "\u202e" not in page


def test_text_loses_what_would_repaint_other_lines() -> None:
    assert plain("a\u202eb\u0007c\u200bd") == "abcd"
    assert plain("line\nline\ttab 👩\u200d👩\u200d👧 ❤\ufe0f") == "line\nline\ttab 👩\u200d👩\u200d👧 ❤\ufe0f"
    assert plain("z" + "\u0301" * 400) == "z" + "\u0301" * 4


async def test_page_can_be_used_by_everybody(host: RunningHost) -> None:
    """What can be said of a page without eyes: language, landmarks, headings, labels, contrast in light and dark."""
    room = await host.room(title="A room")
    await host.member(1).post(room.room_id, "a post")
    _, _, page = await get(f"{host.site}/r/lobby/")
    outline = Outline(page)
    tags = [tag for tag, _ in outline.elements]
    assert outline.all("html")[0]["lang"] == "en" and outline.all("meta")[1]["name"] == "viewport"
    assert all(tags.count(tag) == 1 for tag in ("h1", "main", "header", "footer", "title"))
    assert {each["for"] for each in outline.all("label")} == {each["id"] for each in outline.all("input")}
    assert outline.all("a")[0] == {"class": "skip", "href": "#main"}
    identifiers = [attributes["id"] for _, attributes in outline.elements if "id" in attributes]
    assert len(identifiers) == len(set(identifiers))
    _, headers, style = await get(f"{host.site}/style.css")
    assert headers["Content-Type"].startswith("text/css")
    for block in re.findall(r":root \{([^}]*)\}", style):
        colours = dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", block))
        for ink in ("ink", "soft", "mark"):
            for ground in ("ground", "card"):
                assert contrast(colours[ink], colours[ground]) >= 4.5, (ink, ground)  # WCAG 2.2, 1.4.3


def contrast(first: str, second: str) -> float:
    """The ratio of WCAG 2.2."""

    def luminance(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        red, green, blue = (each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    dark, light = sorted((luminance(first), luminance(second)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.timeout(150)
async def test_hostile_posts_do_nothing_in_a_browser(host: RunningHost, tmp_path: Path) -> None:
    program = browser.require()
    loaded: list[str] = []

    async def witness(request: web.Request) -> web.Response:
        if request.path == "/page":
            return web.Response(text="<script src=/control></script>", content_type="text/html")
        loaded.append(request.path)
        return web.Response(text="document.title = 'broken'", content_type="text/javascript")

    application = web.Application()
    application.router.add_route("*", "/{tail:.*}", witness)
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        await hostile_room(host, port)
        page = await asyncio.to_thread(browser.dom, program, tmp_path, f"{host.site}/r/lobby/")
        assert loaded == []
        control = await asyncio.to_thread(browser.dom, program, tmp_path, f"http://127.0.0.1:{port}/page")
        assert "/control" in loaded and "<title>broken" in control  # what the hostile posts would have done
    finally:
        await runner.cleanup()
    title = re.search(r"<title>(.*?)</title>", page, re.DOTALL)
    assert title and "broken&lt;" not in title[1].split("-")[-1] and title[1] != "broken"
    assert page.count("<article") == len(HOSTILE) and page.count("<main") == 1
    assert "<script" not in page and "<iframe" not in page and "<img" not in page
    assert "far below" in page


@pytest.mark.timeout(150)
async def test_pictures_differ_in_light_and_dark(host: RunningHost, tmp_path: Path) -> None:
    program = browser.require()
    room = await host.room(title="A room")
    await host.member(1).post(room.room_id, "a post")
    files = []
    for name, scheme in (("light", browser.LIGHT), ("dark", browser.DARK)):
        files.append(tmp_path / f"{name}.png")
        await asyncio.to_thread(browser.picture, program, tmp_path, f"{host.site}/r/lobby/", files[-1], scheme)
    assert len({each.read_bytes() for each in files}) == 2
    assert all(each.read_bytes().startswith(b"\x89PNG") for each in files)


@pytest.mark.timeout(150)
async def test_picture_of_an_invitation_is_read_by_another_program(host: RunningHost, tmp_path: Path) -> None:
    """As a telephone sees it on the screen, in the dark."""
    program = browser.require()
    await host.room("a-room_" + "x" * 57)
    url, shot = f"{host.site}/r/a-room_{'x' * 57}/invite", tmp_path / "invite.png"
    await asyncio.to_thread(browser.picture, program, tmp_path, url, shot, browser.DARK)
    with Image.open(shot) as picture:
        [read] = zxingcpp.read_barcodes(picture.convert("L"))
    assert read.format == zxingcpp.BarcodeFormat.QRCode
    assert RoomAddress.parse(read.text) == RoomAddress(HOST_ID.hex(), "a-room_" + "x" * 57)
