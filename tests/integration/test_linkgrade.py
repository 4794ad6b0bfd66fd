"""The link grader: a node of ours has the top grade, each planted weakness a lower one; the whole testnet is graded."""

import asyncio
import json
import socket
import ssl
import subprocess
import sys
from contextlib import asynccontextmanager

import grpc.aio
import pytest

from essaim.network.tls import Certificate, server_credentials
from essaim_client.linkgrade.deployment import grade_link
from essaim_client.linkgrade.grade import Grade
from essaim_client.linkgrade.hello import NoHelloError, client_hello, server_hello
from essaim_client.linkgrade.names import NameWatch
from real_network import RealNetwork

SETTINGS = bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])


@asynccontextmanager
async def node(certificate=None):
    """A server as nodes have it; without a certificate in the clear."""
    server = grpc.aio.server()
    if certificate is None:
        port = server.add_insecure_port("127.0.0.1:0")
    else:
        port = server.add_secure_port("127.0.0.1:0", server_credentials(certificate))
    await server.start()
    yield f"127.0.0.1:{port}"
    await server.stop(None)


@asynccontextmanager
async def weak(certificate, folder, least, most):
    """A server of Python's ssl, which has no ML-KEM: it begins like HTTP/2, as far as a channel looks."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    (folder / "key").write_bytes(certificate.key_pem)
    (folder / "cert").write_text(ssl.DER_cert_to_PEM_cert(certificate.der))
    context.load_cert_chain(folder / "cert", folder / "key")
    context.minimum_version, context.maximum_version = least, most
    context.set_alpn_protocols(["h2"])

    async def serve(reader, writer):
        writer.write(SETTINGS)
        await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    server.close()


def below(link) -> dict[str, Grade]:
    return {each.what: each.grade for each in link.findings if each.grade is not Grade.A}


async def test_node_of_ours_has_the_top_grade():
    certificate = Certificate.make()
    async with node(certificate) as address:
        link = await grade_link("one", address, [certificate.der])
    assert not below(link) and link.grade is Grade.A
    words = {each.what: each.words for each in link.findings}
    assert words["version"] == "TLS 1.3" and words["key exchange"] == "X25519MLKEM768"
    assert words["name sent"] == "the constant" and words["plaintext"] == words["older TLS"] == "refused"


async def test_another_certificate_than_the_views_fails():
    shown, listed = Certificate.make(), Certificate.make()
    async with node(shown) as address:
        link = await grade_link("one", address, [listed.der])
    assert below(link) == {"certificate": Grade.F} and link.grade is Grade.F


async def test_plaintext_fails():
    async with node() as address:
        link = await grade_link("one", address, [Certificate.make().der])
    assert below(link)["plaintext"] is Grade.F and link.grade is Grade.F


async def test_tls_1_2_beside_1_3_is_lower(tmp_path):
    certificate = Certificate.make()
    async with weak(certificate, tmp_path, ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3) as address:
        link = await grade_link("one", address, [certificate.der])
    assert below(link) == {"older TLS": Grade.C, "key exchange": Grade.B} and link.grade is Grade.C


async def test_tls_1_2_alone_fails(tmp_path):
    certificate = Certificate.make()
    async with weak(certificate, tmp_path, ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2) as address:
        link = await grade_link("one", address, [certificate.der])
    assert link.grade is Grade.F and below(link)["older TLS"] is Grade.C


async def test_classic_key_exchange_is_lower(tmp_path):
    certificate = Certificate.make()
    async with weak(certificate, tmp_path, ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_3) as address:
        link = await grade_link("one", address, [certificate.der])
    assert below(link) == {"key exchange": Grade.B} and link.grade is Grade.B


async def test_nobody_there_fails():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        link = await grade_link("one", f"127.0.0.1:{taken.getsockname()[1]}", [])
    assert link.grade is Grade.F and below(link) == {"reached": Grade.F}


async def test_a_question_for_a_name_is_seen():
    with NameWatch() as watch:
        await asyncio.to_thread(socket.getaddrinfo, "localhost", 1)
    assert watch.seen == ["socket.getaddrinfo"]
    with NameWatch() as watch:
        await asyncio.to_thread(socket.getaddrinfo, "127.0.0.1", 1)
    assert not watch.seen
    with NameWatch() as watch, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.bind(("127.0.0.1", 0))
        async with asyncio.timeout(5):
            while not watch.seen:  # noqa: ASYNC110  (a thread looks)
                await asyncio.sleep(0.01)
    assert watch.seen == ["a datagram socket"]


@pytest.mark.parametrize("stream", [b"", b"HTTP/1.1 400", b"\x16\x03\x01\x00\x05\x01\x00\x00", bytes(100)])
def test_garbage_is_no_hello(stream):
    for read in (client_hello, server_hello):
        with pytest.raises(NoHelloError):
            read(stream)


# The command, on a network of processes


async def linkgrade(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "essaim_client.linkgrade", *map(str, arguments)]
    return await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)


async def test_whole_testnet_has_the_top_grade(network: RealNetwork):
    done = await linkgrade(network.net.network_file, "--json")
    links = json.loads(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(links) == len(network.net.layout.names) and {each["grade"] for each in links} == {"A"}
    kinds = {name.partition("-")[0] for name in network.net.layout.names}
    assert {each["name"].partition(" ")[0] for each in links} == kinds >= {"discovery", "relay", "storage"}


async def test_one_bad_link_is_the_exit_code(network: RealNetwork):
    network.net.node("relay-6").kill()
    done = await linkgrade(network.net.genesis_file, "--seed", network.net.discovery_address)
    assert done.returncode == 1 and "nobody answers there" in done.stdout
    assert sum(line.startswith("A") for line in done.stdout.splitlines()) == len(network.net.layout.names) - 1


async def test_no_view_is_one_sentence(tmp_path):
    (tmp_path / "network.json").write_text("{}")
    for arguments in ([tmp_path / "network.json"], [tmp_path / "none"], [tmp_path / "none", "--seed", "127.0.0.1:1"]):
        done = await linkgrade(*arguments)
        assert done.returncode == 2 and not done.stdout
        assert done.stderr.startswith("linkgrade: ") and len(done.stderr.splitlines()) == 1
