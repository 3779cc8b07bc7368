"""What a careful human finds in the start-up, listeners and accounts of three real images."""

from hashlib import sha256
from pathlib import Path

import pytest

from holdfast.audit.facts.gather import facts_of
from holdfast.audit.limits import Limits
from holdfast.audit.model.accounts.gathering import accounts_of
from holdfast.audit.model.accounts.guessing import Guesser
from holdfast.audit.model.listeners import listeners_of
from holdfast.audit.model.shapes import Account, Listener, Password, Started
from holdfast.audit.model.startup.reading import read
from holdfast.audit.model.startup.system import System
from holdfast.audit.tree import Tree
from holdfast.audit.unpack.budget import Budget
from holdfast.audit.unpack.readers import FILE_SYSTEMS
from holdfast.audit.unpack.source import Bytes

IMAGES = Path(__file__).parents[5] / "shared/data/firmware"
PLACES = {
    "dlink-dir300b5-2.15.bin": 0x12008C,
    "tplink-wr841nv14-eu.bin": 0x100200,
    "openwrt-r47364-wrt350nv2-sysupgrade.img": 0x140000,
}
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not IMAGES.is_dir(), reason="the real images are not beside the project"),
]


def system_of(name: str) -> System:
    squashfs = next(one for one in FILE_SYSTEMS if one.name == "squashfs")
    source = Bytes((IMAGES / name).read_bytes()[PLACES[name] :])
    tree = Tree(squashfs.nodes(source, Budget(Limits())))
    contents = {node.path: node.read() for node in tree.files() if node.read is not None}
    digests = {path: sha256(content).hexdigest() for path, content in contents.items()}
    facts = {digests[path]: facts_of(content) for path, content in contents.items()}
    return read(tree, facts, digests)


def by_service(system: System) -> dict[str, Listener]:
    return {one.service: one for one in listeners_of(system)}


def by_name(system: System) -> dict[str, Account]:
    return {one.name: one for one in accounts_of(system, Guesser())}


def test_dir_300() -> None:
    system = system_of("dlink-dir300b5-2.15.bin")
    listeners, accounts = by_service(system), by_name(system)
    telnet = listeners["telnet"]
    assert (telnet.where, telnet.started) == ("etc/init0.d/S80telnetd.sh:7", Started.MAYBE)
    assert (telnet.address, "fixed-user=yes" in telnet.options) == ("lan", True)
    assert (listeners["http"].program, listeners["http"].user) == ("sbin/httpd", "root")
    admin = accounts["admin"]
    assert (admin.password, admin.where) == (Password.EMPTY, "etc/defnodes/defaultvalue.xml:27")
    backdoor = accounts["Alphanetworks"]
    assert (backdoor.service, backdoor.password) == ("telnet", Password.PLAIN)
    signature = system.files.text("etc/config/image_sign")
    assert signature
    shown = repr((system.graph.start_up(), listeners, accounts))
    assert f"Alphanetworks:{signature.strip()}" not in shown


def test_wr841n() -> None:
    system = system_of("tplink-wr841nv14-eu.bin")
    listeners, accounts = by_service(system), by_name(system)
    assert any(step.program == "usr/bin/cos" for step in system.graph.steps)
    assert listeners["ssh"].started is Started.STARTABLE
    assert listeners["upnp-igd"].program == "usr/bin/upnpd"
    assert (listeners["http"].program, listeners["http"].user) == ("usr/bin/httpd", "root")
    assert any(
        one.startswith("lib/libcutil.so@") and one.endswith(" telnetd")
        for one in system.graph.unresolved
    )
    admin = accounts["admin"]
    assert (admin.where, admin.uid, admin.scheme, admin.salt, admin.guessed) == (
        "etc/passwd.bak:1", 0, "md5crypt", "empty", "default",
    )  # fmt: skip


def test_openwrt() -> None:
    system = system_of("openwrt-r47364-wrt350nv2-sysupgrade.img")
    listeners, accounts = by_service(system), by_name(system)
    ssh, web = listeners["ssh"], listeners["http"]
    assert system.graph.init == "procd"
    assert (ssh.port, ssh.started, ssh.where) == (22, Started.BOOT, "etc/init.d/dropbear:71")
    assert "root-login=yes" in ssh.options
    assert (web.port, web.address, web.user, web.user_why) == (80, "", "root", "absent")
    assert web.started is Started.BOOT
    assert (accounts["root"].password, accounts["root"].where) == (Password.EMPTY, "etc/shadow:1")
    assert not {"telnet", "upnp-igd"} & listeners.keys()
