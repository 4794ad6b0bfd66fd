"""Our HTTP/2 against a server that shares no line with it: Node's, which is nghttp2."""

import asyncio
import shutil
import subprocess
from collections import Counter

import pytest

from essaim_push.providers.answer import trust
from essaim_push.providers.outcome import CallFailedError
from essaim_push.providers.vendor import Vendor
from push_receiver import authority

SIZE, STREAMS = 3_000, 20
SERVER = """
const http2 = require('http2'), fs = require('fs'), folder = process.argv[2];
const read = name => fs.readFileSync(`${folder}/${name}`);
const settings = { maxConcurrentStreams: %d, initialWindowSize: 1000 };
const server = http2.createSecureServer({ key: read('key.pem'), cert: read('chain.pem'), settings });
const late = [];
server.on('sessionError', () => {});
server.on('stream', (stream, headers) => {
  let size = 0;
  stream.on('error', () => {});
  stream.on('data', data => { size += data.length; });
  stream.on('end', () => {
    if (headers[':path'] === '/slow') return;
    const answer = () => {
      stream.respond({ ':status': size === Number(headers['content-length']) ? 200 : 500 });
      stream.end(JSON.stringify({ size, padding: 'x'.repeat(5000) }));
    };
    if (headers[':path'] === '/last') stream.session.goaway();
    if (headers[':path'] === '/late') return late.push(answer);
    answer();
    if (headers[':path'] === '/release') late.splice(0).forEach(each => each());
  });
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
""" % (STREAMS,)  # noqa: UP031  # braces are JavaScript's


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    if shutil.which("node") is None:
        pytest.skip("node is not installed")
    folder = tmp_path_factory.mktemp("node")
    authority.make(folder)
    (folder / "server.js").write_text(SERVER)
    process = subprocess.Popen(["node", str(folder / "server.js"), str(folder)], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        yield f"https://localhost:{int(process.stdout.readline())}", folder / authority.CA_FILE
    finally:
        process.kill()
        process.communicate()


async def asked(vendor: Vendor, url: str) -> str:
    try:
        answer = await vendor.post(url, {"content-type": "application/json"}, b"x" * SIZE)
    except CallFailedError as failed:
        return str(failed)
    assert answer.document["size"] == SIZE
    return str(answer.status)


async def test_http2_of_node_answers_many_calls_at_once(server):
    """More than it takes at once, each with a body of three windows."""
    url, ca = server
    async with Vendor(trust(ca), 15) as vendor:
        assert Counter(await asyncio.gather(*(asked(vendor, f"{url}/x") for _ in range(200)))) == {"200": 200}


async def test_http2_of_node_has_room_after_calls_that_were_given_up(server):
    url, ca = server
    async with Vendor(trust(ca), 3) as vendor:
        for _ in range(2):
            slow = [asyncio.create_task(asked(vendor, f"{url}/slow")) for _ in range(STREAMS - 1)]
            await asyncio.sleep(0.3)  # nothing tells from outside that Node holds them
            assert await asked(vendor, f"{url}/x") == "200"
            assert Counter(await asyncio.gather(*slow)) == {"timeout": STREAMS - 1}
        assert await asked(vendor, f"{url}/x") == "200"


async def test_http2_of_node_that_says_goaway_is_dialled_again(server):
    url, ca = server
    async with Vendor(trust(ca), 15) as vendor:
        assert [await asked(vendor, f"{url}/{path}") for path in ("last", "x", "last", "x")] == ["200"] * 4


async def test_http2_of_node_that_says_goaway_ends_what_it_has_begun(server):
    """RFC 9113, section 6.8: calls under way are answered, new ones go over another connection."""
    url, ca = server
    async with Vendor(trust(ca), 15) as vendor:
        assert await asked(vendor, f"{url}/x") == "200"
        late = [asyncio.create_task(asked(vendor, f"{url}/late")) for _ in range(3)]
        await asyncio.sleep(0)  # each has begun, before the one that ends the connection
        assert await asked(vendor, f"{url}/last") == "200"
        assert not any(each.done() for each in late)
        assert await asked(vendor, f"{url}/release") == "200"
        assert Counter(await asyncio.gather(*late)) == {"200": 3}
