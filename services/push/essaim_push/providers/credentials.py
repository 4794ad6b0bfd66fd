"""The keys that providers know this host by, from files that the operator mounts."""

import os
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from essaim.protocol.push.web_push import KEY_DRAW, private_key
from essaim.runtime.refusal import StartError
from essaim.runtime.volume import write_durably
from essaim_push.providers.apns import ApnsCredentials
from essaim_push.providers.settings import ProviderSettings

KEY_FILE = "web-push-key"


def web_push_key(settings: ProviderSettings) -> ec.EllipticCurvePrivateKey:
    """From the file that was given, else the data folder's own, made at the first start. Raises StartError."""
    path = settings.web_push_key or settings.data_dir / KEY_FILE
    if settings.web_push_key is None and not path.exists():
        made = private_key(os.urandom(KEY_DRAW))
        write_durably(path, made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return _read(path, "--web-push-key")


def apns_credentials(settings: ProviderSettings) -> ApnsCredentials | None:
    """None without any. Raises StartError: some of them, or a file that is no key."""
    named = (settings.apns_key_id, settings.apns_team, settings.apns_topic)
    if settings.apns_key is None and not any(named):
        return None
    if settings.apns_key is None or not all(named):
        raise StartError("APNs needs all of --apns-key, --apns-key-id, --apns-team and --apns-topic.")
    return ApnsCredentials(_read(settings.apns_key, "--apns-key"), *named)


def _read(path: Path, flag: str) -> ec.EllipticCurvePrivateKey:
    try:
        key = load_pem_private_key(path.read_bytes(), None)
    except (OSError, ValueError, TypeError):
        key = None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise StartError(f"the key ({flag}) cannot be read: a P-256 key in PEM, without a password.")
    return key
