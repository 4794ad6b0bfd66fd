"""Settings of a service: flags, then environment, then mounted secret files, then defaults.

`--drain-seconds 5`, `ESSAIM_RELAY_DRAIN_SECONDS=5` and a file `drain_seconds` below the folder that
`ESSAIM_RELAY_SECRETS` names all set the same thing. A service derives its own class:

    class RelaySettings(NodeSettings, service="relay"):
        \"\"\"Settings of the relay.\"\"\"

        peer_cells: Annotated[int, Field(ge=1, description="cells under way per peer; 4096 fill ...")] = 4096

    settings = load(RelaySettings)

Every description says the unit, and why the default is what it is; `tools/settings_table.py` prints them as
docs/operations/settings.md. A wrong setting ends the process with one sentence and exit code 2.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import AfterValidator, Field, SecretBytes, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SecretsSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from essaim.network.settings import LinkSettings
from essaim.runtime.address import Address
from essaim.runtime.refusal import end


def _numeric(text: str) -> str:
    return str(Address.parse(text))


def _dialled(text: str) -> str:
    address = Address.parse(text)
    if address.is_unspecified or not address.port:
        raise ValueError("must be an address that others can dial, not 0.0.0.0 and not port 0")
    return str(address)


def _hex_id(text: str) -> str:
    if text and (len(text) != 64 or set(text) - set("0123456789abcdef")):
        raise ValueError("must be 64 lower-case hexadecimal digits (32 bytes), or empty")
    return text


def _hex_signature(text: str) -> str:
    if text and (len(text) != 128 or set(text) - set("0123456789abcdef")):
        raise ValueError("must be 128 lower-case hexadecimal digits (64 bytes), or empty")
    return text


ListenAddress = Annotated[str, AfterValidator(_numeric)]
DialAddress = Annotated[str, AfterValidator(_dialled)]
HexId = Annotated[str, AfterValidator(_hex_id)]
HexSignature = Annotated[str, AfterValidator(_hex_signature)]


class NodeSettings(BaseSettings):
    """What every service can be told."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid", env_ignore_empty=True, validate_default=True)
    service: ClassVar[str] = "node"

    data_dir: Annotated[
        Path,
        Field(description="Folder on the node's own volume: identity, certificate, database. One process each."),
    ]
    listen: Annotated[
        ListenAddress,
        Field(description="ip:port of the gRPC server. Loopback until said otherwise; port 0 lets the system choose."),
    ] = "127.0.0.1:0"
    advertised: Annotated[
        DialAddress | None,
        Field(description="ip:port that the view names for this node. Default: where it listens (then not 0.0.0.0)."),
    ] = None
    metrics: Annotated[
        ListenAddress,
        Field(description="ip:port of the Prometheus page, a port of its own so that it is never public; port 0: any."),
    ] = "127.0.0.1:0"
    genesis: Annotated[
        Path | None, Field(description="File with the signed genesis: whom this node trusts. Not needed to make one.")
    ] = None
    discovery: Annotated[
        DialAddress | None,
        Field(description="ip:port of discovery; the genesis pins its certificate, so no name is needed."),
    ] = None
    operator_id: Annotated[
        HexId,
        Field(description="64 hexadecimal digits: the operator's public key; paths avoid two of one. Empty: unsaid."),
    ] = ""
    operator_key: Annotated[
        Path | None,
        Field(
            description="File with the operator's key (32 bytes): by it the node admits itself where not everybody may"
            " register. Whoever reads it can admit others."
        ),
    ] = None
    admission: Annotated[
        HexSignature,
        Field(description="128 hexadecimal digits: the operator's signature over this node's id. Instead of the key."),
    ] = ""
    region: Annotated[
        str,
        Field(max_length=32, pattern=r"^[a-z0-9-]*$", description="Where the node is, like eu-west. Empty: unsaid."),
    ] = ""
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"],
        Field(description="Least severity written: debug, info, warning, error. Never anything personal."),
    ] = "info"
    development: Annotated[
        bool,
        Field(description="Serve gRPC reflection; write traces of faults to standard error. Off: both tell too much."),
    ] = False
    drain_seconds: Annotated[
        float,
        Field(ge=0, le=300, description="Seconds that calls under way get on SIGTERM. 30: longer than any unary call."),
    ] = 30.0
    call_seconds: Annotated[
        float,
        Field(gt=0, le=120, description="Seconds that a unary call may take, whatever its caller asks; streams go on."),
    ] = 20.0
    concurrent_calls: Annotated[
        int,
        Field(
            ge=1,
            le=100_000,
            description="gRPC calls (not cells) served at once; further ones are refused BUSY. Where links are served:"
            " 3/8 for links of clients, 3/8 for other calls; nodes of the view always find room.",
        ),
    ] = 4096
    connections: Annotated[
        int,
        Field(
            ge=8,
            le=1_000_000,
            description="Connections that the server holds at once; gRPC closes further ones unanswered, whoever's they"
            " are. 8192: far above what clients and nodes need; each costs some 30 KB.",
        ),
    ] = 8192
    test_answer_seconds: Annotated[
        float,
        Field(
            gt=0,
            le=60,
            description="Seconds in which a tested node must have sent a test cell back. 10: a slow one needs one or"
            " two.",
        ),
    ] = 10.0
    test_pause_seconds: Annotated[
        float,
        Field(
            gt=0,
            le=120,
            description="Seconds before a node that did not answer a test is tried again, twice. 20: longer than a"
            " restart takes.",
        ),
    ] = 20.0
    pace_ms: Annotated[
        int,
        Field(ge=0, le=50, description="Milliseconds between batches on a busy link. 2: batches form, unfelt."),
    ] = 2

    @property
    def release(self) -> str:
        """Version of the installed service, for its metrics page and its descriptor."""
        from importlib.metadata import PackageNotFoundError, version  # with zip files and mails: 1 MB

        try:
            return version(f"essaim-{self.service}")
        except PackageNotFoundError:
            return "unreleased"

    @property
    def plain_calls(self) -> int:
        """How many of `concurrent_calls` may be no links, where there are links."""
        return max(1, self.concurrent_calls * 3 // 8)

    @property
    def links(self) -> LinkSettings:
        """The shares of `concurrent_calls` for links; who has more settings for links adds to them."""
        return LinkSettings(
            client_links=max(1, self.concurrent_calls * 3 // 8), greeting_links=max(1, self.concurrent_calls // 16)
        )

    def __init_subclass__(cls, service: str = "", **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if service:
            cls.service = service

    @classmethod
    def __pydantic_init_subclass__(cls, service: str = "", **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        cls.model_config["env_prefix"] = cls.env_prefix()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags come before these by themselves. A secret file is named as the setting, without the prefix."""
        files = SecretsSettingsSource(settings_cls, _secrets(cls), env_prefix="")
        return init_settings, env_settings, files

    @classmethod
    def env_prefix(cls) -> str:
        return f"ESSAIM_{cls.service.upper()}_"


S = TypeVar("S", bound=NodeSettings)


def load(kind: type[S], arguments: Sequence[str] | None = None) -> S:
    """The settings of this process; `arguments` without the program's name, by default the command line's.

    Ends the process with exit code 2 and one sentence on standard error when a setting is wrong.
    """
    try:
        return read(kind, sys.argv[1:] if arguments is None else arguments)
    except ValueError as error:
        end(f"essaim-{kind.service}: {error}")


def read(kind: type[S], arguments: Sequence[str]) -> S:
    """As `load`, but raises ValueError with the sentence."""
    try:
        return kind(
            _cli_parse_args=list(arguments),
            _cli_prog_name=f"essaim-{kind.service}",
            _cli_kebab_case=True,
            _cli_implicit_flags=True,
            _cli_exit_on_error=False,
            _cli_hide_none_type=True,
        )
    except ValidationError as error:
        raise ValueError(_sentence(kind, error)) from None
    except SettingsError as error:
        raise ValueError(f"{_first_line(error)}; --help lists the flags.") from None


def facts_of(settings: NodeSettings) -> dict[str, object]:
    """Each field and each property of ours, by name: settings that need no pydantic (essaim.runtime.told)."""
    kinds = [each for each in type(settings).__mro__ if issubclass(each, NodeSettings)]
    properties = [name for each in kinds for name, value in vars(each).items() if isinstance(value, property)]
    return {name: getattr(settings, name) for name in ("service", *type(settings).model_fields, *properties)}


def _secrets(kind: type[NodeSettings]) -> Path | None:
    name = f"{kind.env_prefix()}SECRETS"
    folder = os.environ.get(name)
    if folder and not Path(folder).is_dir():
        raise ValueError(f"{name} must name a folder.")
    return Path(folder) if folder else None


def _sentence(kind: type[NodeSettings], error: ValidationError) -> str:
    """The first thing wrong, as a flag and as a variable; never its value, which may be a secret or an address."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    name = str(first["loc"][0]) if first["loc"] else "settings"
    reason = "is missing" if first["type"] == "missing" else first["msg"].removeprefix("Value error, ")
    reason = reason[:1].lower() + reason[1:]
    return f"{flag(name)} ({kind.env_prefix()}{name.upper()}) {reason}."


def _first_line(error: Exception) -> str:
    cause = error.__cause__ or error
    return str(cause).splitlines()[0].removeprefix("error parsing CLI: ").rstrip(".")


def flag(name: str) -> str:
    """How a setting is called on the command line."""
    return f"--{name.replace('_', '-')}"


def is_secret(field: FieldInfo) -> bool:
    """Whether a setting holds a secret, so that its default is not printed."""
    return field.annotation in (SecretBytes, SecretStr)
