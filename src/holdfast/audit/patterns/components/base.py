"""What every system has: C libraries, shells, start-up, boot loaders, update tools."""

from typing import Final

from holdfast.audit.patterns.components.software import Software

TABLE: Final[tuple[Software, ...]] = (
    Software(
        name="busybox",
        cpe=("busybox:busybox",),
        strings=(rb"BusyBox v(?P<version>[01]\.[0-9]{1,2}(?:\.[0-9]{1,2})?)",),
        programs=("busybox*",),
    ),
    Software(
        name="toybox",
        strings=(rb"\x00toybox (?P<version>0\.[0-9]\.[0-9]{1,2})",),
        programs=("toybox*",),
        verified=False,
    ),
    Software(
        name="uclibc-ng",
        cpe=("uclibc-ng_project:uclibc-ng", "uclibc:uclibc"),
        file=r"(?:ld64?-uClibc|libuClibc)-(?P<version>1\.0\.[0-9]{1,2})\.so",
        libraries=("libuClibc", "ld-uClibc", "ld64-uClibc"),
        verified=False,
    ),
    Software(
        name="uclibc",
        cpe=("uclibc:uclibc",),
        file=r"(?:ld-uClibc|libuClibc)-(?P<version>0\.9\.[0-9]{1,2}(?:\.[0-9])?)\.so",
        libraries=("libuClibc", "ld-uClibc"),
        packages=("libuclibc",),
    ),
    Software(
        name="musl",
        cpe=("musl-libc:musl",),
        bare=r"[01]\.[0-9]\.[0-9]{1,2}",
        strings=(rb"musl libc(?: \([a-z0-9_-]{2,24}\))?\nVersion %s\n",),
        programs=("ld-musl-*",),
    ),
    Software(
        name="glibc",
        cpe=("gnu:glibc",),
        strings=(
            (
                rb"GNU C Library [^\n\x00]{0,80}release version "
                rb"(?P<version>2\.[0-9]{1,2}(?:\.[0-9]{1,2})?)"
            ),
        ),
        file=r"libc-(?P<version>2\.[0-9]{1,2}(?:\.[0-9]{1,2})?)\.so",
        programs=("libc.so.6",),
        packages=("libc6", "eglibc"),
    ),
    Software(
        name="bash",
        cpe=("gnu:bash",),
        strings=(rb"Bash version (?P<version>[2-9]\.[0-9]{1,2}(?:\.[0-9]{1,3})?)\([0-9]",),
        programs=("bash",),
    ),
    Software(
        name="util-linux",
        cpe=("kernel:util-linux",),
        strings=(rb"util-linux(?:-ng)? (?P<version>2\.[0-9]{1,2}(?:\.[0-9]{1,2})?)\x00",),
        programs=("mount", "fdisk", "lsblk", "dmesg", "agetty"),
        packages=("util-linux-ng",),
    ),
    Software(
        name="procps",
        cpe=("procps-ng_project:procps-ng", "procps_project:procps"),
        strings=(rb"procps-ng (?P<version>[34]\.[0-9]{1,2}\.[0-9]{1,2})",),
        programs=("ps", "top", "free", "pgrep", "sysctl", "vmstat", "uptime", "kill"),
        packages=("procps-ng",),
    ),
    Software(
        name="systemd",
        cpe=("systemd_project:systemd", "freedesktop:systemd"),
        strings=(rb"systemd (?P<version>2[0-9]{2}) \(2[0-9]{2}",),
        file=r"libsystemd-(?:shared|core)-(?P<version>2[0-9]{2})\.so",
        libraries=("libsystemd", "libudev"),
        programs=("systemd", "systemd-*", "udevadm"),
    ),
    Software(
        name="dbus",
        cpe=("freedesktop:dbus", "d-bus_project:d-bus"),
        strings=(rb"libdbus (?P<version>1\.[0-9]{1,2}\.[0-9]{1,3})\x00",),
        own_strings=(rb"LIBDBUS_PRIVATE_(?P<version>1\.[0-9]{1,2}\.[0-9]{1,3})",),
        programs=("dbus-daemon",),
        libraries=("libdbus-1",),
    ),
    Software(
        name="kmod",
        cpe=("kernel:kmod",),
        strings=(rb"kmod version (?P<version>[0-9]{1,2})[\x00\n]",),
        programs=("kmod",),
        libraries=("libkmod",),
        verified=False,
    ),
    Software(
        name="e2fsprogs",
        cpe=("e2fsprogs_project:e2fsprogs",),
        strings=(rb"EXT2FS Library version (?P<version>1\.[0-9]{2}(?:\.[0-9]{1,2})?)",),
        bare=r"1\.4[0-9]\.[0-9]{1,2}",
        programs=("e2fsck", "mke2fs", "tune2fs", "debugfs", "dumpe2fs", "resize2fs"),
        libraries=("libext2fs", "libe2p"),
    ),
    Software(
        name="dosfstools",
        cpe=("dosfstools_project:dosfstools",),
        strings=(
            (
                rb"(?:mkfs\.fat|fsck\.fat|fatlabel|mkdosfs|dosfsck) "
                rb"(?P<version>[234]\.[0-9]{1,2}(?:\.[0-9]{1,2})?) \("
            ),
        ),
        programs=("mkfs.fat", "fsck.fat", "mkdosfs", "dosfsck"),
    ),
    Software(
        name="mtd-utils",
        bare=r"2\.[0-9]\.[0-9]",
        programs=("ubiattach", "nandwrite", "flash_erase", "ubinfo"),
    ),
    Software(
        name="ntfs-3g",
        cpe=("tuxera:ntfs-3g",),
        bare=r"20[0-9]{2}\.[0-9]{1,2}\.[0-9]{1,2}(?:AR\.[0-9])?",
        programs=("ntfs-3g*", "lowntfs-3g", "mkntfs", "ntfsfix"),
        libraries=("libntfs-3g",),
    ),
    Software(
        name="fuse",
        cpe=("fuse_project:fuse", "libfuse_project:libfuse"),
        named=True,
        libraries=("libfuse", "libfuse3"),
        packages=("libfuse", "fuse3"),
    ),
    Software(
        name="usb-modeswitch",
        bare=r"[12]\.[0-9]\.[0-9]",
        programs=("usb_modeswitch",),
    ),
    Software(
        name="u-boot",
        cpe=("denx:u-boot",),
        strings=(
            (
                rb"U-Boot (?:SPL )?"
                rb"(?P<version>(?:1\.[0-9]\.[0-9]|20[0-9]{2}\.[0-9]{2}(?:\.[0-9]{1,2})?)(?:-rc"
                rb"[0-9])?)[^\x00\n(]{0,60}\([A-Z][a-z]{2} [ 0-9][0-9] 20[0-9]{2}"
            ),
        ),
        programs=("u-boot*",),
    ),
    Software(
        name="cfe",
        strings=(rb"CFE version (?P<version>[0-9.]{1,12}-[0-9.]{1,16}) for BCM",),
        verified=False,
    ),
    Software(
        name="redboot",
        strings=(rb"RedBoot\(tm\) bootstrap and debug environment",),
        verified=False,
    ),
    Software(
        name="barebox",
        cpe=("pengutronix:barebox",),
        strings=(rb"barebox (?P<version>20[0-9]{2}\.[0-9]{2}\.[0-9])",),
        verified=False,
    ),
    Software(
        name="grub",
        cpe=("gnu:grub2",),
        strings=(rb"GNU GRUB {1,2}version (?P<version>[02]\.[0-9]{2})",),
        verified=False,
        packages=("grub2",),
    ),
    Software(
        name="swupdate",
        cpe=("sbabic:swupdate", "swupdate:swupdate"),
        own_strings=(rb"v(?P<version>20[0-9]{2}\.[0-9]{2}(?:\.[0-9])?)",),
        bare=r"20[0-9]{2}\.[0-9]{2}(?:\.[0-9])?(?:[-+].*)?",
        programs=("swupdate*",),
        libraries=("libswupdate",),
        verified=False,
    ),
    Software(
        name="rauc",
        cpe=("pengutronix:rauc",),
        strings=(rb"\x00rauc (?P<version>[01]\.[0-9]{1,2}(?:\.[0-9]{1,2})?)\n",),
        programs=("rauc",),
    ),
    Software(
        name="mender",
        cpe=("northern.tech:mender",),
        programs=("mender", "mender-client", "mender-update"),
        packages=("mender-client",),
        verified=False,
    ),
    Software(
        name="opkg",
        cpe=("openwrt:opkg",),
        strings=(rb"opkg version (?P<version>0\.[0-9]\.[0-9]{1,2})",),
        programs=("opkg", "opkg-cl"),
        libraries=("libopkg",),
        verified=False,
    ),
    Software(
        name="sudo",
        cpe=("sudo_project:sudo",),
        bare=r"1\.[6789]\.[0-9]{1,2}(?:p[0-9]{1,2})?",
        programs=("sudo",),
        verified=False,
    ),
    Software(
        name="xinetd",
        cpe=("xinetd:xinetd",),
        bare=r"2\.[0-9]\.[0-9]{1,2}(?:\.[0-9]{1,2})?",
        programs=("xinetd",),
    ),
    Software(
        name="perl",
        cpe=("perl:perl",),
        own_strings=(rb"/perl/?(?P<version>5\.[0-9]{1,2}\.[0-9]{1,2})\x00",),
        named=True,
        programs=("perl", "perl5*"),
        libraries=("libperl",),
    ),
    Software(
        name="python",
        cpe=("python:python",),
        bare=r"[23]\.[0-9]{1,2}\.[0-9]{1,2}\+?",
        programs=("python*",),
        libraries=("libpython2", "libpython3", "libpython"),
        packages=("python2", "python3", "python2.7", "python3.9", "python3.11"),
    ),
    Software(
        name="lua",
        cpe=("lua:lua",),
        strings=(rb"Lua (?P<version>5\.[0-9](?:\.[0-9]{1,2})?) {1,2}Copyright \(C\) 1994",),
        programs=("lua", "lua5*", "luac*"),
        libraries=("liblua",),
        packages=("lua5.1", "lua5.3", "lua5.4"),
    ),
    Software(
        name="luajit",
        cpe=("luajit:luajit",),
        strings=(rb"LuaJIT (?P<version>[12]\.[0-9]\.[0-9]{1,10}(?:-beta[0-9])?)",),
        libraries=("libluajit",),
    ),
    Software(
        name="tcl",
        cpe=("tcl:tcl",),
        bare=r"8\.[0-9]\.[0-9]{1,2}",
        libraries=("libtcl",),
        packages=("tcl8.6",),
    ),
    Software(
        name="node.js",
        cpe=("nodejs:node.js",),
        strings=(
            rb"nodejs\.org/download/release/v(?P<version>[0-9]{1,2}\.[0-9]{1,2}\.[0-9]{1,2})/",
        ),
        programs=("node", "nodejs"),
        libraries=("libnode",),
        packages=("nodejs", "node"),
    ),
    Software(
        name="git",
        cpe=("git-scm:git",),
        strings=(rb"\x00git/(?P<version>[12]\.[0-9]{1,2}\.[0-9]{1,2})",),
        own_strings=(rb"git/(?P<version>[12]\.[0-9]{1,2}\.[0-9]{1,2})\x00",),
        programs=("git", "git-*"),
    ),
    Software(
        name="sqlite",
        cpe=("sqlite:sqlite",),
        strings=(
            (
                rb"20[0-9]{2}-[01][0-9]-[0-3][0-9] [0-2][0-9]:[0-5][0-9]:"
                rb"[0-5][0-9] [0-9a-f]{40}[0-9a-f]{0,24}\x00"
            ),
        ),
        bare=r"3\.[0-9]{1,2}\.[0-9]{1,2}(?:\.[0-9])?",
        symbols=("sqlite3_libversion", "sqlite3_open"),
        libraries=("libsqlite3",),
        packages=("sqlite3",),
    ),
    Software(
        name="postgresql",
        cpe=("postgresql:postgresql",),
        strings=(rb"\(PostgreSQL\) (?P<version>[0-9]{1,2}\.[0-9]{1,2}(?:\.[0-9]{1,2})?)",),
        programs=("postgres",),
        packages=("postgresql-15",),
    ),
    Software(
        name="squashfs-tools",
        cpe=("squashfs-tools_project:squashfs-tools",),
        strings=(rb"unsquashfs version (?P<version>[234]\.[0-9](?:\.[0-9])?) \(",),
        programs=("unsquashfs", "mksquashfs"),
    ),
)
