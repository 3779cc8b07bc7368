"""Images of many layers come out as one tree, with honest accounts of the rest."""

import bz2
import gzip
import io
import lzma
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from holdfast.audit.unpack.opening import Result
from holdfast.core.process import run
from tests.audit.unpack.boxes import (
    BANNER,
    SYSTEM,
    android_boot,
    chk,
    code,
    cpio,
    fdt,
    fit,
    formats,
    kernel,
    lzma_alone,
    multi,
    noise,
    opened,
    seama,
    sparse,
    squeezed,
    tar,
    tplink,
    trx,
    uimage,
    zimage,
)


def is_whole(result: Result) -> None:
    assert result.opened.unopened == ()
    assert result.opened.limits == ()
    assert result.opened.complete
    assert result.tree.read("etc/passwd") == SYSTEM["etc/passwd"]
    assert [volume.name for volume in result.opened.volumes if volume.root] == [""]


ROOT = cpio(SYSTEM)
PACKED = {
    "cpio": ROOT,
    "tar": tar(SYSTEM),
    "gzip": squeezed(ROOT),
    "bzip2": bz2.compress(ROOT),
    "xz": lzma.compress(ROOT),
    "lzma": lzma_alone(ROOT),
    "gzip in gzip": squeezed(squeezed(ROOT)),
    "uImage": uimage(squeezed(ROOT), kind=3),
    "uImage of several": uimage(multi(squeezed(kernel()), squeezed(ROOT)), kind=4),
    "FIT": fit({"kernel-1": squeezed(kernel()), "ramdisk-1": squeezed(ROOT)}),
    "FIT with data outside": fit({"k": squeezed(kernel()), "r": squeezed(ROOT)}, outside=True),
    "TRX": trx(lzma_alone(kernel()), ROOT),
    "SEAMA": seama(lzma_alone(kernel()) + bytes(100) + ROOT),
    "TP-Link": tplink(lzma_alone(kernel()) + b"\xff" * 900 + ROOT),
    "CHK": chk(squeezed(kernel()), ROOT),
    "Android boot": android_boot(squeezed(kernel()), squeezed(ROOT)),
    "Android sparse": sparse(ROOT + b"abcd" * 4096 + bytes(8192)),
    "TRX in CHK": chk(trx(lzma_alone(kernel()), ROOT), bytes(16)),
    "in the kernel": uimage(lzma_alone(kernel(squeezed(ROOT)))),
    "in the kernel, not packed": uimage(squeezed(kernel(bytes(-len(BANNER) % 4) + ROOT))),
    "zImage": uimage(zimage(lzma.compress(kernel(ROOT)))),
    "filler around": b"\xff" * 70_000 + ROOT + bytes(70_000),
    "marks of flash": ROOT + b"\xde\xad\xc0\xde" + b"\xff" * 9000 + b"\xde\xad\xc0\xde",
    "short headers": b"VENDOR v1.2" + bytes(range(200)) + ROOT + bytes(range(255)),
}


@pytest.mark.parametrize("name", PACKED)
def test_the_root_is_found(name: str) -> None:
    is_whole(opened(PACKED[name]))


def zipped(**files: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in files.items():
            archive.writestr(path.replace("__", "."), content)
    return out.getvalue()


def test_an_image_in_an_archive_is_opened_and_its_file_not_judged_twice() -> None:
    image = trx(lzma_alone(kernel()), ROOT)
    result = opened(zipped(readme__txt=b"hello\n" * 2000, firmware__bin=image), name="download.zip")
    is_whole(result)
    assert "zip" in formats(result)[0]
    firmware = result.tree.get(":zip@0x0/firmware.bin")
    assert firmware is not None
    assert firmware.read is None
    assert result.tree.read(":zip@0x0/readme.txt", 100_000) == b"hello\n" * 2000
    main = next(volume for volume in result.opened.volumes if not volume.name)
    assert main.chain[:2] == ("zip@0x0", "firmware.bin")


def test_a_software_update_archive_is_opened() -> None:
    update = cpio({"sw-description": b"software = {}\n", "rootfs.cpio.gz": squeezed(ROOT)})
    is_whole(opened(update, name="update.swu"))


def test_what_stands_in_a_folder_of_an_archive_is_a_root_too() -> None:
    inner = {f"build/rootfs/{path}": content for path, content in SYSTEM.items()}
    is_whole(opened(tar({**inner, "build/notes.txt": b"notes"})))


def test_small_archives_inside_a_root_are_left_alone() -> None:
    system = {**SYSTEM, "usr/share/man/ls.1.gz": squeezed(b"manual page\n" * 3000)}
    result = opened(cpio(system))
    is_whole(result)
    assert len(result.opened.volumes) == 1


def test_an_image_inside_a_root_is_opened() -> None:
    other = {**SYSTEM, "etc/passwd": b"other:x:0:0::/:/bin/sh\n", "opt/x": noise(300_000)}
    result = opened(cpio({**SYSTEM, "boot/recovery.img": cpio(other), "bin/a": b"1", "bin/b": b"2",
                          "bin/c": b"3"}))  # fmt: skip
    assert result.tree.read("etc/passwd") == SYSTEM["etc/passwd"]
    assert [tree.read("etc/passwd") for tree in result.others.values()] == [other["etc/passwd"]]
    # The file itself stays readable where it is part of the system.
    image = result.tree.get("boot/recovery.img")
    assert image is not None
    assert image.read is not None


def test_two_slots_with_the_same_content_are_judged_once() -> None:
    result = opened(ROOT + b"\xff" * 5000 + ROOT)
    is_whole_but_two = [volume.same_as for volume in result.opened.volumes if volume.root]
    assert is_whole_but_two == [None, ""]
    assert result.others == {}


def test_slots_that_differ_are_both_judged() -> None:
    second = cpio({**SYSTEM, "etc/passwd": b"x"})
    result = opened(ROOT + bytes(512) + b"\xff" * 4096 + bytes(1 << 20) + b"\xff" + second)
    assert [len(tree) for tree in result.others.values()] == [len(result.tree)]


def test_an_overlay_is_laid_over_the_root() -> None:
    upper = tar({"upper/etc/passwd": b"changed\n", "upper/etc/new": b"n", "work/x": b""})
    result = opened(ROOT + b"\xff" * 4096 + upper)
    assert result.tree.read("etc/passwd") == b"changed\n"
    assert result.tree.read("etc/new") == b"n"
    assert result.tree.read("etc/inittab") == SYSTEM["etc/inittab"]


def test_a_kernel_is_kept_with_its_configuration() -> None:
    config = b"CONFIG_MODULES=y\n# CONFIG_DEVMEM is not set\n"
    extra = b"IKCFG_ST" + squeezed(config) + b"IKCFG_ED"
    result = opened(uimage(squeezed(kernel(extra))))
    kernels = [volume for volume in result.opened.volumes if volume.format == "Linux kernel"]
    assert len(kernels) == 1
    assert result.tree.read(f":{kernels[0].name}/config") == config
    assert BANNER in (result.tree.read(f":{kernels[0].name}/vmlinux") or b"")
    assert result.opened.complete
    assert kernels[0].chain == ("uimage@0x0", "kernel@0x40", "gzip@0x0")


def test_the_empty_archive_of_a_kernel_is_no_volume() -> None:
    result = opened(squeezed(kernel(bytes(-len(BANNER) % 4) + cpio({"dev": "->x"}))))
    assert formats(result) == ["Linux kernel"]
    assert result.opened.complete


def test_what_nobody_knows_makes_it_incomplete() -> None:
    result = opened(ROOT + noise(50_000))
    assert not result.opened.complete
    (piece,) = result.opened.unopened
    assert piece.offset == len(ROOT)
    assert piece.size_bytes == 50_000
    assert piece.entropy > 7.9
    assert "compressed or encrypted" in piece.why


def test_unknown_code_is_told_and_its_strings_kept() -> None:
    result = opened(ROOT + code(50_000) + b"secret string here")
    assert not result.opened.complete
    (piece,) = result.opened.unopened
    assert "neither" in piece.why
    assert b"secret string here" in (result.tree.read(f":raw@0x{len(ROOT):x}/raw") or b"")


def test_a_boot_loader_is_known_but_what_is_packed_in_it_is_not() -> None:
    loader = code(40_000) + b"U-Boot 1.1.3 (Jan 1 2020)\0" + code(20_000)
    loader = loader[: len(loader) // 16384 * 16384]
    assert opened(ROOT + loader).opened.complete
    result = opened(ROOT + loader + noise(100_000))
    assert not result.opened.complete
    assert all(piece.entropy > 7.6 for piece in result.opened.unopened)
    assert any(volume.format == "U-Boot" for volume in result.opened.volumes)


def test_a_signature_behind_a_bundle_is_known() -> None:
    # As RAUC appends it: CMS signed data, then its length.
    body = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02\xa0\x82\x04\x00" + noise(1500)
    signature = b"\x30\x82" + struct.pack(">H", len(body)) + body
    result = opened(ROOT + signature + struct.pack(">Q", len(signature)))
    is_whole(result)
    assert "CMS" in formats(result)


def test_a_device_tree_is_known() -> None:
    tree = fdt({"chosen": {"bootargs": b"console=ttyS0,115200 root=/dev/mtdblock2\0"}})
    result = opened(tree + bytes(64) + ROOT)
    is_whole(result)
    assert result.tree.read(":devicetree@0x0/devicetree.dtb") == tree


def test_settings_of_the_boot_loader_are_known() -> None:
    text = b"bootcmd=bootm 0x80000\0bootdelay=3\0password=x\0\0".ljust(8188, b"\xff")
    result = opened(ROOT + b"\xff" * 100 + struct.pack("<I", zlib.crc32(text)) + text)
    is_whole(result)
    assert "U-Boot environment" in formats(result)


def test_no_root_at_all_is_allowed() -> None:
    result = opened(tar({"notes.txt": b"nothing here"}))
    assert not any(volume.root for volume in result.opened.volumes)
    assert result.opened.complete
    assert len(result.tree) > 1


def test_an_encrypted_file_in_an_archive_is_told() -> None:
    result = opened(tar({"README": b"read me", "firmware.enc": noise(200_000)}))
    assert not result.opened.complete
    assert result.opened.unopened[0].where.endswith("firmware.enc")


def test_documents_and_pictures_beside_an_image_are_not() -> None:
    files = {"manual.pdf": b"%PDF-1.7" + noise(200_000), "a.png": b"\x89PNG" + noise(90_000)}
    is_whole(opened(tar({**files, "rootfs.cpio": ROOT})))


def test_a_damaged_stream_gives_what_it_can() -> None:
    packed = squeezed(cpio({**SYSTEM, "zzz": noise(200_000)}))
    result = opened(packed[:-20_000])
    assert not result.opened.complete
    assert result.tree.read("etc/passwd") == SYSTEM["etc/passwd"]


def test_nesting_ends_at_the_limit_and_says_so() -> None:
    content = ROOT
    for _ in range(40):
        content = squeezed(content)
    result = opened(content, limits={"depth": 10})
    assert not result.opened.complete
    assert {hit.limit for hit in result.opened.limits} == {"depth"}
    is_whole(opened(PACKED["gzip in gzip"], limits={"depth": 4}))


def test_a_bomb_ends_at_the_limit_and_the_rest_is_opened() -> None:
    bomb = squeezed(bytes(50_000_000))
    result = opened(ROOT + b"\xff" * 1000 + bomb, limits={"file_bytes": 10_000_000})
    assert not result.opened.complete
    assert {hit.limit for hit in result.opened.limits} == {"file_bytes"}
    assert result.tree.read("etc/passwd") == SYSTEM["etc/passwd"]


@pytest.mark.parametrize("limit", ["files", "unpacked_bytes"])
def test_what_was_opened_before_a_limit_is_kept(limit: str) -> None:
    many = cpio({f"many/{number}": b"x" for number in range(500)})
    image = ROOT + b"\xff" * 1000 + squeezed(bytes(3_000_000)) + b"\xff" * 1000 + many
    by_limit = {"files": {"files": 100}, "unpacked_bytes": {"unpacked_bytes": 1_000_000}}
    result = opened(image, limits=by_limit[limit])
    assert not result.opened.complete
    assert {hit.limit for hit in result.opened.limits} == {limit}
    assert result.tree.read("etc/passwd") == SYSTEM["etc/passwd"]


def test_names_of_volumes_are_harmless() -> None:
    evil = "../../etc/\x1b[31mx\ny" + "z" * 200 + ".cpio"
    result = opened(tar({evil: ROOT, "a": b"b"}))
    for volume in result.opened.volumes:
        assert "/" not in volume.name
        assert volume.name.isprintable()
        assert len(volume.name) < 80
    is_whole(result)


def test_a_root_cannot_hide_a_volume_behind_its_name() -> None:
    evil = cpio({**SYSTEM, ":raw@0x0/raw": b"fake", ":x": "->/etc"})
    result = opened(evil)
    assert not any(path.path.startswith(":") for path in result.tree.walk())
    assert result.tree.read("%3Araw@0x0/raw") == b"fake"


@pytest.mark.servers
@pytest.mark.parametrize("how", ["gzip", "xz", "lzo", "lz4", "zstd"])
def test_a_real_squashfs_in_a_real_layout(
    need: Callable[[str], str], tmp_path: Path, how: str
) -> None:
    folder = tmp_path / "root"
    for path, content in SYSTEM.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, str):
            place.symlink_to(content.removeprefix("->"))
        else:
            place.write_bytes(content)
    image = tmp_path / "root.sqsh"
    run([need("mksquashfs"), folder, image, "-comp", how, "-noappend", "-quiet"], timeout_s=30)
    whole = uimage(lzma_alone(kernel())) + b"\xff" * 3000 + image.read_bytes()
    result = opened(whole + b"\xff" * 5000)
    is_whole(result)
    assert any(how in form for form in formats(result) if "squashfs" in form)


REAL = Path(__file__).parents[3].parent / "shared/data/firmware"
EXPECTED = {
    "dlink-dir300b5-2.15.bin": ("2.6.33.2", 1169, b"boa"),
    "tplink-wr841nv14-eu.bin": ("2.6.36", 361, b""),
    "openwrt-r47364-wrt350nv2-sysupgrade.img": ("3.18.23", 737, b""),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", EXPECTED)
def test_real_images_come_out_whole(name: str) -> None:
    if not (REAL / name).exists():
        pytest.skip(f"there is no {name} beside the project")
    version, _, _ = EXPECTED[name]
    result = opened((REAL / name).read_bytes(), name=name)
    assert result.opened.unopened == ()
    assert result.opened.complete
    assert [volume.name for volume in result.opened.volumes if volume.root] == [""]
    kernels = [volume for volume in result.opened.volumes if volume.format == "Linux kernel"]
    assert len(kernels) == 1
    image = result.tree.read(f":{kernels[0].name}/vmlinux") or b""
    assert f"Linux version {version} ".encode() in image
    files = sum(1 for node in result.tree.files() if not node.path.startswith(":"))
    assert files > 300


def test_gzip_of_the_standard_library_is_what_we_test_with() -> None:
    assert gzip.decompress(PACKED["gzip"]) == ROOT
