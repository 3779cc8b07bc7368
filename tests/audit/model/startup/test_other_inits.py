"""Inits beside those of the desktop, supervisors, events, and scripts in other languages."""

import pytest

from holdfast.audit.model.shapes import Started
from tests.audit.elf_builder import build
from tests.audit.model.machine import BUSYBOX, PLAIN, SERVER, Machine, busybox

FOO = "usr/sbin/foodd"
RC = """
import /init.${ro.hardware}.rc
on early-init
    start always
on boot
    class_start main
    exec u:r:x:s0 root -- /usr/sbin/once -x
on property:sys.usb.config=adb
    start usb
service always /usr/sbin/alwaysd
    disabled
service usb /usr/sbin/usbd
    disabled
service foo /usr/sbin/foodd \\
    --long
    class main
    user system
service never /usr/sbin/httpd
    class late
"""


def cut(machine: Machine) -> tuple[str, ...]:
    return machine.system.graph.start_up().cut


def android(text: str = RC, **files: str | bytes) -> Machine:
    named = {name.replace("__", "/"): content for name, content in files.items()}
    programs = "usr/sbin/once usr/sbin/alwaysd usr/sbin/usbd usr/sbin/foodd"
    return Machine(
        {"init": PLAIN, "init.rc": text, "usr/sbin/httpd": SERVER, **named}, {}, programs
    )


def test_android() -> None:
    machine = android()
    assert machine.system.graph.init == "android"
    assert machine.when("foodd") is Started.BOOT
    assert machine.command("foodd").user == "system"
    assert machine.command("foodd").text == "/usr/sbin/foodd --long"
    assert machine.when("alwaysd") is Started.BOOT
    assert machine.when("once") is Started.BOOT
    assert machine.when("usbd") is Started.DEMAND
    assert machine.when("httpd") is Started.STARTABLE
    assert cut(machine) == ()


def test_android_knows_its_properties() -> None:
    machine = android(default__prop="persist.sys.usb.config=adb\n", **{"default.prop": ""})
    assert machine.when("usbd") is Started.DEMAND
    machine = android(**{"default.prop": "persist.sys.usb.config=adb\n"})
    assert machine.when("usbd") is Started.MAYBE


def test_android_imports() -> None:
    machine = android("import /init.${ro.hardware}.rc\n", **{
        "init.board.rc": "on boot\n class_start default\nservice foo /usr/sbin/foodd\n",
    })  # fmt: skip
    assert machine.command("foodd").where == "init.board.rc:3"


@pytest.mark.parametrize(
    ("job", "when"),
    [
        ("start on runlevel [2345]\nexec /usr/sbin/foodd -F\n", Started.BOOT),
        ("start on startup\nscript\n  cd /\n  foodd\nend script\n", Started.BOOT),
        ("start on (net-device-up IFACE=lo)\npre-start exec foodd\nexec true\n", Started.BOOT),
        ("start on runlevel [06]\nexec foodd\n", Started.STARTABLE),
        ("exec foodd\n", Started.STARTABLE),
        ("start on startup\nmanual\nexec foodd\n", Started.STARTABLE),
    ],
)
def test_upstart(job: str, when: Started) -> None:
    machine = Machine({"sbin/init": PLAIN, FOO: SERVER, "etc/init/foo.conf": job})
    assert (machine.system.graph.init, machine.when("foodd")) == ("upstart", when)


SUPERVISORD = """
[supervisord]
nodaemon=true
[include]
files = /etc/supervisor/conf.d/*.conf
[program:foo]
command=/usr/sbin/foodd -F ; a remark
user=foo
"""


def test_supervisord() -> None:
    machine = busybox(
        "supervisord -c /etc/supervisord.conf",
        programs="usr/bin/supervisord usr/sbin/foodd usr/sbin/bard",
        etc__supervisord__conf="",
        **{
            "etc/supervisord.conf": SUPERVISORD,
            "etc/supervisor/conf.d/bar.conf": "[program:bar]\ncommand=bard\n",
        },
    )
    foo = machine.command("foodd")
    assert (foo.started, foo.user, foo.text) == (Started.BOOT, "foo", "/usr/sbin/foodd -F")
    assert machine.when("bard") is Started.BOOT
    assert cut(machine) == ()


def test_supervisord_may_leave_out() -> None:
    text = "[program:foo]\ncommand=/usr/sbin/telnetd -F\nautostart=false\n"
    machine = busybox(
        "supervisord",
        programs="usr/bin/supervisord usr/sbin/telnetd",
        **{"etc/supervisord.conf": text},
    )
    assert machine.when("telnetd") is Started.STARTABLE


def test_a_supervisor_without_its_table_is_not_followed() -> None:
    machine = busybox("supervisord", programs="usr/bin/supervisord")
    assert cut(machine) == ("the configuration of supervisord is not in the image",)


def test_monit() -> None:
    text = 'check process x with pidfile /run/x\n start program = "/usr/sbin/foodd -x"\n'
    machine = busybox("monit", programs=f"usr/bin/monit {FOO}", etc__monitrc=text)
    assert machine.command("foodd").started is Started.MAYBE


@pytest.mark.parametrize(("mode", "when"), [(0o755, Started.BOOT), (0o644, None)])
def test_systemd_runs_rc_local(mode: int, when: Started | None) -> None:
    machine = Machine(
        {
            "usr/lib/systemd/systemd": PLAIN, FOO: PLAIN,
            "usr/lib/systemd/system/rc-local.service": "[Service]\nExecStart=/etc/rc.local start\n",
            "usr/lib/systemd/system/multi-user.target": "[Unit]\n",
            "etc/rc.local": "#!/bin/sh\nfoodd\n",
        },
        {"sbin/init": "../usr/lib/systemd/systemd"},
        modes={"etc/rc.local": mode},
    )  # fmt: skip
    assert machine.when("foodd") is when


def test_the_init_of_an_initramfs_may_run_before() -> None:
    machine = busybox("true", programs=FOO, init="#!/bin/sh\nfoodd\nexec /sbin/init\n")
    assert machine.when("foodd") is Started.MAYBE


def test_a_script_may_end_in_the_init_of_busybox() -> None:
    machine = Machine(
        {
            "bin/busybox": build(rodata=b"\0/etc/inittab\0init\0", needed=("libc.so.0",)),
            "init": "#!/bin/sh\ncp -a /etc_ro/* /etc/\nexec /bin/busybox init\n",
            "etc_ro/inittab": "::sysinit:/etc_ro/rcS\n", "etc_ro/motd": "",
            "etc_ro/rcS": "#!/bin/sh\nfoodd\n", FOO: PLAIN,
        },
        {"bin/sh": "busybox"},
    )  # fmt: skip
    assert machine.command("foodd").started is Started.BOOT
    assert "etc_ro/inittab:1" in machine.chain(machine.command("foodd"))


def test_busybox_may_read_its_table_elsewhere() -> None:
    machine = Machine(
        {
            "bin/busybox": build(rodata=b"\0/etc_ro/inittab\0", needed=("libc.so.0",)),
            "etc_ro/inittab": "::sysinit:/usr/sbin/foodd\n", FOO: PLAIN,
        },
        {"sbin/init": "../bin/busybox"},
    )  # fmt: skip
    assert machine.when("foodd") is Started.BOOT


def test_an_init_that_nobody_knows_is_told() -> None:
    machine = Machine({"sbin/init": PLAIN, "etc/rc": "#!/bin/sh\nfoodd\n", FOO: PLAIN})
    assert cut(machine) == ("/sbin/init is an init of a kind that nobody here can follow",)
    assert machine.when("foodd") is Started.MAYBE


@pytest.mark.parametrize(
    ("script", "files"),
    [
        ("/usr/bin/a.py", {"usr/bin/a.py": '#!/usr/bin/python3\nos.system("telnetd -p 27")\n'}),
        ("python3 /usr/bin/a.py", {"usr/bin/a.py": 'os.system("telnetd -p 27")\n'}),
        ("/opt/x", {"opt/x": '#!/usr/bin/env python3\nrun(["/usr/sbin/telnetd", "-p", "27"])\n'}),
        ("perl /opt/x -d", {"opt/x": "#!/usr/bin/perl\nsystem('telnetd -p 27');\n"}),
    ],
)
def test_scripts_of_other_languages_are_looked_through(script: str, files: dict[str, str]) -> None:
    programs = "usr/bin/python3 usr/bin/perl usr/sbin/telnetd"
    machine = busybox(script, programs=programs, **files)
    assert machine.listener("telnet").started is Started.MAYBE
    assert machine.listener("telnet").port == 27


def test_a_remark_in_a_script_starts_nothing() -> None:
    text = '#!/usr/bin/python3\n# os.system("telnetd -p 27")\nprint("telnetd is off")\n'
    machine = busybox("/opt/x", programs="usr/bin/python3 usr/sbin/telnetd", **{"opt/x": text})
    assert machine.listener("telnet").started is Started.NO


HOOK = '#!/bin/sh\ncase "$1" in\nbound|renew)\n  telnetd -p 27\n  ;;\nesac\n'


@pytest.mark.parametrize(
    ("script", "place"),
    [
        ("udhcpc -i eth0 -s /opt/hook", "opt/hook"),
        ("udhcpc -i eth0 -s/opt/hook", "opt/hook"),
        ("udhcpc -i eth0", "usr/share/udhcpc/default.script"),
        ("wpa_cli -B -a /opt/hook", "opt/hook"),
        ("true", "etc/ppp/ip-up"),
    ],
)
def test_events_may_say_anything(script: str, place: str) -> None:
    programs = "usr/sbin/telnetd sbin/udhcpc usr/sbin/wpa_cli"
    machine = busybox(script, programs=programs, **{place: HOOK})
    assert machine.listener("telnet").started is Started.DEMAND


@pytest.mark.parametrize(
    ("script", "table", "when"),
    [
        ("ifup -a", "auto eth0\niface eth0 inet dhcp\n  up telnetd\n", Started.BOOT),
        ("ifup -a", "iface eth1 inet dhcp\n  post-up telnetd\n", Started.DEMAND),
        ("ifup -a", "auto eth0\niface eth0 inet dhcp\n  pre-down telnetd\n", Started.DEMAND),
        ("true", "auto eth0\niface eth0 inet dhcp\n  up telnetd\n", Started.NO),
    ],
)
def test_interfaces_run_commands(script: str, table: str, when: Started) -> None:
    machine = busybox(script, programs="usr/sbin/telnetd sbin/ifup", etc__network__interfaces=table)
    assert machine.listener("telnet").started is when


@pytest.mark.parametrize(
    ("script", "text"),
    [
        ("exec sh", "sh"),
        ("/bin/sh < /dev/ttyS0", "/bin/sh"),
        ("setsid cttyhack sh", "setsid cttyhack sh"),
        ("nvram get start | sh", "... | sh"),
        ("sh < /etc/commands", "... | sh"),
    ],
)
def test_a_shell_that_somebody_types_at_is_told_from_one_that_reads(script: str, text: str) -> None:
    machine = busybox(script)
    assert [step.text for step in machine.commands("bin/sh")] == [text]


def test_static_servers_of_busybox_are_known() -> None:
    machine = Machine(
        {"sbin/init": build(static=True, rodata=b"\0BusyBox v1.36.1\0/etc/inittab\0"), FOO: PLAIN,
         "etc/inittab": "::sysinit:/usr/sbin/foodd\n", "bin/busybox": BUSYBOX},
    )  # fmt: skip
    assert (machine.system.graph.init, machine.when("foodd")) == ("busybox-init", Started.BOOT)
