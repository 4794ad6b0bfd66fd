"""FCM's HTTP v1 and Google's token endpoint, from their pages.

https://firebase.google.com/docs/reference/fcm/rest/v1/projects.messages
https://developers.google.com/identity/protocols/oauth2/service-account#httprest
"""

import json
import os
import re
import time
from pathlib import Path
from urllib.parse import parse_qs

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from push_receiver.control import Control
from push_receiver.fcm_table import BY_NAME
from push_receiver.http2 import Reply, Request
from push_receiver.plan import Step

ACCOUNT_FILE = "service-account.json"
PROJECT, EMAIL = "essaim-test", "push@essaim-test.iam.gserviceaccount.com"
SCOPE = "https://www.googleapis.com/auth/firebase.messaging"
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
FCM_ERROR = "type.googleapis.com/google.firebase.fcm.v1.FcmError"
BAD_REQUEST = "type.googleapis.com/google.rpc.BadRequest"
TTL = re.compile(r"[0-9]{1,7}(\.[0-9]{1,9})?s")
MAX_DATA, MAX_TTL = 4_096, 2_419_200
RESERVED = ("from", "message_type")


class Refused(Exception):
    """By a row of the table, perhaps for a field."""

    def __init__(self, row: str, what: str = "") -> None:
        super().__init__(row)
        self.what = what


class FcmServer:
    """Gives out a service account (JSON) as the console does. It knows three tokens: `live`, `gone`, `foreign`."""

    def __init__(self, control: Control, folder: Path) -> None:
        self._control = control
        self._key = rsa.generate_private_key(65_537, 2_048)
        self._account = folder / ACCOUNT_FILE
        self.live, self.gone, self.foreign = (f"{os.urandom(11).hex()}:APA91b{os.urandom(60).hex()}" for _ in range(3))
        self._tokens: dict[str, float] = {}

    def listening(self, origin: str) -> None:
        """The token endpoint's address is in the account's file."""
        pem = self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        self._token_url = f"{origin}/token"
        document = {"type": "service_account", "project_id": PROJECT, "private_key_id": "k1", "private_key": pem}
        self._account.write_text(json.dumps({**document, "client_email": EMAIL, "token_uri": self._token_url}))

    @property
    def about(self) -> dict[str, object]:
        return {"live": self.live, "gone": self.gone, "foreign": self.foreign}

    def answer(self, request: Request, step: Step) -> Reply:
        if step.status:
            return Reply(step.status, None, step.headers)
        if request.headers[":path"] == "/token":
            return self._grant(request)
        try:
            if step.row:
                raise Refused(step.row, "message.data[0].value")
            return self._send(request)
        except Refused as refused:
            return self._refusal(refused, step)

    def _refusal(self, refused: Refused, step: Step) -> Reply:
        row = BY_NAME[str(refused)]
        self._control.received.append({"refused": row.name, "status": row.status, "what": refused.what})
        violation = {"@type": BAD_REQUEST, "fieldViolations": [{"field": refused.what, "description": "Invalid value"}]}
        detail = {"@type": FCM_ERROR, "errorCode": row.code} if row.code else violation
        details = [detail] if row.code or row.name == "BAD_FIELD" else []
        error = {"code": row.status, "message": row.name, "status": row.canonical, "details": details}
        return Reply(row.status, {"error": error}, step.headers)

    def _grant(self, request: Request) -> Reply:
        form = parse_qs(request.body.decode())
        try:
            assertion, key = form["assertion"][0], self._key.public_key()
            claims = jwt.decode(assertion, key, ["RS256"], audience=self._token_url, issuer=EMAIL)
            fits = form["grant_type"] == [GRANT] and claims["scope"] == SCOPE and claims["exp"] - claims["iat"] <= 3_600
        except (jwt.InvalidTokenError, KeyError):
            fits = False
        self._control.received.append({"grant": fits})
        if not fits:
            return Reply(400, {"error": "invalid_grant", "error_description": "Invalid JWT Signature."})
        token = "ya29." + os.urandom(24).hex()
        self._tokens[token] = time.time() + 3_599
        return Reply(200, {"access_token": token, "expires_in": 3_599, "token_type": "Bearer"})

    def revoke(self) -> None:
        self._tokens.clear()

    def _send(self, request: Request) -> Reply:
        if request.headers[":path"] != f"/v1/projects/{PROJECT}/messages:send" or request.headers[":method"] != "POST":
            raise Refused("NOT_FOUND")
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if self._tokens.get(token, 0) < time.time():
            raise Refused("UNAUTHENTICATED")
        document = json.loads(request.body)
        message = document["message"]
        self._check_target(message.get("token", ""))
        self._check_message(message)
        if not document.get("validate_only"):
            self._control.received.append({"message": message, "connection": request.connection})
        return Reply(200, {"name": f"projects/{PROJECT}/messages/0:{time.time_ns()}"})

    def _check_target(self, token: str) -> None:
        if token == self.gone:
            raise Refused("UNREGISTERED")
        if token == self.foreign:
            raise Refused("SENDER_ID_MISMATCH")
        if token != self.live:
            raise Refused("INVALID_ARGUMENT", "The registration token is not a valid FCM registration token")

    @staticmethod
    def _check_message(message: dict[str, object]) -> None:
        data, android = message.get("data", {}), message.get("android", {})
        assert isinstance(data, dict) and isinstance(android, dict)
        if any(not isinstance(value, str) for value in data.values()):
            raise Refused("BAD_FIELD", "message.data[0].value")
        if any(name in RESERVED or name.startswith(("google", "gcm")) for name in data):
            raise Refused("BAD_FIELD", "message.data[0].key")
        if sum(len(name) + len(value) for name, value in data.items()) > MAX_DATA:
            raise Refused("BAD_FIELD", "message.data")
        ttl = str(android.get("ttl", "0s"))
        if not TTL.fullmatch(ttl) or float(ttl[:-1]) > MAX_TTL:
            raise Refused("BAD_FIELD", "message.android.ttl")
        if android.get("priority", "NORMAL") not in ("NORMAL", "HIGH"):
            raise Refused("BAD_FIELD", "message.android.priority")
