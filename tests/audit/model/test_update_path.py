import json
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.audit.facts.gather import facts_of
from holdfast.audit.model.addresses import host_of, is_called
from holdfast.audit.model.shapes import StartUp, Step, UpdatePath
from holdfast.audit.model.update_path import update_path_of
from holdfast.audit.model.update_scene import shown
from holdfast.audit.tree import Tree
from tests.audit import made
from tests.audit.elf_builder import build
from tests.audit.facts import key_forms as forms

SIGNS = 'deb src/gz []=:{}"#\nuri:firmwaGET HTTP/1.1 curl -k update'
SIGNED = "SWUpdate is built for signed images, provide a public key file."


def update_path(files: dict[str, bytes], *steps: str) -> UpdatePath:
    tree = Tree([made.file_node(path, content, mode=0o755) for path, content in files.items()])
    digests = {path: sha256(content).hexdigest() for path, content in files.items()}
    facts = {digests[path]: facts_of(content) for path, content in files.items()}
    told = tuple(
        Step(id=number, kind="command", where=f"etc/init.d/rcS:{number}", text=text)
        for number, text in enumerate(steps)
    )
    return update_path_of(tree, facts, digests, StartUp(init="busybox-init", steps=told))


def test_nothing_gives_nothing() -> None:
    assert update_path({"etc/passwd": b"root::0:0::/:/bin/sh\n"}) == UpdatePath()


@pytest.mark.parametrize(
    ("line", "unsigned"),
    [
        ("deb https://deb.example/ stable main", False),
        ("deb [arch=armhf trusted=yes] https://deb.example/ stable main", True),
        ("deb [allow-insecure=yes] https://deb.example/ stable main", True),
        ("# deb [trusted=yes] https://deb.example/ stable main", False),
    ],
)
def test_apt_sources(line: str, unsigned: bool) -> None:  # noqa: FBT001
    found = update_path({"etc/apt/sources.list": line.encode(), "usr/bin/apt-get": build()})
    assert any("packages:" in skip for skip in found.skips) is unsigned


@pytest.mark.parametrize(
    ("option", "checks"),
    [
        ("option check_signature 1", True),
        ("option check_signature", True),
        ("option check_signature 0", False),
        ("option check_pkg_signature yes", True),
        ("#option check_signature 1", False),
        ("", False),
    ],
)
def test_opkg(option: str, checks: bool) -> None:  # noqa: FBT001
    found = update_path(
        {
            "bin/opkg": build(),
            "usr/bin/usign": build(),
            "etc/opkg.conf": f"dest root /\n{option}\n".encode(),
            "etc/opkg/feeds.conf": b"src/gz base https://feed.example.de/base\n",
            "etc/opkg/keys/0123": forms.usign(secret=False),
        }
    )
    assert bool(found.verifiers) is checks
    assert any("packages:" in skip for skip in found.skips) is not checks
    assert found.urls == ("etc/opkg/feeds.conf:1 https://feed.example.de/base",)


def test_a_feed_on_a_disk_is_none() -> None:
    found = update_path(
        {"usr/bin/apt-get": build(), "etc/apt/sources.list": b"deb file:/srv/deb ./\n"}
    )
    assert found.tools == ()


def test_secrets_in_addresses_are_not_kept() -> None:
    found = update_path(
        {
            "bin/opkg": build(),
            "etc/opkg.conf": b"src/gz a https://ada:geheim77@feed.example.de/base?token=abc123x\n",
        }
    )
    assert "geheim77" not in repr(found)
    assert "abc123x" not in repr(found)
    assert "feed.example.de/base" in found.urls[0]


def test_a_script_that_starts_a_tool_is_not_the_tool() -> None:
    found = update_path({"etc/init.d/swupdate": b"#!/bin/sh\nexec /usr/bin/swupdate\n"})
    assert found.tools == ()


def test_a_checker_beside_the_updater_may_be_asked() -> None:
    files = {
        "sbin/rc": build(strings=["firmware upgrade", "/dev/mtd5"]),
        "usr/sbin/rsasign_check": build(imports=["RSA_verify"]),
    }
    assert "rsasign_check" in update_path(files).unclear[0]
    del files["usr/sbin/rsasign_check"]
    assert update_path(files).lacking


def test_the_agent_of_the_platform() -> None:
    packages = "usr/lib/python3/dist-packages"
    raw = forms.spki(forms.private("ed25519"))[-32:].hex()
    root = {"signed": {"keys": {"k": {"keytype": "ed25519", "keyval": {"public": raw}}}}}
    files = {
        f"{packages}/holdfast/device/agent/__main__.py": b"",
        "etc/holdfast/factory/root.json": json.dumps(root).encode(),
    }
    found = update_path(files, "python3 -m holdfast.device.agent --config /etc/holdfast")
    agent = f"holdfast {packages}/holdfast/device/agent/__main__.py"
    assert found.tools == found.verifiers == found.rollback == (agent,)
    assert found.keys[0].startswith("etc/holdfast/factory/root.json")
    assert found.automatic


def test_mender_with_a_key() -> None:
    key = made.pem("PUBLIC KEY", forms.spki(forms.private("rsa")))
    settings = {"ServerURL": "http://mender.example.de", "ArtifactVerifyKey": "/etc/mender/a.pem"}
    files = {
        "usr/bin/mender": build(static=True),
        "etc/mender/mender.conf": json.dumps({**settings, "SkipVerify": True}).encode(),
        "etc/mender/a.pem": key,
    }
    found = update_path(files)
    assert found.verifiers == ("mender usr/bin/mender",)
    assert found.keys == ("etc/mender/a.pem",)
    assert found.urls == ("etc/mender/mender.conf http://mender.example.de",)
    assert found.skips == ("etc/mender/mender.conf certificate: SkipVerify: true",)
    del files["etc/mender/a.pem"]
    assert update_path(files).lacking


def test_unattended_upgrades_need_the_program() -> None:
    files = {
        "usr/bin/apt-get": build(),
        "etc/apt/sources.list": b"deb https://deb.example.de/ stable main\n",
        "etc/apt/apt.conf.d/20auto": b'APT::Periodic::Unattended-Upgrade "1";\n',
    }
    assert update_path(files).automatic == ()
    files["usr/bin/unattended-upgrade"] = b"#!/usr/bin/python3\n"
    assert update_path(files).automatic == ("etc/apt/apt.conf.d/20auto:1 unattended-upgrade",)


def test_library_that_updates_is_judged_with_who_calls_it() -> None:
    files = {
        "lib/libfw.so": build(type="library", soname="libfw.so", exports=["do_firmware_update"]),
        "usr/bin/webd": build(
            needed=["libfw.so", "libcrypto.so.3"],
            imports=["do_firmware_update", "EVP_DigestVerifyFinal"],
        ),
    }
    found = update_path(files)
    assert found.tools == ("vendor:libfw.so lib/libfw.so",)
    assert "EVP_DigestVerifyFinal" in found.unclear[0]
    public = made.pem("PUBLIC KEY", forms.spki(forms.private("rsa")))
    found = update_path({**files, "etc/fw-sign.pub": public})
    assert found.verifiers == ("vendor:libfw.so lib/libfw.so",)
    assert found.keys == ("etc/fw-sign.pub",)


def test_public_key_inside_the_updater_counts() -> None:
    key = forms.spki(forms.private("rsa"))
    found = update_path({"usr/sbin/fwupdate": build(imports=["RSA_verify"], rodata=bytes(8) + key)})
    assert found.verifiers == ("vendor:fwupdate usr/sbin/fwupdate",)
    assert found.keys[0].startswith("usr/sbin/fwupdate@")


@pytest.mark.parametrize(
    "elf",
    [
        {"strings": ["ERROR: verify firmware signature failed"]},
        {"static": True},
        {"exports": ["image_rsa_verify"]},
    ],
)
def test_what_may_check_is_not_condemned(elf: dict[str, object]) -> None:
    found = update_path({"usr/sbin/fwupdate": build(**elf)})  # type: ignore[arg-type]
    assert found.unclear
    assert not found.lacking


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("fwupdater", True), ("fw_upgrade", True), ("otad", True), ("autoupdate", True),
        ("upgrade.cgi", True), ("firmware_upgrade.cgi", True), ("burn_image", True),
        ("update-rc.d", False), ("update-ca-certificates", False), ("fwconsole", False),
        ("image", False), ("writeback", False), ("auto", False),
    ],
)  # fmt: skip
def test_names_of_updaters(name: str, is_one: bool) -> None:  # noqa: FBT001
    assert bool(update_path({f"usr/sbin/{name}": build()}).tools) is is_one


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("swupdate -f /etc/swupdate.cfg -u '-t default -i 1'", True),
        ("/usr/bin/rauc-hawkbit-updater -s -c /etc/config.conf", True),
        ("sh /usr/sbin/check-update.sh", True),
        ("opkg update && opkg upgrade", True),
        ("event CHECKFW add /etc/events/checkfw.sh", False),
        ("echo opkg upgrade", False),
        ("/usr/sbin/fwupdater -i /tmp/fw.bin", False),
    ],
)
def test_what_looks_by_itself(text: str, found: bool) -> None:  # noqa: FBT001
    path = update_path({"usr/bin/swupdate": build(strings=[SIGNED])}, text)
    assert bool(path.automatic) is found


@pytest.mark.parametrize(
    ("line", "skipped"),
    [
        ("curl -k https://fw.example.de/a", True),
        ("  /usr/bin/curl -fsSk https://fw.example.de/a", True),
        ("x=$(wget -q --no-check-certificate https://fw.example.de/a)", True),
        ("curl -K /etc/curl.conf https://fw.example.de/a", False),
        ("curl --max-time 5 https://fw.example.de/k", False),
        ("curl -k https://192.168.1.1/a", False),
        ("# curl -k https://fw.example.de/a", False),
        ("echo 'curl -k https://fw.example.de/a'", False),
    ],
)
def test_servers_that_are_not_checked(line: str, skipped: bool) -> None:  # noqa: FBT001
    found = update_path({"usr/sbin/get.sh": f"#!/bin/sh\n{line}\n".encode()})
    assert bool(found.skips) is skipped
    assert all(skip.startswith("usr/sbin/get.sh:2 certificate: ") for skip in found.skips)


def test_manual_pages_and_other_peoples_libraries_do_not_count() -> None:
    line = b"curl -k https://fw.example.de/a\n"
    for path in ("usr/share/doc/a/README", "usr/lib/python3/dist-packages/a.py"):
        assert update_path({path: line}).skips == ()


def test_names_of_hosts_are_updated_elsewhere() -> None:
    address = b'"a.de" "http://update.names.de/update/?username=[U]&updatehostname=[D]&ip=[IP]"\n'
    assert update_path({"usr/lib/services": address}).urls == ()
    address = b'URL="http://update.names.de/update/?device=1"\n'
    assert update_path({"usr/lib/services": address}).urls != ()


def test_a_program_for_everything_calls_others_too() -> None:
    flags = {"imports": ("system",), "needed": ("libc.so.0",)}
    strings = b"\0/sbin/flashcp -v %s /dev/mtd0\0firmware upgrade\0http://speed.names.de/x\0"
    program = build(rodata=strings, **flags)  # type: ignore[arg-type]
    asked = {
        name: update_path({"sbin/flashcp": build(), f"usr/bin/{name}": program}).urls
        for name in ("everyd", "fwupdated")
    }
    assert asked["everyd"] == ()
    assert asked["fwupdated"] != ()


@pytest.mark.parametrize(
    ("address", "called"),
    [
        ("https://updates.nordlicht-home.de/v1", True),
        ("http://8.8.8.8/x", True),
        ("http://www.w3.org/2000/svg", False),
        ("http://192.168.0.1/", False),
        ("http://localhost:8080/", False),
        ("https://%s/firmware", False),
        ("http://$srv/x", False),
        ("http://example.com/x", False),
        ("http://[::1/x", False),
        ("http://index.html", False),
        ("http://", False),
        ("http://tempuri.org/GetMiscInfo", False),
    ],
)
def test_addresses_that_are_called(address: str, called: bool) -> None:  # noqa: FBT001
    assert is_called(address) is called


@given(st.text(max_size=80))
def test_any_address_can_be_asked_about(address: str) -> None:
    host_of(address)
    is_called(address)
    assert len(shown(address)) <= 200


@pytest.mark.slow
@given(
    st.dictionaries(
        st.sampled_from(
            [
                "etc/opkg.conf", "etc/apt/sources.list", "etc/apt/sources.list.d/a.sources",
                "etc/yum.repos.d/a.repo", "etc/swupdate.cfg", "etc/rauc/system.conf",
                "etc/mender/mender.conf", "usr/sbin/checkfw.sh", "usr/bin/opkg", "usr/bin/mender",
                "usr/bin/rauc", "sbin/sysupgrade", "usr/bin/dnf", "usr/bin/apt-get",
            ]
        ),
        st.text(alphabet=SIGNS, max_size=200),
    )
)  # fmt: skip
def test_hostile_settings_give_less_never_an_error(files: dict[str, str]) -> None:
    update_path({path: text.encode() for path, text in files.items()})
