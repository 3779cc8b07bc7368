"""What programs tell of whether they listen, and what those say that do not tell it."""

import pytest

from holdfast.audit.model.components import components_of
from holdfast.audit.model.kernel import kernel_of
from holdfast.audit.model.listeners import MAY_BE_LOCAL
from holdfast.audit.model.shapes import Component, Started
from holdfast.audit.model.startup import golang
from tests.audit.elf_builder import build
from tests.audit.model.machine import Machine, busybox

PAGES = b"\0net/http.(*Server).Serve\0net.(*sysListener).listenTCP\0net/http.(*onceCloseListener)\0"
SOCKETS = b"\0net.(*sysListener).listenTCP\0net.(*Resolver)\0"
CLIENT = b"\0net/http.(*Client).Get\0net.(*Dialer).DialContext\0"


def information(version: str, *lines: str) -> bytes:
    """Write build information as Go has done since 1.18."""
    text = b"\x30" * 16 + "".join(f"{line}\n" for line in lines).encode() + b"\xf9" * 16
    head = b"\xff Go buildinf:\x08\x02".ljust(32, b"\0")
    return head + _counted(version.encode()) + _counted(text)


def _counted(text: bytes) -> bytes:
    size, count = len(text), b""
    while size > 0x7F:
        count += bytes([size & 0x7F | 0x80])
        size >>= 7
    return count + bytes([size]) + text


def go(functions: bytes, *lines: str) -> bytes:
    return build(static=True, rodata=information("go1.22.1", *lines) + functions)


def with_program(content: bytes, name: str = "agent") -> Machine:
    return busybox(f"/opt/{name} &", **{f"opt__{name}": content})  # type: ignore[arg-type]


def opaque(machine: Machine) -> tuple[str, ...]:
    return machine.system.graph.start_up().opaque


def unsure(machine: Machine) -> list[bool]:
    return [MAY_BE_LOCAL in one.options for one in machine.listeners if one.service == "unknown"]


def components(machine: Machine) -> dict[str, Component]:
    found = components_of(
        machine.tree, machine.facts, machine.digests, machine.system.graph.start_up(),
        machine.listeners, kernel_of(machine.tree, machine.facts, machine.digests),
    )  # fmt: skip
    return {one.purl: one for one in found}


def test_a_static_program_does_not_show_what_it_does() -> None:
    assert opaque(with_program(build(static=True))) == ("opt/agent",)


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (build(static=True, rodata=b"\0BusyBox v1.36.1 (2025)\0"), "tools"),
        (build(static=True), "dropbear"),
        (build(static=True), "iptables"),
        (build(static=True, exports=("main", "read"), stripped=False), "agent"),
        (build(imports=("read",), needed=("libc.so.0",)), "agent"),
        (go(CLIENT), "agent"),
    ],
)
def test_what_a_program_shows_is_no_doubt(content: bytes, name: str) -> None:
    machine = with_program(content, name)
    assert opaque(machine) == ()
    assert unsure(machine) == []


def test_only_what_is_started_is_in_doubt() -> None:
    machine = busybox("true", opt__agent=build(static=True))  # type: ignore[arg-type]
    assert opaque(machine) == ()


def test_a_static_program_with_names_shows_what_it_calls() -> None:
    calls = ("bind", "listen", "accept", "inet_ntoa")
    machine = with_program(build(static=True, exports=calls, stripped=False))
    assert (unsure(machine), opaque(machine)) == ([False], ())


@pytest.mark.parametrize(
    ("calls", "found"),
    [
        (("socket", "bind", "listen", "accept", "inet_ntoa"), [False]),
        (("socket", "bind", "listen", "accept", "htons"), [False]),
        (("socket", "bind", "listen", "accept"), [True]),  # abstract names, perhaps
        (("socket", "bind", "recvfrom", "inet_addr"), [False]),
        (("socket", "bind", "recvfrom", "htons"), [True]),  # the kind of packet, perhaps
        (("socket", "bind", "recvfrom"), [True]),  # netlink, perhaps
        (("socket", "bind", "listen", "accept", "unlink"), []),
        (("socket", "connect"), []),
    ],
)
def test_only_who_speaks_of_the_internet_surely_listens_there(
    calls: tuple[str, ...], found: list[bool]
) -> None:
    assert unsure(with_program(build(imports=calls, needed=("libc.so.0",)))) == found


def test_a_web_server_of_go_is_one() -> None:
    machine = with_program(go(PAGES))
    listener = machine.listener("http")
    assert (listener.program, listener.port, listener.started) == ("opt/agent", None, Started.BOOT)


def test_a_go_program_with_sockets_may_listen() -> None:
    assert unsure(with_program(go(SOCKETS))) == [True]


def test_go_programs_tell_their_modules() -> None:
    machine = with_program(
        go(
            PAGES,
            "path\tvendor.example/agent",
            "mod\tvendor.example/agent\t(devel)\t",
            "dep\tgolang.org/x/net\tv0.17.0\th1:abc=",
            "dep\tgithub.com/old/one\tv1.0.0",
            "=>\tgithub.com/new/one\tv1.0.1\th1:def=",
            "dep\tbad name\tv1",
            "build\tGOOS=linux",
        )
    )
    found = {purl: one for purl, one in components(machine).items() if "golang" in purl}
    assert sorted(found) == [
        "pkg:golang/github.com/new/one@v1.0.1",
        "pkg:golang/golang.org/x/net@v0.17.0",
        "pkg:golang/stdlib@1.22.1",
    ]
    net = found["pkg:golang/golang.org/x/net@v0.17.0"]
    assert (net.name, net.version, net.where) == ("golang.org/x/net", "0.17.0", ("opt/agent",))
    assert (net.started, net.listening) == (Started.BOOT, True)
    assert found["pkg:golang/stdlib@1.22.1"].cpe.startswith("cpe:2.3:a:golang:go:1.22.1:")


@pytest.mark.parametrize(
    "content",
    [
        b"\xff Go buildinf:",
        b"\xff Go buildinf:\x08\x00".ljust(64, b"\0"),  # of before 1.18
        b"\xff Go buildinf:\x08\x02".ljust(32, b"\0") + b"\xff" * 9,
        information("devel", "dep\ta\n\nnothing"),
        information("devel", "dep\ta\tv1")[:-8],
    ],
)
def test_broken_build_information_tells_nothing(content: bytes) -> None:
    assert golang.build(content, 0) == golang.Build("", ())


def test_so_many_modules_and_no_more() -> None:
    many = information("go1.20", *(f"dep\tm{number}\tv1.0.0" for number in range(9000)))
    assert len(golang.build(many, 0).modules) <= golang.MOST_MODULES
