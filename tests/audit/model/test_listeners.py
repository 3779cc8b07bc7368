"""Who listens, where, as whom and behind which walls."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.audit.model.configuration.remote import READERS
from holdfast.audit.model.configuration.settings import Reading, endpoint
from holdfast.audit.model.configuration.units import Unit, walls
from holdfast.audit.model.daemons import DAEMONS
from holdfast.audit.model.shapes import Listener, Started
from holdfast.audit.patterns.starting import NAMES
from tests.audit.elf_builder import build
from tests.audit.model.machine import BUSYBOX, SERVER, Machine, busybox

PARTS = [*"[]{}=:;#\"'$% \n\t0a/.*", "listen", "port ", "include ", "user "]


def started(command: str, **files: str) -> list[Listener]:
    name = command.split(maxsplit=1)[0]
    machine = busybox(command, programs=f"usr/sbin/{name}", **files)
    return [one for one in machine.listeners if one.started is not Started.NO]


def only(command: str, **files: str) -> Listener:
    (listener,) = started(command, **files)
    return listener


@pytest.mark.parametrize(
    ("command", "service", "protocol", "port", "user", "why"),
    [
        ("telnetd -l /bin/login -p 2323", "telnet", "tcp", 2323, "root", "absent"),
        ("telnetd", "telnet", "tcp", 23, "root", "absent"),
        ("dropbear -p 127.0.0.1:2222", "ssh", "tcp", 2222, "root", "absent"),
        ("mini_httpd -u www -p 8080", "http", "tcp", 8080, "www", "command"),
        ("mini_httpd", "http", "tcp", 80, "nobody", "drops"),
        ("dnsmasq -u dns", "dns", "udp", 53, "dns", "command"),
        ("dnsmasq", "dns", "udp", 53, "nobody", "drops"),
        ("avahi-daemon -D", "mdns", "udp", 5353, "avahi", "drops"),
        ("snmpd -u snmp", "snmp", "udp", 161, "snmp", "command"),
        ("uhttpd -p 0.0.0.0:80", "http", "tcp", 80, "root", "absent"),
        ("start-stop-daemon -S -c www -x /usr/sbin/uhttpd -- -p 80".replace("start", "start", 1),
         "http", "tcp", 80, "www", "command"),
        ("lighttpd", "http", "tcp", 80, "root", "absent"),
        ("cwmpd", "tr069", "tcp", 7547, "root", "absent"),
        ("tftpd", "tftp", "udp", 69, "root", "absent"),
        ("rsync --daemon", "rsync", "tcp", 873, "root", "absent"),
    ],
)  # fmt: skip
def test_from_the_command_line(
    command: str, service: str, protocol: str, port: int, user: str, why: str
) -> None:
    machine = busybox(command, programs=" ".join(f"usr/sbin/{name}" for name in DAEMONS))
    (one,) = [one for one in machine.listeners if one.started is Started.BOOT]
    assert (one.service, one.protocol, one.port) == (service, protocol, port)
    assert (one.user, one.user_why) == (user, why)
    assert one.where == "etc/init.d/rcS:2"
    assert machine.steps[one.steps[-1]].where == one.where


@pytest.mark.parametrize(
    "command", ["rsync -a /a /b", "ntpd -p pool.example", "nc host 80", "foodd"]
)
def test_clients_do_not_listen(command: str) -> None:
    machine = Machine(
        {"bin/busybox": BUSYBOX, "etc/inittab": f"::sysinit:/usr/sbin/{command}\n"},
        {"sbin/init": "/bin/busybox", "usr/sbin/ntpd": "/bin/busybox"},
        "usr/sbin/rsync usr/sbin/nc usr/sbin/foodd",
    )
    assert [one for one in machine.listeners if one.started is not Started.NO] == []


@pytest.mark.parametrize(
    ("command", "service", "port"),
    [
        ("nc -l -p 4444 -e /bin/sh", "shell", 4444),
        ("nc -lp 99", "unknown", 99),
        ("nc -l -p 4444 | sh", "shell", 4444),
        ("socat TCP-LISTEN:77,fork EXEC:/bin/sh", "shell", 77),
        ("tcpsvd 0 21 ftpd -w /", "ftp", 21),
    ],
)
def test_what_listens_as_its_arguments_say(command: str, service: str, port: int) -> None:
    one = only(command)
    assert (one.service, one.port) == (service, port)


@pytest.mark.parametrize(
    ("command", "service", "port", "address", "user"),
    [
        ("tcpsvd -vE -c 5 0 7777 /bin/sh", "shell", 7777, "", "root"),
        ("tcpsvd 0 7777 sh /etc/answer", "unknown", 7777, "", "root"),
        ("ncat --listen 4455 --sh-exec /bin/sh", "shell", 4455, "", "root"),
        ('swupdate -w "-document_root /www -port 8081"', "http", 8081, "", "root"),
        ("swupdate -w '' -v", "http", 8080, "", "root"),
        ("python3 -m http.server 8000", "http", 8000, "", "root"),
        ("python3 -m http.server", "http", 8000, "", "root"),
        ("php -S 127.0.0.1:8001 -t /www", "http", 8001, "loopback", "root"),
        ("perl -e 'use IO::Socket::INET; ...'", "unknown", None, "", "root"),
        ('nginx -g "daemon off; user root;"', "http", 80, "", "root"),
        ("dropbearmulti dropbear -p 2200", "ssh", 2200, "", "root"),
    ],
)
def test_what_the_command_line_makes_a_server(
    command: str, service: str, port: int | None, address: str, user: str
) -> None:
    one = only(command)
    assert (one.service, one.port, one.address, one.user) == (service, port, address, user)


@pytest.mark.parametrize(
    "command", ["swupdate -i a.swu", "python3 -m venv x", "php -r 'phpinfo();'", "dropbearmulti"]
)
def test_what_the_command_line_makes_no_server(command: str) -> None:
    machine = busybox(command, programs=f"usr/sbin/{command.split(maxsplit=1)[0]}")
    assert [one for one in machine.listeners if one.started is not Started.NO] == []


@pytest.mark.parametrize(
    ("line", "service", "port"),
    [
        ("7000 stream tcp nowait root /bin/sh sh -i", "shell", 7000),
        ("7001 stream tcp nowait root /usr/bin/help help", "unknown", 7001),
        ("7002 stream tcp nowait root /bin/busybox busybox sh", "shell", 7002),
        ("acme stream tcp nowait root /bin/login login", "unknown", None),
        ("ftp stream tcp nowait root /usr/bin/own own", "ftp", 21),
    ],
)
def test_inetd_listens_for_whatever_it_starts(line: str, service: str, port: int) -> None:
    machine = busybox(
        "inetd", programs="usr/sbin/inetd bin/login usr/bin/own",
        **{"etc__inetd.conf": f"{line}\n", "usr__bin__help": "#!/bin/sh\nexec sh\n"},
    )  # fmt: skip
    one = machine.listener(service)
    assert (one.port, one.where, one.started) == (port, "etc/inetd.conf:1", Started.DEMAND)


@pytest.mark.parametrize(
    ("imports", "protocol"),
    [
        (("bind", "listen"), "tcp"),
        (("bind", "recvfrom", "sendto"), "udp"),
        (("bind", "listen", "unlink"), None),  # a socket in the file system
        (("bind", "listen", "unlink", "inet_ntoa"), "tcp"),
        (("connect", "recv"), None),
        (("bind", "recvmsg"), None),  # netlink
    ],
)
def test_unknown_programs_are_told_by_their_calls(
    imports: tuple[str, ...], protocol: str | None
) -> None:
    machine = Machine(
        {
            "bin/busybox": BUSYBOX, "usr/bin/mfgd": build(imports=("socket", *imports)),
            "etc/inittab": "::sysinit:/usr/bin/mfgd\n",
        },
        {"sbin/init": "/bin/busybox"},
    )  # fmt: skip
    found = [(one.service, one.protocol, one.port) for one in machine.listeners]
    assert found == ([("unknown", protocol, None)] if protocol else [])


def test_library_that_listens_for_a_program() -> None:
    machine = Machine(
        {
            "bin/busybox": BUSYBOX, "usr/bin/x": build(needed=("libmicrohttpd.so.12",)),
            "etc/inittab": "::sysinit:/usr/bin/x\n",
        },
        {"sbin/init": "/bin/busybox"},
    )  # fmt: skip
    assert machine.listener("http").program == "usr/bin/x"


def test_one_line_of_nginx_includes_and_listens() -> None:
    found = started(
        "nginx",
        **{
            "etc__nginx__nginx.conf": "events{}\nhttp { include /etc/nginx/conf.d/*.conf; }\n",
            "etc__nginx__conf.d__a.conf": "server { listen 127.0.0.1:8080; }\n"
            "server { listen 443 ssl; listen [::]:443 ssl; }\n",
        },
    )
    assert [(ends(one), one.options) for one in found] == [
        (("http", 8080, "loopback"), ("configured=etc/nginx/conf.d/a.conf:1",)),
        (("https", 443, ""), ("configured=etc/nginx/conf.d/a.conf:2",)),
    ]


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ("-b 0.0.0.0:55", ("telnet", 55, "")),
        ("-b 127.0.0.1:55", ("telnet", 55, "loopback")),
        ("-b 127.0.0.1", ("telnet", 23, "loopback")),
        ("-b [::1]:55", ("telnet", 55, "loopback")),
        ("-b ::1", ("telnet", 23, "loopback")),
    ],
)
def test_address_and_port_in_one(option: str, expected: tuple[str, int, str]) -> None:
    assert ends(only(f"telnetd {option}")) == expected


def test_interface_of_the_home_network() -> None:
    assert only("telnetd -i br0").address == "lan"
    assert only("dropbear -p 127.0.0.1:22").address == "loopback"


def ends(one: Listener) -> tuple[str, int | None, str]:
    return one.service, one.port, one.address


@pytest.mark.parametrize(
    ("command", "path", "text", "expected", "user"),
    [
        ("lighttpd -f /etc/l.conf", "etc/l.conf",
         'server.port = 81\n# server.username = "x"\n$SERVER["socket"] == ":443" {\n}\n',
         {("http", 81, ""), ("https", 443, "")}, "root"),
        ("lighttpd -f /etc/l.conf", "etc/l.conf",
         'server.username = "www"\nserver.bind="127.0.0.1"\n', {("http", 80, "loopback")}, "www"),
        ("nginx", "etc/nginx/nginx.conf",
         "user web;\nserver {\n listen 443 ssl;\n listen 127.0.0.1:81;\n listen unix:/x;\n}\n",
         {("https", 443, ""), ("http", 81, "loopback")}, "web"),
        ("nginx", "etc/nginx/nginx.conf",
         "user w;http{server{listen 443 ssl;listen [::]:443 ssl;}#listen 1;\nserver{listen\n80;}}",
         {("https", 443, ""), ("http", 80, "")}, "w"),
        ("lighttpd -f /etc/l.conf", "etc/l.conf",
         "var.port = 8081\nvar.web = var.port\nserver.port = var.web\n", {("http", 8081, "")},
         "root"),
        ("lighttpd -f /etc/l.conf", "etc/l.conf", "server.port = env.PORT\n",
         {("http", None, "")}, "root"),
        ("boa", "etc/boa/boa.conf", "Port 8000\nUser nobody\n", {("http", 8000, "")}, "nobody"),
        ("thttpd -C /etc/t.conf", "etc/t.conf", "port=81\nuser=www\n", {("http", 81, "")}, "www"),
        ("apache2", "etc/apache2/apache2.conf",
         "User ${APACHE_RUN_USER}\nListen 80\n", {("http", 80, "")}, "${APACHE_RUN_USER}"),
        ("httpd -f /etc/h.conf", "etc/h.conf", "Port 8081\n", {("http", 8081, "")}, "root"),
        ("vsftpd", "etc/vsftpd.conf", "listen_port=2121\n", {("ftp", 2121, "")}, "root"),
        ("proftpd", "etc/proftpd.conf", "Port 21\nUser ftp\n", {("ftp", 21, "")}, "ftp"),
        ("snmpd", "etc/snmp/snmpd.conf", "agentAddress udp:127.0.0.1:161\n",
         {("snmp", 161, "loopback")}, "root"),
        ("dnsmasq", "etc/dnsmasq.conf", "user=d\ndhcp-range=1,2\nenable-tftp\n",
         {("dns", 53, ""), ("dhcp", 67, ""), ("tftp", 69, "")}, "d"),
        ("mosquitto", "etc/mosquitto/mosquitto.conf", "listener 1884 127.0.0.1\nuser m\n",
         {("mqtt", 1884, "loopback")}, "m"),
        ("chronyd", "etc/chrony.conf", "server x\n", set(), ""),
        ("miniupnpd", "etc/miniupnpd.conf", "enable_upnp=no\n", set(), ""),
        ("sshd", "etc/ssh/sshd_config", "Port 2222\nListenAddress 127.0.0.1\n",
         {("ssh", 2222, "loopback")}, "root"),
        ("smbd", "etc/samba/smb.conf", "[global]\nsmb ports = 445\n", {("smb", 445, "")}, "root"),
    ],
)  # fmt: skip
def test_configurations(
    command: str, path: str, text: str, expected: set[tuple[str, int | None, str]], user: str
) -> None:
    found = started(command, **{path.replace("/", "__"): text})
    assert {ends(one) for one in found} == expected
    assert {one.user for one in found} <= {user}
    if any(one.user_why == "config" for one in found):
        assert any(option.startswith(f"user={path}:") for option in found[0].options)


def test_included_configurations() -> None:
    one = only(
        "lighttpd",
        **{
            "etc__lighttpd__lighttpd.conf": 'include "conf.d/*.conf"\ninclude "lighttpd.conf"\n',
            "etc__lighttpd__conf.d__a.conf": 'server.port = 82\nserver.username = "w"\n',
        },
    )
    assert (one.port, one.user) == (82, "w")


@pytest.mark.parametrize(
    ("path", "text", "option"),
    [
        ("etc/ssh/sshd_config", "PermitRootLogin yes\nPermitRootLogin no\n", "root-login=yes"),
        ("etc/ssh/sshd_config", "Match User x\nPermitRootLogin yes\n", None),
        ("etc/vsftpd.conf", "anonymous_enable=NO\n", "anonymous=no"),
        ("etc/vsftpd.conf", "", "anonymous=yes"),
        ("etc/samba/smb.conf", "[global]\nserver min protocol = NT1\n", "min-protocol=nt1"),
        ("etc/samba/smb.conf", "[a]\nguest ok = yes\n[b]\npublic=yes\n", "guest-shares=2"),
    ],
)
def test_facts_of_configurations(path: str, text: str, option: str | None) -> None:
    name = {"sshd_config": "sshd", "vsftpd.conf": "vsftpd", "smb.conf": "smbd"}[
        path.rsplit("/", maxsplit=1)[-1]
    ]
    options = only(name, **{path.replace("/", "__"): text}).options
    assert option in options if option else not any("root-login" in one for one in options)


@pytest.mark.parametrize(
    ("command", "option"),
    [("dropbear", "root-login=yes"), ("dropbear -g", "root-login=prohibit-password"),
     ("dropbear -w", "root-login=no"), ("dropbear -s", "password-login=no"),
     ("telnetd -l /bin/sh", "login=/bin/sh"), ("telnetd -u a:b", "fixed-user=yes")],
)  # fmt: skip
def test_facts_of_command_lines(command: str, option: str) -> None:
    assert option in only(command).options


def test_dropbear_of_openwrt_that_is_off() -> None:
    text = "config dropbear\n option enable '0'\n"
    assert started("dropbear", etc__config__dropbear=text) == []


def test_uhttpd_speaks_tls_only_with_its_library() -> None:
    text = "config uhttpd main\n list listen_http 80\n list listen_https 443\n"
    assert {one.port for one in started("uhttpd", etc__config__uhttpd=text)} == {80}
    found = started("uhttpd", etc__config__uhttpd=text, **{"lib__libustream-ssl.so": "x"})
    assert {one.service for one in found} == {"http", "https"}


def test_daemon_that_nothing_starts_lies_there() -> None:
    machine = Machine({"usr/sbin/telnetd": SERVER})
    one = machine.listener("telnet")
    assert (one.started, one.where, one.steps) == (Started.NO, "usr/sbin/telnetd", ())


def test_of_two_ways_the_surest_counts() -> None:
    machine = busybox("[ -f /etc/on ] && telnetd\ntelnetd", programs="usr/sbin/telnetd")
    one = machine.listener("telnet")
    assert (one.started, one.where) == (Started.BOOT, "etc/init.d/rcS:3")


def test_walls_of_units_are_those_that_hold() -> None:
    unit = Unit("a.service", "a")
    unit.add("a", "[Service]\nPrivateTmp=yes\nNoNewPrivileges=yes\nProtectHome=yes\n")
    assert walls(unit) == ()
    unit.add("b", "[Service]\nProtectSystem=strict\nCapabilityBoundingSet=\nSystemCallFilter=@x\n")
    assert walls(unit) == (
        "systemd:ProtectSystem", "systemd:CapabilityBoundingSet", "systemd:SystemCallFilter"
    )  # fmt: skip
    unit.add("c", "[Service]\nProtectSystem=no\nSystemCallFilter=\n")
    assert walls(unit) == ("systemd:CapabilityBoundingSet",)


@pytest.mark.parametrize("command", ["chroot /jail uhttpd", "start-stop-daemon -S -r /j -x uhttpd"])
def test_chroot(command: str) -> None:
    machine = busybox(command, programs="usr/sbin/uhttpd")
    assert machine.listener("http").confinement == ("chroot",)


def test_apparmor_profiles_count_if_they_are_loaded_and_enforced() -> None:
    profile = "#include <x>\n/usr/sbin/uhttpd {\n}\n/usr/sbin/boa flags=(complain) {\n}\n"
    files = {"etc__apparmor.d__x": profile}
    programs = "usr/sbin/uhttpd usr/sbin/boa sbin/apparmor_parser"
    machine = busybox("uhttpd; boa", programs=programs, **files)
    assert {one.confinement for one in machine.listeners} == {()}
    machine = busybox("apparmor_parser -a /etc/apparmor.d\nuhttpd; boa", programs=programs, **files)
    by_program = {one.program: one.confinement for one in machine.listeners}
    assert by_program == {"usr/sbin/uhttpd": ("apparmor",), "usr/sbin/boa": ()}


@pytest.mark.parametrize(
    ("text", "port", "address"),
    [("80", 80, ""), ("0.0.0.0:80", 80, ""), ("[::]:80", 80, ""), (":443", 443, ""),
     ("[::1]:53", 53, "loopback"), ("192.168.1.1:80", 80, "192.168.1.1"), ("*:8080", 8080, ""),
     ("br-lan:80", 80, "lan"), ("%s", None, ""), ("999999", None, "")],
)  # fmt: skip
def test_endpoints(text: str, port: int | None, address: str) -> None:
    found = endpoint(text)
    assert found is not None
    assert found.port == port
    assert found.address in {address, text.partition(":")[0]}


def test_table_of_daemons_is_sound() -> None:
    assert all(one.reader in {"", "ntpd", *READERS} for one in DAEMONS.values())
    assert set(NAMES) <= DAEMONS.keys()


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(READERS)), st.lists(st.sampled_from(PARTS), max_size=30).map("".join))
def test_any_configuration_is_read(name: str, text: str) -> None:
    reading = Reading("etc/x", text, lambda path: text if path else None, lambda _: ["etc/y"])
    READERS[name](reading)


@pytest.mark.parametrize(
    ("script", "service"),
    [
        ("import signal\nsignal.pause()\n", None),
        ("import socket\nsocket.create_connection(('hub.example', 443))\n", None),
        ("from http.server import HTTPServer\nHTTPServer(('', 8000), None)\n", "http"),
        ("import socket\ns = socket.socket()\ns.bind(('', 9))\n", "unknown"),
    ],
)
def test_an_interpreter_listens_if_its_script_does(script: str, service: str | None) -> None:
    machine = Machine(
        {
            "bin/busybox": BUSYBOX,
            "etc/inittab": "::sysinit:/etc/init.d/rcS\n",
            "etc/init.d/rcS": "#!/bin/sh\n/usr/bin/worker\n/usr/bin/python3 /opt/worker.py\n",
            "usr/bin/python3": SERVER,
            "usr/bin/worker": f"#!/usr/bin/python3\n{script}",
            "opt/worker.py": script,
        },
        {"sbin/init": "../bin/busybox", "bin/sh": "busybox"},
    )
    assert {one.service for one in machine.listeners} == ({service} if service else set())


def test_looking_at_the_configuration_is_no_start() -> None:
    machine = busybox("sshd -t\nsshd -D\nnginx -t -q", programs="usr/sbin/sshd usr/sbin/nginx")
    assert [(one.service, one.where) for one in machine.listeners] == [("ssh", "etc/init.d/rcS:3")]


def test_what_is_started_as_a_client_does_not_lie_there() -> None:
    rcs = "#!/bin/sh\nntpd -p time.example\n"
    machine = Machine(
        {
            "bin/busybox": BUSYBOX,
            "etc/inittab": "::sysinit:/etc/init.d/rcS\n",
            "etc/init.d/rcS": rcs,
        },
        {"sbin/init": "../bin/busybox", "usr/sbin/ntpd": "../../bin/busybox"},
    )
    assert machine.listeners == []


def test_what_may_never_run_changes_nothing_that_others_read() -> None:
    tool = "#!/bin/sh\necho 'agentaddress udp:0.0.0.0:161' > /etc/snmp/snmpd.conf\nsnmpd\n"
    machine = busybox(
        "snmpd -f",
        programs="usr/sbin/snmpd",
        **{"etc/snmp/snmpd.conf": "agentaddress 127.0.0.1\n", "usr/bin/make-user": tool},
    )
    assert {one.address for one in machine.listeners if one.started is Started.BOOT} == {"loopback"}


def test_what_is_appended_comes_after_what_was_there() -> None:
    machine = busybox(
        "echo 'rwuser x' >> /etc/snmp/snmpd.conf\nsnmpd -f",
        programs="usr/sbin/snmpd",
        **{"etc/snmp/snmpd.conf": "agentaddress 127.0.0.1\n"},
    )
    assert machine.listener("snmp").address == "loopback"
