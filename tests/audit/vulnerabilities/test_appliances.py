"""Vulnerabilities of the product itself: model, hardware revision, firmware version."""

from collections.abc import Callable
from typing import Any

import pytest

from holdfast.audit.vulnerabilities.database import Database
from holdfast.audit.vulnerabilities.identity import Identity
from holdfast.audit.vulnerabilities.matching import matches
from holdfast.audit.vulnerabilities.shapes import Match
from tests.audit.vulnerabilities import records as make

Opened = Callable[..., Database]


def states(found: tuple[Match, ...]) -> dict[str, str]:
    return {one.cve: one.state for one in found}


def firmware(cve: str, vendor: str, product: str, *hardware: str) -> dict[str, Any]:
    names = [make.cpe("h", vendor, product, one) for one in hardware]
    return make.nvd(
        cve,
        make.node(make.cpe("o", vendor, f"{product}_firmware", "-")),
        make.node(*names, vulnerable=False),
        operator="AND",
    )


DIR_300 = Identity(vendor="D-Link", model="DIR-300", revisions=("b5",), version="2.15")


def test_the_model_is_on_the_list(opened: Opened) -> None:
    listed = make.kev(
        (
            "CVE-2011-4723",
            "D-Link",
            "DIR-300 Router",
            "The D-Link DIR-300 router stores passwords.",
        ),
        ("CVE-2019-17621", "D-Link", "DIR-859 Router", "D-Link DIR-859 router has a hole."),
        ("CVE-2018-6530", "D-Link", "Multiple Routers", "Multiple D-Link routers have a hole."),
    )
    with opened(listed) as database:
        found = matches(make.model(), database, identity=DIR_300)
    assert states(found) == {"CVE-2011-4723": "affected"}
    assert found[0].component == ""
    assert found[0].kev


LIST = "TP-Link TL-WR940N V2/V4, TL-WR841N V8/V10, and TL-WR740N V1/V2 have a hole via the page."


@pytest.mark.parametrize(
    ("revisions", "expected"),
    [
        (("v14",), None),
        (("14.0",), None),
        (("v8",), "affected"),
        (("10.0",), "affected"),
        (("v9", "v10"), "affected"),
        ((), "undecided"),
        (("unknown",), "undecided"),
    ],
)
def test_hardware_revisions_in_words(
    opened: Opened, revisions: tuple[str, ...], expected: str | None
) -> None:
    mine = Identity(vendor="TP-Link", model="TL-WR841N", revisions=revisions)
    with opened(make.kev(("CVE-2023-33538", "TP-Link", "Multiple Routers", LIST))) as database:
        found = matches(make.model(), database, identity=mine)
    assert [one.state for one in found] == ([expected] if expected else [])


@pytest.mark.parametrize(
    ("revisions", "expected"), [(("v14",), None), (("v8",), "affected"), ((), "undecided")]
)
def test_hardware_revisions_in_cpe_names(
    opened: Opened, revisions: tuple[str, ...], expected: str | None
) -> None:
    mine = Identity(vendor="TP-Link", model="TL-WR841N", revisions=revisions)
    record = firmware("CVE-2023-33538", "tp-link", "tl-wr841n", "8.0", "10.0")
    # The shorter entry of the catalogue alone would match every revision.
    listed = make.kev(("CVE-2023-33538", "TP-Link", "TL-WR841N", "TL-WR841N has a hole."))
    with opened(make.feed(record), listed) as database:
        found = matches(make.model(), database, identity=mine)
    assert [one.state for one in found] == ([expected] if expected else [])


def test_a_letter_stands_for_all_of_it(opened: Opened) -> None:
    records = make.feed(
        firmware("CVE-2024-1000", "dlink", "dir-300", "b"),
        firmware("CVE-2024-1001", "dlink", "dir-300", "a1"),
        firmware("CVE-2024-1002", "dlink", "dir-300", "b5"),
        firmware("CVE-2024-1003", "dlink", "dir-300", "b1"),
    )
    with opened(records) as database:
        found = matches(make.model(), database, identity=DIR_300)
    assert states(found) == {"CVE-2024-1000": "affected", "CVE-2024-1002": "affected"}


def test_other_models_with_a_like_name_do_not_match(opened: Opened) -> None:
    records = make.feed(
        make.nvd("CVE-2024-1000", make.node(make.cpe("o", "dlink", "dir-300l_firmware", "-"))),
        make.nvd("CVE-2024-1001", make.node(make.cpe("o", "dlink", "dir-3000_firmware", "-"))),
        make.nvd("CVE-2024-1002", make.node(make.cpe("o", "dlink", "dir-300_firmware", "-"))),
        make.nvd("CVE-2024-1003", make.node(make.cpe("h", "dlink", "dir-300"))),
        make.nvd("CVE-2024-1004", make.node(make.cpe("o", "dlink", "dir-300_rev_a_firmware", "-"))),
    )
    with opened(records) as database:
        found = matches(make.model(), database, identity=DIR_300)
    assert states(found) == {"CVE-2024-1002": "affected", "CVE-2024-1003": "affected"}


def test_the_version_of_the_firmware_counts(opened: Opened) -> None:
    name = make.cpe("o", "dlink", "dir-300_firmware")
    records = make.feed(
        make.nvd("CVE-2024-1000", make.node((name, {"versionEndExcluding": "2.16"}))),
        make.nvd("CVE-2024-1001", make.node((name, {"versionEndExcluding": "2.15"}))),
    )
    unknown = Identity(vendor="D-Link", model="DIR-300")
    with opened(records) as database:
        found = matches(make.model(), database, identity=DIR_300)
        assert states(found) == {"CVE-2024-1000": "affected"}
        assert found[0].fixed_in == "2.16"
        assert set(states(matches(make.model(), database, identity=unknown)).values()) == {
            "undecided"
        }


def test_a_model_from_a_page_only_is_undecided(opened: Opened) -> None:
    guessed = Identity(vendor="D-Link", model="DIR-300", sure=False)
    listed = make.kev(("CVE-2011-4723", "D-Link", "DIR-300 Router", "It stores passwords."))
    with opened(listed) as database:
        assert states(matches(make.model(), database, identity=guessed)) == {
            "CVE-2011-4723": "undecided"
        }


def test_hardware_of_somebody_else_keeps_a_component_out(opened: Opened) -> None:
    record = make.nvd(
        "CVE-2024-1000",
        make.node(make.cpe("a", "busybox", "busybox", "1.0")),
        make.node(make.cpe("h", "acme", "camera", "-"), vulnerable=False),
        operator="AND",
    )
    busybox = make.model(make.component("busybox", "1.0"))
    with opened(make.feed(record)) as database:
        assert matches(busybox, database, identity=DIR_300) == ()
        assert states(matches(busybox, database)) == {"CVE-2024-1000": "undecided"}
