"""`essaim-push probe`: try this host's credentials, and an endpoint, with the providers themselves.

Without `--endpoint` nobody is notified: APNs is asked for a device that does not exist, FCM to judge and not to send.
Both look at the credentials first. With it, one wake is sent there. Settings are those of the service.
"""

import argparse
import asyncio
import os
import secrets
import sys
import time
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from pathlib import Path

from essaim.protocol.push.endpoint import Apns, Endpoint, Fcm
from essaim.protocol.push.preview import PREVIEW_SIZE
from essaim.protocol.push.refusal import EndpointRefusedError
from essaim.runtime.clock import SystemClock
from essaim.runtime.refusal import WRONG_SETTING, StartError
from essaim.runtime.settings import read
from essaim_push.providers.notice import Notice, Urgency
from essaim_push.providers.outcome import CallFailedError, Delivered, Gone, Outcome, Rejected, Retry
from essaim_push.providers.probe_input import read_endpoint
from essaim_push.providers.providers import Providers
from essaim_push.settings import PushSettings

NO_DEVICE = bytes(32)
NO_TOKEN = "probe:" + "0" * 140
TTL_SECONDS = 300
FAILED = 1


def probe(arguments: Sequence[str]) -> int:
    """The exit code: 0 all is well, 1 something is refused, 2 a setting or the endpoint is wrong."""
    parser = argparse.ArgumentParser(prog="essaim-push probe", description=__doc__, allow_abbrev=False)
    parser.add_argument("--endpoint", help="file with an endpoint in JSON, - for standard input (a token given as an"
                                           " argument would show in the list of processes)")  # fmt: skip
    parser.add_argument("--preview", action="store_true", help="send as many bytes as a preview has")
    given, rest = parser.parse_known_args(list(arguments))
    try:
        settings = read(PushSettings, rest)
        endpoint = None if given.endpoint is None else read_endpoint(_text(given.endpoint))
        providers = Providers(settings, SystemClock().now_ms)
        return asyncio.run(_run(providers, endpoint, os.urandom(PREVIEW_SIZE) if given.preview else None))
    except (ValueError, StartError, EndpointRefusedError) as error:
        sys.stderr.write(f"essaim-push probe: {str(error).rstrip('.')}.\n")
        return WRONG_SETTING


def _text(name: str) -> str:
    try:
        return sys.stdin.read() if name == "-" else Path(name).read_text()
    except (OSError, UnicodeDecodeError):
        raise EndpointRefusedError("the file with the endpoint (--endpoint) cannot be read.") from None


async def _run(providers: Providers, endpoint: Endpoint | None, preview: bytes | None) -> int:
    async with providers:
        if endpoint is None:
            return await _credentials(providers)
        providers.check(endpoint)
        began = time.monotonic()
        outcome = await providers.deliver(endpoint, _notice(preview))
        _say(endpoint.kind.name.lower(), f"{words(outcome)}, in {(time.monotonic() - began) * 1_000:.0f} ms")
        return 0 if isinstance(outcome, Delivered) else FAILED


async def _credentials(providers: Providers) -> int:
    public = urlsafe_b64encode(providers.vapid_public_key).decode().rstrip("=")
    _say("web_push", f"this host's key is {public}")
    _say("webhook", "needs no credentials")
    accepted = True
    for name, outcome in (("apns", await _apns(providers)), ("fcm", await _fcm(providers))):
        known = isinstance(outcome, Delivered | Gone | None)  # gone: it looked for the device, so it let this host in
        told = "not configured" if outcome is None else "the credentials are accepted" if known else words(outcome)
        _say(name, told)
        accepted = accepted and known
    return 0 if accepted else FAILED


async def _apns(providers: Providers) -> Outcome | None:
    return None if providers.apns is None else await providers.deliver(Apns(NO_DEVICE), _notice(None))


async def _fcm(providers: Providers) -> Outcome | None:
    if providers.fcm is None:
        return None
    try:
        return await providers.fcm.deliver(Fcm(NO_TOKEN), _notice(None), validate_only=True)
    except CallFailedError as error:
        return error.outcome


def _notice(preview: bytes | None) -> Notice:
    return Notice(secrets.token_urlsafe(16), TTL_SECONDS, Urgency.HIGH, preview)


def words(outcome: Outcome) -> str:
    """For people."""
    match outcome:
        case Delivered():
            return "delivered"
        case Gone():
            return "gone: the provider knows no such endpoint"
        case Retry(trouble, after):
            return f"try again: {trouble.value}" + ("" if after is None else f" (after {after:.0f} s)")
        case Rejected(rejection):
            return f"rejected: {rejection.value}"


def _say(name: str, told: str) -> None:
    sys.stdout.write(f"{name:<9} {told}\n")
