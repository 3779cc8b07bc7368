"""Whose passwords stand where, in which state, and which of them everybody would guess."""

import ctypes
import hashlib
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.accounts.policy.defaults import credentials
from holdfast.audit.model.accounts import guessing
from holdfast.audit.model.accounts.guessing import Guesser, candidates
from holdfast.audit.model.accounts.hashes import of_field, of_value
from holdfast.audit.model.shapes import Account, Password
from tests.audit.model.machine import BUSYBOX, Machine, busybox

ODD = "Xq7-nobody-guesses"


def crypt(word: str, setting: str) -> str:
    library = guessing._library()
    if library is None:
        pytest.skip("this machine has no crypt_r")
    data = ctypes.create_string_buffer(256 * 1024)
    return str(library.crypt_r(word.encode(), setting.encode(), data).decode())


def accounts(
    files: dict[str, str], links: dict[str, str] | None = None, *, guess: bool = False
) -> list[Account]:
    return Machine(dict(files), links).accounts(guess=guess)


def only(files: dict[str, str], links: dict[str, str] | None = None) -> Account:
    (account,) = accounts(files, links)
    return account


def test_shadow_counts_where_passwd_points_to_it() -> None:
    account = only({"etc/passwd": "root:x:0:0::/:/bin/sh\n", "etc/shadow": "root::1:::::\n"})
    assert (account.password, account.where, account.login, account.uid) == (
        Password.EMPTY, "etc/shadow:1", True, 0,
    )  # fmt: skip


@pytest.mark.parametrize("name", ["wärter", "a b", ".hidden", "<x>", "\u202etoor", "$x"])
def test_a_name_that_nobody_would_choose_is_an_account_too(name: str) -> None:
    account = only({"etc/passwd": f"{name}::0:0::/:/bin/sh\n"})
    assert (account.name, account.uid, account.password) == (name, 0, Password.EMPTY)
    lines = {"etc/passwd": f"{name}:x:0:0::/:/bin/sh\n", "etc/shadow": f"{name}::1:0:99999:7:::\n"}
    assert only(lines).where == "etc/shadow:1"


def test_what_only_looks_like_a_line_is_none() -> None:
    lines = "# root::0:0::/:/bin/sh\n+::0:0:::\n-bad::0:0:::\n@include: a: 0\na b:c:1:2\n"
    assert accounts({"etc/passwd": lines, "etc/shadow": "auth required: x\nsome text: y\n"}) == []


@pytest.mark.parametrize(
    ("field", "password", "login"),
    [
        ("", Password.EMPTY, True),
        ("*", Password.LOCKED, False),
        ("!!", Password.LOCKED, False),
        ("!$1$a$b", Password.LOCKED, False),
        ("x", Password.NONE, False),
        ("short", Password.LOCKED, False),
        ("$1$$iC.dUsGpxNNJGeOm1dFio/", Password.HASHED, True),
    ],
)
def test_field_of_passwd(field: str, password: Password, login: bool) -> None:  # noqa: FBT001
    account = only({"etc/passwd": f"root:{field}:0:0::/:\n"})
    assert (account.password, account.login) == (password, login)


@pytest.mark.parametrize(
    ("shell", "login"),
    [("/bin/sh", True), ("", True), ("/sbin/nologin", False), ("/bin/false", False)],
)
def test_shell_decides_too(shell: str, login: bool) -> None:  # noqa: FBT001
    assert only({"etc/passwd": f"a::5:5::/:{shell}\n"}).login is login


def test_copies_and_links() -> None:
    files = {
        "etc/passwd.bak": "admin:$1$$iC.dUsGpxNNJGeOm1dFio/:0:0:root:/:/bin/sh\n",
        "etc/passwd-": "admin:$1$$iC.dUsGpxNNJGeOm1dFio/:0:0:root:/:/bin/sh\n",
        "usr/share/doc/passwd": "demo::0:0::/:/bin/sh\n",
    }
    found = accounts(files, {"etc/passwd": "/var/passwd"}, guess=True)
    assert [(one.name, one.where) for one in found] == [
        ("admin", "etc/passwd-:1"), ("admin", "etc/passwd.bak:1"),
    ]  # fmt: skip
    assert found[1].same_as == "etc/passwd-:1"
    assert {(one.scheme, one.salt, one.guessed) for one in found} == {
        ("md5crypt", "empty", "default")
    }  # fmt: skip


@pytest.mark.parametrize(
    ("setting", "scheme", "rounds", "salt"),
    [
        ("ab", "des", 0, "short"),
        ("$1$abcdefgh$", "md5crypt", 1000, "good"),
        ("$1$abc$", "md5crypt", 1000, "short"),
        ("$5$abcdefghij$", "sha256crypt", 5000, "good"),
        ("$6$rounds=1000$abcdefghij$", "sha512crypt", 1000, "good"),
        ("$2b$04$abcdefghijklmnopqrstuu", "bcrypt", 4, "good"),
        ("$y$j75$abcdefghijklmnop$", "yescrypt", 0, "good"),
    ],
)
def test_schemes(setting: str, scheme: str, rounds: int, salt: str) -> None:
    kept = of_field(crypt(ODD, setting))
    assert (kept.password, kept.scheme, kept.rounds, kept.salt) == (
        Password.HASHED, scheme, rounds, salt,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("value", "password", "scheme"),
    [
        ("", Password.EMPTY, ""),
        ("secret", Password.PLAIN, "plain"),
        ("0" * 32, Password.HASHED, "md5"),
        ("0" * 40, Password.HASHED, "sha1"),
        ("{SSHA}AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", Password.HASHED, "sha1"),
        ("$argon2id$v=19$m=65536,t=3,p=4$c2FsdHNhbHQ$aGFzaA", Password.HASHED, "argon2id"),
        ("x" * 600, Password.NONE, ""),
    ],
)
def test_values(value: str, password: Password, scheme: str) -> None:
    kept = of_value(value)
    assert (kept.password, kept.scheme) == (password, scheme)


@pytest.mark.parametrize(
    ("name", "word", "which"),
    [("root", "", "empty"), ("maker", "maker", "name"), ("root", "xc3511", "default"),
     ("u", "iloveyou", "common"), ("root", ODD, "")],
)  # fmt: skip
@pytest.mark.parametrize("setting", ["$1$abcdefgh$", "ab"])
def test_guesses(name: str, word: str, which: str, setting: str) -> None:
    assert Guesser().guess(name, of_field(crypt(word, setting))) == which


@pytest.mark.parametrize(
    "setting", ["$6$abcdefgh$", "$5$abcdefgh$", "$2b$04$abcdefghijklmnopqrstuu"]
)
def test_slow_schemes_are_tried_with_fewer_words(setting: str) -> None:
    assert Guesser().guess("admin", of_field(crypt("admin", setting))) in {"name", "default"}


def test_digests_without_salt() -> None:
    for scheme in ("md5", "sha1", "sha256", "sha512"):
        digest = hashlib.new(scheme, b"admin", usedforsecurity=False).hexdigest()
        assert Guesser().guess("root", of_value(digest.upper())) in {"default", "common"}


@pytest.mark.parametrize(
    "field",
    ["$6$rounds=999999999$abcdefgh$" + "a" * 86, "$2b$31$" + "a" * 53, "$y$jFT$abc$" + "a" * 43,
     "$argon2id$v=19$m=65536,t=3,p=4$c2FsdHNhbHQ$aGFzaA"],
)  # fmt: skip
def test_what_would_take_for_ever_is_not_tried(field: str) -> None:
    assert Guesser().guess("root", of_field(field)) == "untried"


def test_time_is_bounded_for_all_together() -> None:
    now = iter(range(100_000))
    guesser = Guesser(seconds=50, clock=lambda: float(next(now)))
    for number in range(4):
        guesser.guess("root", of_field(f"$1$abcdefg{number}$" + "a" * 22))
    assert guesser.guess("root", of_field("$1$abcdefgx$" + "a" * 22)) == "untried"


def test_md5crypt_of_the_apache_web_server_is_tried_without_a_library() -> None:
    kept = of_field("$apr1$abcdefgh$t3KCXQVSAArCBGmdwkiLo.")
    assert Guesser().guess("bob", kept) == "default"


def test_the_device_refuses_every_default_that_is_tried() -> None:
    tried = {word for word, which in candidates("nobody") if which == "default"}
    assert tried
    assert tried <= {one.password for one in credentials()}


def test_candidates_are_many_and_each_once() -> None:
    words = [word for word, _ in candidates("admin")]
    assert len(words) == len(set(words)) > 3000
    assert words[:2] == ["", "admin"]


def test_constant_salt_and_shared_hash() -> None:
    one, two = crypt("a-b-c", "$1$samesalt$"), crypt("d-e-f", "$1$samesalt$")
    text = f"a:{one}:1:1::/:\nb:{two}:2:2::/:\nc:{one}:3:3::/:\n"
    found = accounts({"etc/passwd": text})
    assert [one.salt for one in found] == ["constant"] * 3
    assert [one.same_as for one in found] == ["", "", "etc/passwd:1"]


@pytest.mark.parametrize(
    ("path", "text", "name", "service", "password", "line"),
    [
        ("etc/htpasswd", "bob:$apr1$abcdefgh$" + "a" * 22, "bob", "web", Password.HASHED, 1),
        ("etc/.htpasswd", "#x\nbob:plainone\n", "bob", "web", Password.PLAIN, 2),
        ("etc/httpd.conf", "A:*\n/cgi-bin:bob:plainone\n", "bob", "web", Password.PLAIN, 2),
        ("etc/samba/smbpasswd", f"bob:1:{'A' * 32}:{'B' * 32}:[U          ]:", "bob", "smb",
         Password.HASHED, 1),
        ("etc/samba/smbpasswd", f"bob:1:NO PASSWORD{'X' * 21}:NO PASSWORD{'X' * 21}:[NU]:",
         "bob", "smb", Password.EMPTY, 1),
        ("etc/ppp/chap-secrets", '# c\n"bob" * "geheim" *\n', "bob", "ppp", Password.PLAIN, 2),
        ("etc/snmp/snmpd.conf", "rocommunity public\n", "rocommunity", "snmp", Password.PLAIN, 1),
        ("etc/config/rpcd", "config login\n option username 'bob'\n option password 'plain1'\n",
         "bob", "web", Password.PLAIN, 3),
        ("etc/defaultvalue.xml",
         "<d>\n<account>\n<entry>\n<name>admin</name>\n<password></password>\n</entry></account></d>",
         "admin", "vendor", Password.EMPTY, 5),
        ("etc/config.xml",
         '<V Name="SUSER_NAME" Value="admin"/>\n<V Name="SUSER_PASSWORD" Value="system"/>\n',
         "admin", "vendor", Password.PLAIN, 2),
        ("etc/default_config.xml",
         "<x><User><UserName val=admin />\n<UserPwd val=admin /></User></x>",
         "admin", "vendor", Password.PLAIN, 2),
        ("etc/nvram_default", "http_username=admin\nhttp_passwd=\n", "admin", "web",
         Password.EMPTY, 2),
        ("etc_ro/factory.ini", "[web]\nLogin=admin\nPassword=admin\n", "admin", "web",
         Password.PLAIN, 3),
        ("etc/users.json", '{"users": [\n{"username": "root",\n"password": ""}]}', "root",
         "vendor", Password.EMPTY, 3),
        ("www/login.html", '<form>\n<input type="password" name="login_pass" value="admin1">',
         "login_pass", "web", Password.PLAIN, 2),
    ],
)  # fmt: skip
def test_accounts_of_services_and_vendors(
    path: str, text: str, name: str, service: str, password: Password, line: int
) -> None:
    account = only({path: text})
    assert (account.name, account.service, account.password) == (name, service, password)
    assert account.where == f"{path}:{line}"


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("etc/config/rpcd", "config login\n option username 'root'\n option password '$p$root'\n"),
        ("etc/nvram_default", "wan_pppoe_passwd=\nwl0_wpa_psk=\nddns_passwd=\nsmtp_password=\n"),
        ("etc/default.json", '{"mqtt": {"username": "x", "password": ""}}'),
        (
            "etc/default.xml",
            "<wan><pppoe><username>a</username><password>b</password></pppoe></wan>",
        ),
        ("etc/config.ini", "password_min_length=8\nshow_password=1\n"),
        ("etc/ppp/chap-secrets", "# client server secret\n"),
        ("etc/snmp/snmpd.conf", "rocommunity <community>\n"),
        (
            "etc/snmp/snmpd.conf",
            "agentaddress 127.0.0.1,[::1]\nrocommunity public default -V systemonly\n",
        ),
        ("etc/snmp/snmpd.conf", "rocommunity public localhost\ncom2sec me 127.0.0.1 secret\n"),
        ("www/login.html", '<input type="password" name="pass" value="<% get(x) %>">'),
        ("etc/config.xml", "<account><name>admin</name><password>${PASSWORD}</password></account>"),
    ],
)
def test_what_is_no_account(path: str, text: str) -> None:
    assert accounts({path: text}) == []


def test_account_on_a_command_line() -> None:
    machine = busybox("telnetd -u boss:geheim99 &", programs="usr/sbin/telnetd")
    (account,) = machine.accounts(guess=True)
    assert (account.name, account.service, account.password, account.where) == (
        "boss", "telnet", Password.PLAIN, "etc/init.d/rcS:2",
    )  # fmt: skip


def test_no_secret_leaves() -> None:
    secret = crypt(ODD, "$1$abcdefgh$")
    files = {
        "etc/passwd": f"root:{secret}:0:0::/:\n", "etc/htpasswd": f"bob:{ODD}\n",
        "etc/default.ini": f"[web]\nadmin_password={ODD}\n",
    }  # fmt: skip
    found = accounts(files)
    assert len(found) == 3
    assert secret not in repr(found)
    assert ODD not in repr(found)


@settings(max_examples=120, deadline=None)
@given(
    st.sampled_from(["etc/passwd", "etc/shadow", "etc/htpasswd", "etc/default.xml", "etc/a.json",
                     "etc/nvram_default", "etc/samba/smbpasswd", "etc/config/rpcd", "www/a.html"]),
    st.lists(st.sampled_from([*'<>/="{}[]:,\n $*!%', "password", "name", "admin", "a"]),
             max_size=40).map("".join),
)  # fmt: skip
def test_any_text_is_read(path: str, text: str) -> None:
    accounts({path: text})


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60))
def test_any_field_is_judged(text: str) -> None:
    assert of_field(text).password in Password
    assert of_value(text).password in Password


@pytest.mark.parametrize(
    ("agent", "command", "count"),
    [
        ("agentaddress 127.0.0.1", "snmpd -f", 0),
        ("agentaddress 127.0.0.1,0.0.0.0:161", "snmpd -f", 1),
        ("agentaddress 127.0.0.1", "snmpd -c /etc/snmp/snmpd.conf udp:161", 1),
        ("# agentaddress 127.0.0.1", "snmpd -f", 1),
    ],
)
def test_a_community_that_only_the_system_itself_can_use_opens_nothing(
    agent: str, command: str, count: int
) -> None:
    conf = f"{agent}\nrocommunity public default\n"
    machine = busybox(command, programs="usr/sbin/snmpd", **{"etc/snmp/snmpd.conf": conf})
    assert len(machine.accounts()) == count
    assert (machine.listener("snmp").address == "loopback") == (not count)


def test_two_passwords_of_one_name_on_one_line() -> None:
    text = (
        '{"users":[{"name":"admin","passwd":"888888"},{"name":"guest","passwd":""}],'
        '"onvif":{"user":"admin","password":"admin"}}'
    )
    found = Machine({"etc/ipcam.json": text}).accounts(guess=True)
    assert sorted((one.name, one.guessed) for one in found) == [
        ("admin", "default"), ("admin", "name"), ("guest", ""),
    ]  # fmt: skip


@pytest.mark.parametrize("word", ["adminHW", "hkipc2016", "20080826", "GM8182", "ivdev"])
def test_factory_passwords_that_were_published_later(word: str) -> None:
    files = {"etc/passwd": f"root:{crypt(word, '$1$abcdefgh$')}:0:0::/:/bin/sh\n"}
    (root,) = Machine(files).accounts(guess=True)
    assert root.guessed == "default"


LOGIN_INFO = """
# made by the maker

config passwd 'passwd'
\toption admin_id 'administrator'
\toption admin_pw 'administrator'
"""
MAKERS = """admin_user=admin
admin_Password=admin
maker_user=sztozed
maker_Password=83583000
"""
LIGHTTPD = 'auth.backend.plain.userfile = "/tmp/auth.conf"\n'


def test_accounts_in_settings_of_openwrt() -> None:
    account = only({"nvm/etc/config/login_info": LOGIN_INFO})
    assert (account.name, account.where) == ("administrator", "nvm/etc/config/login_info:6")
    assert (
        accounts({"etc/config/wireless": "config wifi-iface\n\toption password 'x1234567'\n"}) == []
    )


def test_a_makers_account_beside_known_ones() -> None:
    assert {one.name for one in accounts({"etc/default_user": MAKERS})} == {"admin", "sztozed"}
    alone = MAKERS.replace("admin", "other")
    assert accounts({"etc/default_user": alone}) == []


def test_users_that_the_settings_of_a_server_name() -> None:
    files: dict[str, str | bytes] = {
        "bin/busybox": BUSYBOX, "etc/inittab": "::sysinit:/etc/init.d/rcS\n",
        "etc/init.d/rcS": "#!/bin/sh\ncp /etc/lighttpd/auth.conf /tmp/\n",
        "etc/lighttpd/auth.conf": "boss:secret9\n", "etc/lighttpd/lighttpd.conf": LIGHTTPD,
    }  # fmt: skip
    machine = Machine(files, {"sbin/init": "../bin/busybox", "bin/sh": "busybox"})
    assert [(one.name, one.where) for one in machine.accounts()] == [
        ("boss", "etc/lighttpd/auth.conf:1")
    ]


def test_empty_lines_cost_nothing() -> None:
    begun = time.process_time()
    assert accounts({"etc/default_user": "\n \n" * 30_000 + "password=x"}) == []
    assert time.process_time() - begun < 1
