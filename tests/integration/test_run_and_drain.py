"""A real process of a tiny service: how it starts, serves, drains and dies."""

import asyncio
import json
import os
import signal
import sys
import urllib.request
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest
from grpc_health.v1.health_pb2_grpc import HealthStub
from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionRequest
from grpc_reflection.v1alpha.reflection_pb2_grpc import ServerReflectionStub

from essaim.network.tls import dial
from essaim.relay.v1.relay_pb2 import OpenRequest, OpenResponse, SendRequest
from essaim.relay.v1.relay_pb2_grpc import RelayServiceStub
from essaim.runtime.errors import reason_of

SERVICE = Path(__file__).with_name("tiny_service.py")
NOT_SERVING, SERVING = 2, 1


class Tiny:
    """The process, and what it says."""

    def __init__(self, process: asyncio.subprocess.Process, folder: Path) -> None:
        self.process = process
        self.folder = folder
        self.lines: list[dict[str, object]] = []

    async def says(self, event: str) -> dict[str, object]:
        assert self.process.stdout and self.process.stderr
        while raw := await self.process.stdout.readline():
            self.lines.append(json.loads(raw))
            if self.lines[-1]["event"] == event:
                return self.lines[-1]
        raise AssertionError(f"no {event} in {self.lines}: {await self.process.stderr.read()!r}")

    def channel(self) -> grpc.aio.Channel:
        return dial(self.listen["address"], [(self.folder / "tls.der").read_bytes()])

    @property
    def listen(self) -> dict[str, str]:
        return json.loads((self.folder / "listen.json").read_text())

    async def end(self) -> tuple[int, str]:
        """Exit code and all that was written until then."""
        out, err = await self.process.communicate()
        self.lines += map(json.loads, out.splitlines())
        assert self.process.returncode is not None
        return self.process.returncode, err.decode()


@asynccontextmanager
async def tiny(folder: Path, *arguments: str, **environment: str):
    command = [sys.executable, str(SERVICE), "--data-dir", str(folder), *arguments]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *command, stdout=pipe, stderr=pipe, env={**os.environ, **environment}
    )
    try:
        yield Tiny(process, folder)
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def test_run_tells_where_it_listens_and_serves_health_and_metrics(tmp_path: Path) -> None:
    async with tiny(tmp_path / "new" / "folder") as node:
        ready = await node.says("ready")

        assert str(ready["port"]) == node.listen["address"].rpartition(":")[2]
        assert ready["node"] == node.listen["node_id"][:8]
        async with node.channel() as channel:
            assert (await HealthStub(channel).Check(HealthCheckRequest())).status == SERVING
            named = HealthCheckRequest(service="essaim.relay.v1.RelayService")
            assert (await HealthStub(channel).Check(named)).status == SERVING
            # Or gRPC's own words for a refusal that came while the question was still being sent.
            with pytest.raises(grpc.aio.AioRpcError, match=r"UNIMPLEMENTED|execute_batch"):
                await reflected(channel)
        url = f"http://{node.listen['metrics']}/metrics"
        page = (await asyncio.to_thread(urllib.request.urlopen, url)).read().decode()
        assert 'essaim_build_info{service="tiny",version="unreleased"} 1.0' in page
        health = (
            'grpc_server_handled_total{grpc_code="OK",grpc_method="Check",grpc_service="grpc.health.v1.Health"} 2.0'
        )
        assert health in page
        assert "process_resident_memory_bytes" in page


async def reflected(channel: grpc.aio.Channel) -> set[str]:
    call = ServerReflectionStub(channel).ServerReflectionInfo(iter([ServerReflectionRequest(list_services="")]))
    return {each.name async for answer in call for each in answer.list_services_response.service}


async def test_development_has_reflection_and_traces(tmp_path: Path) -> None:
    async with tiny(tmp_path, "--development") as node:
        await node.says("ready")
        async with node.channel() as channel:
            assert {"essaim.relay.v1.RelayService", "grpc.health.v1.Health"} <= await reflected(channel)
            with pytest.raises(grpc.aio.AioRpcError, match="INTERNAL"):
                await RelayServiceStub(channel).Send(SendRequest(cell=b"raise"))
        node.process.send_signal(signal.SIGTERM)
        code, err = await node.end()
        assert code == 0
        assert "ZeroDivisionError" in err


async def test_drain_finishes_the_call_under_way_and_exits_0(tmp_path: Path) -> None:
    async with tiny(tmp_path) as node:
        await node.says("ready")
        async with node.channel() as channel:
            call = RelayServiceStub(channel).Open(OpenRequest())
            assert await call.read() == OpenResponse(cell=b"begun")

            node.process.send_signal(signal.SIGTERM)

            assert await call.read() == OpenResponse(cell=b"done")
            assert await call.read() is grpc.aio.EOF
        code, err = await node.end()
        assert (code, err) == (0, "")
        assert [line["event"] for line in node.lines] == ["listening", "ready", "draining", "stopped"]


async def test_drain_says_not_serving_before_it_ends(tmp_path: Path) -> None:
    async with tiny(tmp_path) as node:
        await node.says("ready")
        async with node.channel() as channel:
            watch = HealthStub(channel).Watch(HealthCheckRequest())
            assert (await watch.read()).status == SERVING

            node.process.send_signal(signal.SIGTERM)

            assert (await watch.read()).status == NOT_SERVING
            watch.cancel()
        assert (await node.end())[0] == 0


async def test_drain_cuts_a_call_that_does_not_end(tmp_path: Path) -> None:
    async with tiny(tmp_path, "--drain-seconds", "0.1", "--mode", "bad-leave") as node:
        await node.says("ready")
        async with node.channel() as channel:
            call = RelayServiceStub(channel).Open(OpenRequest(cell=b"forever"))
            await call.read()

            node.process.send_signal(signal.SIGINT)

            with pytest.raises(grpc.aio.AioRpcError):
                await call.read()
        code, err = await node.end()
        assert (code, err) == (0, "")
        failed = [line for line in node.lines if line["event"] == "drain_step_failed"]
        assert [line["error"] for line in failed] == ["ConnectionError"]


async def test_stop_before_it_joined_drains_too(tmp_path: Path) -> None:
    async with tiny(tmp_path, "--mode", "stuck-join") as node:
        await node.says("listening")
        async with node.channel() as channel:
            assert (await HealthStub(channel).Check(HealthCheckRequest())).status == NOT_SERVING
        node.process.send_signal(signal.SIGTERM)
        assert (await node.end())[0] == 0
        assert "ready" not in {line["event"] for line in node.lines}


async def test_background_task_that_dies_ends_the_process_with_one_event(tmp_path: Path) -> None:
    async with tiny(tmp_path) as node:
        await node.says("ready")
        async with node.channel() as channel:
            await RelayServiceStub(channel).Send(SendRequest(cell=b"die"))
        code, err = await node.end()
        assert (code, err) == (1, "")
        assert [(line["event"], line.get("error")) for line in node.lines[2:]] == [("died", "LookupError")]


async def test_fault_of_a_servicer_is_internal_and_tells_nothing(tmp_path: Path) -> None:
    async with tiny(tmp_path) as node:
        await node.says("ready")
        async with node.channel() as channel:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await RelayServiceStub(channel).Send(SendRequest(cell=b"raise"))
            assert reason_of(caught.value).reason == "INTERNAL"
            assert reason_of(caught.value).domain == "tiny.essaim"
            assert (await RelayServiceStub(channel).Send(SendRequest(cell=b"alive"))).cell == b"alive"
        node.process.send_signal(signal.SIGTERM)
        _, err = await node.end()
        assert err == ""
        assert "198.51.100.7" not in str(node.lines) + str(caught.value.details())
        assert "esm1" not in str(node.lines)
        assert [line["error"] for line in node.lines if line["event"] == "call_failed"] == ["ZeroDivisionError"]


async def test_second_start_keeps_the_identity(tmp_path: Path) -> None:
    seen = []
    for _ in range(2):
        async with tiny(tmp_path) as node:
            await node.says("ready")
            seen.append((node.listen["node_id"], (tmp_path / "tls.der").read_bytes()))
            node.process.send_signal(signal.SIGTERM)
            assert (await node.end())[0] == 0
    assert seen[0] == seen[1]


async def test_second_process_on_one_folder_is_refused(tmp_path: Path) -> None:
    async with tiny(tmp_path) as first:
        await first.says("ready")
        async with tiny(tmp_path) as second:
            assert await second.end() == (2, "essaim-tiny: another process runs on this data folder.\n")
        assert (tmp_path / "listen.json").exists()


@pytest.mark.parametrize(
    ("arguments", "environment", "words"),
    [
        (["--listen", "localhost:1"], {}, "--listen (ESSAIM_TINY_LISTEN) must be a numeric ip:port"),
        ([], {"ESSAIM_TINY_DRAIN_SECONDS": "soon"}, "--drain-seconds (ESSAIM_TINY_DRAIN_SECONDS)"),
        (["--listen", "0.0.0.0:0"], {}, "--advertised is needed"),
        (["--listen", "203.0.113.1:1"], {}, "(--listen) cannot be listened on"),
        (["--metrics", "203.0.113.1:1"], {}, "(--metrics) cannot be listened on"),
    ],
)
async def test_wrong_setting_is_one_sentence_and_exit_code_2(
    tmp_path: Path, arguments: list[str], environment: dict[str, str], words: str
) -> None:
    async with tiny(tmp_path, *arguments, **environment) as node:
        code, err = await node.end()
    assert code == 2
    assert err.count("\n") == 1
    assert err.startswith("essaim-tiny: ")
    assert words in err
