"""A product that does everything right passes, and each step away from it is noticed.

The image is made here: texts from `reference/rootfs`, programs, key and kernel from
`reference/made.toml` and this module.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from holdfast import product
from holdfast.audit import child
from holdfast.audit.engine import judge_tree
from holdfast.audit.report.shapes import Report
from holdfast.audit.tree import Kind, Node, Tree
from holdfast.audit.verdicts import Severity, Verdict
from holdfast.audit.vulnerabilities.forms.detection import Intake
from holdfast.audit.vulnerabilities.writing import taking_in
from holdfast.core.process import run
from tests.audit.made import NOW, file_node, tree_of
from tests.audit.unpack.boxes import code
from tests.audit.vulnerabilities.records import cpe, feed, kev, node, nvd

REFERENCE = Path(__file__).parent / "reference"
VERSION = "6.12.57"
BANNER = (
    f"Linux version {VERSION} (build@reference.example) (gcc (GCC) 15.2.0, GNU ld 2.45) "
    "#1 SMP PREEMPT_DYNAMIC Thu Nov 20 10:00:00 UTC 2026\n"
)


def reference() -> Tree:
    tree = tree_of(REFERENCE)
    kernel = code(300_000) + BANNER.encode() + b"\0" + code(4096, seed=2)
    tree.add(file_node(f"boot/vmlinuz-{VERSION}", kernel))
    for folder in ("data", "dev", "proc", "run", "sys", "tmp", "var"):
        mode = 0o1777 if folder == "tmp" else 0o755
        tree.add(Node(path=folder, kind=Kind.FOLDER, mode=mode))
    return tree


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a fresh database that knows the components, all in versions that came before."""
    folder = tmp_path_factory.mktemp("published")
    records = [
        nvd(f"CVE-2026-{number}", node((cpe(part, vendor, name), {"versionEndExcluding": fixed})))
        for number, (part, vendor, name, fixed) in enumerate(
            (
                ("a", "busybox", "busybox", "1.36.1"),
                ("a", "lighttpd", "lighttpd", "1.4.85"),
                ("a", "openssl", "openssl", "3.5.7"),
                ("a", "gnu", "glibc", "2.42"),
                ("o", "linux", "linux_kernel", VERSION),
            ),
            start=10_000,
        )
    ]
    exploited = kev(("CVE-2026-10001", "lighttpd", "lighttpd", "It is used by botnets."))
    path = folder / "vulnerabilities.sqlite3"
    with taking_in(path, now=NOW) as writer:
        intake = Intake(writer)
        for name, content in (("nvd.json", feed(*records)), ("kev.json", exploited)):
            (folder / name).write_text(json.dumps(content))
            intake.file(folder / name)
        intake.finish()
    return path


def judged(tree: Tree, database: Path) -> Report:
    profile = product.read(REFERENCE / "product.toml")
    return judge_tree(tree, now=NOW, profile=profile, database=database)


def open_ends(report: Report) -> list[str]:
    """Say in words what keeps a report from passing."""
    return [
        f"{one.rule} {one.verdict}: {one.reason} "
        + "; ".join(
            f"{finding.where} {finding.what}"
            for finding in one.findings
            if finding.severity is not Severity.INFO
        )
        for one in report.checks
        if one.verdict in {Verdict.FAIL, Verdict.UNDECIDED}
    ]


def test_passes(database: Path) -> None:
    report = judged(reference(), database)
    assert open_ends(report) == []
    assert report.outcome == "pass"


def test_is_looked_at_not_passed_over(database: Path) -> None:
    """What passes must have been there to be judged."""
    report = judged(reference(), database)
    (pages,) = report.model.listeners
    assert (pages.service, pages.port, pages.user) == ("https", 443, "gui")
    assert {one.name for one in report.model.components} >= {"busybox", "lighttpd", "openssl"}
    assert report.model.kernel.version == VERSION
    assert report.model.kernel.config_where
    assert [tool.partition(" ")[0] for tool in report.model.updates.tools] == ["rauc"]
    assert report.model.updates.automatic
    passed = [one for one in report.checks if one.verdict is Verdict.PASS]
    assert len(passed) > len(report.checks) / 2


@pytest.mark.servers
@pytest.mark.slow
def test_packed_image_passes(need: Callable[[str], str], database: Path, tmp_path: Path) -> None:
    image = packed(need("mksquashfs"), reference(), tmp_path)
    settings = child.Settings(
        profile=product.read(REFERENCE / "product.toml"), database=database, now=NOW
    )
    report = child.judge(image, settings)
    assert open_ends(report) == []
    assert report.opened.complete
    assert report.outcome == "pass"


def packed(mksquashfs: str, tree: Tree, folder: Path) -> Path:
    """Pack a tree with owners and modes as squashfs."""
    root = folder / "root"
    root.mkdir()
    for one in tree.walk():
        place = root / one.path
        if one.kind is Kind.FOLDER:
            place.mkdir(exist_ok=True, parents=True)
        elif one.kind is Kind.LINK:
            place.symlink_to(one.target)
        elif one.read is not None:
            place.write_bytes(one.read())
        if one.kind is not Kind.LINK and one.path:
            place.chmod(one.mode)
    image = folder / "reference.squashfs"
    run([mksquashfs, root, image, "-all-root", "-no-progress", "-quiet"], timeout_s=60)
    return image


def changed(path: str, old: str, new: str) -> Callable[[Tree], None]:
    def change(tree: Tree) -> None:
        there = tree.get(path)
        assert there is not None
        assert there.read is not None
        content = there.read().decode()
        assert old in content
        tree.add(file_node(path, content.replace(old, new).encode(), mode=there.mode))

    return change


def added(path: str, text: str, mode: int = 0o644) -> Callable[[Tree], None]:
    return lambda tree: tree.add(file_node(path, text.encode(), mode=mode))


def linked(path: str, target: str) -> Callable[[Tree], None]:
    return lambda tree: tree.add(Node(path=path, kind=Kind.LINK, mode=0o777, target=target))


def both(*changes: Callable[[Tree], None]) -> Callable[[Tree], None]:
    def change(tree: Tree) -> None:
        for one in changes:
            one(tree)

    return change


def mode_of(path: str, mode: int) -> Callable[[Tree], None]:
    def change(tree: Tree) -> None:
        there = tree.get(path)
        assert there is not None
        tree.add(replace(there, mode=mode))

    return change


PAGES = "usr/lib/systemd/system/pages.service"
STEPS_AWAY: dict[str, tuple[Callable[[Tree], None], str]] = {
    "empty password": (
        both(
            changed("etc/shadow", "root:*", "root:"),
            changed("etc/passwd", "/root:/usr/sbin/nologin", "/root:/bin/sh"),
        ),
        "password-not-empty",
    ),
    "pages as root": (changed(PAGES, "User=gui", ""), "web-server-unprivileged"),
    "pages in the clear": (
        changed("etc/lighttpd/lighttpd.conf", "server.port          = 443\n", ""),
        "listeners-declared",
    ),
    "old kernel": (
        lambda tree: tree.add(
            file_node(
                f"boot/vmlinuz-{VERSION}",
                code(300_000) + BANNER.replace(VERSION, "4.4.60").encode() + b"\0",
            )
        ),
        "kernel-maintained",
    ),
    "kernel without canary": (
        changed(
            f"boot/config-{VERSION}",
            "CONFIG_STACKPROTECTOR=y\nCONFIG_STACKPROTECTOR_STRONG=y\n",
            "",
        ),
        "kernel-hardened",
    ),
    "older releases welcome": (
        changed("etc/rauc/system.conf", "min-bundle-version=4.2.7\n", ""),
        "update-rollback-protected",
    ),
    "nobody asks for updates": (
        linked("etc/systemd/system/update-check.timer", "/dev/null"),
        "update-automatic",
    ),
    "updates in the clear": (
        changed("usr/lib/systemd/system/update-check.service", "https://updates", "http://updates"),
        "update-over-tls",
    ),
    "support is over": (
        changed("etc/os-release", "SUPPORT_END=2034-12-31", "SUPPORT_END=2025-12-31"),
        "support-period-stated",
    ),
    "security.txt is over": (
        changed("usr/share/www/.well-known/security.txt", "2027-10-31", "2025-10-31"),
        "security-txt-valid",
    ),
    "data in the clear": (
        both(
            changed("etc/crypttab", "data  /dev", "# data  /dev"),
            changed("etc/fstab", "/dev/mapper/data ", "/dev/disk/by-partlabel/data "),
        ),
        "data-partition-encrypted",
    ),
    "setuid program": (mode_of("usr/bin/curl", 0o4755), "setuid-expected"),
    "start-up for everybody": (
        mode_of("usr/sbin/check-for-updates", 0o777),
        "startup-not-writable",
    ),
    "telemetry": (
        added("usr/share/www/app.js", "load('https://www.google-analytics.com/ga.js')"),
        "telemetry-endpoints",
    ),
    "calls somebody else": (
        added("etc/cloud.conf", "server = cloud.elsewhere.eu\n"),
        "undeclared-endpoints",
    ),
    "Telnet": (
        both(
            linked("usr/sbin/telnetd", "../bin/busybox"),
            changed(PAGES, "[Service]\n", "[Service]\nExecStartPre=/usr/sbin/telnetd -l /bin/sh\n"),
        ),
        "telnet-off",
    ),
}


@pytest.mark.parametrize("name", STEPS_AWAY)
def test_a_step_away_is_noticed(name: str, database: Path) -> None:
    change, rule = STEPS_AWAY[name]
    tree = reference()
    change(tree)
    report = judged(tree, database)
    assert rule in {one.rule for one in report.checks if one.verdict is Verdict.FAIL}
    assert report.outcome == "fail"
