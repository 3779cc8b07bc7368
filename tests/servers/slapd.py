"""Debian's OpenLDAP server as an ordinary process, with people, groups and certificates of its own.

with running_slapd(need, folder) as slapd:
    LdapDirectory(slapd.settings(), READER_PASSWORD)
"""

import base64
import contextlib
import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from holdfast.accounts.directories.settings import Ldap, Server
from holdfast.core.process import run
from tests.servers.authority import Authority, Issued

BASE = "dc=example,dc=test"
PEOPLE = f"ou=people,{BASE}"
GROUPS = f"ou=groups,{BASE}"
ELSEWHERE = f"ou=elsewhere,{BASE}"
READER = f"cn=reader,{BASE}"
READER_PASSWORD = "reader of the directory"
PASSWORDS = {
    "ada": "correct horse battery staple",
    "bob": "another password of somebody",
    "小明": "пароль из многих слов ☂",
    "Ünsal Çelik": "şifre çok uzun bir cümledir",
    "o'neil (sales)": "brackets are part of my name",
    "long": "ü" * 256,
    "photo": "my picture is very large",
    "hälfte": "eine ½ davon",
    "ganze": "eine 1\N{FRACTION SLASH}2 davon",
}
"""Passwords by name."""
TWIN = "twin@example.test"
BINARY = bytes(range(256)) * 1200
Need = Callable[[str], str]


@dataclass(frozen=True, kw_only=True)
class Slapd:
    """A running server.

    Attributes:
        port: For StartTLS.
        tls_port: For TLS from the beginning.
        authority: Signed its certificate.
        process: The server.
    """

    port: int
    tls_port: int
    authority: Authority
    process: "subprocess.Popen[bytes]"

    def settings(self, **changes: Any) -> Server:  # noqa: ANN401 - of Server and Ldap
        """Give settings that work, with changes to fields of `Server` or `Ldap`."""
        starttls = changes.get("transport") == "starttls"
        server: dict[str, Any] = {
            "name": "directory",
            "protocol": "ldap",
            "host": "127.0.0.1",
            "port": self.port if starttls else self.tls_port,
            "ca": self.authority.pem,
        }
        ldap: dict[str, Any] = {"base": PEOPLE, "bind_dn": READER, "group_base": GROUPS}
        for name, value in changes.items():
            (ldap if name in Ldap.__dataclass_fields__ else server)[name] = value
        return Server(**server, ldap=Ldap(**ldap))


def entry(dn: str, **attributes: str | bytes | Iterable[str]) -> str:
    """Write an entry as LDIF."""
    lines = [_line("dn", dn)]
    for name, value in attributes.items():
        values = [value] if isinstance(value, str | bytes) else value
        lines += [_line(name, each) for each in values]
    return "\n".join(lines) + "\n\n"


def _line(name: str, value: str | bytes) -> str:
    content = value.encode() if isinstance(value, str) else value
    return f"{name}:: {base64.b64encode(content).decode()}"


def person(uid: str, password: str | None, **more: str | bytes) -> str:
    """Write somebody as LDIF."""
    secret = {} if password is None else {"userPassword": password}
    fields: dict[str, str | bytes] = {"uid": uid, "cn": uid, "sn": uid, **secret, **more}
    return entry(dn_of(uid), objectClass="inetOrgPerson", **fields)


def dn_of(uid: str) -> str:
    """Give the DN of somebody (none of the names here needs escaping in it)."""
    return f"uid={uid},{PEOPLE}"


def group(cn: str, *members: str, **more: str) -> str:
    """Write a group as LDIF; members are DNs."""
    return entry(group_dn(cn), objectClass="groupOfNames", cn=cn, member=members, **more)


def group_dn(cn: str) -> str:
    """Give the DN of a group."""
    return f"cn={cn},{GROUPS}"


def everybody() -> str:
    """Write the directory as LDIF."""
    parts = [
        entry(BASE, objectClass=["dcObject", "organization"], dc="example", o="Example"),
        entry(PEOPLE, objectClass="organizationalUnit", ou="people"),
        entry(GROUPS, objectClass="organizationalUnit", ou="groups"),
        entry(
            READER,
            objectClass=["organizationalRole", "simpleSecurityObject"],
            cn="reader",
            userPassword=READER_PASSWORD,
        ),
        # What lies there is said to be on another server.
        entry(
            ELSEWHERE,
            objectClass=["referral", "extensibleObject"],
            ou="elsewhere",
            ref=f"ldap://127.0.0.1:1/{ELSEWHERE}",
        ),
        entry(
            f"ou=more,{PEOPLE}",
            objectClass=["referral", "extensibleObject"],
            ou="more",
            ref=f"ldap://127.0.0.1:1/ou=more,{PEOPLE}",
        ),
        *(
            person(name, password, employeeType="operator")
            for name, password in PASSWORDS.items()
            if name != "photo"
        ),
        person("photo", PASSWORDS["photo"], jpegPhoto=BINARY, employeeType="x" * 5000),
        person("nobody", None),
        person("twin-1", "the first of two", mail=TWIN),
        person("twin-2", "the second of two", mail=TWIN),
        group("staff", dn_of("ada"), dn_of("bob")),
        group("admins", group_dn("staff")),
        group("everything", group_dn("admins")),
        group("circle-a", dn_of("ada"), group_dn("circle-b")),
        group("circle-b", group_dn("circle-a")),
        group("διαχειριστές", dn_of("小明")),
        # Called as the DN of another group, and as somebody.
        entry(
            f"cn=sly,{GROUPS}",
            objectClass="groupOfNames",
            cn=["sly", f"cn=admins,{GROUPS}"],
            member=dn_of("bob"),
        ),
        entry(
            f"cn=operators,{GROUPS}",
            objectClass="posixGroup",
            cn="operators",
            gidNumber="1000",
            memberUid=["ada", "staff"],
        ),
    ]
    return "".join(parts)


def in_many_groups(count: int) -> str:
    """Write somebody who is in so many groups, to come after `everybody`."""
    groups = (group(f"group-{number:05}", dn_of("many")) for number in range(count))
    return person("many", "a member of a great many groups") + "".join(groups)


def _configuration(folder: Path, lines: Iterable[str]) -> str:
    schemas = "".join(
        f"include /etc/ldap/schema/{name}.schema\n"
        for name in ("core", "cosine", "inetorgperson", "nis")
    )
    return f"""{schemas}
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile {folder}/slapd.pid
TLSCACertificateFile {folder}/authority.pem
TLSCertificateFile {folder}/server.pem
TLSCertificateKeyFile {folder}/server.key
{chr(10).join(lines)}
database mdb
suffix "{BASE}"
rootdn "cn=root,{BASE}"
directory {folder}/db
maxsize 67108864
dbnosync
index objectClass,uid,member eq
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact="{READER}" read by users read by * none
"""


@contextlib.contextmanager
def running_slapd(
    need: Need,
    folder: Path,
    *,
    authority: Authority | None = None,
    issued: Issued | None = None,
    more: str = "",
    lines: Iterable[str] = (),
) -> Iterator[Slapd]:
    """Run a server until the block ends.

    Args:
        need: Finds programs; the fixture of that name.
        folder: Empty, for its files.
        authority: Signs its certificate; and those of clients, where they are demanded.
        issued: Its certificate; a good one where none is given.
        more: Further entries as LDIF.
        lines: Further lines of its configuration, before the database.
    """
    program, adding = need("slapd"), need("slapadd")
    authority = authority or Authority()
    (folder / "db").mkdir()
    (folder / "authority.pem").write_text(authority.pem, encoding="ascii")
    (issued or authority.issue()).write(folder, "server")
    settings = folder / "slapd.conf"
    settings.write_text(_configuration(folder, lines), encoding="utf-8")
    ldif = folder / "all.ldif"
    ldif.write_text(everybody() + more, encoding="ascii")
    run([adding, "-q", "-f", str(settings), "-l", str(ldif)], timeout_s=60)
    ports = _free_ports(2)
    urls = f"ldap://127.0.0.1:{ports[0]} ldaps://127.0.0.1:{ports[1]}"
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen(
            [program, "-f", str(settings), "-h", urls, "-d", "0"],
            stdout=log,
            stderr=log,
            cwd=folder,
        ) as process,
    ):
        try:
            _wait_for(ports, process, folder / "log")
            yield Slapd(port=ports[0], tls_port=ports[1], authority=authority, process=process)
        finally:
            process.terminate()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        taken = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in taken:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in taken]


def _wait_for(ports: list[int], process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + 10
    for port in ports:
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            assert process.poll() is None, log.read_text(errors="replace")
            assert time.monotonic() < deadline, "slapd does not answer"
            time.sleep(0.02)
