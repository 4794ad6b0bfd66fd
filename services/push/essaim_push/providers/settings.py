"""What a push host can be told of providers. The service's own settings derive from these."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from essaim.protocol.push.refusal import EndpointRefusedError
from essaim.protocol.push.url import HTTPS, Url
from essaim.runtime.settings import NodeSettings
from essaim_push.providers.reach import read_networks

APNS_URL = "https://api.push.apple.com"
APNS_SANDBOX_URL = "https://api.sandbox.push.apple.com"
FCM_URL = "https://fcm.googleapis.com"


def _networks(text: str) -> str:
    try:
        read_networks(text)
    except ValueError:
        raise ValueError("must be networks with commas between them, like 10.0.0.0/8,fd00::/8") from None
    return text


def _contact(text: str) -> str:
    if text and not text.startswith(("mailto:", "https://")):
        raise ValueError("must begin with mailto: or https://")
    return text


def _base(text: str) -> str:
    try:
        url = Url.parse(text)
    except EndpointRefusedError:
        url = None
    if url is None or url.scheme != HTTPS or url.path != "/" or text.endswith("/"):
        raise ValueError("must be https://host or https://host:port")
    return text


Networks = Annotated[str, AfterValidator(_networks)]
Contact = Annotated[str, AfterValidator(_contact)]
BaseUrl = Annotated[str, AfterValidator(_base)]
Seconds = Annotated[float, Field(gt=0, le=15, description="Seconds that one call to a provider may take, all in all.")]


class ProviderSettings(NodeSettings):
    """Credentials, and where endpoints may be."""

    web_push_key: Annotated[
        Path | None,
        Field(
            description="File with the host's key for Web Push (RFC 8292; P-256, PEM), the same for all its replicas."
            " Default: made in the data folder at the first start."
        ),
    ] = None
    web_push_contact: Annotated[
        Contact,
        Field(
            description="mailto: or https: address by which a push service's operator reaches this host's. Some"
            " services ask for it. Empty: none is told."
        ),
    ] = ""
    endpoint_networks: Annotated[
        Networks,
        Field(
            description="Networks with commas, like 10.0.0.0/8, in which endpoints may be besides the public internet."
            " Whoever subscribes can have this host call them."
        ),
    ] = ""
    endpoint_http: Annotated[
        bool, Field(description="Whether endpoints may be plain http. Then names and wakes are seen on the way.")
    ] = False
    endpoint_seconds: Seconds = 10.0
    endpoint_connections: Annotated[
        int,
        Field(ge=1, le=65_536, description="Connections to endpoints at once; 64 of them to one server."),
    ] = 512
    provider_ca: Annotated[
        Path | None,
        Field(description="File with certificates (PEM) of authorities that are trusted besides the web's own."),
    ] = None
    apns_key: Annotated[
        Path | None, Field(description="File with Apple's key (.p8). With the three below: wakes for Apple devices.")
    ] = None
    apns_key_id: Annotated[str, Field(max_length=32, description="The key's id, 10 characters.")] = ""
    apns_team: Annotated[str, Field(max_length=32, description="The developer team's id, 10 characters.")] = ""
    apns_topic: Annotated[
        str, Field(max_length=255, description="The app's bundle id, like org.example.app; APNs calls it topic.")
    ] = ""
    apns_url: Annotated[BaseUrl, Field(description="https://host of APNs, for apps from a store.")] = APNS_URL
    apns_sandbox_url: Annotated[BaseUrl, Field(description="https://host of APNs, for development builds.")] = (
        APNS_SANDBOX_URL
    )
    fcm_account: Annotated[
        Path | None,
        Field(description="File with a Firebase service account (JSON, from the console): wakes for Android devices."),
    ] = None
    fcm_url: Annotated[BaseUrl, Field(description="https://host of FCM's HTTP v1 interface.")] = FCM_URL
