"""Asking a pod who it is: a TLS handshake at the address that the API server gives, as far as the certificate."""

import asyncio
import ssl

from essaim.network.tls import SERVER_NAME

SECONDS = 3.0


async def certificate_at(address: tuple[str, int]) -> bytes | None:
    """The certificate (DER) whose private key the pod has; None when it does not answer."""
    try:
        async with asyncio.timeout(SECONDS):
            _, writer = await asyncio.open_connection(*address, ssl=_context(), server_hostname=SERVER_NAME)
    except (OSError, TimeoutError):
        return None
    try:
        found: bytes | None = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        return found
    finally:
        writer.transport.abort()


def _context() -> ssl.SSLContext:
    """The certificate is compared with those of the view, byte for byte, so no chain is looked for. That the peer has
    its key is proved by the handshake itself (CertificateVerify, RFC 8446 4.4.3), whatever is verified beside it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    return context
