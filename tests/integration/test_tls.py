"""What design and grpcio promise of TLS, each fact kept by a test: with these bytes on the wire, not by our word."""

import asyncio
import contextlib
import socket
import ssl
import subprocess
import sys

import grpc
import grpc.aio
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

import essaim
from essaim.network.tls import SERVER_NAME, AddressRefusedError, Certificate, dial, server_credentials, target

X25519MLKEM768 = 0x11EC
TLS13 = 0x0304
SNI, SUPPORTED_VERSIONS, KEY_SHARE = 0, 43, 51


@pytest.fixture
async def served():
    certificate = Certificate.make()
    server = grpc.aio.server()
    port = server.add_secure_port("127.0.0.1:0", server_credentials(certificate))
    await server.start()
    yield certificate, port
    await server.stop(None)


async def accepted(port, *certificates):
    """Whether the dialler's handshake succeeds."""
    async with dial(f"127.0.0.1:{port}", certificates) as channel:
        state = channel.get_state(try_to_connect=True)
        while state not in {grpc.ChannelConnectivity.READY, grpc.ChannelConnectivity.TRANSIENT_FAILURE}:
            await channel.wait_for_state_change(state)
            state = channel.get_state()
        return state == grpc.ChannelConnectivity.READY


async def test_certificate_is_p256_and_names_nobody(served):
    certificate = x509.load_der_x509_certificate(served[0].der)
    key = certificate.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1)
    assert certificate.subject == certificate.issuer
    assert [part.value for part in certificate.subject] == [SERVER_NAME]


async def test_pinned_certificate_is_accepted_and_any_other_refused(served):
    certificate, port = served
    other, another = Certificate.make(), Certificate.make()
    assert await accepted(port, certificate.der)
    assert not await accepted(port, other.der)
    assert not await accepted(port, other.der, another.der)


async def test_either_slot_is_accepted(served):
    certificate, port = served
    other = Certificate.make()
    assert await accepted(port, other.der, certificate.der)
    assert await accepted(port, certificate.der, other.der)


async def test_one_der_sequence_that_is_no_certificate_is_refused_and_ends_nobody(served):
    certificate, port = served
    empty = b"\x30\x82\x01\x00" + bytes(256)
    assert not await accepted(port, empty)
    assert not await accepted(port, empty, certificate.der)
    assert await accepted(port, certificate.der)


def handshake(port, version):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = context.maximum_version = version
    context.set_alpn_protocols(["h2"])
    with socket.create_connection(("127.0.0.1", port)) as plain, context.wrap_socket(plain) as secure:
        return secure.version()


async def test_tls_1_2_is_refused_and_1_3_works(served):
    assert await asyncio.to_thread(handshake, served[1], ssl.TLSVersion.TLSv1_3) == "TLSv1.3"
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await asyncio.to_thread(handshake, served[1], ssl.TLSVersion.TLSv1_2)


async def test_no_credentials_when_grpc_was_first():
    code = (
        "import grpc, essaim.network.tls as t\n"
        "try: t.server_credentials(t.Certificate.make())\n"
        "except RuntimeError: print('refused')"
    )
    environment = {"PYTHONPATH": ":".join(sys.path)}
    ran = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True
    )
    assert ran.stdout.strip() == "refused"
    assert not essaim.GRPC_WAS_FIRST


class Recorder:
    """Passes bytes through and keeps both directions."""

    def __init__(self, port):
        self._port = port
        self.sent = {"client": bytearray(), "server": bytearray()}
        self._passing = set()

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *error):
        self._server.close()
        for task in self._passing:
            task.cancel()
        await asyncio.gather(*self._passing, return_exceptions=True)

    async def _connected(self, reader, writer):
        self._passing.add(asyncio.current_task())
        onward_reader, onward_writer = await asyncio.open_connection("127.0.0.1", self._port)
        onward = self._pass(reader, onward_writer, self.sent["client"])
        await asyncio.gather(onward, self._pass(onward_reader, writer, self.sent["server"]))

    async def _pass(self, reader, writer, kept):
        try:
            while data := await reader.read(65_536):
                kept += data
                writer.write(data)
        except ConnectionError:
            pass
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()


def hello(record):
    """The body of the first handshake message of a TLS stream (RFC 8446, sections 4 and 5)."""
    assert record[0] == 22
    return bytes(record[9 : 9 + int.from_bytes(record[6:9], "big")])


def extensions(body, *, of_client):
    """By type. A ClientHello lists suites and compressions, a ServerHello names one of each."""
    at = 34 + 1 + body[34]
    at += 2 + int.from_bytes(body[at : at + 2], "big") if of_client else 2
    at += 1 + body[at] if of_client else 1
    end, found = at + 2 + int.from_bytes(body[at : at + 2], "big"), {}
    at += 2
    while at < end:
        kind, length = int.from_bytes(body[at : at + 2], "big"), int.from_bytes(body[at + 2 : at + 4], "big")
        found[kind] = body[at + 4 : at + 4 + length]
        at += 4 + length
    return found


async def test_hybrid_key_exchange_and_constant_name_on_the_wire(served):
    certificate, port = served
    async with Recorder(port) as recorder:
        assert await accepted(recorder.port, certificate.der)
    asked = extensions(hello(recorder.sent["client"]), of_client=True)
    chosen = extensions(hello(recorder.sent["server"]), of_client=False)
    assert int.from_bytes(chosen[KEY_SHARE][:2], "big") == X25519MLKEM768
    assert int.from_bytes(chosen[SUPPORTED_VERSIONS], "big") == TLS13
    assert asked[SNI][5:] == SERVER_NAME.encode()


async def test_client_hello_says_nothing_of_whom_it_dials():
    """Two nodes, the same server name: nothing else in the clear differs but what is random."""
    names = []
    for _ in range(2):
        certificate = Certificate.make()
        server = grpc.aio.server()
        port = server.add_secure_port("127.0.0.1:0", server_credentials(certificate))
        await server.start()
        async with Recorder(port) as recorder:
            assert await accepted(recorder.port, certificate.der)
        names.append(extensions(hello(recorder.sent["client"]), of_client=True)[SNI])
        assert str(port).encode() not in hello(recorder.sent["client"])
        await server.stop(None)
    assert names[0] == names[1]


@pytest.mark.parametrize(
    ("address", "name"), [("127.0.0.1:50", "ipv4:127.0.0.1:50"), ("[::1]:65535", "ipv6:[::1]:65535")]
)
def test_target_is_numeric(address, name):
    assert target(address) == name


@pytest.mark.parametrize(
    "address",
    ["localhost:50", "example.org:443", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:65536", "1.2.3:4", "", ":1", "unix:/x"],
)
def test_target_refuses_names(address):
    with pytest.raises(AddressRefusedError):
        target(address)
