"""What the GUI answers to people, to strangers and to nonsense, over real sockets."""
# ruff: noqa: ANN401 - JSON, and fixtures whose classes conftest.py holds where none can import

import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from holdfast.cli.demo.pinned import _unjudged
from holdfast.device import certificate, config
from tests.device.visiting import FORM, PASSWORD, Visitor

pytestmark = pytest.mark.servers


@pytest.fixture
def visitor(site: Any) -> Visitor:
    return Visitor(site.url, site.sha256)


def test_nothing_but_the_claim_answers_before_it(unclaimed: Any) -> None:
    visitor = Visitor(unclaimed.url, unclaimed.sha256)
    for path in ("/", "/login", "/history", "/settings", "/update/progress"):
        status, _, found = visitor.ask("GET", path)
        assert (status, found["location"]) == (303, "/claim")
    assert visitor.ask("GET", "/claim")[0] == 200


def test_pages_need_a_session(visitor: Visitor) -> None:
    for path in ("/", "/history", "/settings"):
        status, _, found = visitor.ask("GET", path)
        assert (status, found["location"]) == (303, "/login")
    assert visitor.ask("GET", "/update/progress")[0] == 401
    assert visitor.ask("GET", "/claim")[2]["location"] == "/login"


def test_every_answer_carries_the_headers(visitor: Visitor) -> None:
    for path in ("/login", "/static/style.css", "/nowhere", "/"):
        _, _, found = visitor.ask("GET", path)
        assert "script-src 'self'" in found["content-security-policy"]
        assert "unsafe" not in found["content-security-policy"]
        assert found["x-content-type-options"] == "nosniff"
        assert found["x-frame-options"] == "DENY"
        assert "server" not in found
    assert visitor.ask("GET", "/login")[2]["cache-control"] == "no-store"


def test_no_page_has_inline_code(visitor: Visitor) -> None:
    visitor.log_in()
    for path in ("/", "/history", "/settings", "/nowhere"):
        _, text, _ = visitor.ask("GET", path)
        assert not re.search(r"<style|style=|<script(?! src)|\son[a-z]+=", text)
        assert not re.search(r"(src|href)=\"(https?:)?//", text)


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("", 421),
        ("a b", 421),
        ("127.0.0.1", 303),
        ("localhost:1", 303),
        ("[::1]:80", 303),
    ],
)
def test_foreign_names_are_turned_away(visitor: Visitor, host: str, status: int) -> None:
    assert visitor.ask("GET", "/", Host=host)[0] == status


def test_forms_of_other_sites_are_turned_away(site: Any, visitor: Visitor) -> None:
    visitor.log_in()
    body = urlencode({"token": visitor.token("/settings")})
    sent = {"Content_Type": FORM["Content-Type"]}
    path = "/update/check"
    assert visitor.ask("POST", path, body, Origin="http://evil.example", **sent)[0] == 403
    assert visitor.ask("POST", path, body, Origin="null", **sent)[0] == 403
    assert visitor.ask("POST", path, body, Sec_Fetch_Site="cross-site", **sent)[0] == 403
    assert visitor.ask("POST", path, "token=wrong", **sent)[0] == 400
    assert visitor.ask("POST", path, "", **sent)[0] == 400
    assert site.agent.asked == []
    assert visitor.ask("POST", path, body, Origin=site.url, **sent)[0] == 303
    assert site.agent.asked == [("update.check", {})]


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"token=" + b"x" * 20_000, FORM["Content-Type"], 413),
        (b"\xff\xfe=1", FORM["Content-Type"], 400),
        (b"a=1&a=2", FORM["Content-Type"], 400),
        (b"&".join(b"f%d=1" % number for number in range(50)), FORM["Content-Type"], 400),
        (b"{}", "application/json", 400),
        (b"%zz=%", FORM["Content-Type"], 400),
    ],
    ids=["long", "bytes", "twice", "many", "json", "percent"],
)
def test_nonsense_is_refused(visitor: Visitor, body: bytes, kind: str, status: int) -> None:
    visitor.log_in()
    assert visitor.ask("POST", "/settings", body, Content_Type=kind)[0] == status
    assert visitor.ask("GET", "/")[0] == 200


def test_cookie_and_logout(site: Any, visitor: Visitor) -> None:
    status, _, found = visitor.post("/login", "/login", name="ADA", password=PASSWORD)
    assert status == 303
    cookie = found["set-cookie"].lower()
    assert {"httponly", "secure", "path=/", "samesite=strict"} <= set(cookie.split("; "))
    assert "domain" not in cookie
    ticket = visitor.cookies["__Host-holdfast-session"]
    assert ticket not in (site.folder / "gui" / "sessions.json").read_text()
    assert visitor.post("/logout", "/settings")[2]["location"] == "/login"
    visitor.cookies["__Host-holdfast-session"] = ticket
    assert visitor.ask("GET", "/")[2]["location"] == "/login"


@pytest.mark.parametrize("address", ["", "ada", "ada@", "a b@example.org", "x" * 4000, "ada\0@b.c"])
def test_a_wrong_address_is_told_at_its_field(visitor: Visitor, address: str) -> None:
    visitor.log_in()
    status, text, _ = visitor.post("/settings/address", "/settings", address=address)
    assert status in {400, 409, 422}
    assert "This e-mail address cannot be used." in text


def test_session_survives_the_restart_of_an_update(site: Any, visitor: Visitor) -> None:
    visitor.log_in()
    site.stop()
    site.start()
    assert visitor.ask("GET", "/")[0] == 200


def test_hostile_texts_are_shown_as_text(site: Any, visitor: Visitor, words: Any) -> None:
    visitor.log_in()
    site.agent.notes = '<script>alert(1)</script>"><img src=x onerror=alert(1)>'
    site.agent.current(stage="offered", offer=words.offer())
    _, text, _ = visitor.ask("GET", "/")
    assert "&lt;script&gt;" in text
    assert "<img" not in text


@pytest.mark.parametrize("state", [{}, {"stage": "flying"}, {"product": 7, "hub": None}])
def test_a_confused_agent_is_said_calmly(site: Any, visitor: Visitor, state: Any) -> None:
    visitor.log_in()
    site.agent.state = state
    status, text, _ = visitor.ask("GET", "/")
    assert status == 503
    assert "One moment, please" in text


def test_slow_clients_are_let_go(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("holdfast.device.gui.server.REQUEST_S", 0.5)
    host, _, port = site.url.removeprefix("https://").partition(":")
    plain = socket.create_connection((host, int(port)), timeout=10)
    with _unjudged().wrap_socket(plain) as stuck:
        stuck.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ")
        assert stuck.recv(100) == b""
    assert Visitor(site.url, site.sha256).ask("GET", "/login")[0] == 200


def test_start_and_size_of_the_real_process(tmp_path: Path) -> None:
    (tmp_path / "gui").mkdir()
    (tmp_path / "run").mkdir()
    (tmp_path / "factory").mkdir()
    (tmp_path / "device.toml").write_text('controller_id = "one"\nhub_url = "http://127.0.0.1:1"\n')
    settings = config.read(tmp_path / "device.toml")
    certificate.make(settings)
    holder = socket.create_server(("127.0.0.1", 0))
    fd = holder.fileno()
    process = subprocess.Popen(
        [
            sys.executable,
            "-I",
            "-m",
            "holdfast.device.gui",
            "--fd",
            str(fd),
            "--config",
            str(tmp_path / "device.toml"),
        ],
        pass_fds=[fd],
    )
    try:
        sha256 = certificate.fingerprint(settings.certificate_file)
        visitor = Visitor(f"https://127.0.0.1:{holder.getsockname()[1]}", sha256)
        assert visitor.ask("GET", "/login")[0] == 503  # auth is not there, and that is said
        status = Path(f"/proc/{process.pid}/status").read_text()
        resident = re.search(r"VmRSS:\s+(\d+)", status)
        assert resident
        assert int(resident.group(1)) < 40_000
        ticks = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
        cpu_s = (int(ticks[11]) + int(ticks[12])) / os.sysconf("SC_CLK_TCK")
        assert cpu_s < 1.0  # 0.3 on a quiet machine
        sys.stderr.write(f"gui: {resident.group(1)} kB, {cpu_s} s CPU\n")
    finally:
        process.terminate()
        assert process.wait(timeout=10) in {0, -15}
        holder.close()
        time.sleep(0)
