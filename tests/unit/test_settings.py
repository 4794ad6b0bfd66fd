"""Settings: who wins, and one sentence for each wrong one."""

from pathlib import Path
from typing import Annotated

import pytest
from pydantic import Field, SecretStr

from essaim.network.settings import LinkSettings
from essaim.runtime.address import Address
from essaim.runtime.settings import NodeSettings, load, read
from essaim_relay.settings import RelaySettings


class PondSettings(NodeSettings, service="pond"):
    """Settings of a service that exists for a test."""

    frogs: Annotated[int, Field(ge=1, description="frogs; 3 are enough")] = 3
    password: Annotated[SecretStr, Field(description="what the heron asks")] = SecretStr("")


class LakeSettings(PondSettings, service="lake"):
    """Derived from a derived one."""


NEEDED = ["--data-dir", "/nowhere"]


def test_read_has_defaults_that_expose_nothing() -> None:
    settings = read(PondSettings, NEEDED)
    assert settings.data_dir == Path("/nowhere")
    assert (settings.listen, settings.metrics, settings.development) == ("127.0.0.1:0", "127.0.0.1:0", False)
    assert (settings.log_level, settings.drain_seconds, settings.pace_ms) == ("info", 30, 2)


def test_flags_win_over_environment_over_secret_files_over_defaults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert read(PondSettings, NEEDED).frogs == 3
    (tmp_path / "frogs").write_text("4\n")
    (tmp_path / "password").write_text("croak\n")
    monkeypatch.setenv("ESSAIM_POND_SECRETS", str(tmp_path))
    assert read(PondSettings, NEEDED).frogs == 4
    monkeypatch.setenv("ESSAIM_POND_FROGS", "5")
    assert read(PondSettings, NEEDED).frogs == 5
    assert read(PondSettings, [*NEEDED, "--frogs", "6"]).frogs == 6
    assert read(PondSettings, NEEDED).password.get_secret_value() == "croak"
    assert "croak" not in repr(read(PondSettings, NEEDED))


def test_secret_files_of_a_kubernetes_volume_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mounted Secret has hidden folders and links beside the keys."""
    (tmp_path / "..2026_11_23").mkdir()
    (tmp_path / "..2026_11_23" / "frogs").write_text("7")
    (tmp_path / "..data").symlink_to("..2026_11_23")
    (tmp_path / "frogs").symlink_to("..data/frogs")
    monkeypatch.setenv("ESSAIM_POND_SECRETS", str(tmp_path))
    assert read(PondSettings, NEEDED).frogs == 7


def test_environment_of_another_service_or_of_kubernetes_is_not_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ESSAIM_POND_FROGS", "9")
    monkeypatch.setenv("ESSAIM_LAKE_PORT", "tcp://10.0.0.1:4000")
    monkeypatch.setenv("ESSAIM_LAKE_SERVICE_HOST", "10.0.0.1")
    assert read(LakeSettings, NEEDED).frogs == 3


def test_empty_variable_is_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ESSAIM_POND_FROGS", "")
    assert read(PondSettings, NEEDED).frogs == 3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "--data-dir (ESSAIM_POND_DATA_DIR) is missing."),
        ([*NEEDED, "--frogs", "0"], "--frogs (ESSAIM_POND_FROGS) input should be greater than or equal to 1."),
        ([*NEEDED, "--frogs", "many"], "--frogs (ESSAIM_POND_FROGS) input should be a valid integer"),
        ([*NEEDED, "--frogs"], "argument --frogs: expected one argument; --help lists the flags."),
        ([*NEEDED, "--toads", "1"], "unrecognized arguments"),
        ([*NEEDED, "surplus"], "unrecognized arguments"),
        ([*NEEDED, "--listen", "example.org:1"], "must be a numeric ip:port"),
        ([*NEEDED, "--listen", "127.0.0.1"], "must be ip:port"),
        ([*NEEDED, "--listen", "127.0.0.1:70000"], "must be ip:port with a port of at most 65535"),
        ([*NEEDED, "--listen", "::1:4000"], "in brackets"),
        ([*NEEDED, "--advertised", "0.0.0.0:4000"], "must be an address that others can dial"),
        ([*NEEDED, "--discovery", "127.0.0.1:0"], "must be an address that others can dial"),
        ([*NEEDED, "--operator-id", "AB"], "must be 64 lower-case hexadecimal digits"),
        ([*NEEDED, "--region", "EU west"], "--region (ESSAIM_POND_REGION)"),
        ([*NEEDED, "--log-level", "loud"], "--log-level"),
        ([*NEEDED, "--drain-seconds", "1e9"], "--drain-seconds (ESSAIM_POND_DRAIN_SECONDS)"),
    ],
)
def test_wrong_setting_is_one_sentence(arguments: list[str], words: str) -> None:
    with pytest.raises(ValueError) as caught:
        read(PondSettings, arguments)
    sentence = str(caught.value)
    assert words in sentence
    assert sentence.endswith(".")
    assert "\n" not in sentence


def test_wrong_value_is_not_repeated() -> None:
    with pytest.raises(ValueError, match=r"^--discovery \(ESSAIM_POND_DISCOVERY\) must be") as caught:
        read(PondSettings, [*NEEDED, "--discovery", "bad.example.org:1"])
    assert "example" not in str(caught.value)


def test_secrets_folder_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ESSAIM_POND_SECRETS", "/nowhere/at/all")
    with pytest.raises(ValueError, match=r"^ESSAIM_POND_SECRETS must name a folder\.$"):
        read(PondSettings, NEEDED)


def test_load_ends_the_process_with_2_and_the_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        load(PondSettings, [])
    assert caught.value.code == 2
    assert capsys.readouterr().err == "essaim-pond: --data-dir (ESSAIM_POND_DATA_DIR) is missing.\n"


@pytest.mark.parametrize("text", ["127.0.0.1:0", "192.0.2.1:65535", "[::1]:4000", "[2001:db8::1]:1"])
def test_address_is_read_and_written_alike(text: str) -> None:
    assert str(Address.parse(text)) == text


@pytest.mark.parametrize("text", ["", ":", "1.2.3.4", "1.2.3.4:", "1.2.3.4:x", "1.2.3.4:-1", "1.2.3:4", "[1.2.3.4]:5"])
def test_address_refuses_what_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="must"):
        Address.parse(text)


@pytest.mark.parametrize("text", ["1.2.3.4:\u0665", "fe80::1%eth0:1", "[fe80::1%eth0]:1", "localhost:80"])
def test_address_refuses_what_others_cannot_dial(text: str) -> None:
    with pytest.raises(ValueError, match="must"):
        Address.parse(text)


def test_calls_served_at_once_are_shared_out_between_links_and_others() -> None:
    settings = RelaySettings(data_dir=Path("d"), concurrent_calls=1_600, client_calls=512)
    assert (settings.plain_calls, settings.links.client_links, settings.links.greeting_links) == (600, 600, 100)
    assert settings.links.client_bytes == 512 * (32 << 10)
    default, shares = LinkSettings(), RelaySettings(data_dir=Path("d")).links
    assert (shares.client_links, shares.greeting_links) == (default.client_links, default.greeting_links)
    assert shares.client_bytes == default.client_bytes
    least = RelaySettings(data_dir=Path("d"), concurrent_calls=1)
    assert (least.plain_calls, least.links.client_links, least.links.greeting_links) == (1, 1, 1)
