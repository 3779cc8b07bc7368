"""Which product an image is for."""

import struct
from datetime import UTC, datetime
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.audit.tree import Kind, Node, Tree
from holdfast.audit.vulnerabilities.appliances import mentioned
from holdfast.audit.vulnerabilities.database import Exploited
from holdfast.audit.vulnerabilities.identity import MOST_FILE_BYTES, Identity, identify
from holdfast.audit.vulnerabilities.revisions import same_revision
from holdfast.product import Starter, parse


def tree(**files: str | bytes) -> Tree:
    nodes = []
    for name, text in files.items():
        content = text if isinstance(text, bytes) else text.encode()
        nodes.append(
            Node(
                path=name.replace("__", "/"), kind=Kind.FILE, mode=0o644,
                size_bytes=len(content), read=partial(bytes, content),
            )
        )  # fmt: skip
    return Tree(nodes)


def test_nodes_of_a_vendor_s_configuration() -> None:
    found = identify(
        tree(
            **{
                "etc__defnodes__S30device.xml": "<a>\n<b>\n\t<vendor>D-Link</vendor>\n</b></a>",
                "etc__defnodes__S40device.xml": "<x>\n<modelname>DIR-300</modelname>\n</x>",
                "etc__config__image_sign": "wrgn49_dlob_dir300b5\n",
                "etc__config__buildver": "2.15\n",
            }
        )
    )
    assert found == Identity(
        vendor="D-Link", model="DIR-300", revisions=("b5",), version="2.15",
        where=("etc/config/image_sign:1", "etc/config/buildver:1"),
    )  # fmt: skip


def test_pairs_of_names_and_values() -> None:
    text = (
        '# about\nvendor=Acme Networks\nmodel_name = "AC-1200"\nhw_version: v3\nfw_version=1.2.3\n'
    )
    found = identify(tree(etc__product_version=text))
    assert found is not None
    assert (found.vendor, found.model) == ("Acme", "AC-1200")
    assert (found.revisions, found.version) == (("v3",), "1.2.3")
    assert found.where[0] == "etc/product_version:3"


def test_generic_words_tell_nothing() -> None:
    text = "DEVICE_MANUFACTURER='OpenWrt'\nDEVICE_PRODUCT='Generic'\nDEVICE_REVISION='v0'\n"
    assert identify(tree(etc__device_info=text)) is None
    assert identify(tree(etc__passwd="root::0:0::/:/bin/sh\n")) is None
    assert identify(Tree()) is None


def test_two_models_are_not_sure() -> None:
    text = "vendor=Acme\nmodel=AC-1200\nproduct_name=AC-1300\n"
    found = identify(tree(etc__product=text))
    assert found is not None
    assert not found.sure


def tp_link(hardware: int, version: int = 3, place: int = 0x34) -> bytes:
    head = bytearray(512)
    struct.pack_into("<I", head, 0, version)
    head[4:12] = b"ver. 2.0"
    struct.pack_into(">II", head, place, hardware, 1)
    return bytes(head)


@pytest.mark.parametrize(
    ("head", "model", "revision"),
    [
        (tp_link(0x08410014), "TL-WR841N", "v14"),
        (tp_link(0x08410008, 0x01000000, 0x40), "TL-WR841N", "v8"),
        (tp_link(0x08410010, 1, 0x40), "TL-WR841N", "v10"),
        (tp_link(0x07400004, 2, 0x40), "TL-WR740N", "v4"),
        (b"fw-type:Cloud" + b"\0" * 99 + b"SupportList:\n{product_name:Archer C7,product_ver:5.0.0,"
         b"special_id:45550000}", "Archer C7", "v5"),
        (b"\x5e\xa3\xa4\x17\0\0\0\x20\0\0\0\0signature=wrgn49_dlob_dir300b5\0", "DIR-300", "b5"),
        (b"device:R6220\nversion:V1.1.0.50_1.0.1\nregion:\n", "R6220", None),
    ],
)  # fmt: skip
def test_headers(head: bytes, model: str, revision: str | None) -> None:
    found = identify(Tree(), head=head)
    assert found is not None
    assert found.model == model
    assert found.revisions == ((revision,) if revision else ())
    assert found.where[0].startswith(":image@")


@pytest.mark.parametrize(
    "head",
    [b"", b"\0" * 512,
     tp_link(0x08410014, 9), tp_link(0x08410014, 1), tp_link(0x99990001), tp_link(0x0841000A),
     b"signature=somebody_else\0"],
)  # fmt: skip
def test_other_headers_tell_nothing(head: bytes) -> None:
    assert identify(Tree(), head=head) is None


def test_titles_of_front_pages_only() -> None:
    pages = {
        "www__login.html": "<html><title>D-Link DIR-615 login</title>",
        "www__help__wlan.html": "<title>Archer C7</title>",
    }
    found = identify(tree(**pages))
    assert found is not None
    assert (found.vendor, found.model, found.sure) == ("D-Link", "DIR-615", False)
    borrowed = {"web__help__WlanHelp.htm": "<title>TP-Link Archer C7</title>"}
    assert identify(tree(**borrowed)) is None
    two = {"www__index.html": "<title>D-Link DIR-615</title><title>D-Link DIR-825</title>"}
    assert identify(tree(**two)) is None


def test_the_profile_is_believed() -> None:
    starter = Starter(
        vendor="Acme", product="camera", name="Acme Cam", model="AC-1", hardware=["a", "b2"],
        markets=["EU"], site="acme.example", since=datetime(2026, 1, 1, tzinfo=UTC).date(),
    )  # fmt: skip
    profile = parse(starter.text())
    found = identify(tree(etc__model="vendor=Other\nmodel=X-99\n"), profile=profile)
    assert found is not None
    assert (found.vendor, found.model, found.revisions) == ("Acme", "AC-1", ("a", "b2"))


def test_long_and_many_files_are_left_alone() -> None:
    long = b"model=AC-1200\nvendor=Acme\n" + b"x" * MOST_FILE_BYTES
    assert identify(tree(etc__product=long)) is None
    binary = b"model=AC-1200\nvendor=Acme\n\0"
    assert identify(tree(etc__product=binary)) is None


@settings(max_examples=60, deadline=None)
@given(content=st.binary(max_size=400), head=st.binary(max_size=200))
def test_no_content_breaks_it(content: bytes, head: bytes) -> None:
    files = {
        "etc__version": content,
        "www__index.html": content,
        "etc__config__image_sign": content,
    }
    identify(tree(**files), head=head)


@pytest.mark.parametrize(
    ("mine", "theirs", "same"),
    [
        ("v14", "14.0", True), ("v14", "8.0", False), ("v14", "v8", False), ("b5", "b", True),
        ("b5", "bx", True), ("b5", "rev. B", True), ("b5", "b1", False), ("b", "b1", None),
        ("a1", "b", False), ("1", "v1", True), ("1", "*", True), ("1", "-", True),
        ("h/w v2", "2", True), ("strange", "v2", None), ("strange", "strange", True),
        ("r1", "1", True),
    ],
)  # fmt: skip
def test_revisions(mine: str, theirs: str, same: bool | None) -> None:  # noqa: FBT001
    assert same_revision(mine, theirs) is same


@pytest.mark.parametrize(
    ("model", "revisions", "text", "expected"),
    [
        ("DIR-300", ("b5",), "The D-Link DIR-300 router stores passwords.", True),
        ("DIR-300", ("b5",), "The D-Link DIR-3000 router stores passwords.", False),
        ("DIR-300", ("b5",), "D-Link DIR300 rev. A1 has a hole.", False),
        ("DIR-300", ("b5",), "D-Link DIR 300 Rev B has a hole.", True),
        ("DIR-825", ("r1",), "D-Link DIR-825 R1 devices contain a hole.", True),
        ("DIR-825", ("b1",), "D-Link DIR-825 R1 devices contain a hole.", False),
        ("DIR-859", ("a1",), "D-Link DIR-859 1.06B01 and earlier has a hole.", True),
        ("WNR2000", ("v5",), "NETGEAR WNR2000v5 router has a hole.", True),
        ("WNR2000", ("v4",), "NETGEAR WNR2000v5 router has a hole.", False),
        ("DCS-930L", (), "setSystemCommand on D-Link DCS-930L devices has a hole.", True),
        ("DNS-320", (), "D-Link DNS-320L, DNS-325, DNS-327L, and DNS-340L have a hole.", False),
        ("DNS-320L", (), "D-Link DNS-320L, DNS-325, DNS-327L, and DNS-340L have a hole.", True),
        ("Router", (), "Multiple D-Link Router models have a hole.", False),
        ("TL-WR740N", ("v2",), "TL-WR841N V8/V10, and TL-WR740N V1/V2 have a hole.", True),
        ("TL-WR740N", ("v4",), "TL-WR841N V8/V10, and TL-WR740N V1/V2 have a hole.", False),
        ("TL-WR740N", (), "TL-WR841N V8/V10, and TL-WR740N V1/V2 have a hole.", None),
    ],
)
def test_mentions_of_a_model(
    model: str,
    revisions: tuple[str, ...],
    text: str,
    expected: bool | None,  # noqa: FBT001
) -> None:
    entry = Exploited(1, "2026-01-01", "Maker", "Multiple Devices", "A Hole", text)
    mine = Identity(vendor="Maker", model=model, revisions=revisions)
    assert mentioned(mine, entry)[0] is expected
