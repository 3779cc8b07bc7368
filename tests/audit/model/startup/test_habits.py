"""Habits of products that were met in the field, each on a small system."""

import pytest

from holdfast.audit.model.shapes import Started
from tests.audit.elf_builder import build
from tests.audit.model.machine import BUSYBOX, PLAIN, SERVER, Machine, busybox

FOO = "usr/sbin/foodd"
PAGES = (b"HTTP/1.1 200 OK", b"text/html", b"text/css")
CALLS = ("socket", "bind", "listen", "accept")


@pytest.mark.parametrize("before", [b"\0", b"\0reloading "])
def test_linkers_merge_the_name_of_the_table_into_a_longer_text(before: bytes) -> None:
    machine = Machine(
        {
            "bin/busybox": build(rodata=before + b"/etc/inittab\0", needed=("libc.so.0",)),
            "etc/inittab": "::sysinit:/etc/init.d/rcS S\n", FOO: PLAIN,
            "etc/init.d/rcS": '#!/bin/sh\n[ "$1" = S ] && foodd\n',
        },
        {"sbin/init": "../bin/busybox", "bin/sh": "busybox"},
    )  # fmt: skip
    assert machine.when("foodd") is Started.BOOT


def test_a_long_script_leaves_enough_for_those_after_it() -> None:
    # Which of its sixteen ways it goes is not known, at each of many places.
    long = "f() { case $1 in a) :;; b) :;; esac; }\n" + "f $X; f $Y\n" * 8000
    machine = busybox(
        "/etc/a; /etc/b; foodd", programs=FOO,
        etc__a="#!/bin/sh\n" + long + "\n" * 9, etc__b="#!/bin/sh\n" + long,
    )  # fmt: skip
    assert machine.when("foodd") is not None
    assert any("too long" in one for one in machine.system.graph.start_up().cut)


@pytest.mark.parametrize(
    "path", ["PATH=/app/bin:$PATH", "[ -d /mnt/debug ] && PATH=/app/bin:$PATH\nexport PATH"]
)
def test_programs_are_found_where_scripts_look_for_them(path: str) -> None:
    machine = busybox(f"{path}\nmanager", programs="app/bin/manager")
    assert machine.command("app/bin/manager").started is Started.BOOT


def test_a_script_of_rc_common_that_runs_itself_again_ends() -> None:
    script = """#!/bin/sh /etc/rc.common
START=50
keys() {
  for one in a b c; do
    [ -f /etc/$one ] || {
      make $one && exec /etc/rc.common "$initscript" start
    }
  done
}
start() { keys; foodd; }
"""
    machine = Machine(
        {
            "bin/busybox": BUSYBOX, "etc/rc.common": "#!/bin/sh\n", FOO: PLAIN,
            "etc/init.d/foo": script, "etc/inittab": "::sysinit:/etc/init.d/rcS S boot\n",
            "etc/init.d/rcS": "#!/bin/sh\nfor i in /etc/rc.d/$1*; do $i $2; done\n",
        },
        {"sbin/init": "/bin/busybox", "bin/sh": "busybox", "etc/rc.d/S50foo": "../init.d/foo"},
        modes={"etc/init.d/foo": 0o755, "etc/init.d/rcS": 0o755},
    )  # fmt: skip
    assert machine.when("foodd") is not None
    assert machine.system.graph.start_up().cut == ()
    assert len(machine.steps) < 20


@pytest.mark.parametrize(
    ("calls", "strings", "service"),
    [
        (CALLS, PAGES, ["http"]),
        (CALLS, (b"HTTP/%d.%d %d %s", *PAGES[1:]), ["http"]),
        (CALLS, PAGES[1:], ["unknown"]),  # it may know the types for something else
        (CALLS, PAGES[:2], ["unknown"]),
        (("socket", "connect"), PAGES, []),  # a browser
    ],
)
def test_who_answers_with_pages_serves_them(
    calls: tuple[str, ...], strings: tuple[bytes, ...], service: list[str]
) -> None:
    program = build(imports=calls, rodata=b"\0".join((b"", *strings, b"")), needed=("libc.so.0",))
    machine = Machine(
        {"bin/busybox": BUSYBOX, FOO: program, "etc/inittab": "::sysinit:/usr/sbin/foodd\n"},
        {"sbin/init": "/bin/busybox"},
    )
    assert [one.service for one in machine.listeners if one.program == FOO] == service


def test_usage_inside_busybox_starts_nothing_whatever_it_is_called() -> None:
    box = build(
        imports=("system",), rodata=b"\0BusyBox v1.33.1\0httpd -h /www &\0/etc/inittab\0",
        needed=("libc.so.0",),
    )  # fmt: skip
    machine = Machine(
        {"bin/cttyhack": box, "usr/sbin/httpd": box, "sbin/init": box,
         "etc/inittab": "::sysinit:/bin/cttyhack\n"}
    )  # fmt: skip
    assert machine.system.graph.init == "busybox-init"
    assert [one.started for one in machine.listeners if one.service == "http"] == [Started.NO]


def test_a_daemon_in_a_folder_of_the_product_lies_there() -> None:
    machine = Machine({"sbin/init": PLAIN, "usr/boa/boa": SERVER, "usr/share/doc/vsftpd": "text"})
    assert [(one.program, one.started) for one in machine.listeners] == [
        ("usr/boa/boa", Started.NO)
    ]


@pytest.mark.parametrize(
    ("line", "when"),
    [
        ("::respawn:-/bin/sh", Started.BOOT),
        ("::askfirst:-/bin/sh", Started.DEMAND),
        ("::respawn:/bin/sh", None),
        ("::respawn:-/bin/login", None),
    ],
)
def test_a_login_shell_reads_its_profile(line: str, when: Started | None) -> None:
    machine = Machine(
        {"bin/busybox": BUSYBOX, FOO: SERVER, "etc/inittab": line, "etc/profile": "foodd &\n"},
        {"sbin/init": "/bin/busybox", "bin/sh": "busybox", "bin/login": "busybox"},
    )
    assert machine.when("foodd") is when


@pytest.mark.parametrize(
    ("strings", "services"),
    [
        ((*PAGES, b"SSH-2.0-dropbear_0.46", b"bad password attempt for '%s'"), {"http", "ssh"}),
        ((*PAGES, b"SSH-2.0-dropbear_0.46"), {"http"}),  # that is what clients have
    ],
)
def test_a_program_for_everything(strings: tuple[bytes, ...], services: set[str]) -> None:
    program = build(
        imports=(*CALLS, "unlink"), rodata=b"\0".join((b"", *strings, b"/var/cfm.sock", b"")),
        needed=("libc.so.0",),
    )  # fmt: skip
    machine = Machine(
        {"bin/busybox": BUSYBOX, "bin/cfm": program, "etc/inittab": "::respawn:/bin/cfm\n"},
        {"sbin/init": "/bin/busybox"},
    )
    assert {(one.service, one.started) for one in machine.listeners} == {
        (service, Started.BOOT) for service in services
    }


def test_the_other_programs_of_dropbear_let_nobody_in() -> None:
    both = build(
        imports=CALLS, rodata=b"\0SSH-2.0-dropbear_2014\0Bad password attempt for\0",
        needed=("libc.so.0",),
    )  # fmt: skip
    machine = Machine(
        {"bin/busybox": BUSYBOX, "usr/sbin/dropbear": both, "etc/init.d/rcS": "#!/bin/sh\n"
         "dropbearkey -t rsa -f /etc/key\ndbclient there\ndropbear\n"},
        {"sbin/init": "/bin/busybox", "bin/sh": "busybox", "usr/bin/dbclient": "../sbin/dropbear",
         "usr/bin/dropbearkey": "../sbin/dropbear"},
    )  # fmt: skip
    assert [(one.service, one.where) for one in machine.listeners] == [("ssh", "etc/init.d/rcS:4")]
