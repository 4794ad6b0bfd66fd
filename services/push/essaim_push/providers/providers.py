"""All providers of a host in one object."""

import asyncio
import os
from collections.abc import Callable
from contextlib import AsyncExitStack

from essaim.protocol.push.endpoint import Apns, Endpoint, Fcm, Kind, Webhook, WebPush
from essaim.protocol.push.refusal import EndpointRefusedError
from essaim.runtime import logs
from essaim.runtime.logs import Event
from essaim_push.providers.answer import trust
from essaim_push.providers.apns import ApnsProvider
from essaim_push.providers.credentials import apns_credentials, web_push_key
from essaim_push.providers.fcm import FcmProvider
from essaim_push.providers.notice import Notice
from essaim_push.providers.open_web import OpenWeb
from essaim_push.providers.outcome import CallFailedError, Outcome, Rejected, Rejection, Retry, Trouble
from essaim_push.providers.reach import Reach, read_networks
from essaim_push.providers.service_account import AccessToken, ServiceAccount
from essaim_push.providers.settings import ProviderSettings
from essaim_push.providers.vapid import Vapid
from essaim_push.providers.vendor import Vendor
from essaim_push.providers.web_push import WebPushProvider
from essaim_push.providers.webhook import WebhookProvider

SPARE_SECONDS = 1.0
"""The callers' own time ends first: they know what to do with the connection."""


class ProviderEvent(Event):
    """What providers have to say."""

    PROVIDER_FAULT = "provider_fault"


class Providers:
    """`async with Providers(...)`. Credentials are read when it is made: StartError says which cannot be."""

    def __init__(
        self, settings: ProviderSettings, now_ms: Callable[[], int], random: Callable[[int], bytes] = os.urandom
    ) -> None:
        self._settings = settings
        self._now_ms = now_ms
        self._vapid = Vapid(web_push_key(settings), settings.web_push_contact, now_ms)
        self._apns_credentials = apns_credentials(settings)
        self._account = ServiceAccount.load(settings.fcm_account) if settings.fcm_account else None
        self._tls = trust(settings.provider_ca)
        self._web = OpenWeb(
            Reach(read_networks(settings.endpoint_networks)),
            self._tls,
            settings.endpoint_connections,
            settings.endpoint_seconds,
            plain=settings.endpoint_http,
        )
        self._web_push = WebPushProvider(self._web, self._vapid, now_ms, random)
        self._webhook = WebhookProvider(self._web, now_ms)
        self.apns: ApnsProvider | None = None
        self.fcm: FcmProvider | None = None
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> "Providers":
        await self._stack.enter_async_context(self._web)
        seconds = self._settings.endpoint_seconds
        if self._apns_credentials is not None:
            vendor = await self._stack.enter_async_context(Vendor(trust(self._settings.provider_ca), seconds))
            urls = (self._settings.apns_url, self._settings.apns_sandbox_url)
            self.apns = ApnsProvider(vendor, urls, self._apns_credentials, self._now_ms)
        if self._account is not None:
            vendor = await self._stack.enter_async_context(Vendor(trust(self._settings.provider_ca), seconds))
            token = AccessToken(vendor, self._account, self._now_ms)
            self.fcm = FcmProvider(vendor, self._settings.fcm_url, self._account.project, token, self._now_ms)
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._stack.aclose()

    @property
    def kinds(self) -> frozenset[Kind]:
        """For which there are credentials."""
        vendors = {Kind.APNS: self._apns_credentials, Kind.FCM: self._account}
        return frozenset({Kind.WEB_PUSH, Kind.WEBHOOK} | {kind for kind, given in vendors.items() if given is not None})

    @property
    def vapid_public_key(self) -> bytes:
        """65 bytes: what a device gives a push service as the key of its application server."""
        return self._vapid.public_key

    def check(self, endpoint: Endpoint) -> None:
        """What can never be called is refused when it is named. Raises EndpointRefusedError."""
        if endpoint.kind not in self.kinds:
            raise EndpointRefusedError("this host serves no such endpoints")
        if isinstance(endpoint, WebPush | Webhook):
            self._web.check(endpoint.url)

    async def deliver(self, endpoint: Endpoint, notice: Notice) -> Outcome:
        """One call to the endpoint's provider, at most `endpoint_seconds` and one long. Never raises."""
        try:
            async with asyncio.timeout(self._settings.endpoint_seconds + SPARE_SECONDS):
                return await self._deliver(endpoint, notice)
        except CallFailedError as error:
            return error.outcome
        except TimeoutError:
            return Retry(Trouble.TIMEOUT)
        except Exception as error:  # noqa: BLE001 - the border to other people's libraries: a wake outlives their faults
            logs.fault(ProviderEvent.PROVIDER_FAULT, error)
            return Retry(Trouble.BROKEN)

    async def _deliver(self, endpoint: Endpoint, notice: Notice) -> Outcome:
        match endpoint:
            case WebPush():
                return await self._web_push.deliver(endpoint, notice)
            case Webhook():
                return await self._webhook.deliver(endpoint, notice)
            case Apns() if self.apns is not None:
                return await self.apns.deliver(endpoint, notice)
            case Fcm() if self.fcm is not None:
                return await self.fcm.deliver(endpoint, notice)
            case _:
                return Rejected(Rejection.UNCONFIGURED)
