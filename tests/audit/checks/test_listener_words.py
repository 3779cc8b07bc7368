"""How findings say when a listener is started."""

import pytest

from holdfast.audit.checks import every
from holdfast.audit.tree import Tree
from tests.audit.elf_builder import build
from tests.audit.made import file_node, image_from

SERVER = build(imports=("socket", "bind", "listen", "accept"), needed=("libc.so.0",))
PLAIN = build(imports=("open",), needed=("libc.so.0",))


@pytest.mark.parametrize(
    ("path", "text", "expected"),
    [
        ("etc/crontabs/root", "* * * * * /usr/sbin/telnetd -l /bin/sh\n", "started at set times"),
        ("etc/inetd.conf", "telnet stream tcp nowait root /usr/sbin/telnetd telnetd\n",
         "started when somebody connects"),
    ],
)  # fmt: skip
def test_on_demand_of_a_visitor_or_of_a_clock(path: str, text: str, expected: str) -> None:
    image = image_from(
        Tree(
            [
                file_node("etc/inittab", b"::sysinit:/etc/init.d/rcS\n"),
                file_node("etc/init.d/rcS", b"#!/bin/sh\ncrond\ninetd\n", mode=0o755),
                *(
                    file_node(f"usr/sbin/{name}", content, mode=0o755)
                    for name, content in (("telnetd", SERVER), ("crond", PLAIN), ("inetd", PLAIN))
                ),
                file_node(path, text.encode()),
            ]
        ),
        guess=False,
    )
    (found,) = every()["telnet-off"].run(image)
    assert expected in found.what
