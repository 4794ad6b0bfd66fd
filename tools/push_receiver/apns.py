"""APNs' side of the contract, from Apple's pages: what a provider's request must be, and how it is refused.

https://developer.apple.com/documentation/usernotifications/sending-notification-requests-to-apns
https://developer.apple.com/documentation/usernotifications/establishing-a-token-based-connection-to-apns
"""

import json
import os
import re
import time
from pathlib import Path
from uuid import uuid4

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from push_receiver.apns_table import BY_REASON
from push_receiver.control import Control
from push_receiver.http2 import Reply, Request
from push_receiver.plan import Step
from push_receiver.web_push import raw, verified

KEY_FILE = "apns.p8"
KEY_ID, TEAM, TOPIC = "ABC123DEFG", "DEF123GHIJ", "org.example.essaim"
PATH = re.compile(r"/3/device/([0-9a-f]{2,200})")
PUSH_TYPES = {"alert", "background", "voip", "complication", "fileprovider", "mdm", "location", "liveactivity"}
MAX_PAYLOAD, MAX_COLLAPSE = 4_096, 64
HOUR_SECONDS, UPDATE_SECONDS = 3_600, 1_200


class Refused(Exception):
    """By a row of the table."""


class ApnsServer:
    """Gives out a key (.p8) as Apple does. `live` and `gone` are device tokens; it knows no others."""

    def __init__(self, control: Control, folder: Path) -> None:
        self._control = control
        self._key = ec.generate_private_key(ec.SECP256R1())
        pem = self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (folder / KEY_FILE).write_bytes(pem)
        self.live, self.gone = os.urandom(32).hex(), os.urandom(32).hex()
        self._issued: dict[int, list[int]] = {}

    @property
    def about(self) -> dict[str, object]:
        names = {"apns_key_id": KEY_ID, "apns_team": TEAM, "apns_topic": TOPIC}
        return {**names, "live": self.live, "gone": self.gone}

    def answer(self, request: Request, step: Step) -> Reply:
        if step.status:
            return Reply(step.status, None, step.headers)
        try:
            if step.row:
                raise Refused(step.row)
            return self._take(request)
        except Refused as refused:
            return self._refusal(str(refused), step)

    def _refusal(self, reason: str, step: Step) -> Reply:
        row = BY_REASON[reason]
        self._control.received.append({"refused": reason, "status": row.status})
        document: dict[str, object] = {"reason": reason}
        if row.status == 410:
            document["timestamp"] = int(time.time() * 1_000)
        return Reply(row.status, document, {"apns-id": str(uuid4()), **step.headers})

    def _take(self, request: Request) -> Reply:
        headers = request.headers
        if headers[":method"] != "POST":
            raise Refused("MethodNotAllowed")
        path = PATH.fullmatch(headers[":path"])
        if path is None:
            raise Refused("BadPath")
        self._check_token(headers.get("authorization", ""), request.connection)
        self._check_headers(headers)
        self._check_payload(request.body, headers)
        if path[1] == self.gone:
            raise Refused("Unregistered")
        if path[1] != self.live:
            raise Refused("BadDeviceToken")
        kept = {name: value for name, value in headers.items() if name.startswith("apns-")}
        self._control.received.append(
            {"headers": kept, "payload": json.loads(request.body), "connection": request.connection}
        )
        return Reply(200, None, {"apns-id": str(uuid4())})

    def _check_token(self, authorization: str, connection: int) -> None:
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or token.count(".") != 2:
            raise Refused("MissingProviderToken")
        head, payload, signature = token.split(".")
        header, claims = json.loads(raw(head)), json.loads(raw(payload))
        public = self._key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        known = header.get("alg") == "ES256" and header.get("kid") == KEY_ID and claims.get("iss") == TEAM
        if not known or not verified(public, f"{head}.{payload}", raw(signature)):
            raise Refused("InvalidProviderToken")
        age = time.time() - claims.get("iat", 0)
        if not -60 <= age <= HOUR_SECONDS:
            raise Refused("ExpiredProviderToken")
        issued = self._issued.setdefault(connection, [])
        if claims["iat"] not in issued:
            issued.append(claims["iat"])
            if len(issued) > 1 and abs(issued[-1] - issued[-2]) < UPDATE_SECONDS:
                raise Refused("TooManyProviderTokenUpdates")

    @staticmethod
    def _check_headers(headers: dict[str, str]) -> None:
        if "apns-topic" not in headers:
            raise Refused("MissingTopic")
        if headers["apns-topic"] != TOPIC:
            raise Refused("TopicDisallowed")
        if headers.get("apns-push-type") not in PUSH_TYPES:
            raise Refused("InvalidPushType")
        if headers.get("apns-priority", "10") not in ("1", "5", "10"):
            raise Refused("BadPriority")
        if not headers.get("apns-expiration", "0").isdecimal():
            raise Refused("BadExpirationDate")
        if len(headers.get("apns-collapse-id", "").encode()) > MAX_COLLAPSE:
            raise Refused("BadCollapseId")

    @staticmethod
    def _check_payload(body: bytes, headers: dict[str, str]) -> None:
        if not body:
            raise Refused("PayloadEmpty")
        if len(body) > MAX_PAYLOAD:
            raise Refused("PayloadTooLarge")
        aps = json.loads(body)["aps"]
        if headers["apns-push-type"] == "background" and (headers.get("apns-priority") == "10" or "alert" in aps):
            raise Refused("BadPriority")
