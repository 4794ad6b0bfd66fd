"""Plain pages of the rooms that everybody may read: made here, no script, nothing from elsewhere, nothing remembered.

Only what `Act.READ` allows somebody who has not said who they are is shown, and of it no file. A post is text: the
templates escape it, and the policy in the header leaves a browser nothing to run, load, frame or send, even if they did
not.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

from aiohttp import web
from jinja2 import Environment, PackageLoader, StrictUndefined

from essaim.opengroup.v1 import action_pb2, room_pb2
from essaim.protocol.opengroup.chain import ROOM_ID_SIZE
from essaim.protocol.opengroup.permission import Permission
from essaim.protocol.opengroup.refusal import RoomRefusedError
from essaim.protocol.opengroup.settings import NAME
from essaim.runtime.address import Address
from essaim.runtime.refusal import StartError
from essaim_opengroup import metrics
from essaim_opengroup.asking import Asking
from essaim_opengroup.page.invitation import address_of, picture_of, short_address
from essaim_opengroup.page.shown import shown_post

POSTS: Final = 30
BUDGET: Final = 1 << 20
REQUESTS: Final = 64
"""Served at once; others wait for a proxy's patience."""
HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; sandbox"
        " allow-forms allow-same-origin"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), interest-cohort=()",
    "Cache-Control": "no-store",
    "Server": "essaim",
}
STYLE_HEADERS: Final = {**HEADERS, "Cache-Control": "public, max-age=3600"}
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Site:
    """`async with Site(...)`: serves until left. `address` is where."""

    def __init__(self, listen: str, name: str, asking: Asking) -> None:
        self._listen = Address.parse(listen)
        self._asking = asking
        self._turns = asyncio.Semaphore(REQUESTS)
        self._templates = Environment(
            loader=PackageLoader("essaim_opengroup.page"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
        )
        self._templates.globals["host"] = name
        application = web.Application(middlewares=[self._around], client_max_size=1024)
        application.add_routes(
            [
                web.get("/", self._rooms, allow_head=True),
                web.get("/r/{room}/", self._room),
                web.get("/r/{room}/invite", self._invitation),
                web.get("/r/{room}/{sequence}/", self._thread),
                web.get("/style.css", self._style),
            ]
        )
        self._runner = web.AppRunner(application, access_log=None, handle_signals=False)

    async def __aenter__(self) -> "Site":
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._listen.ip, self._listen.port)
        try:
            await site.start()
        except OSError:
            await self._runner.cleanup()
            raise StartError("the page's address (--page) cannot be listened on.") from None
        self.address = self._listen.with_port(self._runner.addresses[0][1])
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._runner.cleanup()

    @web.middleware
    async def _around(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Headers on everything, no detail of any failure, one number counted."""
        try:
            async with self._turns, asyncio.timeout(10):
                response = await handler(request)
        except web.HTTPException as error:
            response = self._problem(error.status)
        except RoomRefusedError:
            response = self._problem(404)
        except TimeoutError:
            response = self._problem(503)
        except Exception:  # noqa: BLE001 - the border of the node: nothing of it may leave
            response = self._problem(500)
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        metrics.PAGES.labels(str(response.status)).inc()
        return response

    def _problem(self, status: int) -> web.Response:
        known = {404: "There is no such page here.", 405: "This page can only be read.", 503: "Try again later."}
        status = status if status in known else 500 if status >= 500 else 404
        return self._page("problem.html", status, words=known.get(status, "Something went wrong here."))

    def _page(self, template: str, status: int = 200, /, **values: Any) -> web.Response:
        text = self._templates.get_template(template).render(values)
        return web.Response(text=text, status=status, content_type="text/html", charset="utf-8")

    # Pages

    async def _rooms(self, request: web.Request) -> web.Response:
        told = await self._asking.answer("list_rooms", action_pb2.ListRooms(), b"", BUDGET)
        assert isinstance(told, action_pb2.RoomList)
        return self._page("rooms.html", rooms=[each for each in told.rooms if is_public(each)])

    async def _room(self, request: web.Request) -> web.Response:
        room = await self._public(request)
        before, words = _number(request.query.get("before", "")), request.query.get("q", "").strip()
        if words:
            search = action_pb2.Search(room_id=room.room_id, words=words[:200], before=before, limit=POSTS)
            told = await self._asking.answer("search", search, b"", BUDGET)
        else:
            page = action_pb2.Page(room_id=room.room_id, before=before, limit=POSTS)
            told = await self._asking.answer("page", page, b"", BUDGET)
        assert isinstance(told, action_pb2.PostList)
        return self._page("room.html", room=room, words=words, before=before, **_listed(told))

    async def _thread(self, request: web.Request) -> web.Response:
        room = await self._public(request)
        first = _number(request.match_info["sequence"])
        page = action_pb2.Page(room_id=room.room_id, thread=first, limit=POSTS)
        told = await self._asking.answer("page", page, b"", BUDGET)
        assert isinstance(told, action_pb2.PostList)
        if not told.posts:
            raise web.HTTPNotFound
        return self._page("thread.html", room=room, first=first, **_listed(told))

    async def _invitation(self, request: web.Request) -> web.Response:
        room = await self._public(request)
        place = (self._asking.host_id, room.settings.name)
        address = address_of(*place)
        return self._page(
            "invite.html", room=room, address=address, short=short_address(*place), code=picture_of(address)
        )

    async def _public(self, request: web.Request) -> room_pb2.Room:
        """The room of the path, if everybody may read it. Raises RoomRefusedError."""
        name = request.match_info["room"]
        if not NAME.fullmatch(name):
            raise web.HTTPNotFound
        room = await self._asking.answer("get_room", action_pb2.GetRoom(name=name), b"", BUDGET)
        assert isinstance(room, room_pb2.Room) and len(room.room_id) == ROOM_ID_SIZE
        if not is_public(room):
            raise web.HTTPNotFound
        return room

    async def _style(self, request: web.Request) -> web.Response:
        text = self._templates.get_template("style.css").render()
        return web.Response(text=text, content_type="text/css", headers=STYLE_HEADERS)


def is_public(room: room_pb2.Room) -> bool:
    """Listed, without invitation, and readable by default."""
    settings = room.settings
    return settings.listed and not settings.by_invitation and bool(settings.defaults & Permission.READ)


def _listed(told: action_pb2.PostList) -> dict[str, Any]:
    posts = [shown_post(state) for state in told.posts]
    return {"posts": posts, "older": told.posts[-1].entry.sequence if told.more and told.posts else 0}


def _number(text: str) -> int:
    """A sequence number; 0 for anything else."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 16 else 0
