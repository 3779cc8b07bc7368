"""Names that catalogues use."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.audit.vulnerabilities.identifiers import (
    cve_of,
    cves_in,
    letters_of,
    number_of,
    plain_name,
    plain_vendor,
    read_cpe,
)


@pytest.mark.parametrize("cve", ["CVE-1999-0043", "CVE-2014-100005", "CVE-2026-12345678"])
def test_numbers_are_undone(cve: str) -> None:
    number = number_of(cve)
    assert number is not None
    assert cve_of(number) == cve


@pytest.mark.parametrize("text", ["", "GHSA-x-y", "CVE-1", "CVE-2024-12 3", "xCVE-2024-1234"])
def test_other_ids_are_none(text: str) -> None:
    assert number_of(text) is None


def test_numbers_sort_like_ids() -> None:
    numbers = [number_of(cve) for cve in ("CVE-1999-9999", "CVE-2000-0001", "CVE-2000-10000")]
    assert numbers == sorted(numbers, key=lambda one: one or 0)


def test_cpe_with_escapes() -> None:
    found = read_cpe(r"cpe:2.3:o:netapp:solidfire_\&_hci\:x:1.2:p3:*:*:*:windows:*:*")
    assert found is not None
    assert found.name == "netapp:solidfire_&_hci:x"
    assert found.whole_version == "1.2-p3"
    assert found.target == "windows"


def test_cpe_of_the_old_form() -> None:
    found = read_cpe("cpe:/o:redhat:enterprise_linux:6")
    assert found is not None
    assert (found.part, found.name, found.version) == ("o", "redhat:enterprise_linux", "6")


@pytest.mark.parametrize(
    "text", ["", "cpe:2.3:a:b", "cpe:2.3:x:a:b:1:*:*:*:*:*:*:*", "cpe:2.3:a:*:b:1:*:*:*:*:*:*:*"]
)
def test_what_is_no_cpe(text: str) -> None:
    assert read_cpe(text) is None


@given(st.text(max_size=200))
def test_no_text_breaks_a_cpe(text: str) -> None:
    read_cpe(text)
    read_cpe(f"cpe:2.3:{text}")
    read_cpe(f"cpe:/{text}")


def test_vendors_lose_their_form() -> None:
    assert plain_vendor("wolfSSL Inc.") == "wolfssl"
    assert plain_vendor("MediaTek, Inc.") == "mediatek"
    assert plain_vendor("The GNU C Library") == "the_gnu_c_library"
    assert plain_name("n/a") == ""
    assert letters_of("D-Link") == letters_of("dlink") == letters_of("D LINK")


def test_ids_in_a_text() -> None:
    assert cves_in("CVE-2019-1000 cve-2019-1000 GHSA-1 CVE-2020-12345") == [
        "CVE-2019-1000",
        "CVE-2020-12345",
    ]
