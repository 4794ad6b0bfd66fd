"""`essaim push`: be told that something waits, by a push host that knows neither mailbox nor account."""

import json
import os
from base64 import urlsafe_b64decode
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from essaim.protocol.errors import ProtocolError
from essaim.protocol.mailbox.rule import DAY_MS
from essaim.protocol.push.endpoint import Apns, Endpoint, Fcm, Webhook, WebPush
from essaim.protocol.push.url import Url
from essaim.protocol.push.webhook import read_secret, secret_text
from essaim_client.cli.opened import with_account
from essaim_client.cli.options import HomeOption, JsonOption, PassphraseFileOption
from essaim_client.cli.output import emit, screen
from essaim_client.client import Client

SECRET_SIZE = 32
app = typer.Typer(help="Wake this device through a push host.", no_args_is_help=True)

WebPushOption = Annotated[
    Path | None,
    typer.Option(
        "--web-push", help="File with a Web Push or UnifiedPush subscription: {endpoint, keys{p256dh, auth}}."
    ),
]
WebhookOption = Annotated[str | None, typer.Option("--webhook", metavar="URL", help="For a bot: its https address.")]
SecretOption = Annotated[
    str | None,
    typer.Option("--secret", metavar="WHSEC", help="The webhook's secret; without one it is drawn, and shown."),
]
FcmOption = Annotated[str | None, typer.Option("--fcm", metavar="TOKEN", help="An app's registration token.")]
ApnsOption = Annotated[str | None, typer.Option("--apns", metavar="HEX", help="An app's device token.")]
SandboxOption = Annotated[bool, typer.Option("--sandbox", help="The device token is of a development build.")]
HostOption = Annotated[str, typer.Option("--host", help="A push host's id or the beginning of it: see `push hosts`.")]
PromptOption = Annotated[
    bool, typer.Option("--prompt", help="At once; else some seconds later, so that times tell less.")
]
PreviewOption = Annotated[
    bool, typer.Option("--preview", help="A wake says, sealed for this device, which mailbox and envelope it is for.")
]
GroupsOption = Annotated[
    bool,
    typer.Option("--groups", help="For closed groups, too: push host and provider then see who is woken together."),
]


class SubscriptionFileError(ProtocolError):
    """Not the JSON that a Web Push service's subscription is."""

    reason = "SUBSCRIPTION_REFUSED"


class EndpointChoiceError(ProtocolError):
    """None, or more than one, of the kinds of endpoints was given."""

    reason = "ENDPOINT_REFUSED"


@app.command()
def hosts(home: HomeOption = None, passphrase_file: PassphraseFileOption = None, as_json: JsonOption = False) -> None:
    """The push hosts of this network, and the key to subscribe at a Web Push service with."""

    async def work(me: Client) -> None:
        told = [
            {
                "host": each.host_id.hex(),
                "kinds": sorted(kind.name for kind in each.kinds),
                "vapid_key": each.vapid_key.hex(),
                "delay_seconds": each.delay_seconds,
                "nodes": len(each.node_ids),
            }
            for each in await me.push.hosts()
        ]
        if as_json:
            emit({"hosts": told})
        for found in () if as_json else told:
            screen.print(str(found["host"]), style="bold")
            screen.print(f"  {', '.join(found['kinds'])}; within {found['delay_seconds']} s")  # type: ignore[arg-type]

    with_account(home, passphrase_file, as_json, work)


@app.command()
def enable(
    webhook: WebhookOption = None,
    secret: SecretOption = None,
    web_push: WebPushOption = None,
    apns: ApnsOption = None,
    sandbox: SandboxOption = False,
    fcm: FcmOption = None,
    host: HostOption = "",
    prompt: PromptOption = False,
    preview: PreviewOption = False,
    groups: GroupsOption = False,
    home: HomeOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Be woken at one endpoint from now on, 14 days ahead; again to change it."""

    async def work(me: Client) -> None:
        chosen = _endpoint(webhook, secret, web_push, apns, fcm, sandbox=sandbox)
        await me.ready()
        await me.push.enable(chosen, host=host, prompt=prompt, preview=preview, groups=groups)
        drawn = secret_text(chosen.secret) if isinstance(chosen, Webhook) and secret is None else ""
        if as_json:
            emit({"enabled": chosen.kind.name, **({"secret": drawn} if drawn else {})})
            return
        screen.print(f"this device is woken through {chosen.kind.name}")
        if drawn:
            screen.print(f"the webhook's secret, shown this once: {drawn}")

    with_account(home, passphrase_file, as_json, work)


@app.command()
def disable(home: HomeOption = None, passphrase_file: PassphraseFileOption = None, as_json: JsonOption = False) -> None:
    """Be woken no more: the push host forgets the endpoint, and every mailbox its push id."""

    async def work(me: Client) -> None:
        await me.push.disable()
        if as_json:
            emit({"disabled": True})
        else:
            screen.print("this device is woken no more")

    with_account(home, passphrase_file, as_json, work)


@app.command()
def status(home: HomeOption = None, passphrase_file: PassphraseFileOption = None, as_json: JsonOption = False) -> None:
    """Who wakes this device, until when it is registered, and what the push host says."""

    async def work(me: Client) -> None:
        now = await me.push.status()
        told = {
            "host": now.host_id.hex(),
            "kind": now.kind.name,
            "prompt": now.prompt,
            "preview": now.preview,
            "groups": now.groups,
            "registered": now.registered,
            "until": datetime.fromtimestamp(now.until_day * DAY_MS / 1_000, UTC).date().isoformat(),
            "state": now.state or "NO_ANSWER",
            "expires_ms": now.expires_ms,
            "delivered_ms": now.delivered_ms,
        }
        if as_json:
            emit(told)
        for name, value in () if as_json else told.items():
            screen.print(f"{name:14} {value}")

    with_account(home, passphrase_file, as_json, work)


def _endpoint(
    webhook: str | None, secret: str | None, web_push: Path | None, apns: str | None, fcm: str | None, *, sandbox: bool
) -> Endpoint:
    """The one that was given. Raises a ProtocolError for what is none."""
    if sum(each is not None for each in (webhook, web_push, apns, fcm)) != 1:
        raise EndpointChoiceError("one of --webhook, --web-push, --apns and --fcm is needed")
    if webhook is not None:
        return Webhook(Url.parse(webhook), read_secret(secret) if secret is not None else os.urandom(SECRET_SIZE))
    if web_push is not None:
        return _subscription(web_push)
    if apns is not None:
        try:
            return Apns(bytes.fromhex(apns), sandbox)
        except ValueError:
            raise EndpointChoiceError("a device token is written in hexadecimal digits") from None
    return Fcm(fcm or "")


def _subscription(path: Path) -> WebPush:
    """As browsers and UnifiedPush distributors write it."""
    try:
        told = json.loads(path.read_bytes())
        keys = (told["keys"][name] for name in ("p256dh", "auth"))
        public_key, auth_secret = (urlsafe_b64decode(each + "=" * (-len(each) % 4)) for each in keys)
        return WebPush(Url.parse(told["endpoint"]), public_key, auth_secret)
    except (ValueError, KeyError, TypeError):
        raise SubscriptionFileError("not a Web Push subscription: {endpoint, keys{p256dh, auth}}") from None
