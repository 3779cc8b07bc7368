"""The product profile: what the examples say, and every fault that can be planted in them."""

from dataclasses import FrozenInstanceError
from datetime import date, time
from pathlib import Path

import pytest

from holdfast import product
from holdfast.core.config import ConfigError
from holdfast.product import Profile, ProfileError

EXAMPLES = Path(__file__).parents[2] / "examples"
GATEWAY = (EXAMPLES / "home-gateway" / "product.toml").read_text()
CAMERA = (EXAMPLES / "camera" / "product.toml").read_text()


def planted(text: str, old: str, new: str) -> tuple[str, int]:
    """Replace the only occurrence of a piece of text; give the text and the line of it."""
    assert text.count(old) == 1, old
    return text.replace(old, new), text[: text.index(old)].count("\n") + 1


def faults(text: str) -> list[str]:
    with pytest.raises(ProfileError) as caught:
        product.parse(text, name="p.toml")
    return [str(fault) for fault in caught.value.faults]


def test_the_gateway_says_what_others_read() -> None:
    profile = product.read(EXAMPLES / "home-gateway" / "product.toml")
    assert profile.identity.product == "home-gateway"
    assert profile.identity.hardware == ("a", "b")
    assert profile.updates.window == "02:00-05:00"
    assert profile.updates.window_times == (time(2), time(5))
    assert profile.updates.consent == "ask"
    assert profile.updates.later_days["critical"] == 1
    assert dict(profile.updates.later_days) == {"low": 30, "medium": 14, "high": 3, "critical": 1}
    assert profile.updates.health_s == 120
    assert profile.support.until == date(2033, 12, 31)
    assert [one.name for one in profile.services if one.default == "on"] == ["admin", "dns", "dhcp"]
    assert profile.gui is not None
    assert profile.gui.user == "holdfast-gui"
    assert profile.keys.signatures == 2
    assert {one.field: one.retention_days for one in profile.personal_data} == {
        "account.name": None,
        "account.password-hash": None,
        "home.device-names": 30,
        "owner.mail": None,
    }


def test_a_profile_is_frozen_and_knows_no_other_severity() -> None:
    profile = product.parse(CAMERA)
    with pytest.raises(FrozenInstanceError):
        profile.updates.health_s = 1  # type: ignore[misc] # the point of the test
    with pytest.raises(KeyError):
        profile.updates.later_days["huge"]


def test_a_product_without_pages_leaves_the_gui_out() -> None:
    table = CAMERA[CAMERA.index("[gui]") : CAMERA.index("[accounts]")]
    assert product.parse(CAMERA.replace(table, "")).gui is None


GATEWAY_FAULTS = [
    ("format = 1", "format = 2", "format: must be 1, not 2"),
    ('vendor = "Nordlicht Home"', 'vendor = ""', "identity.vendor: must not be empty"),
    ('vendor = "Nordlicht Home"', 'vendor = "a\\u202eb"', "identity.vendor: must be one line"),
    ('vendor = "Nordlicht Home"', 'vendor = """a\nb"""', "identity.vendor: must be one line"),
    ('vendor = "Nordlicht Home"', 'vendr = "x"', "unknown key (did you mean vendor?)"),
    ('product = "home-gateway"', 'product = "Home"', "identity.product: must be 2 to 31 lower"),
    ('product = "home-gateway"', 'product = "targets"', "none of root, targets"),
    ('product = "home-gateway"', 'product = "h"', "identity.product: must be 2 to 31"),
    ('hardware = ["a", "b"]', "hardware = []", "identity.hardware: must not be empty"),
    ('hardware = ["a", "b"]', 'hardware = ["a", "a"]', "identity.hardware: names 'a' twice"),
    ('hardware = ["a", "b"]', 'hardware = ["a/b"]', "identity.hardware[0]: must be 1 to 16"),
    ('"EU", "GB"', '"EU", "UK"', "identity.markets[1]: must be a country code"),
    ('name = "debian"', "name = 12", "platform.name: must be text in quotes, not 12"),
    ("port = 443\ndefault", "port = 0\ndefault", "services[0].port: must be from 1 to 65535"),
    ("port = 67", "port = 53", "services[1] has udp port 53 already"),
    ('name = "dhcp"', 'name = "dns"', "services[1] has this name already"),
    ('user = "holdfast-gui"', 'user = "root"', "gui.user: the administration pages may not run as"),
    ('user = "holdfast-gui"', 'user = "0"', "gui.user: must be a user name"),
    ('confinement = "chroot"', 'confinement = "chrot"', "(did you mean chroot?)"),
    ('service = "admin"', 'service = "amdin"', 'gui.service: no service is called "amdin"'),
    ('service = "admin"', 'service = "ssh"', 'gui.service: the service "ssh" is not on'),
    ('"local", "ldap"', '"local", "lpad"', "accounts.methods[1]: must be"),
    ('roles = ["owner",', 'roles = ["root",', "accounts.roles[0]: no person is root on a device"),
    ('"stable", "preview"', "", "updates.channels: must not be empty"),
    ('window = "02:00-05:00"', 'window = "2-5"', "updates.window: must be two times of day"),
    ('window = "02:00-05:00"', 'window = "24:00-05:00"', "updates.window: must be two times"),
    ('window = "02:00-05:00"', 'window = "02:00-02:10"', "updates.window: must last at least 30"),
    ('consent = "ask"', 'consent = "aks"', "updates.consent: must be"),
    ("health_s = 120", "health_s = 4", "updates.health_s: must be from 5 to 3600"),
    ("health_s = 120", "health_s = 3601", "updates.health_s: must be from 5 to 3600"),
    ("health_s = 120", "health = 120", "unknown key (did you mean health_s?)"),
    ("low = 30", "low = 91", "updates.later_days.low: must be from 0 to 90"),
    ("critical = 1", "critical = 4", "updates.later_days.critical: must not be more than high"),
    ("medium = 14", "medium = -1", "updates.later_days.medium: must be from 0 to 30"),
    ("signatures = 2", "signatures = 3", "keys.signatures: wants 3 signatures of 2 signers"),
    ("signatures = 2", "signatures = 0", "keys.signatures: must be from 1 to 20"),
    ("until = 2033-12-31", "until = 2026-03-01", "support.until: support must end after the first"),
    ("until = 2033-12-31", "until = 9999-12-31", "support.until: must be from"),
    ("until = 2033-12-31", 'until = "2033-12-31"', "support.until: must be a date such as"),
    ("until = 2033-12-31", "until = 2033-02-30", "not TOML"),
    ('"mailto:security@', '"security@', "disclosure.contact: must be mailto:"),
    ('policy = "https:', 'policy = "http:', "disclosure.policy: must be an address that begins"),
    ('policy = "https://nord', 'policy = "https://a@nord', "disclosure.policy: must be an address"),
    ('policy = "https://nord', 'policy = "https://[::1]/nord', "disclosure.policy: must be an"),
    ('retention = "30 days"', 'retention = "a month"', "personal_data[2].retention: must be a num"),
    ('retention = "30 days"', 'retention = "0 days"', "personal_data[2].retention: must be a num"),
    ('basis = "consent"', 'basis = "because"', "personal_data[3].basis: must be"),
    ('field = "owner.mail"', 'field = "Owner"', "personal_data[3].field: must be lower-case"),
    ('host = "dns.nordlicht.example"', 'host = "*.example"', "endpoints[3].host: must be a host"),
    ('host = "dns.nordlicht.example"', 'host = "https://x"', "endpoints[3].host: must be a host"),
    ("port = 853", 'port = "853"', 'endpoints[3].port: must be a whole number, not the text "853"'),
    ('kind = "button"', 'kind = "buton"', "(did you mean button?)"),
    ('name = "reset-button"', 'name = "board-temperature"', "sensors[0] has this name already"),
]


@pytest.mark.parametrize(("old", "new", "reason"), GATEWAY_FAULTS)
def test_a_planted_fault_is_the_only_one_at_its_line(old: str, new: str, reason: str) -> None:
    text, line = planted(GATEWAY, old, new)
    (found,) = faults(text)
    assert found.startswith(f"p.toml:{line}: ")
    assert reason in found


@pytest.mark.parametrize(
    ("old", "new", "below", "reason"),
    [
        # A missing key is named where its table begins.
        ("port = 5353", "# nothing", -3, "services[3].port: a service that is not absent needs"),
        # Of two equal things the second is named.
        ("port = 4460", "port = 123\nprotocol = 'udp'", 5, "endpoints[1] is the same place"),
        ('kind = "button"', 'kind = "button"\ncolour = 1', 1, "sensors[1].colour: unknown key"),
        ("high = 3", "high = 3\nhigh = 3", 1, "not TOML: Cannot overwrite a value"),
        ('service = "admin"', 'service = "admin"\noutbound = true', 1, "gui.outbound: must be f"),
    ],
)
def test_a_fault_may_stand_on_another_line(old: str, new: str, below: int, reason: str) -> None:
    text, line = planted(GATEWAY, old, new)
    (found,) = faults(text)
    assert found.startswith(f"p.toml:{line + below}: ")
    assert reason in found


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        ('name = "telnet"\nport = 23\ndefault = "on"', "telnet may not be on as shipped"),
        ('name = "telnetd"\nport = 24\ndefault = "on"', "telnet may not be on as shipped"),
        ('name = "console"\nport = 23\ndefault = "on"', "telnet may not be on as shipped"),
        ('name = "ssh"\nport = 22\ndefault = "on"', "ssh may not be on as shipped"),
        ('name = "files"\nport = 445\ndefault = "on"', "smb may not be on as shipped"),
        ('name = "upnp-igd"\nport = 9\nswitchable = true', "upnp-igd would open the owner's gatew"),
        ('name = "upnpigd"\nport = 9\ndefault = "on"', "upnp-igd would open the owner's gateway"),
        ('name = "x"\nport = 5351\nprotocol = "udp"\ndefault = "on"', "would open the owner's gat"),
        ('name = "x"\nport = 9\ndefault = "off"', "off and not switchable can never run"),
        ('name = "x"\ndefault = "absent"\nswitchable = true', "an absent service cannot be switch"),
    ],
)
def test_services_that_are_refused(table: str, reason: str) -> None:
    text = f'{CAMERA}\n[[services]]\npurpose = "Test"\n'
    text = text.replace('name = "ssh"', 'name = "other-1"').replace('"telnet"', '"other-2"')
    text = text.replace('name = "upnp-igd"', 'name = "other-3"') + table
    (found,) = faults(text)
    assert reason in found
    assert int(found.split(":")[1]) > CAMERA.count("\n")


def test_off_services_may_be_offered_to_the_owner() -> None:
    text = CAMERA + '\n[[services]]\npurpose = "x"\nname = "ftp"\nport = 21\nswitchable = true\n'
    assert product.parse(text).services[-1].default == "off"


def test_an_endpoint_that_opens_the_gateway_is_refused() -> None:
    text, line = planted(GATEWAY, "port = 123\nprotocol", "port = 5351\nprotocol")
    assert faults(text)[0].startswith(f"p.toml:{line}: endpoints[2].port: nat-pmp would open")


def test_a_camera_that_keeps_nothing_about_people_is_not_believed() -> None:
    data = CAMERA[CAMERA.index("[[personal_data]]") : CAMERA.index("# ---- whom")]
    text = CAMERA.replace(data, "").replace("format = 1", "format = 1\npersonal_data = []")
    lens, microphone = faults(text)
    assert "a camera records people, but personal_data is empty" in lens
    assert "a microphone records people" in microphone


def test_every_table_that_is_missing_is_named() -> None:
    assert faults("") == [
        f"p.toml:1: {name}: this key is missing"
        if name in {"format", "services", "personal_data", "endpoints", "sensors"}
        else f"p.toml:1: {name}: this table is missing"
        for name in (
            "format",
            "identity",
            "platform",
            "services",
            "accounts",
            "updates",
            "keys",
            "support",
            "disclosure",
            "personal_data",
            "endpoints",
            "sensors",
        )
    ]


def test_faults_of_all_kinds_come_at_once() -> None:
    text = GATEWAY
    edits = [
        (
            'model = "NG-200"',
            'modell = "NG-200"',
            "identity.modell: unknown key (did you mean model",
        ),
        ('name = "dhcp"', 'name = "dns"', "services[2].name: services[1] has this name already"),
        ("port = 5353", 'port = "5353"', "services[3].port: must be a whole number"),
        ('user = "holdfast-gui"', 'user = "root"', "gui.user: the administration pages may not"),
        ("health_s = 120", "health_s = 1", "updates.health_s: must be from 5"),
        ("critical = 1", "critical = 5", "updates.later_days.critical: must not be more"),
        ("until = 2033-12-31", "until = 2020-12-31", "support.until: support must end"),
        ("port = 853", "port = 4460", ""),
        ('host = "dns.nordlicht.example"', 'host = "TIME.nordlicht.example"', "is the same place"),
        ('kind = "temperature"', 'kind = "heat"', "sensors[0].kind: must be"),
        ('name = "reset-button"', 'name = "board-temperature"', "sensors[0] has this name"),
    ]
    expected = []
    for old, new, reason in edits:
        text, line = planted(text, old, new)
        if reason:
            expected.append((line, reason))
    found = faults(text)
    assert len(found) == len(expected)
    for fault, (line, reason) in zip(found, expected, strict=True):
        assert fault.startswith(f"p.toml:{line}: ")
        assert reason in fault


def test_a_profile_error_is_a_config_error_with_a_code_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        product.read(tmp_path / "none.toml")
    assert (caught.value.code, caught.value.exit_code) == ("product-profile", 2)
    assert caught.value.faults[0].line == 0


def test_a_program_cannot_build_a_wrong_profile_either() -> None:
    profile = product.parse(CAMERA)
    fields = {name: getattr(profile, name) for name in Profile.__dataclass_fields__}
    fields["services"] = profile.services * 2
    with pytest.raises(ValueError, match=r"services\[6\].name: services\[0\] has this name"):
        Profile(**fields)
