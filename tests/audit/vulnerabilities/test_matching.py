"""Which records concern an image: every rule with a record made for it."""

from collections.abc import Callable

import pytest

from holdfast.audit.model.shapes import Component, Listener, Model, Started, StartUp
from holdfast.audit.vulnerabilities.database import Database
from holdfast.audit.vulnerabilities.matching import matches
from holdfast.audit.vulnerabilities.shapes import Match
from tests.audit.vulnerabilities import records as make

Opened = Callable[..., Database]


def states(found: tuple[Match, ...]) -> dict[str, str]:
    return {one.cve: one.state for one in found}


def test_vendor_and_product_must_be_equal(opened: Opened) -> None:
    names = [("busybox", "busybox"), ("busybox", "busybox_tools"), ("evil", "busybox")]
    records = [
        make.nvd(f"CVE-2024-100{place}", make.node(make.cpe("a", *name, "1.36.1")))
        for place, name in enumerate(names)
    ]
    with opened(make.feed(*records)) as database:
        found = matches(make.model(make.component("busybox", "1.36.1")), database)
    assert states(found) == {"CVE-2024-1000": "affected"}
    assert found[0].component == "busybox 1.36.1"
    assert found[0].where == "usr/sbin/busybox"
    assert found[0].because.startswith("nvd: busybox:busybox 1.36.1")


def test_the_component_s_own_cpe_is_used(opened: Opened) -> None:
    record = make.nvd("CVE-2024-1000", make.node(make.cpe("a", "acme", "thing", "2.0")))
    mine = make.component("thing", "2.0", cpe=make.cpe("a", "acme", "thing", "2.0"))
    other = make.component("thing", "2.0", where=("usr/bin/other",))
    with opened(make.feed(record)) as database:
        found = matches(make.model(mine, other), database)
    assert [one.where for one in found] == ["usr/sbin/thing"]


def test_running_on_never_matches(opened: Opened) -> None:
    record = make.nvd(
        "CVE-2024-1000",
        make.node(make.cpe("a", "acme", "player", "1.0")),
        make.node(make.cpe("o", "linux", "linux_kernel", "-"), vulnerable=False),
        operator="AND",
    )
    with opened(make.feed(record)) as database:
        assert matches(make.model(make.component("linux", "5.10.1")), database) == ()


def test_a_demand_that_holds_lets_it_match(opened: Opened) -> None:
    record = make.nvd(
        "CVE-2024-1000",
        make.node(make.cpe("a", "busybox", "busybox", "1.0")),
        make.node(make.cpe("o", "linux", "linux_kernel", "-"), vulnerable=False),
        operator="AND",
    )
    with opened(make.feed(record)) as database:
        found = matches(make.model(make.component("busybox", "1.0")), database)
    assert states(found) == {"CVE-2024-1000": "affected"}


def test_a_demand_for_another_system_keeps_it_out(opened: Opened) -> None:
    record = make.nvd(
        "CVE-2024-1000",
        make.node(make.cpe("a", "php", "php", "8.0.1")),
        make.node(make.cpe("o", "microsoft", "windows", "-"), vulnerable=False),
        operator="AND",
    )
    with opened(make.feed(record)) as database:
        assert matches(make.model(make.component("php", "8.0.1")), database) == ()


def test_a_demand_that_is_not_known_is_undecided(opened: Opened) -> None:
    record = make.nvd(
        "CVE-2024-1000",
        make.node(make.cpe("a", "php", "php", "8.0.1")),
        make.node(make.cpe("a", "acme", "extension", "1.0"), vulnerable=False),
        operator="AND",
    )
    with opened(make.feed(record)) as database:
        found = matches(make.model(make.component("php", "8.0.1")), database)
    assert states(found) == {"CVE-2024-1000": "undecided"}
    assert "acme extension" in found[0].reason


def test_two_vulnerable_nodes_must_both_be_there(opened: Opened) -> None:
    record = make.nvd(
        "CVE-2024-1000",
        make.node((make.cpe("a", "openssl", "openssl"), {"versionEndExcluding": "1.1"})),
        make.node((make.cpe("a", "haxx", "curl"), {"versionEndExcluding": "7.50.0"})),
        operator="AND",
    )
    ssl, old, new = (
        make.component("openssl", "1.0.2"),
        make.component("curl", "7.40.0"),
        make.component("curl", "8.0.0"),
    )
    with opened(make.feed(record)) as database:
        assert len(matches(make.model(ssl, old), database)) == 2
        assert matches(make.model(ssl, new), database) == ()


def test_a_node_may_join_its_own_names(opened: Opened) -> None:
    together = make.node(make.cpe("a", "php", "php", "8.0.1"), make.cpe("a", "haxx", "curl", "8.0"))
    together["operator"] = "AND"
    with opened(make.feed(make.nvd("CVE-2024-1000", together))) as database:
        php = make.component("php", "8.0.1")
        assert matches(make.model(php, make.component("curl", "8.1")), database) == ()
        found = matches(make.model(php, make.component("curl", "8.0")), database)
    assert {one.component for one in found} == {"php 8.0.1", "curl 8.0"}


def test_a_negated_condition_is_undecided(opened: Opened) -> None:
    odd = make.node(make.cpe("a", "php", "php", "8.0.1"))
    odd["negate"] = True
    with opened(make.feed(make.nvd("CVE-2024-1000", odd))) as database:
        found = matches(make.model(make.component("php", "8.0.1")), database)
    assert states(found) == {"CVE-2024-1000": "undecided"}


@pytest.mark.parametrize(
    ("target", "expected"),
    [("windows", {}), ("linux", {"CVE-2024-1000": "affected"}),
     ("node.js", {"CVE-2024-1000": "undecided"})],
)  # fmt: skip
def test_target_software(opened: Opened, target: str, expected: dict[str, str]) -> None:
    name = make.cpe("a", "openssl", "openssl", "3.0.0").replace(
        ":*:*:*:*:*:*:*", f":*:*:*:*:{target}:*:*"
    )
    assert target in name
    with opened(make.feed(make.nvd("CVE-2024-1000", make.node(name)))) as database:
        assert states(matches(make.model(make.component("openssl", "3.0.0")), database)) == expected


def test_updates_of_a_version(opened: Opened) -> None:
    record = make.nvd(
        "CVE-2024-1000",
        make.node(make.cpe("a", "thekelleys", "dnsmasq", "2.80", "rc1")),
    )
    with opened(make.feed(record)) as database:
        for version, count in (("2.80", 0), ("2.80rc1", 1), ("2.80rc2", 0)):
            found = matches(make.model(make.component("dnsmasq", version)), database)
            assert len(found) == count, version


def test_a_star_without_an_end_is_undecided(opened: Opened) -> None:
    record = make.nvd("CVE-1999-0428", make.node(make.cpe("a", "openssl", "openssl")))
    with opened(make.feed(record)) as database:
        found = matches(make.model(make.component("openssl", "1.0.2u")), database)
    assert states(found) == {"CVE-1999-0428": "undecided"}
    assert "no end" in found[0].reason


def test_no_version_named_is_undecided(opened: Opened) -> None:
    record = make.nvd("CVE-2024-1000", make.node(make.cpe("a", "openssl", "openssl", "-")))
    with opened(make.feed(record)) as database:
        found = matches(make.model(make.component("openssl", "1.0.2u")), database)
    assert states(found) == {"CVE-2024-1000": "undecided"}


def test_n_a_products_never_match(opened: Opened) -> None:
    nothing = {"vendor": "n/a", "product": "n/a", "versions": [{"version": "1.0"}]}
    with opened(make.cve5("CVE-2024-1000", nothing)) as database:
        unnamed = [make.component("n/a", "1.0"), make.component("", "1.0")]
        assert matches(make.model(*unnamed), database) == ()


def test_a_product_without_vendor_is_undecided(opened: Opened) -> None:
    entry = {
        "vendor": "n/a",
        "product": "samba",
        "versions": [{"version": "4.0.0", "lessThan": "4.5.0", "status": "affected"}],
    }
    with opened(make.cve5("CVE-2024-1000", entry)) as database:
        found = matches(make.model(make.component("samba", "4.1.0")), database)
    assert states(found) == {"CVE-2024-1000": "undecided"}


def test_ppp_is_not_samba(opened: Opened) -> None:
    samba = make.nvd("CVE-2024-1000", make.node(make.cpe("a", "samba", "samba", "2.4.5")))
    ppp = make.nvd("CVE-2024-1001", make.node(make.cpe("a", "samba", "ppp", "2.4.5")))
    with opened(make.feed(samba, ppp)) as database:
        found = matches(make.model(make.component("ppp", "2.4.5")), database)
    assert states(found) == {"CVE-2024-1001": "affected"}


def test_a_component_without_version(opened: Opened) -> None:
    node = make.node((make.cpe("a", "samba", "samba"), {"versionEndExcluding": "4.5.0"}))
    records = make.feed(make.nvd("CVE-2024-1000", node), make.nvd("CVE-2024-1001", node))
    listed = make.kev(("CVE-2024-1000", "Samba", "Samba", "text"))
    with opened(records, listed) as database:
        found = matches(make.model(make.component("samba", "")), database)
    # Only what matters is asked about; everything that was ever said of it helps nobody.
    assert states(found) == {"CVE-2024-1000": "undecided"}


def test_openssh_of_the_portable_kind(opened: Opened) -> None:
    node = make.node((make.cpe("a", "openbsd", "openssh"), {"versionEndIncluding": "8.3"}))
    with opened(make.feed(make.nvd("CVE-2020-15778", node))) as database:
        assert matches(make.model(make.component("openssh", "8.3p1")), database)
        assert matches(make.model(make.component("openssh", "8.4p1")), database) == ()


def test_who_assigned_the_id_outweighs_who_copied_it(opened: Opened) -> None:
    record = make.cve5(
        "CVE-2024-1000",
        {
            "vendor": "curl",
            "product": "curl",
            "defaultStatus": "unaffected",
            "versions": [{"version": "8.0.0", "lessThan": "8.5.0", "status": "affected"}],
        },
    )
    record["containers"]["adp"] = [
        {
            "affected": [
                {
                    "vendor": "haxx",
                    "product": "curl",
                    "versions": [{"version": "0", "lessThan": "8.9.0", "status": "affected"}],
                }
            ]
        }
    ]
    with opened(record) as database:
        assert matches(make.model(make.component("curl", "8.6.0")), database) == ()
        found = matches(make.model(make.component("curl", "8.4.0")), database)
    assert found[0].because.startswith("cve5: curl:curl")


def test_openssl_s_own_words_for_a_range(opened: Opened) -> None:
    words = "Fixed in OpenSSL 1.1.1d (Affected 1.1.1-1.1.1c)"
    entry = {"vendor": "OpenSSL", "product": "OpenSSL", "versions": [{"version": words}]}
    with opened(make.cve5("CVE-2019-1549", entry)) as database:
        assert matches(make.model(make.component("openssl", "1.1.1b")), database)
        assert matches(make.model(make.component("openssl", "1.1.1d")), database) == ()


@pytest.mark.parametrize(
    ("version", "state"),
    [("before 2.0", "affected"), ("< 2.0", "affected"), ("1.9 and earlier", "affected"),
     ("1.x", "affected"), ("1.5.*", "affected"), ("2.*", None), ("somewhere", "undecided"),
     ("n/a", "undecided"), ("all versions", "undecided")],
)  # fmt: skip
def test_versions_in_words(opened: Opened, version: str, state: str | None) -> None:
    entry = {"vendor": "php", "product": "php", "versions": [{"version": version}]}
    with opened(make.cve5("CVE-2024-1000", entry)) as database:
        found = matches(make.model(make.component("php", "1.5.3")), database)
    assert [one.state for one in found] == ([state] if state else [])


def test_a_status_that_changes_on_the_way(opened: Opened) -> None:
    entry = {
        "vendor": "php",
        "product": "php",
        "defaultStatus": "unaffected",
        "versions": [
            {
                "version": "5.0",
                "lessThan": "9.0",
                "status": "affected",
                "changes": [
                    {"at": "6.0", "status": "unaffected"},
                    {"at": "7.0", "status": "affected"},
                ],
            }
        ],
    }
    with opened(make.cve5("CVE-2024-1000", entry)) as database:
        for version, count in (("5.5", 1), ("6.0", 0), ("6.9", 0), ("7.0", 1), ("9.0", 0)):
            found = matches(make.model(make.component("php", version)), database)
            assert len(found) == count, version


# Distributions


def alpine(name: str, version: str) -> Component:
    return Component(
        name=name, version=version, purl=f"pkg:apk/alpine/{name}@{version}?distro=alpine-3.11.3",
        how="package", where=(f"lib/apk/db/installed:{name}",), started=Started.BOOT,
    )  # fmt: skip


SECDB = {
    "distroversion": "v3.11",
    "reponame": "main",
    "packages": [
        {"pkg": {"name": "openssl", "secfixes": {
            "1.1.1d-r2": ["CVE-2019-1551"], "0": ["CVE-2020-0001"],
            "1.1.1g-r0": ["CVE-2020-1967 CVE-2020-9999"]}}},
    ],
}  # fmt: skip


def test_a_distribution_s_fix_makes_it_fixed(opened: Opened) -> None:
    upstream = make.nvd(
        "CVE-2019-1551",
        make.node((make.cpe("a", "openssl", "openssl"), {"versionEndIncluding": "1.1.1d"})),
    )
    with opened(make.feed(upstream), SECDB) as database:
        before = matches(make.model(alpine("openssl", "1.1.1d-r1")), database)
        after = matches(make.model(alpine("openssl", "1.1.1d-r2")), database)
    assert states(before)["CVE-2019-1551"] == "affected"
    assert before[-1].because.startswith("alpine")
    assert states(after)["CVE-2019-1551"] == "fixed"
    assert "alpine" in next(one.reason for one in after if one.cve == "CVE-2019-1551")


def test_a_distribution_may_know_what_others_do_not(opened: Opened) -> None:
    with opened(SECDB) as database:
        found = matches(make.model(alpine("openssl", "1.1.1e-r0")), database)
    assert states(found) == {"CVE-2020-1967": "affected", "CVE-2020-9999": "affected"}
    assert found[0].fixed_in == "1.1.1g-r0"


def test_another_release_of_the_distribution_says_nothing(opened: Opened) -> None:
    newer = Component(
        name="openssl", version="1.1.1e-r0", how="package",
        purl="pkg:apk/alpine/openssl@1.1.1e-r0?distro=alpine-3.18.0",
    )  # fmt: skip
    with opened(SECDB) as database:
        assert matches(make.model(newer), database) == ()


def test_a_copy_in_a_package_is_judged_by_the_package(opened: Opened) -> None:
    upstream = make.nvd(
        "CVE-2022-48174",
        make.node((make.cpe("a", "busybox", "busybox"), {"versionEndExcluding": "1.36.1"})),
    )
    changelog = {"packages": {"busybox": {"1:1.35.0-4+deb12u1": ["CVE-2022-48174"]}}}
    other = Component(
        name="libc6", version="2.36", purl="pkg:deb/debian/libc6@2.36-9?distro=debian-12"
    )
    for version, state in (("1:1.35.0-4", "affected"), ("1:1.35.0-4+deb12u1", "fixed")):
        found_in_file = make.component("busybox", "1.35.0", package=f"busybox {version}")
        with opened(make.feed(upstream), changelog) as database:
            found = matches(make.model(other, found_in_file), database)
        assert states(found) == {"CVE-2022-48174": state}


def test_a_change_log_in_the_image_counts(opened: Opened) -> None:
    upstream = make.nvd("CVE-2024-1000", make.node(make.cpe("a", "php", "php", "8.0.1")))
    patched = make.component("php", "8.0.1", package="php8 8.0.1-7", fixed=("CVE-2024-1000",))
    with opened(make.feed(upstream)) as database:
        found = matches(make.model(patched), database)
    assert states(found) == {"CVE-2024-1000": "fixed"}
    assert found[0].reason == "the package php8 8.0.1-7 says so"


def test_osv_of_a_distribution(opened: Opened) -> None:
    record = {
        "id": "DSA-5000-1",
        "modified": "2026-01-01T00:00:00Z",
        "upstream": ["CVE-2024-1000", "CVE-2024-1001"],
        "summary": "openssl security update",
        "affected": [
            {
                "package": {"ecosystem": "Debian:12", "name": "openssl"},
                "ranges": [
                    {
                        "type": "ECOSYSTEM",
                        "events": [{"introduced": "0"}, {"fixed": "3.0.11-1~deb12u2"}],
                    },
                    {"type": "GIT", "events": [{"introduced": "0"}, {"fixed": "abc"}]},
                ],
            }
        ],
    }

    def package(version: str, release: str) -> Component:
        purl = f"pkg:deb/debian/libssl3@{version}?distro=debian-{release}&upstream=openssl"
        return Component(name="libssl3", version=version, purl=purl, how="package")

    with opened(record) as database:
        old = matches(make.model(package("3.0.11-1~deb12u1", "12")), database)
        assert states(old) == {"CVE-2024-1000": "affected", "CVE-2024-1001": "affected"}
        assert matches(make.model(package("3.0.11-1~deb12u2", "12")), database) == ()
        assert matches(make.model(package("3.0.11-1~deb12u1", "11")), database) == ()


def test_the_version_of_the_source_counts_where_it_is_another(opened: Opened) -> None:
    fixes = {"packages": {"samba": {"2:4.13.2+dfsg-1": ["CVE-2024-1000"]}}}
    purl = "pkg:deb/debian/libldb2@2:2.6.2%2Bsamba4.{0}?upstream=samba%402:4.{0}&distro=debian-12"

    def package(minor: str) -> Component:
        return Component(name="samba", version=f"4.{minor}", purl=purl.format(minor), how="package")

    with opened(fixes) as database:
        assert matches(make.model(package("17.12")), database) == ()
        old = matches(make.model(package("12.5")), database)
        assert states(old) == {"CVE-2024-1000": "affected"}


def test_osv_without_a_cve_keeps_its_own_id(opened: Opened) -> None:
    record = {
        "id": "GHSA-aaaa-bbbb-cccc",
        "modified": "2026-01-01T00:00:00Z",
        "affected": [
            {
                "package": {"ecosystem": "npm", "name": "thing"},
                "ranges": [
                    {"type": "SEMVER", "events": [{"introduced": "1.0.0"}, {"fixed": "1.2.0"}]}
                ],
            }
        ],
    }
    mine = Component(name="thing", version="1.1.0", purl="pkg:npm/thing@1.1.0")
    with opened(record) as database:
        assert states(matches(make.model(mine), database)) == {"GHSA-aaaa-bbbb-cccc": "affected"}


# Order, scores and reach


def test_worst_first(opened: Opened) -> None:
    node = make.node(make.cpe("a", "php", "php", "8.0.1"))
    scored = {"cvssMetricV31": [{"type": "Primary", "cvssData": {"baseScore": 9.8,
              "vectorString": "CVSS:3.1/AV:N"}}]}  # fmt: skip
    records = make.feed(
        make.nvd("CVE-2024-1001", node),
        make.nvd("CVE-2024-1002", node, metrics=scored),
        make.nvd("CVE-2024-1003", node),
        make.nvd("CVE-2024-1004", node),
    )
    listed = make.kev(("CVE-2024-1004", "PHP", "PHP", "text"))
    likely = b"cve,epss,percentile\nCVE-2024-1003,0.5,0.9\nCVE-2024-1002,0.01,0.2\n"
    with opened(records, listed, likely) as database:
        found = matches(make.model(make.component("php", "8.0.1")), database)
    assert [one.cve[-1] for one in found] == ["4", "3", "2", "1"]
    assert found[0].kev == "2026-11-19"
    assert found[1].epss == 0.5
    assert (found[2].cvss, found[2].vector) == (9.8, "CVSS:3.1/AV:N")
    assert found[3].title == "What CVE-2024-1001 is."


@pytest.mark.parametrize(
    ("started", "listening", "reach"),
    [(Started.BOOT, True, "listening"), (Started.MAYBE, False, "boot"),
     (Started.DEMAND, False, "startable"), (Started.STARTABLE, True, "startable"),
     (Started.NO, False, "present")],
)  # fmt: skip
def test_reach(opened: Opened, started: Started, reach: str, *, listening: bool) -> None:
    record = make.nvd("CVE-2024-1000", make.node(make.cpe("a", "php", "php", "8.0.1")))
    mine = make.component("php", "8.0.1", started=started, listening=listening)
    with opened(make.feed(record)) as database:
        assert matches(make.model(mine), database)[0].reach == reach


def test_listening_comes_before_present(opened: Opened) -> None:
    records = make.feed(
        make.nvd("CVE-2024-1000", make.node(make.cpe("a", "php", "php", "8.0.1"))),
        make.nvd("CVE-2024-2000", make.node(make.cpe("a", "haxx", "curl", "8.0.1"))),
    )
    there = make.component("php", "8.0.1", started=Started.NO)
    open_one = make.component("curl", "8.0.1", listening=True)
    with opened(records) as database:
        found = matches(make.model(there, open_one), database)
    assert [one.component for one in found] == ["curl 8.0.1", "php 8.0.1"]


def test_an_empty_image_has_none(opened: Opened) -> None:
    nothing = Model(start_up=StartUp(init="none"), listeners=(Listener(service="http", program="x",
                    where="y"),))  # fmt: skip
    with opened(make.kev(("CVE-2024-1000", "PHP", "PHP", "text"))) as database:
        assert matches(nothing, database) == ()
