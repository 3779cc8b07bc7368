"""Records of the kernel: stream fixes, parts that are not there, distributions."""

from collections.abc import Callable
from typing import Any

import pytest

from holdfast.audit.model.shapes import Kernel
from holdfast.audit.vulnerabilities.database import Database
from holdfast.audit.vulnerabilities.kernel_parts import KernelParts, path_of
from holdfast.audit.vulnerabilities.kernel_tables import MODULES, OPTIONS, SUBJECTS
from holdfast.audit.vulnerabilities.matching import judge, matches
from tests.audit.vulnerabilities import records as make

Opened = Callable[..., Database]

STREAMS = {
    "source": "linux_kernel_cves",
    "cves": {
        "CVE-2016-0001": {
            "range": "v2.6.22-rc1 to v4.9-rc2",
            "streams": {"3.18": "3.18.44", "4.4": "4.4.26"},
        },
        "CVE-2016-0002": {"range": "v4.0-rc1 to v4.9-rc2", "streams": {"4.4": "4.4.26"}},
        "CVE-2016-0003": {"range": "unk to v4.9-rc2", "streams": {"4.4": "4.4.26"}},
        "CVE-2016-0004": {"range": "v2.6.12-rc2 to v4.9-rc2", "streams": {"3.2": "3.2.90"}},
        "CVE-2016-0005": {"range": "v3.0 to unk"},
        "CVE-2016-0006": {"range": "unk to unk"},
        "CVE-2016-0007": {"range": "CVE Caused by Backporting", "streams": {"3.18": "3.18.9"}},
        "CVE-2016-0008": {"range": "v3.10-rc1 to v5.12-rc1-dontuse"},
    },
}


def kernel(version: str, **more: object) -> Kernel:
    given: dict[str, Any] = {"where": ("boot/vmlinux@64",), **more}
    return Kernel(version=version, **given)


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        (
            "3.18.23",
            {"0001": "affected", "0003": "undecided", "0004": "affected", "0005": "undecided",
             "0006": "undecided", "0008": "affected"},
        ),
        (
            "3.18.44",
            {"0003": "undecided", "0004": "affected", "0005": "undecided", "0006": "undecided",
             "0008": "affected"},
        ),
        ("2.6.36", {"0001": "affected", "0003": "undecided", "0004": "undecided",
                    "0006": "undecided"}),
        ("3.18.8", {"0001": "affected", "0003": "undecided", "0004": "affected",
                    "0005": "undecided", "0006": "undecided", "0007": "affected",
                    "0008": "affected"}),
        ("4.4.26", {"0004": "affected", "0005": "undecided", "0006": "undecided",
                    "0008": "affected"}),
        ("5.12", {"0005": "undecided", "0006": "undecided"}),
    ],
)  # fmt: skip
def test_stream_fixes(opened: Opened, version: str, expected: dict[str, str]) -> None:
    with opened(STREAMS) as database:
        found = matches(make.model(kernel=kernel(version)), database)
    assert {one.cve[-4:]: one.state for one in found} == expected
    assert {one.component for one in found} == {f"linux {version}"}
    assert {one.where for one in found} == {"boot/vmlinux@64"}
    assert {one.reach for one in found} == {"boot"}


def test_the_whole_files_of_the_project(opened: Opened) -> None:
    ranges = {"CVE-2016-0001": {"affected_versions": "v2.6.22-rc1 to v4.9-rc2", "cvss3": {}}}
    fixes = {"CVE-2016-0001": {"3.18": {"cmt_id": "abc", "fixed_version": "3.18.44"}}}
    for documents in ((ranges, fixes), (fixes, ranges)):
        with opened(*documents) as database:
            assert matches(make.model(kernel=kernel("3.18.43")), database)
            assert matches(make.model(kernel=kernel("3.18.44")), database) == ()


def record(cve: str, *files: str, title: str = "") -> dict[str, Any]:
    entry = {
        "vendor": "Linux",
        "product": "Linux",
        "defaultStatus": "affected",
        "programFiles": list(files),
        "versions": [
            {"version": "4.0", "status": "affected"},
            {"version": "0", "lessThan": "4.0", "status": "unaffected", "versionType": "semver"},
            {"version": "5.10.200", "lessThanOrEqual": "5.10.*", "status": "unaffected",
             "versionType": "semver"},
            {"version": "6.8", "lessThanOrEqual": "*", "status": "unaffected",
             "versionType": "original_commit_for_fix"},
        ],
    }  # fmt: skip
    git = {
        "vendor": "Linux",
        "product": "Linux",
        "defaultStatus": "unaffected",
        "programFiles": list(files),
        "versions": [{"version": "1da177e4c3f4", "lessThan": "abcdef0123", "status": "affected",
                      "versionType": "git"}],
    }  # fmt: skip
    return dict(make.cve5(cve, git, entry, title=title))


CONFIG = (("NET", "y"), ("BTRFS_FS", "n"), ("EXT4_FS", "y"), ("IP_SCTP", "m"), ("BT", "m"))


@pytest.mark.parametrize(
    ("files", "title", "state", "reason"),
    [
        (("fs/ext4/inode.c",), "", "affected", ""),
        (("fs/btrfs/inode.c",), "", "not-built", "CONFIG_BTRFS_FS is not set"),
        (("fs/btrfs/inode.c", "mm/mmap.c"), "", "affected", ""),
        (("net/sctp/input.c",), "", "not-built", "the module sctp is not in the image"),
        (("net/bluetooth/hci_core.c",), "", "affected", ""),
        (("drivers/net/wireless/ath/ath9k/main.c",), "", "affected", ""),
        (("arch/x86/kvm/svm.c",), "", "not-built", "arch/x86 is not built for mips"),
        (("arch/mips/kernel/traps.c",), "", "affected", ""),
        (("net/ipv6/addrconf_core.c",), "", "affected", ""),
        (("net/netfilter/nft_set_rbtree.c",), "", "not-built", "CONFIG_NF_TABLES is not set"),
        ((), "btrfs: fix a thing", "not-built", "CONFIG_BTRFS_FS is not set"),
        ((), "drm/amdgpu: fix a thing", "not-built", "CONFIG_DRM_AMDGPU is not set"),
        ((), "KVM: x86: fix a thing", "not-built", "arch/x86 is not built for mips"),
        ((), "mm: fix a thing", "affected", ""),
        ((), "", "affected", ""),
    ],
)
def test_parts_that_are_not_there(
    opened: Opened, files: tuple[str, ...], title: str, state: str, reason: str
) -> None:
    mine = kernel(
        "5.10.100", config=CONFIG, config_where="boot/config",
        modules=("bluetooth", "ath9k", "cfg80211"),
    )  # fmt: skip
    with opened(record("CVE-2025-1000", *files, title=title)) as database:
        judged = judge(make.model(kernel=mine), database, machines=("mips",))
    (found,) = judged.matches
    assert found.state == state
    assert reason in found.reason
    assert judged.kernel.named == judged.kernel.in_range == 1
    assert judged.kernel.not_built == (state == "not-built")


@pytest.mark.parametrize(
    ("more", "state"),
    [
        ({}, "undecided"),
        ({"config": CONFIG}, "undecided"),
        ({"modules": ("ext4",)}, "undecided"),
        ({"modules": ("btrfs",)}, "affected"),
        ({"parts": ("fs/btrfs/super",)}, "affected"),
        ({"parts": ("fs/ext4/super",)}, "undecided"),
    ],
)
def test_nothing_is_left_out_without_evidence(
    opened: Opened, more: dict[str, Any], state: str
) -> None:
    """A configuration counts only where its place is known."""
    with opened(record("CVE-2025-1000", "fs/btrfs/inode.c")) as database:
        (found,) = matches(make.model(kernel=kernel("5.10.100", **more)), database)
    assert found.state == state
    assert ("CONFIG_BTRFS_FS is not known" in found.reason) == (state == "undecided")


@pytest.mark.parametrize(("part", "state"), [("", "undecided"), ("binder", "affected")])
def test_a_part_that_few_products_have(opened: Opened, part: str, state: str) -> None:
    streams = {"cves": {"CVE-2019-2215": {"range": "v3.14 to v4.16", "streams": {}}}}
    mine = kernel("4.4.60", parts=(f"drivers/android/{part}",) if part else ("drivers/net/tun",))
    with opened(streams) as database:
        (found,) = matches(make.model(kernel=mine), database, machines=("mips",))
    assert found.state == state


def test_every_kernel_has_its_memory(opened: Opened) -> None:
    with opened(record("CVE-2025-1000", "mm/mmap.c")) as database:
        (found,) = matches(make.model(kernel=kernel("5.10.100")), database)
    assert found.state == "affected"


def test_arm_programs_may_run_on_an_arm64_kernel() -> None:
    parts = KernelParts.of(Kernel(), ("arm",))
    assert parts.missing(("arch/arm64/kvm/arm.c",)) == ""
    assert parts.missing(("arch/x86/mm/fault.c",))
    assert KernelParts.of(Kernel(), ()).missing(("arch/x86/mm/fault.c",)) == ""
    assert KernelParts.of(Kernel(), ("strange",)).missing(("arch/x86/mm/fault.c",)) == ""


@pytest.mark.parametrize(
    ("machine", "state"), [("mips", "not-built"), ("arm", "undecided"), ("x86_64", "undecided")]
)
def test_flaws_of_processors(opened: Opened, machine: str, state: str) -> None:
    streams = {"cves": {"CVE-2017-5754": {"range": "v2.6.22 to v4.16", "streams": {}}}}
    with opened(streams) as database:
        (found,) = matches(make.model(kernel=kernel("3.18.23")), database, machines=(machine,))
    assert found.state == state


def test_places_of_what_is_exploited(opened: Opened) -> None:
    streams = {"cves": {"CVE-2013-6282": {"range": "v2.6.22 to v3.6", "streams": {}}}}
    with opened(streams) as database:
        for machine, state in (("mips", "not-built"), ("arm", "affected")):
            mine = make.model(kernel=kernel("2.6.36"))
            (found,) = matches(mine, database, machines=(machine,))
            assert found.state == state


def test_files_in_the_text_of_older_records(opened: Opened) -> None:
    text = "A race in fs/btrfs/ioctl.c in the Linux kernel before 4.9 lets local users do things."
    old = make.cve5(
        "CVE-2016-1000",
        {"vendor": "linux", "product": "linux_kernel", "versions": [{"version": "before 4.9"}]},
        descriptions=[{"lang": "en", "value": text}],
    )
    mine = kernel("4.4.1", config=CONFIG, config_where="boot/config")
    with opened(old) as database:
        (found,) = matches(make.model(kernel=mine), database)
    assert found.state == "not-built"


def test_who_maintains_the_kernel_outweighs_others(opened: Opened) -> None:
    whole = make.nvd(
        "CVE-2025-1000",
        make.node((make.cpe("o", "linux", "linux_kernel"), {"versionEndExcluding": "6.8"})),
    )
    with opened(make.feed(whole), record("CVE-2025-1000")) as database:
        assert matches(make.model(kernel=kernel("5.10.200")), database) == ()
        assert matches(make.model(kernel=kernel("5.10.199")), database)


def test_a_copied_record_that_lost_its_star(opened: Opened) -> None:
    copied = make.cve5(
        "CVE-2025-1000",
        {
            "vendor": "linux",
            "product": "linux_kernel",
            "defaultStatus": "affected",
            "versions": [
                {"version": "0", "lessThan": "4.0", "status": "unaffected"},
                {"version": "5.10.200", "lessThanOrEqual": "5.10", "status": "unaffected"},
                {"version": "6.8", "lessThanOrEqual": "*", "status": "unaffected"},
            ],
        },
    )
    with opened(copied) as database:
        assert matches(make.model(kernel=kernel("5.10.201")), database) == ()
        assert matches(make.model(kernel=kernel("5.10.101")), database)


UBUNTU = (
    "Linux version 5.4.0-42-generic (buildd@lgw01-amd64-038) (gcc version 9.3.0 (Ubuntu "
    "9.3.0-10ubuntu2)) #46-Ubuntu SMP Fri Jul 10 00:24:02 UTC 2020"
)
BUILT_ON_UBUNTU = (
    "Linux version 5.4.42 (maker@host) (gcc version 5.4.0 20160609 (Ubuntu 5.4.0-6ubuntu1~16.04.4)"
    " ) #1 SMP Fri Jul 10 00:24:02 UTC 2020"
)
DEBIAN = (
    "Linux version 5.10.0-21-amd64 (debian-kernel@lists.debian.org) (gcc-10 (Debian 10.2.1-6) "
    "10.2.1 20210110) #1 SMP Debian 5.10.200-1 (2023-01-21)"
)


def test_kernels_of_distributions(opened: Opened) -> None:
    with opened(record("CVE-2025-1000")) as database:

        def states(version: str, banner: str) -> list[str]:
            mine = make.model(kernel=kernel(version, banner=banner))
            return [one.state for one in matches(mine, database)]

        assert states("5.4.0-42-generic", UBUNTU) == ["undecided"]
        assert states("5.4.42", BUILT_ON_UBUNTU) == ["affected"]
        assert states("5.10.0-21-amd64", DEBIAN) == []


def test_a_distribution_s_fixes_count_for_its_kernel(opened: Opened) -> None:
    tracker = {
        "linux": {
            "CVE-2025-1000": {
                "description": "x",
                "releases": {
                    "bookworm": {"status": "resolved", "fixed_version": "6.1.55-1"},
                    "bullseye": {"status": "open"},
                },
            }
        }
    }
    package = make.component(
        "linux-image-6.1.0-13-amd64", "6.1.55-1",
        purl="pkg:deb/debian/linux-image-6.1.0-13-amd64@6.1.55-1?distro=debian-12&upstream=linux",
        how="package",
    )  # fmt: skip
    image = make.component("linux", "6.1.55", how="kernel", package="linux-image 6.1.55-1")
    with opened(record("CVE-2025-1000"), tracker) as database:
        found = matches(make.model(package, image, kernel=kernel("6.1.55")), database)
    assert {one.state for one in found} == {"fixed"}


def test_tables_are_sound() -> None:
    assert all(name.isupper() for options in OPTIONS.values() for name in options.split()
               if not name[0].isdigit())  # fmt: skip
    known = {option for options in OPTIONS.values() for option in options.split()}
    assert MODULES.keys() <= known
    for subject, place in SUBJECTS.items():
        assert subject == subject.lower()
        assert path_of(f":{subject}") == place
        above = place.rstrip("/").partition(".")[0]
        assert above.startswith("arch/") or any(
            above == one or above.startswith(f"{one}/") for one in OPTIONS
        ), place
