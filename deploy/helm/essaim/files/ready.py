"""ready.py PORT CERTIFICATE: exit code 0 when grpc.health.v1.Health on this machine says SERVING for the whole node.

The kubelet's own gRPC probe speaks no TLS before Kubernetes 1.37, and importing gRPC costs ten times as much as this:
one request over HTTP/2 (RFC 9113) by hand, on TLS 1.3, with the node's own certificate (DER) as the only root.
"""

import socket
import ssl
import sys
from pathlib import Path

SECONDS = 4
NAME = b"essaim"  # the constant name in every node's certificate
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, SETTINGS, END_HEADERS, END_STREAM = 0, 1, 4, 4, 1
SERVING = bytes([0, 0, 0, 0, 2, 0x08, 1])  # gRPC's five bytes, then HealthCheckResponse.status = SERVING


def literal(*texts: bytes) -> bytes:
    return b"".join(bytes([len(text)]) + text for text in texts)


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def question() -> bytes:
    """Check with an empty HealthCheckRequest. HPACK (RFC 7541): static names, literal values, no Huffman code."""
    fields = b"\x83\x87"  # :method POST, :scheme https
    fields += b"\x04" + literal(b"/grpc.health.v1.Health/Check") + b"\x01" + literal(NAME)
    fields += b"\x0f\x10" + literal(b"application/grpc") + b"\x00" + literal(b"te", b"trailers")
    asked = frame(HEADERS, END_HEADERS, 1, fields) + frame(DATA, END_STREAM, 1, bytes(5))
    return PREFACE + frame(SETTINGS, 0, 0) + asked


def serving(port: int, certificate: bytes) -> bool:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_verify_locations(cadata=certificate)
    context.set_alpn_protocols(["h2"])
    with (
        socket.create_connection(("localhost", port), SECONDS) as plain,
        context.wrap_socket(plain, server_hostname=NAME.decode()) as link,
    ):
        link.sendall(question())
        return answer(link.makefile("rb")) == SERVING


def answer(stream: "socket.SocketIO") -> bytes:
    """The first message on our stream; empty when it ends without one."""
    while len(head := stream.read(9)) == 9:
        payload = stream.read(int.from_bytes(head[:3], "big"))
        kind, flags, ours = head[3], head[4], head[8] == 1
        if ours and kind == DATA:
            return payload
        if ours and (flags & END_STREAM or kind not in (DATA, HEADERS)):
            break
    return b""


if __name__ == "__main__":
    try:
        sys.exit(0 if serving(int(sys.argv[1]), Path(sys.argv[2]).read_bytes()) else "not serving")
    except OSError as error:
        sys.exit(f"no answer ({type(error).__name__})")
