"""The main root is the volume that looks most like a system."""

import pytest

from holdfast.audit.tree import Kind, Node
from holdfast.audit.unpack.ledger import Found, Ledger
from holdfast.audit.unpack.roots import ENOUGH, choose, inner_roots, score, split

ROUTER = ["bin/busybox", "bin/sh", "sbin/init", "etc/inittab", "lib/libc.so.0", "dev", "proc"]
MERGED = ["bin", "usr/bin/dash", "usr/lib/systemd/systemd", "usr/lib/x86_64-linux-gnu/libc.so.6",
          "etc/os-release"]  # fmt: skip
ANDROID = ["bin/sh", "bin/toybox", "bin/init", "etc/hosts", "lib/libc.so", "build.prop"]
INITRAMFS = ["init", "bin/busybox", "bin/sh", "dev", "proc"]


def found(name: str, paths: list[str], size: int = 10) -> Found:
    nodes = {}
    for path in paths:
        kind = Kind.FOLDER if path in {"dev", "proc", "etc", "bin"} else Kind.FILE
        nodes[path] = Node(
            path=path, kind=kind, mode=0o755, size_bytes=size if kind is Kind.FILE else 0,
            read=(lambda: b"x" * size) if kind is Kind.FILE else None,
        )  # fmt: skip
    return Found(name=name, format="test", chain=(name,), nodes=nodes)


@pytest.mark.parametrize("paths", [ROUTER, MERGED, ANDROID, INITRAMFS])
def test_systems_are_roots(paths: list[str]) -> None:
    assert score(paths) >= ENOUGH


@pytest.mark.parametrize(
    "paths",
    [
        [],
        ["etc/passwd", "etc/shadow", "etc/fstab"],  # a partition for settings
        ["www/index.html", "www/cgi-bin/login"],
        ["lib/modules/4.4/x.ko", "lib/firmware/a.bin"],
        ["boot/vmlinuz", "boot/initrd.img", "grub/grub.cfg"],
        ["usr/share/doc/x", "usr/bin/perl", "usr/lib/libx.so"],
    ],
)
def test_partitions_beside_a_system_are_none(paths: list[str]) -> None:
    assert score(paths) < ENOUGH


def test_the_larger_system_is_the_main_one() -> None:
    chosen = choose([
        found("initramfs", INITRAMFS),
        found("data", ["log/messages"]),
        found("rootfs", [*ROUTER, *(f"usr/bin/{number}" for number in range(50))]),
    ])  # fmt: skip
    assert [volume.name for volume in chosen.volumes] == ["initramfs", "data", ""]
    assert [volume.root for volume in chosen.volumes] == [True, False, True]
    assert "sbin/init" in chosen.tree
    assert ":data/log/messages" in chosen.tree
    assert ":initramfs/init" not in chosen.tree
    assert "init" in chosen.others["initramfs"]
    node = chosen.tree.get(":data/log/messages")
    assert node is not None
    assert node.origin == 1


def test_a_copy_is_known_by_its_content_not_by_its_listing() -> None:
    twin, liar = found("b", ROUTER), found("c", ROUTER)
    liar.nodes["bin/sh"] = (
        found("x", ["bin/sh"])
        .nodes["bin/sh"]
        .__class__(path="bin/sh", kind=Kind.FILE, mode=0o755, size_bytes=10, read=lambda: b"y" * 10)
    )
    chosen = choose([found("a", ROUTER), twin, liar])
    assert [volume.same_as for volume in chosen.volumes] == [None, "", None]
    assert list(chosen.others) == ["c"]


def test_roots_in_folders() -> None:
    whole = found("archive", [f"out/target/{path}" for path in ROUTER] + ["out/images/README"])
    assert inner_roots(whole.nodes) == ["out/target"]
    part = split(whole, "out/target")
    assert score(part.nodes) >= ENOUGH
    assert list(whole.nodes) == ["out/images/README"]
    assert part.chain == ("archive", "out/target")
    assert inner_roots(found("deep", [f"a/b/c/d/e/{path}" for path in ROUTER]).nodes) == []


def test_many_hostile_candidates_cost_little() -> None:
    paths = [f"{number}/{name}" for number in range(3000) for name in ("etc/x", "bin/x", "usr/x")]
    assert inner_roots(found("hostile", paths).nodes) == []


def test_an_upper_layer_removes_too() -> None:
    upper = Found(name="overlay", format="jffs2", chain=("jffs2@0x1",))
    for path, kind, device in (
        ("upper", Kind.FOLDER, None),
        ("work", Kind.FOLDER, None),
        ("upper/etc/inittab", Kind.CHARACTER, (0, 0)),
        ("upper/bin/.wh.sh", Kind.FILE, None),
        ("upper/etc/config", Kind.FILE, None),
    ):
        upper.nodes[path] = Node(path=path, kind=kind, mode=0o644, device=device)
    tree = choose([found("rootfs", ROUTER), upper]).tree
    assert "etc/config" in tree
    assert "etc/inittab" not in tree
    assert "bin/sh" not in tree
    assert "bin/busybox" in tree
    assert ":overlay/upper/etc/config" in tree


def test_names_of_volumes_are_unique_and_safe() -> None:
    ledger = Ledger()
    names = [ledger.name_for(each) for each in ("a/b", "a/b", "..", "", "x\n\x1b[0m", "é" * 99)]
    assert len(set(names)) == len(names)
    assert all(name and name.isascii() and "/" not in name for name in names)
