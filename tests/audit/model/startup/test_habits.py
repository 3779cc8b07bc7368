"""Habits of products that were met in the field, each on a small system."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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


SEED = """upg() { [ -f /mnt/x ] || return 1; return 0; }
if upg; then foodd --upgrade && exit 0; fi
foodd --serve
"""


def test_a_function_that_may_leave_earlier_does_not_surely_succeed() -> None:
    machine = busybox(SEED, programs=FOO)
    found = {step.text: step.started for step in machine.commands("foodd")}
    assert found == {"foodd --upgrade": Started.MAYBE, "foodd --serve": Started.MAYBE}


@pytest.mark.parametrize(
    ("line", "when"),
    [
        ("$SUBSYSTEM=net root:root 700 */usr/sbin/telnetd -l /bin/sh $ACTION", Started.DEMAND),
        ("sd[a-z] 0:0\t0660\t=disk/ @/usr/sbin/telnetd", Started.DEMAND),
        ("eth0 root:root 600", None),
        ("#eth0 root:root 600 @/usr/sbin/telnetd", None),
    ],
)
def test_hotplug_lines(line: str, when: Started | None) -> None:
    machine = Machine(
        {"bin/busybox": BUSYBOX, "usr/sbin/telnetd": SERVER, "sbin/mdev": PLAIN,
         "etc/init.d/rcS": "#!/bin/sh\necho /sbin/mdev > /proc/sys/kernel/hotplug\n",
         "etc/mdev.conf": line + "\n"},
        {"sbin/init": "/bin/busybox", "bin/sh": "busybox"},
    )  # fmt: skip
    assert machine.when("telnetd") is when


def test_files_and_links_that_start_up_makes_are_found_by_patterns() -> None:
    script = """mkdir /tmp/d
for i in /etc/s/S*; do ln -s $i /tmp/d/`basename $i`; done
for i in /tmp/d/*; do $i start; done
"""
    machine = busybox(script, programs=FOO, etc__s__S1="#!/bin/sh\nfoodd $1\n")
    assert machine.command("foodd").text == "foodd start"


@pytest.mark.parametrize(
    ("calls", "strings", "found"),
    [
        (("svcudp_create", "svc_run"), b"", [("rpc", "udp")]),
        (("svc_run", "svctcp_create", "svcudp_create"), b"", [("rpc", "tcp")]),
        (CALLS, b"\0urn:dslforum-org:cwmp-1-0\0ConnectionRequestURL\0", [("tr069", "tcp")]),
        (CALLS, b"\0urn:dslforum-org:cwmp-1-0\0", [("unknown", "tcp")]),
    ],
)
def test_servers_that_are_told_by_what_they_speak(
    calls: tuple[str, ...], strings: bytes, found: list[tuple[str, str]]
) -> None:
    program = build(imports=calls, rodata=strings or b"\0", needed=("libc.so.0",))
    machine = Machine(
        {"bin/busybox": BUSYBOX, FOO: program, "etc/inittab": "::sysinit:/usr/sbin/foodd\n"},
        {"sbin/init": "/bin/busybox"},
    )
    assert [(one.service, one.protocol) for one in machine.listeners] == found


def test_the_name_that_a_program_has_for_itself_starts_nothing() -> None:
    own = build(imports=(*CALLS, "system"), rodata=b"\0nginx\0<%ui>%V\0", needed=("libc.so.0",))
    machine = Machine({"sbin/init": PLAIN, "usr/sbin/nginx": own, "opt/nginx": own + b"\n"})
    assert {one.started for one in machine.listeners} == {Started.NO}


def test_the_surest_way_is_shown() -> None:
    one = "#!/bin/sh\nfoodd\n"
    machine = Machine(
        {"bin/busybox": BUSYBOX, FOO: SERVER, "etc/init.d/one": one,
         "etc/inittab": "::sysinit:/etc/init.d/rcS\n",
         "etc/init.d/rcS": "#!/bin/sh\n. /etc/more\n",
         "etc/more": "[ -f /mnt/x ] && /etc/init.d/one start\n/etc/init.d/one start\n"},
        {"sbin/init": "../bin/busybox", "bin/sh": "busybox"},
        modes={"etc/init.d/one": 0o755, "etc/init.d/rcS": 0o755},
    )  # fmt: skip
    above = machine.system.graph.parents()
    for step in machine.commands("foodd"):
        way = [machine.steps[number] for number in machine.system.graph.path_to(step.id, above)]
        assert {one.started for one in way} == {Started.BOOT}


def openwrt(script: str, files: dict[str, str] | None = None, *, procd: bool = True) -> Machine:
    return Machine(
        {
            "bin/busybox": BUSYBOX, "etc/rc.common": "#!/bin/sh\n", FOO: SERVER,
            "etc/inittab": "::sysinit:/etc/init.d/rcS S boot\n",
            "etc/init.d/foo": f"#!/bin/sh /etc/rc.common\nSTART=50\n{script}\n",
            **({"sbin/procd": PLAIN, "sbin/init": PLAIN} if procd else {}),
            **(files or {}),
        },
        {"etc/rc.d/S50foo": "../init.d/foo", "bin/sh": "busybox"},
        modes={"etc/init.d/foo": 0o755},
    )  # fmt: skip


def test_a_table_that_only_procd_can_follow_tells_of_it() -> None:
    machine = openwrt("start() { foodd; }", procd=False)
    assert machine.system.graph.init == "procd"
    assert machine.command("foodd").started is Started.BOOT


def test_what_hotplug_restarts_is_started_on_demand() -> None:
    machine = openwrt(
        "boot() { return 0; }\nstart() { foodd; }",
        {"etc/hotplug.d/iface/50": "#!/bin/sh\n/etc/init.d/foo restart\n"},
    )
    assert machine.command("foodd").started is Started.DEMAND


def test_what_the_network_says_is_not_empty() -> None:
    script = 'start() { local dev; network_find_wan dev; [ -n "$dev" ] && foodd -i $dev; }'
    assert openwrt(script).command("foodd").started is Started.MAYBE


@pytest.mark.parametrize(
    ("asked", "when"),
    [
        ("foo enabled && foodd", Started.BOOT),
        ("bar enabled && foodd", None),
        ("bar enabled || foodd", Started.BOOT),
        ("bar stop; foodd", Started.BOOT),
    ],
)
def test_a_service_that_is_only_asked_is_not_started(asked: str, when: Started | None) -> None:
    machine = openwrt(f"start() {{ /etc/init.d/{asked}; }}")
    assert machine.when("foodd") is when
    assert machine.system.graph.start_up().cut == ()


@pytest.mark.parametrize(
    ("call", "when"),
    [
        ("grep -q '^on' /etc/kept", Started.BOOT),
        ("grep -qs '^off' /etc/kept", None),
        ("! grep -q '^off' /etc/kept", Started.BOOT),
        ("grep -q 'o\\?n=[01]$' /etc/kept", Started.BOOT),
        ("grep -qE '^(on|off)=1' /etc/kept", Started.BOOT),
        ("grep -q '(on|off)' /etc/kept", None),
        ("fgrep -qi 'ON=1' /etc/kept", Started.BOOT),
        ("grep -q x /proc/cmdline", Started.MAYBE),
        ("grep -q x /etc/absent", Started.MAYBE),
        ("grep on /etc/kept", Started.MAYBE),
        ("grep -q $X /etc/kept", Started.MAYBE),
        ("grep -qE '(a*)*(b*)*c' /etc/kept", Started.MAYBE),
        ("grep -qE '(' /etc/kept", Started.MAYBE),
        ("grep -q '[[:alpha:]]' /etc/kept", Started.MAYBE),
        ("grep -qv x /etc/kept", Started.MAYBE),
        ("grep -q", Started.MAYBE),
    ],
)
def test_what_is_looked_for_in_files_of_the_image(call: str, when: Started | None) -> None:
    script = f". /etc/other\nif {call}; then foodd; fi"
    machine = busybox(script, programs=FOO, etc__kept="on=1\n", etc__other="X=`get`\n")
    assert machine.when("foodd") is when


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(["grep -q", "grep -qE", "grep -qF"]),
       st.text(alphabet="ab01[]()*+?{}\\\\^$|.:-&~,<>", max_size=40))  # fmt: skip
def test_no_pattern_stops_the_audit(call: str, pattern: str) -> None:
    machine = busybox(f"{call} '{pattern}' /etc/kept\nfoodd", programs=FOO, etc__kept="a" * 5000)
    assert machine.when("foodd") is Started.BOOT


def test_slow_patterns_end_soon() -> None:
    lines = "\n".join("a" * 400 for _ in range(1000))
    begun = time.process_time()
    script = "\n".join(f"grep -q 'a*a*{number}b' /etc/kept" for number in range(300))
    assert busybox(f"{script}\nfoodd", programs=FOO, etc__kept=lines).when("foodd") is not None
    assert time.process_time() - begun < 3


def test_a_server_behind_tcpsvd_does_not_lie_there() -> None:
    machine = busybox("tcpsvd 0 21 ftpd -w /", programs="usr/bin/tcpsvd sbin/ftpd")
    assert [(one.service, one.started) for one in machine.listeners] == [("ftp", Started.BOOT)]


def test_a_script_runs_in_the_folder_of_whoever_calls_it() -> None:
    machine = Machine(
        {"bin/busybox": BUSYBOX, "home/app/mipc": SERVER,
         "home/app/run.sh": "#!/bin/sh\n./mipc &\n", "etc/inittab": "::sysinit:/etc/init.d/rcS\n",
         "etc/init.d/rcS": "#!/bin/sh\nD=/home/app\ncd $D\n./run.sh\n"},
        {"sbin/init": "../bin/busybox", "bin/sh": "busybox"},
        modes={"home/app/run.sh": 0o755, "home/app/mipc": 0o755},
    )  # fmt: skip
    assert machine.command("home/app/mipc").started is Started.BOOT


@pytest.mark.parametrize(("words", "listens"), [("-v", False), ("--help", False), ("-v 1", True)])
def test_a_call_that_only_tells_starts_nothing(words: str, listens: bool) -> None:  # noqa: FBT001
    machine = Machine(
        {
            "bin/busybox": BUSYBOX,
            FOO: SERVER,
            "etc/inittab": f"::sysinit:/usr/sbin/foodd {words}\n",
        },
        {"sbin/init": "/bin/busybox"},
    )
    assert [one.started for one in machine.listeners] == ([Started.BOOT] if listens else [])
