"""Layouts of real products, made with the programs that vendors use."""

import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from holdfast.audit.unpack.opening import Result
from holdfast.core.process import run
from tests.audit.unpack.boxes import (
    SYSTEM,
    cpio,
    fdt,
    formats,
    kernel,
    lzma_alone,
    noise,
    opened,
    squeezed,
    tar,
    uimage,
    zimage,
)

pytestmark = pytest.mark.servers

Need = Callable[[str], str]


@pytest.fixture
def rootfs(tmp_path: Path) -> Path:
    folder = tmp_path / "rootfs"
    for path, content in SYSTEM.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, str):
            place.symlink_to(content.removeprefix("->"))
        else:
            place.write_bytes(content)
    (folder / "bin/busybox").chmod(0o4755)
    return folder


def squashfs(need: Need, folder: Path) -> bytes:
    image = folder.with_suffix(".sqsh")
    words = ["-comp", "xz", "-noappend", "-quiet", "-no-progress", "-all-root"]
    run([need("mksquashfs"), folder, image, *words], timeout_s=60)
    return image.read_bytes()


def ext4(need: Need, folder: Path, size: str = "8M") -> bytes:
    image = folder.with_suffix(".ext4")
    run([need("mkfs.ext4"), "-q", "-d", folder, image, size], timeout_s=60)
    return image.read_bytes()


def fat(need: Need, folder: Path) -> bytes:
    image = folder.with_suffix(".fat")
    run([need("mkfs.vfat"), "-C", image, "4096"], timeout_s=60)
    run([need("mcopy"), "-s", "-i", image, *folder.iterdir(), "::"], timeout_s=60)
    return image.read_bytes()


def disk(*partitions: bytes) -> bytes:
    """Put partitions on a disk with an MBR, a boot loader in the gap before them."""
    at, table, body = 2048, b"", b""
    for partition in partitions:
        sectors = -(-len(partition) // 512)
        table += struct.pack("<B3xB3xII", 0, 0x83, at, sectors)
        body += partition.ljust(sectors * 512, b"\0")
        at += sectors
    head = bytes(446) + table.ljust(64, b"\0") + b"\x55\xaa"
    loader = noise(40) + b"U-Boot SPL 2019.04 (Jan 1 2020)\0" + b"\x10\x20\x30\x40" * 4000
    return (head + loader).ljust(2048 * 512, b"\0") + body


def is_whole(result: Result) -> None:
    assert result.opened.unopened == ()
    assert result.opened.limits == ()
    assert result.tree.read("etc/passwd") == SYSTEM["etc/passwd"]
    node = result.tree.get("bin/busybox")
    assert node is not None
    assert node.mode == 0o4755


def test_a_card_with_boot_and_root(need: Need, tmp_path: Path, rootfs: Path) -> None:
    boot = tmp_path / "boot"
    boot.mkdir()
    (boot / "zImage").write_bytes(zimage(squeezed(kernel())))
    (boot / "board.dtb").write_bytes(fdt({"model": b"box\0"}))
    (boot / "uEnv.txt").write_text("bootargs=console=ttyS0\n")
    result = opened(disk(fat(need, boot), ext4(need, rootfs)))
    is_whole(result)
    assert "Linux kernel" in formats(result)
    assert any(node.path.endswith("/uEnv.txt") for node in result.tree.files())
    assert any(volume.format == "U-Boot" for volume in result.opened.volumes)


def test_two_slots_and_settings(need: Need, tmp_path: Path, rootfs: Path) -> None:
    config = tmp_path / "config"
    config.mkdir()
    (config / "network").write_text("address=192.0.2.1\n")
    slot = squashfs(need, rootfs)
    result = opened(disk(slot, slot, ext4(need, config, "1M")))
    is_whole(result)
    assert [volume.same_as for volume in result.opened.volumes if volume.root] == [None, ""]
    assert any(node.path.endswith("/network") for node in result.tree.files())


def test_a_rauc_bundle(need: Need, tmp_path: Path, rootfs: Path) -> None:
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    (bundle / "manifest.raucm").write_text("[update]\ncompatible=box\n[image.rootfs]\n")
    (bundle / "rootfs.ext4").write_bytes(ext4(need, rootfs))
    (bundle / "kernel.tar").write_bytes(tar({"boot/zImage": zimage(squeezed(kernel()))}))
    body = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02\xa0\x82\x04\x00" + noise(1500)
    signature = b"\x30\x82" + struct.pack(">H", len(body)) + body
    image = squashfs(need, bundle) + signature + struct.pack(">Q", len(signature))
    result = opened(image, name="update.raucb")
    is_whole(result)
    assert {"CMS", "Linux kernel"} <= set(formats(result))


def test_a_software_update_with_a_squashfs(need: Need, rootfs: Path) -> None:
    update = cpio(
        {
            "sw-description": b"software = { version = '1.0'; }\n",
            "rootfs.squashfs": squashfs(need, rootfs),
            "uImage": uimage(lzma_alone(kernel())),
        }
    )
    result = opened(update, name="update.swu")
    is_whole(result)
    assert "Linux kernel" in formats(result)


def test_a_flash_with_kernel_root_and_overlay(need: Need, tmp_path: Path, rootfs: Path) -> None:
    overlay = tmp_path / "overlay"
    (overlay / "upper/etc").mkdir(parents=True)
    (overlay / "work").mkdir()
    (overlay / "upper/etc/passwd").write_text("changed\n")
    image = tmp_path / "overlay.jffs2"
    run([need("mkfs.jffs2"), "-r", overlay, "-o", image, "-e", "64KiB", "-p"], timeout_s=60)
    flash = (uimage(lzma_alone(kernel())) + b"\xff" * 100_000)[:131072].ljust(131072, b"\xff")
    flash += squashfs(need, rootfs)
    flash += b"\xff" * (-len(flash) % 65536) + image.read_bytes()
    result = opened(flash)
    assert result.opened.complete
    assert result.tree.read("etc/passwd") == b"changed\n"
    assert result.tree.read("etc/inittab") == SYSTEM["etc/inittab"]


def test_a_flash_with_ubi(need: Need, tmp_path: Path, rootfs: Path) -> None:
    image, config = tmp_path / "root.ubifs", tmp_path / "ubi.ini"
    layout = ["-m", "2048", "-e", "126976", "-c", "200"]
    run([need("mkfs.ubifs"), *layout, "-r", rootfs, "-o", image], timeout_s=60)
    config.write_text(
        f"[rootfs]\nmode=ubi\nimage={image}\nvol_id=0\nvol_type=dynamic\nvol_name=rootfs\n"
        "vol_flags=autoresize\n"
    )
    flash = tmp_path / "flash.ubi"
    run([need("ubinize"), "-o", flash, "-p", "128KiB", "-m", "2048", config], timeout_s=60)
    result = opened(uimage(lzma_alone(kernel())).ljust(1 << 18, b"\xff") + flash.read_bytes())
    is_whole(result)
    main = next(volume for volume in result.opened.volumes if not volume.name)
    assert any(step.startswith("ubi@") for step in main.chain)


def test_a_package_of_debian_is_no_root(tmp_path: Path, need: Need) -> None:
    folder = tmp_path / "package"
    (folder / "DEBIAN").mkdir(parents=True)
    (folder / "DEBIAN/control").write_text(
        "Package: box\nVersion: 1\nArchitecture: all\nMaintainer: Ada <ada@example>\n"
        "Description: box\n"
    )
    (folder / "usr/bin").mkdir(parents=True)
    (folder / "usr/bin/box").write_bytes(b"\x7fELF" + noise(9000))
    run([need("dpkg-deb"), "--build", folder, tmp_path / "box.deb"], timeout_s=60)
    result = opened((tmp_path / "box.deb").read_bytes(), name="box.deb")
    assert result.opened.complete
    assert not any(volume.root for volume in result.opened.volumes)
    assert any(node.path.endswith("usr/bin/box") for node in result.tree.files())
