"""Every dialect of start-up, each on a small system."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.audit.model.shapes import Started
from tests.audit.elf_builder import build
from tests.audit.model.machine import BUSYBOX, PLAIN, SERVER, Machine, busybox

FOO = "usr/sbin/foodd"
BARE = build(rodata=b"\0/etc/vendor/rcS\0")


def test_busybox_without_a_table_has_one_of_its_own() -> None:
    machine = Machine(
        {"bin/busybox": BUSYBOX, FOO: PLAIN, "etc/init.d/rcS": "#!/bin/sh\nfoodd\n"},
        {"sbin/init": "/bin/busybox", "bin/sh": "busybox"},
    )
    assert machine.system.graph.init == "busybox-init"
    assert machine.when("foodd") is Started.BOOT
    assert machine.command("bin/sh").text == "/bin/sh", "its own table opens a shell, too"


def test_busybox_built_without_tables_knows_its_script_only() -> None:
    machine = Machine(
        {
            "bin/busybox": BARE, FOO: PLAIN, "etc/vendor/rcS": "#!/bin/sh\nfoodd\n",
            "etc/inittab": "::sysinit:/bin/never\n",
        },
        {"sbin/init": "/bin/busybox"},
    )  # fmt: skip
    assert machine.when("foodd") is Started.BOOT
    assert "never" not in repr(machine.steps)


@pytest.mark.parametrize(
    ("line", "when"),
    [
        ("::sysinit:/usr/sbin/foodd", Started.BOOT),
        ("ttyS0::respawn:-/usr/sbin/foodd -x", Started.BOOT),
        ("::askfirst:/usr/sbin/foodd", Started.BOOT),
        ("::once:sh -c 'exec foodd'", Started.BOOT),
        ("::ctrlaltdel:/usr/sbin/foodd", Started.DEMAND),
        ("::shutdown:/usr/sbin/foodd", None),
        ("::restart:/usr/sbin/foodd", None),
        ("#::sysinit:/usr/sbin/foodd", None),
        ("nonsense", None),
    ],
)
def test_busybox_inittab(line: str, when: Started | None) -> None:
    machine = Machine(
        {"bin/busybox": BUSYBOX, FOO: SERVER, "etc/inittab": line},
        {"sbin/init": "/bin/busybox", "bin/sh": "busybox"},
    )
    assert machine.when("foodd") is when


def test_a_table_counts_though_init_is_not_in_the_image() -> None:
    machine = Machine({FOO: PLAIN, "etc/inittab": "::sysinit:/usr/sbin/foodd\n"})
    assert machine.when("foodd") is Started.BOOT


def test_scripts_without_init_may_run() -> None:
    machine = Machine({FOO: PLAIN, "etc/init.d/rcS": "#!/bin/sh\nfoodd\n"})
    assert machine.when("foodd") is Started.MAYBE
    assert Machine({FOO: PLAIN}).system.graph.init == "none"


def sysv(**files: str) -> Machine:
    scripts = {f"etc/init.d/{name}": text for name, text in files.items()}
    return Machine(
        {
            "sbin/init": PLAIN, FOO: PLAIN, "usr/sbin/other": PLAIN,
            "etc/inittab": (
                "id:3:initdefault:\nsi::sysinit:/etc/init.d/early\nl3:3:wait:/etc/init.d/rc 3\n"
                "l5:5:wait:/etc/init.d/rc 5\n"
            ),
            "etc/init.d/early": "#!/bin/sh\n",
            **scripts,
        },
        {"etc/rc3.d/S20foo": "../init.d/foo", "etc/rc3.d/K10x": "../init.d/other",
         "etc/rc5.d/S20other": "../init.d/other"},
    )  # fmt: skip


def test_system_v_starts_the_scripts_of_its_runlevel() -> None:
    machine = sysv(
        foo='#!/bin/sh\ncase "$1" in\nstart) foodd ;;\nstop) killall foodd ;;\nesac\n',
        other="#!/bin/sh\nother\n",
    )
    step = machine.command("foodd")
    assert (machine.system.graph.init, step.where, step.started) == (
        "sysv", "etc/rc3.d/S20foo:3", Started.BOOT,
    )  # fmt: skip
    assert machine.commands("usr/sbin/other") == []


UNIT = "[Service]\nExecStart={}\n"


def systemd(files: dict[str, str] | None = None, links: dict[str, str] | None = None) -> Machine:
    base = "lib/systemd/system"
    return Machine(
        {
            "lib/systemd/systemd": PLAIN, FOO: SERVER, "bin/sh": PLAIN,
            f"{base}/multi-user.target": "[Unit]\nRequires=basic.target\n",
            f"{base}/basic.target": "[Unit]\nWants=sockets.target timers.target\n",
            f"{base}/sockets.target": "[Unit]\n",
            f"{base}/timers.target": "[Unit]\n",
            "etc/machine-id": "0123456789abcdef0123456789abcdef\n",
            **{path.replace("@@", base): text for path, text in (files or {}).items()},
        },
        {
            "sbin/init": "/lib/systemd/systemd",
            f"{base}/default.target": "multi-user.target",
            **{
                path.replace("@@", base): target.replace("@@", base)
                for path, target in (links or {}).items()
            },
        },
    )  # fmt: skip


WANTED = {"etc/systemd/system/multi-user.target.wants/foo.service": "/@@/foo.service"}
FOO_UNIT = {"@@/foo.service": UNIT.format("/usr/sbin/foodd -f")}


def test_systemd_starts_what_is_enabled() -> None:
    step = systemd(FOO_UNIT, WANTED).command("foodd")
    assert (step.where, step.started, step.text) == (
        "lib/systemd/system/foo.service:2", Started.BOOT, "/usr/sbin/foodd -f",
    )  # fmt: skip


def test_systemd_unit_that_is_not_enabled_is_startable() -> None:
    assert systemd(FOO_UNIT).when("foodd") is Started.STARTABLE


@pytest.mark.parametrize("target", ["/dev/null", "missing.service"])
def test_systemd_masked_units_do_not_run(target: str) -> None:
    machine = systemd(FOO_UNIT, {**WANTED, "etc/systemd/system/foo.service": target})
    assert machine.commands("foodd") == []


def test_systemd_drop_in_takes_back_and_adds() -> None:
    machine = systemd(
        {
            **FOO_UNIT,
            "etc/systemd/system/foo.service.d/own.conf": (
                "[Service]\nExecStart=\nExecStart=-/usr/sbin/foodd $OPTS ${ONE} --x \\\n  -z\n"
                "User=foo\nEnvironment=ONE=1 'TWO=2'\nEnvironmentFile=-/etc/default/foo\n"
            ),
            "etc/default/foo": 'OPTS="-a -b"\n',
        },
        WANTED,
    )
    step = machine.command("foodd")
    assert (step.text, step.user) == ("/usr/sbin/foodd -a -b 1 --x -z", "foo")


@pytest.mark.parametrize(
    ("condition", "when"),
    [
        ("ConditionPathExists=/etc/on", Started.MAYBE),
        ("ConditionPathExists=/usr/sbin/foodd", Started.BOOT),
        ("ConditionPathExists=!/usr/sbin/foodd", None),
        ("ConditionPathExists=/usr/sbin/absent", None),
        ("ConditionKernelCommandLine=on", Started.MAYBE),
        ("ConditionVirtualization=!container", Started.BOOT),
    ],
)
def test_systemd_conditions(condition: str, when: Started | None) -> None:
    unit = f"[Unit]\n{condition}\n" + UNIT.format("/usr/sbin/foodd")
    assert systemd({"@@/foo.service": unit}, WANTED).when("foodd") is when


def test_systemd_socket_starts_on_demand_with_its_port() -> None:
    machine = systemd(
        {
            "@@/foo.socket": "[Socket]\nListenStream=2222\nListenStream=/run/x\nAccept=yes\n",
            "@@/foo@.service": UNIT.format("-/usr/sbin/foodd -i"),
        },
        {"etc/systemd/system/sockets.target.wants/foo.socket": "/@@/foo.socket"},
    )
    assert machine.when("foodd") is Started.DEMAND
    (listener,) = machine.listeners
    assert (listener.port, listener.started, listener.service) == (2222, Started.DEMAND, "unknown")


def test_systemd_timer_template_alias_and_shell() -> None:
    machine = systemd(
        {
            "@@/foo.timer": "[Timer]\nOnBootSec=1\n",
            **FOO_UNIT,
            "@@/bar@.service": UNIT.format("/bin/sh -c 'exec /usr/sbin/foodd --name=%i %%'"),
        },
        {
            "etc/systemd/system/timers.target.wants/foo.timer": "/@@/foo.timer",
            "etc/systemd/system/multi-user.target.wants/bar@eth0.service": "/@@/bar@.service",
        },
    )
    by_text = {step.text: step.started for step in machine.commands("foodd")}
    assert by_text == {
        "/usr/sbin/foodd -f": Started.DEMAND, "/usr/sbin/foodd --name=eth0 %": Started.BOOT,
    }  # fmt: skip


def test_systemd_runs_old_scripts_without_unit() -> None:
    files = {"etc/init.d/foo": "#!/bin/sh\n[ $1 = start ] && foodd\n"}
    machine = systemd(files, {"etc/rc3.d/S01foo": "../init.d/foo"})
    assert machine.when("foodd") is Started.BOOT


def test_systemd_first_boot_applies_presets() -> None:
    unit = UNIT.format("/usr/sbin/foodd") + "[Install]\nWantedBy=multi-user.target\n"
    machine = systemd(
        {
            "@@/foo.service": unit, "etc/machine-id": "",
            "lib/systemd/system-preset/50.preset": "enable foo*\ndisable *\n",
        }
    )  # fmt: skip
    assert machine.when("foodd") is Started.MAYBE


def openwrt(script: str, **config: str) -> Machine:
    return Machine(
        {
            "sbin/init": PLAIN, "sbin/procd": PLAIN, "etc/rc.common": "#!/bin/sh\n", FOO: SERVER,
            "etc/inittab": "::sysinit:/etc/init.d/rcS S boot\n::shutdown:/etc/init.d/rcS K x\n",
            "etc/init.d/foo": f"#!/bin/sh /etc/rc.common\nSTART=50\n{script}\n",
            **{f"etc/config/{name}": text for name, text in config.items()},
        },
        {"etc/rc.d/S50foo": "../init.d/foo"},
    )  # fmt: skip


def test_procd_instances_with_their_configuration() -> None:
    machine = openwrt(
        """USE_PROCD=1
one() {
  local cfg="$1" port on
  config_get port "$cfg" port 99
  config_get_bool on "$cfg" enabled 0
  [ "$on" -eq 1 ] || return
  procd_open_instance
  procd_set_param command /usr/sbin/foodd -F
  procd_append_param command -p "$port"
  procd_set_param user foo
  procd_close_instance
}
start_service() {
  config_load foo
  config_foreach one foo
}""",
        foo="config foo 'a'\n option port '80'\n option enabled '1'\nconfig foo\n option port 9\n",
    )
    step = machine.command("foodd")
    assert (step.text, step.user, step.where, step.started) == (
        "/usr/sbin/foodd -F -p 80", "foo", "etc/init.d/foo:10", Started.BOOT,
    )  # fmt: skip


def test_rc_common_without_procd() -> None:
    assert openwrt("start() {\n service_start /usr/sbin/foodd -x\n}").when("foodd") is Started.BOOT
    assert openwrt("boot() {\n return 0\n}\nstart() {\n foodd\n}").commands("foodd") == []
    assert openwrt("start() {\n exit 0\n foodd\n}").commands("foodd") == []


def test_script_without_link_is_startable() -> None:
    machine = Machine(
        {
            "sbin/init": PLAIN, "sbin/procd": PLAIN, "etc/rc.common": "x",
            "usr/sbin/dropbear": SERVER,
            "etc/init.d/dropbear": (
                "#!/bin/sh /etc/rc.common\nUSE_PROCD=1\nstart_service() {\n procd_open_instance\n"
                " procd_set_param command /usr/sbin/dropbear -F\n procd_close_instance\n}\n"
            ),
        }
    )  # fmt: skip
    assert machine.when("dropbear") is Started.STARTABLE


def openrc(script: str, **more: str) -> Machine:
    return Machine(
        {
            "sbin/openrc": PLAIN, "bin/busybox": BUSYBOX, FOO: PLAIN,
            "etc/inittab": "::sysinit:/sbin/openrc sysinit\n::wait:/sbin/openrc default\n",
            "etc/init.d/foo": f"#!/sbin/openrc-run\n{script}\n",
            "etc/conf.d/foo": "FOO_OPTS='-q'\n",
            **more,
        },
        {"sbin/init": "/bin/busybox", "etc/runlevels/default/foo": "/etc/init.d/foo"},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("script", "text", "user"),
    [
        ('command=/usr/sbin/foodd\ncommand_args="$FOO_OPTS"\ncommand_user="foo:foo"',
         "/usr/sbin/foodd -q", "foo"),
        ("start() {\n ebegin x\n start-stop-daemon --start --user foo --exec /usr/sbin/foodd\n}",
         "start-stop-daemon --start --user foo --exec /usr/sbin/foodd", "foo"),
    ],
)  # fmt: skip
def test_openrc(script: str, text: str, user: str) -> None:
    step = openrc(script).command("foodd")
    assert (step.text, step.user, step.started) == (text, user, Started.BOOT)


def test_runit_and_its_down_file() -> None:
    run = "#!/bin/sh\nexec chpst -u foo /usr/sbin/foodd 2>&1\n"
    files: dict[str, str | bytes] = {
        "sbin/runit": PLAIN, FOO: SERVER, "bin/sh": PLAIN, "etc/service/foo/run": run,
    }  # fmt: skip
    step = Machine(files, {"sbin/init": "runit"}).command("foodd")
    assert (step.user, step.started) == ("foo", Started.BOOT)
    machine = Machine({**files, "etc/service/foo/down": ""}, {"sbin/init": "runit"})
    assert machine.when("foodd") is Started.STARTABLE


def test_s6_with_execline() -> None:
    run = "#!/bin/execlineb -P\nfdmove -c 2 1\ns6-setuidgid foo\n/usr/sbin/foodd -d\n"
    machine = Machine(
        {
            "init": "#!/bin/sh\nexec s6-svscan /run/service\n", "bin/sh": PLAIN, FOO: PLAIN,
            "etc/services.d/foo/run": run,
            "etc/s6-overlay/s6-rc.d/user/contents.d/bar": "",
            "etc/s6-overlay/s6-rc.d/bar/run": "#!/bin/sh\nexec foodd -bar\n",
        }
    )  # fmt: skip
    found = {step.text: step.user for step in machine.commands("foodd")}
    assert found == {"/usr/sbin/foodd -d": "foo", "foodd -bar": ""}


def test_init_of_an_initramfs() -> None:
    machine = Machine(
        {"init": "#!/bin/sh\nmount -t proc x /proc\nfoodd\nexec switch_root /r /sbin/init\n",
         FOO: PLAIN, "bin/sh": PLAIN}
    )  # fmt: skip
    assert (machine.system.graph.init, machine.when("foodd")) == ("vendor", Started.BOOT)


@pytest.mark.parametrize(
    ("path", "text", "user"),
    [
        ("etc/inetd.conf", "telnet stream tcp nowait root /usr/sbin/telnetd telnetd -i\n", "root"),
        ("etc/inetd.conf", "telnet stream tcp nowait www.www /usr/sbin/tcpd telnetd\n", "www"),
        ("etc/xinetd.d/telnet",
         "service telnet\n{\n disable=no\n user = www\n server = /usr/sbin/telnetd\n}\n", "www"),
    ],
)  # fmt: skip
def test_inetd(path: str, text: str, user: str) -> None:
    name = "xinetd" if "xinetd" in path else "inetd"
    machine = busybox(
        name, programs=f"usr/sbin/{name} usr/sbin/telnetd usr/sbin/tcpd",
        **{path.replace("/", "__"): text},
    )  # fmt: skip
    listener = machine.listener("telnet")
    assert (listener.port, listener.started, listener.user) == (23, Started.DEMAND, user)


def test_inetd_that_is_not_started_starts_nothing() -> None:
    line = "telnet stream tcp nowait root /usr/sbin/telnetd telnetd\n#ftp stream tcp nowait a b c\n"
    machine = busybox(
        "", programs="usr/sbin/telnetd", etc__inetd_conf="", **{"etc__inetd.conf": line}
    )
    assert machine.listener("telnet").started is Started.NO


def test_xinetd_service_that_is_disabled() -> None:
    text = "service telnet\n{\n disable = yes\n server = /usr/sbin/telnetd\n}\n"
    machine = busybox("xinetd", programs="usr/sbin/xinetd usr/sbin/telnetd",
                      etc__xinetd_d="", **{"etc__xinetd.d__telnet": text})  # fmt: skip
    assert machine.listener("telnet").started is Started.NO


def test_cron() -> None:
    tables = {
        "etc__crontabs__root": "# x\n*/5 * * * * /usr/sbin/telnetd -p 99\n",
        "etc__crontab": "SHELL=/bin/sh\n@reboot www telnetd -p 98 --password=geheim9\n",
    }
    machine = busybox("crond", programs="usr/sbin/crond usr/sbin/telnetd", **tables)
    crons = {(step.where, step.user) for step in machine.steps if step.kind == "cron"}
    assert crons == {("etc/crontabs/root:2", "root"), ("etc/crontab:2", "www")}
    assert {step.started for step in machine.commands("telnetd")} == {Started.DEMAND}
    assert "geheim9" not in repr(machine.steps)


def test_hot_plug() -> None:
    machine = busybox(
        "", programs="usr/sbin/telnetd",
        **{"etc__hotplug.d__net__10-x": '[ "$ACTION" = add ] && telnetd\n',
           "etc__mdev.conf": "sda 0:0 660 @telnetd -p 9\n",
           "etc__udev__rules.d__9.rules": 'ACTION=="add", RUN+="/usr/sbin/telnetd -p 8"\n'},
    )  # fmt: skip
    found = {step.where: step.started for step in machine.commands("telnetd")}
    assert found == dict.fromkeys(
        ("etc/hotplug.d/net/10-x:1", "etc/mdev.conf:1", "etc/udev/rules.d/9.rules:1"),
        Started.DEMAND,
    )


def vendor(strings: tuple[str, ...], *, serves: bool = False) -> Machine:
    calls = ("system", *(("socket", "bind", "listen", "accept") if serves else ()))
    main = build(imports=calls, rodata=b"\0" + b"\0".join(s.encode() for s in strings) + b"\0")
    return Machine(
        {
            "bin/busybox": BUSYBOX, "usr/bin/mgr": main, "usr/sbin/telnetd": SERVER,
            "usr/sbin/httpd": SERVER, "etc/inittab": "::sysinit:/usr/bin/mgr\n",
        },
        {"sbin/init": "/bin/busybox"},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "service", "when"),
    [
        ("telnetd -l /bin/sh &", "telnet", Started.STARTABLE),
        ("/usr/sbin/telnetd -p %d", "telnet", Started.STARTABLE),
        ("httpd -p 80 &", "http", Started.MAYBE),
        ("httpd", "http", Started.MAYBE),
        ("killall -9 telnetd", "telnet", Started.NO),
        ("telnetd is running", "telnet", Started.NO),
        ("starting telnetd ...", "telnet", Started.NO),
        ("cp /etc/a /etc/telnetd", "telnet", Started.NO),
    ],
)
def test_command_lines_in_programs(text: str, service: str, when: Started) -> None:
    assert vendor((text,)).listener(service).started is when


def test_what_a_server_starts_somebody_asks_for() -> None:
    assert vendor(("httpd -p 80 &",), serves=True).listener("http").started is Started.STARTABLE


def test_login_in_a_program_is_an_account_and_stays_secret() -> None:
    machine = vendor(("telnetd -u boss:s3cretpw -l /bin/login &",))
    (account,) = [one for one in machine.accounts() if one.service == "telnet"]
    assert account.name == "boss"
    assert account.where.startswith("usr/bin/mgr@")
    assert "s3cretpw" not in repr((machine.steps, machine.accounts(), machine.listeners))


def test_template_of_a_process_that_runs() -> None:
    mgr = build(imports=("execve",), rodata=b"\0/etc/services/%s.php\0")
    machine = Machine(
        {
            "bin/busybox": BUSYBOX, "usr/bin/mgr": mgr, "usr/sbin/httpd": SERVER,
            "etc/inittab": "::sysinit:/usr/bin/mgr\n",
            "etc/services/HTTP.php": '<?\nfwrite("a",$START, "httpd -f ".$conf."\\n");\n?>',
        },
        {"sbin/init": "/bin/busybox"},
    )  # fmt: skip
    listener = machine.listener("http")
    assert (listener.where, listener.started) == ("etc/services/HTTP.php:2", Started.MAYBE)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(["etc/inittab", "etc/inetd.conf", "etc/xinetd.d/a", "etc/crontabs/root",
                        "etc/mdev.conf", "etc/init.d/rcS"]),
       st.text(alphabet=":#*= \n\t{}@ab/\"'\\$", max_size=80))  # fmt: skip
def test_any_table_is_read(path: str, text: str) -> None:
    files: dict[str, str | bytes] = {
        "bin/busybox": BUSYBOX, "etc/inittab": "::sysinit:/etc/init.d/rcS\n",
        "etc/init.d/rcS": "inetd; xinetd; crond", path: text,
    }  # fmt: skip
    Machine(files, {"sbin/init": "/bin/busybox"}, "usr/sbin/inetd usr/sbin/xinetd usr/sbin/crond")


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet="[]Servic\nExStart=UnWa \\%$@-;#'\"/", max_size=120))
def test_any_unit_is_read(text: str) -> None:
    systemd({"@@/foo.service": f"[Service]\nExecStart=/usr/sbin/foodd\n{text}"}, WANTED)
