"""Debian's FreeRADIUS as an ordinary process on free ports of loopback.

One process plays several servers, each on a port of its own: an ordinary one, and some that do what
badly set up servers do.
"""

import contextlib
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from holdfast.accounts.directories.settings import Server
from tests.servers.authority import Authority, Issued

SECRET = "a-shared-secret-of-32-characters"
PASSWORD = "correct horse battery staple"
LONGEST = "x" * 124 + "\N{GRINNING FACE}"  # 128 octets
START_S = 20.0

PEOPLE: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "ada": (PASSWORD, ("Class = operators", 'Cisco-AVPair += "shell:priv-lvl=15"')),
    "bob": ("bob-has-a-password", ('Filter-Id = "readers"', "Service-Type = NAS-Prompt-User")),
    "root-by-service": ("service-password", ("Service-Type = Administrative-User",)),
    "Łukasz-Влад-愛": ("пароль-密码-ß", ('Class = "группа-愛"',)),
    "hälfte": ("eine ½ davon", ()),
    "ganze": ("eine 1\N{FRACTION SLASH}2 davon", ()),
    "longest": (LONGEST, ()),
    "bare": ("bare-password", ()),
    "alias": ("alias-password", ('User-Name := "the-real-name"',)),
}
"""Password and reply attributes by name."""

# Post-auth that signs, as versions before 3.2.5 must be told.
_SIGN = """
        post-auth {
            update reply {
                Message-Authenticator := 0x00
            }
            Post-Auth-Type REJECT {
                update reply {
                    Message-Authenticator := 0x00
                }
            }
        }
"""
_SILENT = """
        post-auth {
            update control {
                Response-Packet-Type := Do-Not-Respond
            }
            Post-Auth-Type REJECT {
                update control {
                    Response-Packet-Type := Do-Not-Respond
                }
            }
        }
"""
_CHECK = """
        authorize {
            files
            pap
        }
        authenticate {
            Auth-Type PAP {
                pap
            }
        }
"""
# In authenticate: a second step is asked for after the right password.
_CHALLENGE = """
        authorize {
            files
            pap
        }
        authenticate {
            Auth-Type PAP {
                pap
                update reply {
                    Message-Authenticator := 0x00
                    Reply-Message := "Your code?"
                    State := 0x31
                }
                update control {
                    Response-Packet-Type := Access-Challenge
                }
            }
        }
"""
_ANYBODY = """
        authorize {
            update control {
                Auth-Type := Accept
            }
        }
"""
_ROLES = {
    "ordinary": _CHECK + _SIGN,
    "unsigned": _CHECK,
    "silent": _CHECK + _SILENT,
    "challenge": _CHALLENGE,
    "anybody": _ANYBODY + _SIGN,
}


@dataclass(frozen=True, kw_only=True)
class FreeRadius:
    """A running FreeRADIUS.

    Attributes:
        ports: Of UDP, by what the server behind it does: `ordinary`; `unsigned`: its replies carry
            no Message-Authenticator; `silent`: it answers Status-Server only; `challenge`: asks for
            a second step; `anybody`: accepts everybody.
        tls_port: Of RadSec.
        expired_port: Of RadSec with a certificate that has expired.
        authority: Who signed the certificates, and whom the server believes.
        ours: Certificate of the client.
        log: What the server says.
    """

    ports: Mapping[str, int]
    tls_port: int
    expired_port: int
    authority: Authority
    ours: Issued
    log: Path

    def over_udp(self, role: str = "ordinary", *, port: int = 0, tries: int = 2) -> Server:
        """Settings for one of the UDP servers, or for a proxy before it."""
        return Server(
            name="radius",
            protocol="radius",
            host="127.0.0.1",
            port=port or self.ports[role],
            transport="plain",
            timeout_s=1,
            tries=tries,
        )

    def over_tls(
        self, *, port: int = 0, ca: str = "", tls_name: str = "", certificate: str | None = None
    ) -> Server:
        """Settings for RadSec, or for a proxy before it."""
        return Server(
            name="radsec",
            protocol="radius",
            host="127.0.0.1",
            port=port or self.tls_port,
            timeout_s=3,
            tries=1,
            ca=ca or self.authority.pem,
            tls_name=tls_name,
            client_certificate=self.ours.certificate if certificate is None else certificate,
        )


def free_port(kind: socket.SocketKind) -> int:
    """Find a port that nobody uses at the moment."""
    with socket.socket(socket.AF_INET, kind) as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextlib.contextmanager
def freeradius(program: str, folder: Path) -> Iterator[FreeRadius]:
    """Run it with everything in `folder`; it ends with the block."""
    authority = Authority()
    server = FreeRadius(
        ports={role: free_port(socket.SOCK_DGRAM) for role in _ROLES},
        tls_port=free_port(socket.SOCK_STREAM),
        expired_port=free_port(socket.SOCK_STREAM),
        authority=authority,
        ours=authority.issue("device.test", client=True),
        log=folder / "log",
    )
    (folder / "ca.pem").write_text(authority.pem, encoding="ascii")
    authority.issue().write(folder, "good")
    authority.expired().write(folder, "expired")
    (folder / "dictionary").touch()
    (folder / "users").write_text(_users(), encoding="utf-8")
    (folder / "radiusd.conf").write_text(_settings(server, folder), encoding="utf-8")
    command = [program, "-d", str(folder), "-n", "radiusd", "-D", "/usr/share/freeradius"]
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(
            [*command, "-f"], stdout=output, stderr=output, cwd=folder, env={"LC_ALL": "C.UTF-8"}
        )
    try:
        _wait_until_ready(process, server, folder)
        yield server
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5)


def _wait_until_ready(process: "subprocess.Popen[bytes]", server: FreeRadius, folder: Path) -> None:
    deadline = time.monotonic() + START_S
    while True:
        said = server.log.read_text(encoding="utf-8") if server.log.exists() else ""
        if "Ready to process requests" in said:
            return
        output = (folder / "output").read_text(encoding="utf-8")
        assert process.poll() is None, f"FreeRADIUS ended: {output}{said}"
        assert time.monotonic() < deadline, f"FreeRADIUS is not ready: {output}{said}"
        time.sleep(0.02)


def _users() -> str:
    lines = []
    for name, (password, replies) in PEOPLE.items():
        lines.append(f'"{name}" Cleartext-Password := "{password}"')
        lines += [f"    {reply}," for reply in replies[:-1]]
        lines += [f"    {reply}" for reply in replies[-1:]]
    # What 3.2.1 sends with a refusal, too: nobody may read it.
    lines += [
        "DEFAULT Auth-Type := Reject",
        "    Class = operators,",
        '    Cisco-AVPair += "shell:priv-lvl=15"',
    ]
    return "\n".join(lines) + "\n"


def _settings(server: FreeRadius, folder: Path) -> str:
    roles = "".join(_server(role, rules, server, folder) for role, rules in _ROLES.items())
    return f"""
prefix = /usr
logdir = {folder}
log {{
    destination = files
    file = {server.log}
}}
security {{
    allow_vulnerable_openssl = yes
    reject_delay = 0
    status_server = yes
}}
thread pool {{
    start_servers = 1
    max_servers = 4
    min_spare_servers = 1
    max_spare_servers = 2
}}
client loopback {{
    ipaddr = 127.0.0.1
    secret = {SECRET}
    require_message_authenticator = yes
}}
clients radsec {{
    client tls {{
        ipaddr = 127.0.0.1
        proto = tls
        secret = radsec
        limit {{
            max_connections = 0 # they count for seconds after they were closed
        }}
    }}
}}
modules {{
    files {{
        usersfile = {folder}/users
    }}
    pap {{
    }}
}}
{roles}
"""


def _server(role: str, rules: str, server: FreeRadius, folder: Path) -> str:
    radsec = ""
    if role == "ordinary":
        radsec = _radsec(server.tls_port, "good", folder)
        radsec += _radsec(server.expired_port, "expired", folder)
    return f"""
    server {role} {{
        listen {{
            type = auth
            ipaddr = 127.0.0.1
            port = {server.ports[role]}
        }}
        {radsec}
        {rules}
    }}
"""


def _radsec(port: int, certificate: str, folder: Path) -> str:
    return f"""
        listen {{
            type = auth
            proto = tcp
            ipaddr = 127.0.0.1
            port = {port}
            clients = radsec
            limit {{
                max_connections = 0
            }}
            tls {{
                private_key_file = {folder}/{certificate}.key
                certificate_file = {folder}/{certificate}.pem
                ca_file = {folder}/ca.pem
                require_client_cert = yes
                tls_min_version = "1.2"
                tls_max_version = "1.3"
                cipher_list = "DEFAULT"
            }}
        }}
"""
