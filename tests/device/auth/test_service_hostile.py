"""Attacks on the real process: what the gui's rights reach, damaged lists, keys, limits."""

import base64
import hashlib
import json
import os
import resource
import statistics
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from holdfast.accounts import totp
from holdfast.accounts.blocklist import layout, signature
from holdfast.accounts.blocklist.builder import Builder
from holdfast.accounts.directories.settings import CentralLogin, to_json
from holdfast.cli import device_accounts
from holdfast.core.errors import HoldfastError
from holdfast.core.process import run
from tests.accounts.directories.tacacs.conftest import PASSWORD as THEIRS
from tests.accounts.directories.tacacs.conftest import Line, certificates
from tests.device.auth.running import CLAIM, CODE, PASSWORD, Auth, Start
from tests.servers.tacacs import User

pytestmark = pytest.mark.servers
__all__ = ["certificates"]

LONG = hashlib.shake_256(b"long").hexdigest(128)
OWN = "a phrase that only we would guess"
PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
KEY = PRIVATE.public_key().public_bytes_raw()


@pytest.fixture
def own_list(tmp_path: Path) -> Path:
    """Write and sign a block list of the operator."""
    builder = Builder()
    builder.add([OWN, "sunshine"], top=2)
    content = builder.build(name="own", licence="none").content
    made = PRIVATE.sign(signature.to_be_signed(content))
    path = tmp_path / "own.blocklist"
    path.write_bytes(signature.with_signature(content, key=KEY, signature=made))
    return path


def enrolled(auth: Auth) -> tuple[bytes, list[str]]:
    """Give ada an app; gives its seed and her recovery codes."""
    told = auth.ask("account.totp.begin", name="ada", password=PASSWORD)["address"]
    seed = base64.b32decode(told.partition("secret=")[2].partition("&")[0])
    step = totp.step_at(datetime.now(UTC))
    code = totp.code_at(seed, step)
    return seed, auth.ask("account.totp.confirm", name="ada", code=code)["codes"]


def test_an_operators_list_holds_on_the_device(start: Start, own_list: Path) -> None:
    lists = {"blocklists": (own_list,), "blocklist_keys": (KEY.hex(),)}
    auth = start(**lists)
    refused = auth.refusal("account.claim", **{**CLAIM, "password": OWN})
    assert (refused.code, "most common" in str(refused)) == ("accounts-password", True)
    assert auth.ask("account.claim", **CLAIM)["role"] == "owner"
    auth.stop()
    assert start().ask("account.check", name="ada", password=OWN)["reason"] == ""


@pytest.mark.parametrize("damage", ["missing", "cut", "flipped", "unsigned", "other key", "pipe"])
def test_without_its_lists_no_password_is_set_but_people_log_in(
    start: Start, own_list: Path, damage: str
) -> None:
    auth = start()
    auth.ask("account.claim", **CLAIM)
    old = "$1$abcdefgh$1e8aIApZECmYqWvMQIKrA/"
    auth.ask("account.import", name="old", role="viewer", hash=old, days=30)
    auth.stop()
    content = own_list.read_bytes()
    keys = (KEY.hex(),)
    if damage == "missing":
        own_list.unlink()
    elif damage == "cut":
        own_list.write_bytes(content[:-1])
    elif damage == "flipped":
        own_list.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    elif damage == "unsigned":
        plain = content[: layout.SEALED_BYTES]
        own_list.write_bytes(plain + bytes(96) + content[layout.HEADER_BYTES :])
    elif damage == "other key":
        keys = ("0" * 64,)
    else:
        own_list.unlink()
        os.mkfifo(own_list)
    again = start(blocklists=(own_list,), blocklist_keys=keys)
    entered = again.ask("account.login", name="ada", password=PASSWORD)
    assert entered["role"] == "owner"
    change = {"name": "ada", "old": PASSWORD, "new": "another-zebra battery lamp"}
    for verb, args in (
        ("account.password", change),
        ("account.check", {"name": "ada", "password": OWN}),
        ("account.add", {"name": "vera", "password": OWN, "role": "viewer"}),
        # Never checked before, and nobody can check it now: not let in.
        ("account.login", {"name": "old", "password": "kq7zdx#e"}),
    ):
        refused = again.refusal(verb, **args)
        assert refused.code == "accounts-block-list", (verb, refused)
        assert refused.hint
    deadline = time.monotonic() + 10
    log = again.folder / "auth.log"
    while "no password can be set" not in log.read_text() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert "no password can be set" in log.read_text()


@pytest.mark.parametrize("claimed_by", ["this release", "an older one"])
def test_the_set_up_code_is_in_no_password_afterwards_either(
    auth: Auth, start: Start, claimed_by: str
) -> None:
    if claimed_by == "an older one":
        auth.stop()
        path = auth.folder / "auth" / "accounts.json"
        kept = json.loads(path.read_bytes())
        assert len(kept.pop("code_mark")) == 3
        path.write_text(json.dumps(kept))
        auth = start()
    bare = CODE.replace("-", "")
    for word in (CODE, CODE.lower(), f"my {CODE}!", f"{bare} and more", f"{bare[::-1]} back"):
        for verb, args in (
            ("account.password", {"old": PASSWORD, "new": word}),
            ("account.add", {"password": word, "role": "viewer"}),
        ):
            name = "ada" if "old" in args else "vera"
            refused = auth.refusal(verb, name=name, **args)
            assert (refused.code, "set-up code" in str(refused)) == ("accounts-password", True)
            assert "four words" in refused.hint
        assert auth.ask("account.check", name="ada", password=word)["reason"] == "setup-code"
    other = {"old": PASSWORD, "new": "my 8K2M-XQ4R-9TBC!"}  # of the same form
    assert auth.ask("account.password", name="ada", **other)["name"] == "ada"


def test_the_longest_password_is_judged_soon(auth: Auth) -> None:
    began = time.monotonic()
    assert auth.ask("account.check", name="ada", password=LONG)["reason"] == ""
    assert time.monotonic() - began < 2.0


def test_a_new_device_key_loses_nothing(
    auth: Auth, start: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    seed, codes = enrolled(auth)
    secrets = {"one": "a shared secret that nobody sees"}
    settings = {
        "servers": [{"name": "one", "protocol": "tacacs+", "host": "127.0.0.1", "port": 1}],
        "groups": [{"name": "people", "servers": ["one"]}],
    }
    auth.ask("central.write", sha256=stage(auth, {"settings": settings, "secrets": secrets}))
    folder = auth.folder / "auth"
    before = {name: (folder / name).read_text() for name in ("accounts.json", "central.json")}
    (auth.folder / "device.toml").write_text(
        'controller_id = "sn-4711"\nhub_url = "http://127.0.0.1:1"\n'
    )
    words = ["rotate-key", "--config", str(auth.folder / "device.toml"), "--json"]
    device_accounts.app(words, standalone_mode=False)
    told = json.loads(capsys.readouterr().out)
    assert told["keys"] == 2
    after = {name: (folder / name).read_text() for name in before}
    # What is sealed changed over at once, the hash of the password did not.
    for name, count in (("accounts.json", 1), ("central.json", 1)):
        assert told["id"] not in before[name]
        assert after[name].count(f"k={told['id']}$") == count
    pending = auth.ask("account.login", name="ada", password=PASSWORD)
    assert auth.ask("account.second", code=codes[0], **pending)["role"] == "owner"
    assert f"t=5,p=1,k={told['id']}$" in (folder / "accounts.json").read_text()
    assert [one["name"] for one in auth.ask("central.test", server="one")["steps"]]
    auth.stop()
    again = start()
    later = totp.code_at(seed, totp.step_at(datetime.now(UTC)) + 1)
    pending = again.ask("account.login", name="ada", password=PASSWORD)
    assert again.ask("account.second", code=later, **pending)["role"] == "owner"


def stage(auth: Auth, whole: dict[str, Any]) -> str:
    content = json.dumps(whole).encode()
    text = base64.b64encode(content).decode()
    pieces = [text[at : at + 1000] for at in range(0, len(text), 1000)]
    for part, piece in enumerate(pieces):
        auth.ask("central.stage", part=part, parts=len(pieces), text=piece)
    return hashlib.sha256(content).hexdigest()


def test_a_stored_secret_does_not_follow_a_server_to_another_host(auth: Auth) -> None:
    server = {"name": "one", "protocol": "tacacs+", "host": "127.0.0.1", "port": 1}
    first = {"settings": {"servers": [server]}, "secrets": {"one": "a shared secret"}}
    auth.ask("central.write", sha256=stage(auth, first))
    for moved in ({"host": "127.0.0.2"}, {"port": 2}, {"transport": "plain", "warned": True}):
        whole = {"settings": {"servers": [{**server, **moved}]}}
        refused = auth.refusal("central.write", sha256=stage(auth, whole))
        assert refused.code == "accounts-central-settings"
        assert "type it again" in str(refused)
    # Nor by a detour: what is taken out is forgotten.
    auth.ask("central.write", sha256=stage(auth, {"settings": {"servers": []}}))
    whole = {"settings": {"servers": [{**server, "host": "127.0.0.2"}]}}
    auth.ask("central.write", sha256=stage(auth, whole))
    told = json.loads(base64.b64decode(auth.ask("central.read", part=0)["text"]))
    assert told["secrets"] == []


def test_a_server_that_keeps_records_is_told_who_came_and_left(
    start: Start,
    certificates: Any,  # noqa: ANN401 - of the folder of servers
) -> None:
    auth = start()
    auth.ask("account.claim", **CLAIM)
    with ExitStack() as stack:
        line = Line("tls", certificates, stack)
        theirs = line.serve(people={"tess": User(THEIRS, ("priv-lvl=5",))})
        server = json.loads(to_json_of(line, theirs.port))
        settings = {
            "servers": [server],
            "groups": [{"name": "people", "servers": [server["name"]]}],
            "methods": [{"service": "gui", "order": ["people"], "local_names": ["ada"]}],
            "roles": [{"role": "viewer", "level": 5}],
        }
        secrets = {f"{server['name']}.key": certificates.client.key}
        auth.ask("central.write", sha256=stage(auth, {"settings": settings, "secrets": secrets}))
        assert auth.ask("account.login", name="ada", password=PASSWORD)["task"] == ""
        entered = auth.ask("account.login", name="tess", password=THEIRS, source="192.0.2.7")
        assert (entered["role"], entered["method"]) == ("viewer", "people")
        assert waited_for(theirs.records, 1)
        for task in ("00", entered["task"], entered["task"]):  # one that is none, then twice
            auth.ask("account.left", task=task)
        assert waited_for(theirs.records, 2)
    words = [" ".join(map(str, record)) for record in theirs.records]
    assert len(words) == 2
    assert all(f"task_id={entered['task']}" in each for each in words)
    assert "start_time=" in words[0]
    assert "stop_time=" in words[1]


def to_json_of(line: Line, port: int) -> bytes:
    whole = json.loads(to_json(CentralLogin(servers=(line.settings(port),))))
    return json.dumps(whole["servers"][0]).encode()


def waited_for(records: list[Any], count: int) -> bool:
    deadline = time.monotonic() + 10
    while len(records) < count and time.monotonic() < deadline:
        time.sleep(0.02)
    return len(records) >= count


def test_the_worker_fences_itself_in(tmp_path: Path) -> None:
    program = (
        "import io, json, resource, sys\n"
        "from holdfast.device.auth import worker\n"
        "class In:\n"
        "    buffer = io.BytesIO(json.dumps({'do': 'suggest', 'folder': sys.argv[1],"
        " 'now': '2026-11-22T00:00:00+00:00'}).encode())\n"
        "sys.stdin = In()\n"
        "worker.main()\n"
        "print(json.dumps([resource.getrlimit(one)[0] for one in "
        "(resource.RLIMIT_AS, resource.RLIMIT_CPU, resource.RLIMIT_CORE)]))\n"
    )
    done = run([sys.executable, "-I", "-c", program, tmp_path], timeout_s=20)
    _answer, _, limits = done.stdout.decode().partition("}}")
    memory, seconds, core = json.loads(limits)
    assert 0 < memory < 512 << 20
    assert 0 < seconds <= 120
    assert core == 1
    assert resource.getrlimit(resource.RLIMIT_CORE)[0] != 1


@pytest.mark.parametrize(
    "content", ["[" * 1000, " ", "{}", '{"memory_kib": 1, "passes": 1}', "null"]
)
def test_a_damaged_cost_is_said_and_chosen_anew(start: Start, content: str) -> None:
    auth = start(cost=content)
    assert auth.ask("account.claim", **CLAIM)["role"] == "owner"
    path, log = auth.folder / "auth" / "cost.json", auth.folder / "auth.log"
    deadline = time.monotonic() + 20
    while path.read_text() == content and time.monotonic() < deadline:
        time.sleep(0.05)
    assert json.loads(path.read_bytes())["memory_kib"] >= 7168
    assert "auth.cost_lost" in log.read_text()


@pytest.mark.slow
def test_known_and_unknown_names_take_the_same_time_in_the_median(auth: Auth) -> None:
    """Strangers are slowed long before they could measure so often; known browsers are not."""
    took: dict[str, list[float]] = {"ada": [], "nobody": []}
    for number in range(6):
        for name, seconds in took.items():
            began = time.monotonic()
            with suppress(HoldfastError):
                auth.ask("account.unlock", name=name, code="AAAAA-AAAAA", source=f"10.1.{number}.1")
            seconds.append(time.monotonic() - began)
    known, unknown = (statistics.median(one) for one in took.values())
    assert 0.5 < known / unknown < 2.0


@pytest.mark.slow
def test_odd_calls_of_the_gui_leave_a_process_that_answers(auth: Auth) -> None:
    odd: list[tuple[str, dict[str, object]]] = [
        ("account.login", {"name": "\ud800", "password": "\0" * 500}),
        ("account.login", {"name": "a" * 128, "password": "𐀀" * 500}),
        ("account.second", {"pending": "f" * 64, "code": "\ud800"}),
        ("account.unlock", {"name": "ada", "code": "٣" * 60}),
        ("account.prove", {"name": "ada", "secret": "x", "verb": "reboot", "args": "[" * 1000}),
        ("account.totp.confirm", {"name": "ada", "code": "\uff11" * 6}),
        ("central.stage", {"part": 127, "parts": 1, "text": "AAAA"}),
        ("central.write", {"sha256": "0" * 64}),
        ("central.test", {"server": "\u202eone", "name": "x"}),
        ("account.left", {"task": "0" * 64}),
    ]
    for verb, args in odd:
        with suppress(HoldfastError):
            auth.ask(verb, **args)
    crowd: list[Callable[[], object]] = [
        lambda: auth.ask("central.test", server="one"),
        lambda: auth.ask("account.check", name="x", password="y" * 1000),
        lambda: auth.ask("account.unlock", name="ada", code="AAAAA-AAAAA", source="10.9.9.9"),
    ]

    def call(number: int) -> None:
        with suppress(HoldfastError):
            crowd[number % len(crowd)]()

    threads = [threading.Thread(target=call, args=(number,)) for number in range(45)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert auth.ask("account.login", name="ada", password=PASSWORD)["role"] == "owner"
    assert "Traceback" not in (auth.folder / "auth.log").read_text()
    assert auth.kb() < 60_000
