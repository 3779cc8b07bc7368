"""What a careful human says of the keys and the updates of three real images is said."""

from pathlib import Path

import pytest

from holdfast.audit import checks
from holdfast.audit.image import Image
from holdfast.audit.limits import Limits
from holdfast.audit.unpack.budget import Budget
from holdfast.audit.unpack.opening import Opening
from holdfast.audit.unpack.source import Bytes
from holdfast.audit.verdicts import NotApplicable, Severity, Undecided
from tests.audit import made

IMAGES = Path(__file__).parents[4] / "shared/data/firmware"
DLINK = "dlink-dir300b5-2.15.bin"
TPLINK = "tplink-wr841nv14-eu.bin"
OPENWRT = "openwrt-r47364-wrt350nv2-sysupgrade.img"
QUIET = (
    "key-private-absent", "key-shared-known", "key-size-strong", "certificate-valid",
    "certificate-signature-strong", "ssh-host-key-absent", "authorized-keys-absent",
    "update-signing-key-absent", "update-test-key-absent", "cloud-credentials",
    "personal-data-shipped", "telemetry-endpoints", "logs-stay-inside", "personal-data-in-logs",
    "plain-text-profile-storage",
)  # fmt: skip

pytestmark = pytest.mark.slow

_SEEN: dict[str, Image] = {}


def image(name: str) -> Image:
    if not (IMAGES / name).exists():
        pytest.skip(f"there is no {name} beside the project")
    if name not in _SEEN:
        opening = Opening(Budget(Limits()))
        opening.image(Bytes((IMAGES / name).read_bytes()), name)
        _SEEN[name] = made.image_from(opening.result().tree)
    return _SEEN[name]


def places(rule: str, name: str) -> list[str]:
    """Give the places of findings that fail; or what the check answers instead."""
    check, found = checks.every()[rule], []
    try:
        found = list(check.run(image(name)))
    except NotApplicable:
        return ["not applicable"]
    except Undecided:
        return ["undecided"]
    return [
        one.where for one in found if (one.severity or check.about.severity) is not Severity.INFO
    ]


@pytest.mark.parametrize(
    ("rule", "name", "expected"),
    [
        ("update-verified", DLINK, ["usr/sbin/fwupdater"]),
        ("update-verified", TPLINK, ["lib/libcmm.so"]),
        ("update-verified", OPENWRT, []),
        ("update-check-not-skippable", OPENWRT, ["sbin/sysupgrade"]),
        ("update-packages-signed", OPENWRT, []),
        ("update-over-tls", DLINK, ["etc/events/checkfw.sh:12"]),
        ("update-over-tls", TPLINK, ["not applicable"]),
        ("update-over-tls", OPENWRT, ["etc/opkg/distfeeds.conf:1"]),
        ("update-automatic", DLINK, [""]),
        ("update-automatic", TPLINK, ["undecided"]),
        ("update-automatic", OPENWRT, [""]),
        ("update-rollback-protected", OPENWRT, ["sbin/sysupgrade"]),
    ],
)
def test_updates(rule: str, name: str, expected: list[str]) -> None:
    assert places(rule, name) == expected


@pytest.mark.parametrize("name", [DLINK, TPLINK, OPENWRT])
@pytest.mark.parametrize("rule", QUIET)
def test_nothing_is_said_where_nothing_is(rule: str, name: str) -> None:
    assert places(rule, name) in ([], ["not applicable"])


def test_public_keys_of_openwrt() -> None:
    updates = image(OPENWRT).model.updates
    assert updates.verifiers == ("opkg usr/bin/usign",)
    assert len(updates.keys) == 2
