"""A Web Push service and the device behind it, in one: RFC 8030, 8291, 8292.

What the RFCs demand of a sender is checked, and refused as they say; the body is opened by `http_ece`, Mozilla's
library, and the VAPID signature is checked by OpenSSL's ECDSA over the token's own bytes.
"""

import json
import os
import re
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field
from typing import Any

import http_ece
from aiohttp import web
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from push_receiver.control import Control
from push_receiver.misbehaviour import misbehave

MAX_BODY = 4_096
DAY_SECONDS = 86_400
TOPIC = re.compile(r"[A-Za-z0-9_-]{1,32}")
URGENCIES = {"very-low", "low", "normal", "high"}
VAPID = re.compile(r"vapid t=([A-Za-z0-9._-]+), ?k=([A-Za-z0-9_-]+)")


class Refusal(Exception):
    """A status and why."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


@dataclass
class Device:
    """A subscription: its keys, and the one application server that may use it (RFC 8292, section 4)."""

    vapid_key: bytes = b""
    auth_secret: bytes = field(default_factory=lambda: os.urandom(16))
    private: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def subscription(self, url: str) -> dict[str, Any]:
        """As a browser's PushSubscription.toJSON gives it."""
        public = self.private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        return {"endpoint": url, "keys": {"p256dh": text(public), "auth": text(self.auth_secret)}}


def text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode().rstrip("=")


def raw(encoded: str) -> bytes:
    return urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))


class WebPushReceiver:
    """POST /subscribe on the control port makes a subscription."""

    def __init__(self, control: Control) -> None:
        self.origin = ""
        self._control = control
        self._devices: dict[str, Device] = {}
        self.application = web.Application(client_max_size=1 << 20)
        self.application.add_routes([web.post("/push/{id}", self._push), web.route("*", "/{rest:.*}", self._elsewhere)])
        control.application.add_routes([web.post("/subscribe", self._subscribe)])

    def subscribe(self, vapid_key: bytes = b"") -> dict[str, Any]:
        name = os.urandom(16).hex()
        self._devices[name] = Device(vapid_key)
        return self._devices[name].subscription(f"{self.origin}/push/{name}")

    async def _subscribe(self, request: web.Request) -> web.Response:
        wanted = await request.json()
        return web.json_response(self.subscribe(raw(wanted.get("vapid", ""))))

    async def _elsewhere(self, request: web.Request) -> web.Response:
        """Where only a followed redirect leads."""
        self._control.received.append({"elsewhere": request.path})
        return web.Response(status=404)

    async def _push(self, request: web.Request) -> web.StreamResponse:
        other = await misbehave(request, self._control)
        if other is not None:
            return other
        try:
            taken = self._take(request, await request.read())
        except Refusal as refusal:
            self._control.received.append({"refused": str(refusal), "status": refusal.status})
            return web.Response(status=refusal.status, text=str(refusal))
        self._control.received.append(taken)
        return web.Response(status=201, headers={"Location": f"{self.origin}/message/{os.urandom(8).hex()}"})

    def _take(self, request: web.Request, body: bytes) -> dict[str, Any]:
        device = self._devices.get(request.match_info["id"])
        if device is None:
            raise Refusal(404, "no such subscription")
        self._check_sender(device, request.headers.get("Authorization", ""))
        ttl, topic = request.headers.get("TTL", ""), request.headers.get("Topic")
        if not ttl.isdecimal():  # RFC 8030, 5.2
            raise Refusal(400, "TTL is missing, or no number")
        if topic is not None and not TOPIC.fullmatch(topic):  # 5.4
            raise Refusal(400, "Topic is not 32 base64url characters at most")
        if request.headers.get("Urgency", "normal") not in URGENCIES:  # 5.3
            raise Refusal(400, "Urgency is unknown")
        return {
            "plain": self._open(device, request, body).hex(),
            "size": len(body),
            "ttl": int(ttl),
            "topic": topic,
            "urgency": request.headers.get("Urgency"),
            "headers": sorted(request.headers),
        }

    def _open(self, device: Device, request: web.Request, body: bytes) -> bytes:
        if request.headers.get("Content-Encoding") != "aes128gcm":
            raise Refusal(400, "Content-Encoding is not aes128gcm")
        if len(body) > MAX_BODY:
            raise Refusal(413, "more than 4096 bytes")
        try:
            opened: bytes = http_ece.decrypt(
                body, private_key=device.private, auth_secret=device.auth_secret, version="aes128gcm"
            )
        except http_ece.ECEException:
            raise Refusal(400, "the body does not open") from None
        return opened

    def _check_sender(self, device: Device, authorization: str) -> None:
        """RFC 8292, section 2 and 4.2."""
        found = VAPID.fullmatch(authorization)
        if found is None:
            raise Refusal(401, "no VAPID")
        head, payload, signature = found[1].split(".")
        key = raw(found[2])
        signed = verified(key, f"{head}.{payload}", raw(signature))
        if json.loads(raw(head)) != {"alg": "ES256", "typ": "JWT"} or not signed:
            raise Refusal(403, "the VAPID token is not signed by its key")
        claims, now = json.loads(raw(payload)), time.time()
        if claims.get("aud") != self.origin or not now < claims.get("exp", 0) <= now + DAY_SECONDS:
            raise Refusal(403, "the VAPID token is for another audience or time")
        if not str(claims.get("sub", "mailto:")).startswith(("mailto:", "https:")):
            raise Refusal(403, "the VAPID contact is no address")
        if device.vapid_key and key != device.vapid_key:
            raise Refusal(403, "the subscription belongs to another application server")


def verified(key: bytes, signed: str, signature: bytes) -> bool:
    """ES256: r and s, 32 bytes each (RFC 7518, section 3.4)."""
    public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), key)
    der = encode_dss_signature(int.from_bytes(signature[:32]), int.from_bytes(signature[32:]))
    try:
        public.verify(der, signed.encode(), ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return len(signature) == 64
