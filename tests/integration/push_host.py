"""For tests/**/test_push_*.py: a push host in this process, devices that subscribe, a bot, a storage node."""

import asyncio
import os
import time
from contextlib import AsyncExitStack
from pathlib import Path

from aiohttp import web

from essaim.protocol.keys import AgreementPublic, KemPublic, SigningKey, VerifyKey
from essaim.protocol.push.authorization import Method, Request
from essaim.protocol.push.endpoint import Webhook, pack
from essaim.protocol.push.host import HostKey, HostPublic
from essaim.protocol.push.push_id import PUSH_ID_SIZE, day_of
from essaim.protocol.push.url import Url
from essaim.protocol.push.wake import Reason, Wake, WakeAnswer, WakeBatch, parse
from essaim.push.v1 import push_pb2
from essaim.runtime.clock import SystemClock
from essaim.runtime.context import OnionContext
from essaim_push.assembly import PushHost
from essaim_push.settings import PushSettings

HOST_KEY = HostKey(b"p" * 32)
SECRET = b"s" * 32
STORAGE = b"n" * 32
CAPACITY = 16_000


class Bot:
    """A web server that is told of wakes. `status` is what it answers who comes then, once `answers` is set."""

    def __init__(self) -> None:
        self.told: list[tuple[float, str]] = []
        """(when, webhook-id)"""
        self.status = 200
        self.answers = asyncio.Event()
        self.answers.set()
        self.retry_after = ""
        self.came = asyncio.Condition()
        self.stack = AsyncExitStack()

    async def __aenter__(self) -> "Bot":
        application = web.Application()
        application.router.add_post("/{tail:.*}", self._told)
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        self.stack.push_async_callback(runner.cleanup)
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.port = runner.addresses[0][1]
        return self

    async def __aexit__(self, *error) -> None:
        self.answers.set()
        await self.stack.aclose()

    async def _told(self, request: web.Request) -> web.Response:
        await request.read()
        status, headers = self.status, {"retry-after": self.retry_after} if self.retry_after else {}
        async with self.came:
            self.told.append((time.time(), request.headers["webhook-id"]))
            self.came.notify_all()
        await self.answers.wait()
        return web.Response(status=status, headers=headers)

    async def wait_for(self, count: int) -> list[str]:
        """The ids of so many calls, at least."""
        async with asyncio.timeout(20), self.came:
            await self.came.wait_for(lambda: len(self.told) >= count)
        return [each for _, each in self.told]

    def endpoint(self, path: str = "hook") -> Webhook:
        return Webhook(Url.parse(f"http://127.0.0.1:{self.port}/{path}"), SECRET)


class RunningPush:
    """`async with RunningPush(folder) as push`; `skew_ms` moves its clock. Two of one `url` are replicas."""

    def __init__(self, folder: Path, url: str | None = None, **settings) -> None:
        folder.mkdir(exist_ok=True)
        (folder / "push-key").write_text(HOST_KEY.seed.hex())
        quick = {"spacing_seconds": 0.05, "delay_seconds": 0.2, "retry_first_seconds": 0.05, "upkeep_seconds": 3600}
        web_push = {"endpoint_http": True, "endpoint_networks": "127.0.0.0/8", "subscribes_per_second": 10_000}
        self.settings = PushSettings(data_dir=folder, database=url, **{**quick, **web_push, **settings})
        self.node_id = os.urandom(32)
        self.skew_ms = 0
        self.stack = AsyncExitStack()
        self.answers: dict[int, asyncio.Future[WakeAnswer]] = {}
        self.batch = 0

    def now_ms(self) -> int:
        return SystemClock().now_ms() + self.skew_ms

    async def __aenter__(self) -> "RunningPush":
        self.host = PushHost(self.settings, self.node_id, self.now_ms, self._answered)
        self.stack.push_async_callback(self.host.close)
        await self.host.start()
        self.tasks = [asyncio.create_task(each()) for each in self.host.background]
        self.stack.push_async_callback(self._stop)
        return self

    async def __aexit__(self, *error) -> None:
        await self.stack.aclose()

    async def _stop(self) -> None:
        await self.host.drain()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    def _answered(self, node_id: bytes, message: bytes) -> None:
        answer = parse(message)
        assert isinstance(answer, WakeAnswer)
        waiting = self.answers.pop(answer.batch, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(answer)

    async def wake(self, *wakes: Wake, node_id: bytes = STORAGE) -> list[Reason | None]:
        """As a storage node does; the verdict on each."""
        answer = await self.send(wakes, node_id)
        refused = dict(answer.refused)
        return [refused.get(index) for index in range(len(wakes))]

    async def send(self, wakes, node_id: bytes = STORAGE) -> WakeAnswer:
        self.batch += 1
        waiting = self.answers[self.batch] = asyncio.get_running_loop().create_future()
        self.host.intake.on_message(node_id, WakeBatch(self.batch, tuple(wakes)).encode())
        return await asyncio.wait_for(waiting, 20)

    def device(self) -> "Device":
        return Device(self)


class Device:
    """An owner key at a host; asks its servicer as a cell would."""

    def __init__(self, push: RunningPush) -> None:
        self.push = push
        self.owner = SigningKey(os.urandom(32))
        self.subscription_id = os.urandom(16)

    def at(self, push: RunningPush) -> "Device":
        """The same, asking another replica."""
        other = Device(push)
        other.owner, other.subscription_id = self.owner, self.subscription_id
        return other

    def authorize(self, method: Method, body: bytes) -> push_pb2.Authorization:
        request = Request(HOST_KEY.public.host_id.raw, method, body)
        return request.authorize(self.owner, self.push.now_ms())

    async def ask(self, method: Method, message):
        """The response of the method that is signed over `message`."""
        body = message.SerializeToString()
        request = getattr(push_pb2, f"{method}Request")(authorization=self.authorize(method, body), body=body)
        return await getattr(self.push.host.service, method)(request, context())

    def ids(self, days: int = 2, lanes: int = 1, *, ahead: int = 0) -> push_pb2.PushIds:
        return push_pb2.PushIds(first_day=day_of(self.push.now_ms()) + ahead, days=days, lanes=lanes)

    async def subscribe(self, endpoint, *, prompt: bool = True, **wanted) -> list[bytes]:
        """Its push ids."""
        new = push_pb2.NewSubscription(
            subscription_id=self.subscription_id,
            sealed_endpoint=sealed(endpoint),
            prompt=prompt,
            ids=self.ids(**wanted),
        )
        return split((await self.ask(Method.SUBSCRIBE, new)).push_ids)

    async def renew(self, **wanted) -> list[bytes]:
        renewal = push_pb2.Renewal(subscription_id=self.subscription_id, ids=self.ids(**wanted))
        return split((await self.ask(Method.RENEW, renewal)).push_ids)

    async def rotate(self, endpoint=None, *, generation: int = 0, prompt: bool = True, **wanted) -> list[bytes]:
        rotation = push_pb2.Rotation(
            subscription_id=self.subscription_id,
            sealed_endpoint=sealed(endpoint) if endpoint else b"",
            generation=generation,
            prompt=prompt,
            ids=self.ids(**wanted),
        )
        return split((await self.ask(Method.ROTATE, rotation)).push_ids)

    async def unsubscribe(self) -> int:
        farewell = push_pb2.Farewell(subscription_id=self.subscription_id)
        return (await self.ask(Method.UNSUBSCRIBE, farewell)).removed

    async def until_gone(self) -> None:
        """Until the host knows that the endpoint is no more."""
        async with asyncio.timeout(20):
            while (await self.list())[0].state != push_pb2.SUBSCRIPTION_STATE_ENDPOINT_GONE:  # noqa: ASYNC110
                await asyncio.sleep(0.01)  # only a poll can tell

    async def list(self) -> list[push_pb2.Subscription]:
        request = push_pb2.ListRequest(authorization=self.authorize(Method.LIST, b""))
        return list((await self.push.host.service.List(request, context())).subscriptions)


def context() -> OnionContext:
    return OnionContext(os.urandom(16), CAPACITY)


def sealed(endpoint) -> bytes:
    return HOST_KEY.public.seal(pack(endpoint), os.urandom)


def split(push_ids: bytes) -> list[bytes]:
    return [push_ids[at : at + PUSH_ID_SIZE] for at in range(0, len(push_ids), PUSH_ID_SIZE)]


def wake(push_id: bytes, preview: bytes = b"") -> Wake:
    """A fresh one."""
    return Wake(push_id, os.urandom(16), preview)


def described(response: push_pb2.DescribeResponse) -> HostPublic:
    """The keys that a host tells."""
    return HostPublic(VerifyKey(response.host_id), AgreementPublic(response.agreement_key), KemPublic(response.kem_key))
