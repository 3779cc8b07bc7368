"""The table of ends and releases."""

from datetime import date

import pytest

from holdfast.audit.vulnerabilities.lifetimes import lifetime_of, table
from holdfast.audit.vulnerabilities.products import NAMES, canonical
from holdfast.audit.vulnerabilities.versions import key_of

NAMES_THAT_ARE_NO_COMPONENTS = {"debian", "alpine", "ipsec-tools"}


@pytest.mark.parametrize("name", table().lifetimes)
def test_the_table_is_sound(name: str) -> None:
    lifetime = table().lifetimes[name]
    assert canonical(name) == name
    assert name in NAMES or name in NAMES_THAT_ARE_NO_COMPONENTS
    assert lifetime.series or lifetime.releases
    names = [one.name for one in lifetime.series]
    assert len(names) == len(set(names))
    for one in lifetime.series:
        found = lifetime.series_of(one.newest)
        assert found == one, (name, one)
        assert date(2000, 1, 1) < one.newest_on <= table().stated
    assert all(date(2000, 1, 1) < each.on <= table().stated for each in lifetime.releases)
    keys = [key_of(each.version) for each in lifetime.releases]
    assert keys == sorted(keys, key=lambda key: key or ())


@pytest.mark.parametrize(
    ("name", "version", "followed_by"),
    [
        ("nginx", "1.17.7", "1.18"),  # of a series that the table does not have
        ("nginx", "1.16.1", ""),  # of one that it has
        ("nginx", "99.0", ""),
        ("nginx", "nonsense", ""),
    ],
)
def test_what_is_of_no_series_ended_with_the_one_that_followed(
    name: str, version: str, followed_by: str
) -> None:
    lifetime = lifetime_of(name)
    assert lifetime is not None
    found = lifetime.lapsed(version, date(2026, 11, 23))
    assert (found.name if found else "") == followed_by


def test_it_is_not_older_than_it_says() -> None:
    newest = max(one.newest_on for each in table().lifetimes.values() for one in each.series)
    assert newest <= table().stated


@pytest.mark.parametrize(
    ("name", "version", "series", "ended"),
    [
        ("linux", "2.6.33.2", "2.6.33", True),
        ("linux", "2.6.36", None, True),
        ("linux", "3.18.23", "3.18", True),
        ("linux", "5.10.100", "5.10", False),
        ("linux", "6.12.20", "6.12", False),
        ("openssl", "0.9.8zh", "0.9.8", True),
        ("openssl", "1.1.1w", "1.1.1", True),
        ("openssl", "3.5.1", "3.5", False),
        ("mbedtls", "2.28.3", "2.28", True),
        ("mbedtls", "2.17.0", "2", True),
        ("php", "8.4.2", "8.4", False),
        ("samba", "3.0.37", "3.0", True),
        ("lua", "5.1.5", "5.1", True),
        ("proftpd", "1.3.5e", "1.3.5", True),
    ],
)
def test_series(name: str, version: str, series: str | None, *, ended: bool) -> None:
    lifetime = lifetime_of(name)
    assert lifetime is not None
    found = lifetime.series_of(version)
    assert (found.name if found else None) == series
    over = found is None or (found.ended is not None and found.ended < date(2026, 11, 22))
    assert over is ended


def test_what_is_older_than_the_table() -> None:
    lifetime = lifetime_of("openssl")
    assert lifetime is not None
    assert lifetime.is_older_than_all("0.9.7m")
    assert not lifetime.is_older_than_all("0.9.8")
    assert not lifetime.is_older_than_all("9.0")


@pytest.mark.parametrize(
    ("name", "version", "successor"),
    [("busybox", "1.14.1", "1.14.4"), ("busybox", "1.37.0", None),
     ("dropbear", "2012.55", "2013.56"), ("hostapd", "0.5", "0.5.11"),
     ("zlib", "1.2.11", "1.2.12"), ("openssh", "8.9p1", "9.0p1")],
)  # fmt: skip
def test_successors(name: str, version: str, successor: str | None) -> None:
    lifetime = lifetime_of(name)
    assert lifetime is not None
    found = lifetime.successor(version)
    assert (found.version if found else None) == successor


def test_unknown_ones() -> None:
    assert lifetime_of("somebody's own daemon") is None
    known = lifetime_of("busybox")
    assert known is not None
    assert known.successor("not a version") is None
    assert known.series_of("1.2.3") is None
