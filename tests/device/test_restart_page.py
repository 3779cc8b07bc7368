"""A restart from the owner's page, through every process of a real device: page, auth, broker."""

import re
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from holdfast.cli.demo.visitor import Visitor
from holdfast.device import config
from holdfast.device import label as labels
from holdfast.device.broker import wire
from holdfast.device.label import Label

pytestmark = [pytest.mark.servers, pytest.mark.slow]

PASSWORD = "violet kettle drums twice"
PEM = f"-----BEGIN CERTIFICATE-----\n{'AAAA' * 4000}\n-----END CERTIFICATE-----\n"
PAGES = (
    "/",
    "/history",
    "/settings",
    "/reset-help",
    "/restart",
    "/account",
    "/account/password",
    "/account/app",
    "/account/app/remove",
    "/account/codes",
    "/account/logins",
    "/people",
    "/people/add",
    "/people/remove?name=ada",
    "/central",
    "/central/server?protocol=ldap",
    "/central/group",
    "/central/methods",
    "/central/role",
    "/central/test",
)


@pytest.fixture
def owner(
    fresh: tuple[Path, Label],
    device: Path,
    launch: Callable[[], "subprocess.Popen[bytes]"],
    eventually: Callable[..., None],
) -> Visitor:
    """Give a browser on the claimed device."""
    settings = device / "device.toml"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    settings.write_text(settings.read_text().replace("127.0.0.1:0", f"127.0.0.1:{port}"))
    label = labels.of(config.read(settings), fresh[1].code)
    launch()
    owner = Visitor(f"https://127.0.0.1:{port}", sha256=label.sha256)
    eventually(lambda: owner.get("/claim"))
    page = owner.submit(owner.get("/"), name="ada", password=PASSWORD, code=label.code)
    assert "Log out" in page.text, page.text
    return owner


def resident_kib(device: Path, name: str) -> int:
    """Ask the kernel how much memory a process of the device has in use."""
    for entry in Path("/proc").glob("[0-9]*"):
        words = (entry / "cmdline").read_bytes() if (entry / "cmdline").exists() else b""
        if f"holdfast.device.{name}".encode() in words and bytes(device) in words:
            found = re.search(r"VmRSS:\s+(\d+)", (entry / "status").read_text())
            assert found
            return int(found.group(1))
    raise AssertionError(name)


def test_restart_by_page(
    owner: Visitor, ask: Callable[..., wire.Answer], eventually: Callable[..., None]
) -> None:
    eventually(lambda: ask("status")["health"]["state"] == "healthy")
    before = ask("status")["boot_id"]
    refused = owner.submit(owner.get("/restart"), secret="not the password")
    assert "This is not your password" in refused.text
    assert ask("status")["boot_id"] == before
    done = owner.submit(owner.get("/restart"), secret=PASSWORD)
    assert "The device restarts" in done.text
    eventually(lambda: ask("status")["boot_id"] != before, within_s=30)
    eventually(lambda: "Log out" in owner.get("/account").text, within_s=30)


def test_size_after_every_page(device: Path, owner: Visitor) -> None:
    for path in PAGES:
        assert owner.get(path).status == 200, path
    shown = owner.submit(owner.get("/account/app"), password=PASSWORD)
    assert "Show this to your app" in shown.text
    server = {"name": "office", "host": "ldap.example.test", "base": "dc=x", "bind_dn": "cn=y"}
    kept = owner.submit(
        owner.get("/central/server?protocol=ldap"), ca="x" * 20_000, shared="secret", **server
    )
    assert "certificates in PEM" in kept.text
    kept = owner.submit(
        owner.get("/central/server?protocol=ldap"), ca=PEM, shared="secret", **server
    )
    assert "Not in force yet" in kept.text
    size = resident_kib(device, "gui")
    sys.stderr.write(f"gui after every page: {size} kB\n")
    assert size < 40_000
