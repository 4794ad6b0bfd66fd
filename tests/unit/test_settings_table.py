"""docs/operations/settings.md says what the settings classes say."""

import settings_table
from essaim.runtime.settings import NodeSettings


def test_page_is_up_to_date() -> None:
    assert settings_table.PAGE.read_text() == settings_table.render(), "run tools/settings_table.py"


def test_page_names_every_setting_with_its_default() -> None:
    page = settings_table.render()
    for name in NodeSettings.model_fields:
        assert f"`ESSAIM_<SERVICE>_{name.upper()}`" in page
    assert "| `--drain-seconds`<br>`ESSAIM_<SERVICE>_DRAIN_SECONDS` | `30.0` |" in page


def test_every_setting_of_every_service_is_explained() -> None:
    kinds: list[type[NodeSettings]] = [NodeSettings, *settings_table.kinds()]
    for kind in kinds:
        for name, field in kind.model_fields.items():
            assert len(field.description or "") > 20, f"{kind.__name__}.{name} needs its unit, its default's reason"
            assert kind.env_prefix() == f"ESSAIM_{kind.service.upper()}_" == kind.model_config["env_prefix"] or (
                kind is NodeSettings
            )
