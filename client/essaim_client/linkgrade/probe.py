"""One node's port, looked at from outside: what our own dialler gets there, and what others get who ask for less."""

import asyncio
import ssl
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import grpc

from essaim.network.tls import dial
from essaim_client.linkgrade.hello import ClientHello, NoHelloError, ServerHello, client_hello, server_hello
from essaim_client.linkgrade.names import NameWatch
from essaim_client.linkgrade.tap import Tap

PATIENCE_SECONDS = 5.0
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
"""HTTP/2 in the clear: the preface and empty SETTINGS (RFC 9113, section 3.4)."""
SETTINGS = 4


@dataclass(frozen=True)
class Observed:
    """What was seen. None: nothing that could be seen."""

    reached: bool
    accepted: bool = False
    """Our dialler's handshake came to its end, with the certificates of the view as its only roots."""
    told: ClientHello | None = None
    chosen: ServerHello | None = None
    certificate: bytes | None = None
    """DER, as shown to somebody who checks nothing."""
    older: str = ""
    """The TLS version below 1.3 that was accepted; "" where none was."""
    plaintext: bool = False
    """It spoke HTTP/2 without TLS."""
    asked: tuple[str, ...] = ()
    """What asked for a name meanwhile."""


async def observe(address: str, certificates: Sequence[bytes]) -> Observed:
    """Everything about the node at `ip:port`."""
    host, port = _place(address)
    if not await _reached(host, port):
        return Observed(reached=False)
    with NameWatch() as names:
        accepted, told, chosen = await _dialled(host, port, certificates)
    newest, older = [await _handshake(host, port, older=older) for older in (False, True)]
    return Observed(
        reached=True,
        accepted=accepted,
        told=told,
        chosen=chosen,
        certificate=newest[1] if newest else None,
        older=older[0] if older else "",
        plaintext=await _plaintext(host, port),
        asked=tuple(names.seen),
    )


def _place(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host.removeprefix("[").removesuffix("]"), int(port)


async def _reached(host: str, port: int) -> bool:
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            _, writer = await asyncio.open_connection(host, port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


async def _dialled(
    host: str, port: int, certificates: Sequence[bytes]
) -> tuple[bool, ClientHello | None, ServerHello | None]:
    """Our own dialler, with a tap between."""
    async with Tap(host, port) as tap:
        accepted = False
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_SECONDS), dial(tap.address, certificates) as channel:
                accepted = await _ready(channel)
    told = chosen = None
    with suppress(NoHelloError):
        told = client_hello(bytes(tap.client))
    with suppress(NoHelloError):
        chosen = server_hello(bytes(tap.server))
    return accepted, told, chosen


async def _ready(channel: grpc.aio.Channel) -> bool:
    state = channel.get_state(try_to_connect=True)
    while state not in {grpc.ChannelConnectivity.READY, grpc.ChannelConnectivity.TRANSIENT_FAILURE}:
        await channel.wait_for_state_change(state)
        state = channel.get_state()
    return state == grpc.ChannelConnectivity.READY


def _context(*, older: bool) -> ssl.SSLContext:
    """Of somebody who trusts everybody, and asks for nothing better. Deliberate: it is the node that is looked at."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # the certificate is compared with the view's afterwards
    context.set_alpn_protocols(["h2"])
    if older:
        context.minimum_version, context.maximum_version = ssl.TLSVersion.MINIMUM_SUPPORTED, ssl.TLSVersion.TLSv1_2
        context.set_ciphers("ALL:@SECLEVEL=0")
    else:
        context.minimum_version = ssl.TLSVersion.TLSv1_3
    return context


async def _handshake(host: str, port: int, *, older: bool) -> tuple[str, bytes] | None:
    """Version and certificate of a handshake of TLS 1.3, or of nothing newer than 1.2; None: there is none."""
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            _, writer = await asyncio.open_connection(host, port, ssl=_context(older=older))
    except (OSError, TimeoutError):  # ssl.SSLError is an OSError
        return None
    secure = writer.get_extra_info("ssl_object")
    shown = str(secure.version()), bytes(secure.getpeercert(binary_form=True))
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
    return shown


async def _plaintext(host: str, port: int) -> bool:
    """Whether HTTP/2's preface in the clear is answered with SETTINGS in the clear."""
    try:
        reader, writer = await asyncio.open_connection(host, port)
    except OSError:
        return False
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            writer.write(PREFACE)
            answer = await reader.readexactly(9)
    except (OSError, TimeoutError, asyncio.IncompleteReadError):
        return False
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
    return answer[3] == SETTINGS and answer[5:9] == bytes(4)
