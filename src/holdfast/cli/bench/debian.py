"""A root file system of about 100 MB, the same list of Debian packages each time."""

import os
import re
import stat
from pathlib import Path
from typing import Final, NamedTuple

from holdfast.cli.bench.errors import BenchError
from holdfast.core.process import run

HOME: Final = Path("var/bench/debian")
PACKAGES: Final = (
    "avahi-daemon", "base-files", "base-passwd", "bash", "busybox", "ca-certificates", "chrony",
    "cron", "curl", "dash", "dbus", "dbus-daemon", "dnsmasq-base", "grep", "gzip", "hostapd",
    "iproute2", "iptables", "libblkid1", "libbz2-1.0", "libc-bin", "libc6", "libcap2", "libcrypt1",
    "libcurl4", "libdbus-1-3", "libgcc-s1", "libgnutls30", "liblzma5", "libmount1",
    "libnftables1", "libnl-3-200", "libnl-genl-3-200", "libpam-modules", "libpam-runtime",
    "libpam0g", "libpcap0.8", "libpcre2-8-0", "libselinux1", "libsqlite3-0", "libssl3",
    "libstdc++6", "libstrongswan", "libsystemd-shared", "libsystemd0", "libudev1", "libuuid1",
    "libzstd1", "lighttpd", "login", "miniupnpd", "mosquitto", "mount", "nftables", "nginx",
    "openssh-server", "openssl", "openvpn", "passwd", "ppp", "rsyslog", "sed",
    "strongswan-charon", "swupdate", "systemd", "systemd-sysv", "tar", "udev", "util-linux",
    "vsftpd", "xz-utils", "zlib1g",
)  # fmt: skip
"""What a gateway with every service could hold, without the packages that these depend on."""

_DOWNLOAD_S: Final = 600.0
_UNPACK_S: Final = 120.0
_PACK_S: Final = 300.0
_OWNED: Final = re.compile(r"Package: ", re.MULTILINE)


class Made(NamedTuple):
    """What was made.

    Attributes:
        image: As squashfs with xz.
        tree: The same as a folder.
        size_bytes: Sum of its contents.
        files: How many regular files.
        packages: File names of the packages, with versions.
    """

    image: Path
    tree: Path
    size_bytes: int
    files: int
    packages: tuple[str, ...]


def made() -> Made:
    """Download the packages, unpack them, and pack the whole as an image; all of it once.

    Raises:
        BenchError: A program is missing, or the packages cannot be downloaded.
    """
    archives, tree, image = HOME / "packages", HOME / "tree", HOME / "root.squashfs"
    if not image.is_file():
        archives.mkdir(parents=True, exist_ok=True)
        _download(archives)
        _unpack(archives, tree)
        _pack(tree, image)
    sizes = [
        about.st_size for path in tree.rglob("*") if stat.S_ISREG((about := path.lstat()).st_mode)
    ]
    return Made(image, tree, sum(sizes), len(sizes), tuple(path.name for path in _in(archives)))


def _in(archives: Path) -> list[Path]:
    return sorted(archives.glob("*.deb"))


def _download(archives: Path) -> None:
    there = {path.name.partition("_")[0] for path in _in(archives)}
    missing = [name for name in PACKAGES if name not in there]
    if missing:
        done = run(
            ["apt-get", "download", "-qq", *missing],
            timeout_s=_DOWNLOAD_S, check=False, cwd=archives, env=dict(os.environ),
        )  # fmt: skip
        if done.exit_code != 0:
            last = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
            raise BenchError(f"the Debian packages cannot be downloaded: {' '.join(last)}")


def _unpack(archives: Path, tree: Path) -> None:
    """Unpack each package, and write the database that dpkg would."""
    entries: list[str] = []
    for archive in _in(archives):
        run(["dpkg-deb", "--extract", archive, tree], timeout_s=_UNPACK_S)
        told = run(["dpkg-deb", "--field", archive], timeout_s=_UNPACK_S).stdout.decode()
        entries.append(_OWNED.sub("Status: install ok installed\nPackage: ", told, count=1))
        name = archive.name.partition("_")[0]
        content = run(["dpkg-deb", "--contents", archive], timeout_s=_UNPACK_S).stdout.decode()
        paths = [line.split(" ./", 1)[1].split(" -> ")[0] for line in content.splitlines()[1:]]
        folder = tree / "var/lib/dpkg/info"
        folder.mkdir(parents=True, exist_ok=True)
        listed = "".join(f"/{path.rstrip('/')}\n" for path in paths)
        (folder / f"{name}.list").write_text(listed)
    (tree / "var/lib/dpkg/status").write_text("\n".join(entries))
    # What base-passwd copies when it is installed; without it nobody could log in.
    for name in ("passwd", "group"):
        master = tree / f"usr/share/base-passwd/{name}.master"
        (tree / "etc" / name).write_text(master.read_text())


def _pack(tree: Path, image: Path) -> None:
    part = image.with_suffix(".part")
    part.unlink(missing_ok=True)
    options = ["-comp", "xz", "-noappend", "-all-root", "-no-progress", "-quiet"]
    run(["mksquashfs", tree, part, *options], timeout_s=_PACK_S)
    part.replace(image)
