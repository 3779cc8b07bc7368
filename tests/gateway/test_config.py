from dataclasses import fields
from pathlib import Path

import pytest

from holdfast.core.config import ConfigError
from holdfast.gateway import config
from holdfast.hub import config as hub_config


def test_gateway_knows_every_key_that_the_hub_knows() -> None:
    def names(shape: type) -> set[str]:
        return {field.name for field in fields(shape)}

    assert names(config.GatewayConfig) == names(hub_config.HubConfig)
    assert names(config.GatewayPart) == names(hub_config.GatewayConfig)
    assert names(config.MailPart) == names(hub_config.SmtpConfig)
    assert names(config.AccountsPart) == names(hub_config.AccountsConfig)
    assert names(config.OpenIdPart) == names(hub_config.OpenIdConfig)


def test_file_is_read_as_the_hub_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "hub.toml"
    path.write_text(
        'state = "s"\ngateway_url = "https://devices.example/"\n[gateway]\nlisten = "[::1]:99"\n'
    )
    found = config.read(path)
    assert found.address == ("::1", 99)
    assert found.base_url == "https://devices.example"
    assert found.database == tmp_path / "s" / "hub.sqlite3"


@pytest.mark.parametrize(
    "text",
    ['gateway_url = "devices.example"', '[gateway]\nlisten = "8001"', '[gateway]\nlissen = "x"'],
)
def test_faults_are_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "hub.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"hub\.toml:[12]"):
        config.read(path)


def test_without_a_file_there_are_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(config.VARIABLE, raising=False)
    assert config.read() == config.GatewayConfig()
    monkeypatch.setenv(config.VARIABLE, str(tmp_path / "missing.toml"))
    with pytest.raises(ConfigError):
        config.read()
