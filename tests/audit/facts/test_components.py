"""Each row of the tables of components, held against what a real binary says.

`SEEN` was read from binaries: the real firmware images beside the project (D-Link DIR-300 B5 2.15,
TP-Link WR841N v14, OpenWrt r47364) and packages of Debian 12. Rows of the tables that are not here
say `verified=False`.
"""

from pathlib import PurePosixPath

import pytest

from holdfast.audit.facts.gather import facts_of
from holdfast.audit.model.sightings import Sighting, sightings_in
from holdfast.audit.patterns.components import PATTERNS, SOFTWARE, TABLE
from tests.audit.elf_builder import build

SEEN = (
    ("alsa-lib", "1.2.8", "libasound.so.2.0.0", b"1.2.8"),
    ("apache", "2.4.71", "apache2", b"Apache/2.4.71"),
    ("aria2", "1.36.0", "libaria2.so.0.0.0", b"aria2/1.36.0"),
    ("avahi", "0.8", "avahi-daemon", b"avahi 0.8"),
    ("bash", "5.2.15", "bash", b"Bash version 5.2.15(1) release GNU"),
    ("bind", "9.18.49", "libbind9-9.18.49-1~deb12u3-Debian.so", b""),
    ("bluez", "5.66", "bluetoothctl", b"5.66"),
    ("boost", "1.74.0", "libboost_filesystem.so.1.74.0", b""),
    ("bridge-utils", "1.7", "brctl", b"1.7"),
    ("busybox", "1.24.1", "busybox", b"BusyBox v1.24.1 (2015-11-03 07:16:13 UTC)"),
    ("bzip2", "1.0.8", "libbz2.so.1.0.4", b"1.0.8, 13-Jul-2019"),
    ("chrony", "4.3", "chronyc", b"4.3"),
    ("civetweb", "1.15.0", "libcivetweb.so.1.15.0", b""),
    ("cjson", "1.7.15", "libcjson.so.1.7.15", b""),
    ("cups", "2.4.2", "libcups.so.2", b"CUPS/2.4.2"),
    ("curl", "7.88.1", "curl", b"curl 7.88.1 (x86_64-pc-linux-gnu) %s\n"),
    ("dbus", "1.14.10", "dbus-daemon", b"LIBDBUS_PRIVATE_1.14.10"),
    ("dhcpcd", "9.4.1", "dhcpcd", b"dhcpcd 9.4.1\n%s\n"),
    ("dnsmasq", "2.75", "dnsmasq", b"dnsmasq-2.75"),
    ("dosfstools", "4.2", "fsck.fat", b"fsck.fat 4.2 (2021-01-31)"),
    ("dropbear", "2015.68", "dropbear", b"SSH-2.0-dropbear_2015.68"),
    ("e2fsprogs", "1.47.0", "libext2fs.so.2.4", b"EXT2FS Library version 1.47.0"),
    ("ebtables", "2.0.10-4", "ebtables", b"ebtables v2.0.10-4 (December 2011)"),
    ("expat", "2.5.0", "libexpat.so.1.8.10", b"expat_2.5.0"),
    ("ffmpeg", "5.1.9", "libavutil.so.57.28.100", b"FFmpeg version 5.1.9-0+deb12u1"),
    ("file", "5.44", "file", b"5.44"),
    ("flac", "1.4.2", "libFLAC.so.12.0.0", b"reference libFLAC 1.4.2 20221022"),
    ("freetype", "", "libfreetype.so.6.18.3", b""),
    (
        "frr",
        "8.4.4",
        "libfrr.so.0.0.0",
        b"this is FRRouting (version 8.4.4).\nCopyright 1996-2005 Kunihiro ",
    ),
    ("fuse", "2.9.9", "libfuse.so.2.9.9", b""),
    ("giflib", "", "libgif.so.7.2.0", b""),
    ("git", "2.39.5", "git", b"git/2.39.5"),
    ("glib", "2.74.6", "libgio-2.0.so.0.7400.6", b""),
    (
        "glibc",
        "2.36",
        "libc.so.6",
        b"GNU C Library (Debian GLIBC 2.36-9) stable release version 2.36",
    ),
    ("gmp", "6.2.1", "libgmp.so.10.4.1", b"6.2.1"),
    ("gnutls", "3.7.9", "libgnutls.so.30.34.3", b"Enabled GnuTLS 3.7.9 logging...\n"),
    ("gstreamer", "1.22.0", "libgstreamer-1.0.so.0.2200.0", b""),
    (
        "hostapd",
        "2.5",
        "wpad",
        b"hostapd v2.5-devel\nUser space daemon for IEEE 802.11 AP manageme",
    ),
    ("icu", "72.1", "libicudata.so.72.1", b""),
    ("igmpproxy", "0.3", "igmpproxy", b"\nigmpproxy 0.3\n"),
    ("iproute2", "6.1.0", "ip", b"6.1.0"),
    ("iptables", "1.4.21", "xtables-multi", b"1.4.21"),
    ("isc-dhcp", "4.4.3-P1", "dhclient", b"4.4.3-P1"),
    ("jansson", "2.14", "libjansson.so.4.14.0", b"2.14"),
    ("jquery", "3.6.1", "jquery.min.js", b"/*! jQuery v3.6.1 | (c) OpenJS Foundation"),
    ("json-c", "0.12", "libjson-c.so.2.0.1", b"0.12"),
    ("krb5", "1.20.1", "libkrb5.so.3.3", b"KRB5_BRAND: krb5-1.20.1-final 1.20.1 20221111"),
    ("ksmbd-tools", "3.4.7", "ksmbd.tools", b"3.4.7"),
    ("libarchive", "3.6.2", "libarchive.so.13.6.2", b"libarchive 3.6.2"),
    ("libevent", "2.1.12-stable", "libevent-2.1.so.7.0.1", b"2.1.12-stable"),
    (
        "libgcrypt",
        "1.10.1",
        "libgcrypt.so.20.4.1",
        b"This is Libgcrypt 1.10.1 - The GNU Crypto Library\nCopyright (C) ",
    ),
    (
        "libjpeg-turbo",
        "2.1.5",
        "libjpeg.so.62.3.0",
        b"libjpeg-turbo version 2.1.5 (build 20230203)",
    ),
    ("libmicrohttpd", "0.9.75", "libmicrohttpd.so.12.60.0", b"0.9.75"),
    ("libpcap", "1.10.3", "libpcap.so.1.10.3", b"libpcap version 1.10.3 (with TPACKET_V3)"),
    (
        "libpng",
        "1.6.39",
        "libpng16.so.16.39.0",
        b"libpng version 1.6.39\nCopyright (c) 2018-2022 Cosmin Truta\nCopyr",
    ),
    ("libreswan", "4.10", "pluto", b"OE-Libreswan-4.10"),
    ("libseccomp", "2.5.4", "libseccomp.so.2.5.4", b""),
    ("libsodium", "1.0.18", "libsodium.so.23.3.0", b"1.0.18"),
    ("libssh", "0.10.6", "libssh.so.4.9.6", b"SSH-2.0-libssh_0.10.6"),
    ("libssh2", "1.10.0", "libssh2.so.1.0.1", b"SSH-2.0-libssh2_1.10.0"),
    (
        "libtiff",
        "4.5.0",
        "libtiff.so.6.0.0",
        b"LIBTIFF, Version 4.5.0\nCopyright (c) 1988-1996 Sam Leffler\nCopyr",
    ),
    ("libupnp", "1.6.19", "libupnp.so", b"Portable SDK for UPnP devices/1.6.19\r\n"),
    ("libusb", "", "libusb-1.0.so.0.3.0", b""),
    ("libuv", "1.44.2", "libuv.so.1.0.0", b"1.44.2"),
    ("libvorbis", "1.3.7", "libvorbis.so.0.4.9", b"Xiph.Org libVorbis 1.3.7"),
    ("libwebsockets", "4.1.6", "libwebsockets.so.17", b"4.1.6-"),
    ("libxml2", "2.9.14", "libxml2.so.2.9.14", b""),
    ("libxslt", "1.1.35", "libxslt.so.1.1.35", b""),
    ("libyaml", "0.2.5", "libyaml-0.so.2.0.9", b"0.2.5"),
    ("lighttpd", "1.4.69", "lighttpd", b"lighttpd/1.4.69"),
    ("lldpd", "1.0.16", "lldpcli", b"lldpd 1.0.16"),
    ("lua", "5.1.5", "lua", b"Lua 5.1.5  Copyright (C) 1994-2012 Lua.org, PUC-Rio (double int3"),
    ("luajit", "2.1.0-beta3", "libluajit-5.1.so.2.1.0", b"LuaJIT 2.1.0-beta3"),
    ("lz4", "1.9.4", "liblz4.so.1.9.4", b""),
    ("lzo", "2.10", "liblzo2.so.2.0.0", b"2.10"),
    ("mathopd", "1.6b9", "httpd", b"Mathopd/1.6b9"),
    ("mbedtls", "2.28.3", "libmbedcrypto.so.2.28.3", b"mbed TLS 2.28.3"),
    ("mini_httpd", "1.30", "mini_httpd", b"mini_httpd/1.30 26Oct2018"),
    ("minidlna", "1.3.0", "minidlnad", b"MiniDLNA version 1.3.0.\n"),
    ("miniupnpc", "2.2.4", "libminiupnpc.so.17", b"MiniUPnPc/2.2.4\r\n\r\n"),
    ("miniupnpd", "2.3.1", "miniupnpd", b"MiniUPnPd/2.3.1\r\nExt:\r\n"),
    ("mosquitto", "2.0.11", "mosquitto_ctrl", b"2.0.11"),
    ("mtd-utils", "2.1.5", "flash_erase", b"2.1.5"),
    ("musl", "1.1.11", "libc.so", b"musl libc\nVersion %s\nDynamic Program Loader\n\x001.1.11"),
    ("ncurses", "6.4", "libtinfo.so.6.4", b"ncurses 6.4.20221231"),
    ("net-snmp", "5.9.3", "libnetsnmp.so.40.2.0", b"5.9.3"),
    ("nettle", "", "libhogweed.so.6.6", b""),
    ("nftables", "1.0.6", "libnftables.so.1.1.0", b"1.0.6"),
    ("nghttp2", "1.52.0", "libnghttp2.so.14.24.1", b"1.52.0"),
    ("nginx", "1.22.1", "nginx", b"nginx version: nginx/1.22.1\n"),
    ("node.js", "20.20.2", "node", b"nodejs.org/download/release/v20.20.2/node-v20.20.2.tar.gz"),
    ("ntfs-3g", "2022.10.3", "lowntfs-3g", b"2022.10.3"),
    ("odhcp6c", "", "odhcp6c", b""),
    ("odhcpd", "", "odhcpd", b""),
    ("openssh", "9.2p1", "sshd", b"OpenSSH_9.2p1 Debian-2+deb12u10"),
    ("openssl", "0.9.8zh", "libgdpr.so", b"part of OpenSSL 0.9.8zh 3 Dec 2015"),
    (
        "openvpn",
        "2.6.14",
        "openvpn",
        b"OpenVPN 2.6.14 x86_64-pc-linux-gnu [SSL (OpenSSL)] [LZO] [LZ4] [",
    ),
    ("opus", "1.3.1", "libopus.so.0.8.0", b"libopus 1.3.1"),
    ("paho-mqtt-c", "1.3.11", "libpaho-mqtt3a.so.1.3.11", b"MQTTAsyncV3_Version 1.3.11"),
    ("pcre2", "10.42", "libpcre2-8.so.0.11.2", b"10.42"),
    ("perl", "5.36.0", "perl", b"/perl/5.36.0"),
    ("php", "8.2.36", "php8.2", b"X-Powered-By: PHP/8.2.36"),
    ("postgresql", "15.18", "postgres", b"(PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n"),
    ("ppp", "2.4.7", "pppd", b"/lib/pppd/2.4.7"),
    ("pptp", "1.10.0", "pptp", b"pptp version 1.10.0"),
    ("pptpd", "1.4.0", "pptpd", b"1.4.0"),
    ("procps", "4.0.2", "free", b"procps-ng 4.0.2"),
    ("proftpd", "1.3.8", "proftpd", b"ProFTPD Version 1.3.8"),
    ("pure-ftpd", "1.0.50", "pure-ftpd", b"pure-ftpd v1.0.50 [privsep]\n"),
    ("python", "3.11.2", "python3.11", b"3.11.2"),
    ("radvd", "1.5", "radvd", b"1.5"),
    ("rauc", "1.8", "rauc", b"rauc 1.8\n"),
    ("readline", "8.2", "libhistory.so.8.2", b""),
    ("rsync", "3.5.0", "rsync", b"3.5.0"),
    ("samba", "4.17.12", "net", b"SAMBA_4.17.12_DEBIAN_SAMBA4"),
    ("sqlite", "3.40.1", "libsqlite3.so.0.8.6", b"3.40.1"),
    ("squashfs-tools", "4.5.1", "unsquashfs", b"unsquashfs version 4.5.1 (2022/03/17)"),
    ("strongswan", "5.9.8", "starter", b"%sSwan 5.9.8 IPsec [starter]..."),
    ("stunnel", "5.68", "stunnel4", b"stunnel 5.68 on x86_64-pc-linux-gnu platform"),
    ("systemd", "252", "systemd-hwdb", b"systemd 252 (252.39-1~deb12u2)\n%s\n"),
    ("tcl", "8.6.13", "libtcl8.6.so", b"8.6.13"),
    ("tcpdump", "4.99.3", "tcpdump", b"%s version 4.99.3\n"),
    ("tftp-hpa", "5.2", "in.tftpd", b"tftp-hpa 5.2, with remap, with tcpwrappers"),
    ("transmission", "3.00", "transmission-daemon", b"Transmission/3.00"),
    ("u-boot", "1.1.3", "program", b"U-Boot 1.1.3 (Nov 19 2023 - 18:30:02)"),
    ("uclibc", "0.9.33.2", "ld-uClibc-0.9.33.2.so", b""),
    ("udhcp", "0.9.8", "udhcpd", b"udhcpcd, version %s\n\x000.9.8"),
    ("uhttpd", "", "uhttpd", b""),
    ("unbound", "1.17.1", "libunbound.so.8.1.21", b"pluggable-event1.17.1"),
    ("usb-modeswitch", "2.6.1", "usb_modeswitch", b"2.6.1"),
    ("util-linux", "2.38.1", "dmesg", b"util-linux 2.38.1"),
    ("vsftpd", "3.0.3", "vsftpd", b"vsftpd: version 3.0.3\n"),
    ("wget", "1.21.3", "wget", b"1.21.3"),
    ("wide-dhcpv6", "", "dhcp6c", b""),
    ("wireguard-tools", "1.0.20210914", "wg", b"1.0.20210914"),
    ("wolfssl", "5.5.4", "libwolfssl.so.35.3.0", b"wolfSSL 5.5.4"),
    (
        "wpa_supplicant",
        "2.10",
        "wpa_cli",
        b"wpa_cli v2.10\nCopyright (c) 2004-2022, Jouni Malinen <j@w1.fi> a",
    ),
    ("xinetd", "2.3.15.3", "xinetd", b"2.3.15.3"),
    ("xl2tpd", "1.1.12", "xl2tpd", b"xl2tpd-1.1.12"),
    ("xz", "5.4.1", "xz", b"(XZ Utils) 5.4.1"),
    (
        "zlib",
        "1.2.13",
        "libz.so.1.2.13",
        b"deflate 1.2.13 Copyright 1995-2022 Jean-loup Gailly and Mark Adl",
    ),
    ("zstd", "1.5.4", "libzstd.so.1.5.4", b""),
)  # software, version, name of the file, text in it

SAID = (
    ("axtls", "1.4.9", "axhttpd", b"axhttpd/1.4.9"),
    ("libressl", "2.9.2", "libtls.so.19", b"LibreSSL 2.9.2"),
    ("polarssl", "1.2.9", "libpolarssl.so.3", b"PolarSSL 1.2.9"),
    ("matrixssl", "3.8.4", "httpsd", b"Server: PeerSec Networks MatrixSSL/3.8.4-OPEN\r\n"),
    ("boa", "0.94.13", "boa", b"Boa/0.94.13"),
    ("thttpd", "2.25b", "thttpd", b"thttpd/2.25b 29dec2003"),
    ("sthttpd", "2.27.0", "thttpd", b"sthttpd/2.27.0 Oct 3, 2014"),
    ("micro_httpd", "", "micro_httpd", b"Server: micro_httpd"),
    ("goahead", "", "goahead", b"Server: GoAhead-Webs\r\n"),
    ("appweb", "3.4.2", "appweb", b"Embedthis-Appweb/3.4.2"),
    ("cherokee", "1.2.104", "cherokee", b"Cherokee/1.2.104"),
    ("rompager", "4.07", "webd", b"RomPager/4.07 UPnP/1.0"),
    ("gsoap", "2.8", "onvifd", b"gSOAP/2.8\r\n"),
    ("lwip", "1.4.1", "stack", b"lwIP/1.4.1 (http://savannah.nongnu.org/projects/lwip)"),
    ("ntp", "4.2.8p15", "ntpd", b"ntpd 4.2.8p15@1.3728-o Mon Jun 29"),
    ("rp-pppoe", "3.8p", "rp-pppoe.so", b"RP-PPPoE plugin version 3.8p compiled against pppd 2"),
    ("openl2tp", "1.8", "openl2tpd", b"OpenL2TP V1.8, (c) Copyright"),
    ("openswan", "2.6.38", "pluto", b"Linux Openswan U2.6.38/K(no kernel code presently loaded)"),
    (
        "ipsec-tools",
        "0.8.2",
        "racoon",
        b"@(#)ipsec-tools 0.8.2 (http://ipsec-tools.sourceforge.net)",
    ),
    ("quagga", "0.99.21", "vtysh", b"Hello, this is Quagga (version 0.99.21).\r\n"),
    ("zebra", "0.94", "zebra", b"Hello, this is zebra (version 0.94).\r\n"),
    ("mdnsresponder", "379.27", "mdnsd", b"mDNSResponder-379.27"),
    ("cfe", "1.0.37-112.70", "cfe.bin", b"CFE version 1.0.37-112.70 for BCM96328 (32bit,SP,BE)"),
    ("live555", "2013.02.11", "rtspd", b"LIVE555 Streaming Media v2013.02.11"),
    ("qt", "5.15.8", "libQt5Core.so.5", b"Qt 5.15.8 (x86_64-little_endian-lp64 shared"),
    ("toybox", "0.8.4", "toybox", b"toybox 0.8.4"),
    ("bftpd", "4.4", "bftpd", b"4.4"),
    ("pcre", "8.39", "libpcre.so.1", b"8.39 2016-06-14"),
    ("uclibc-ng", "1.0.26", "libuClibc-1.0.26.so", b""),
    ("tinyproxy", "1.8.3", "tinyproxy", b"tinyproxy/1.8.3"),
    ("netatalk", "2.2.5", "afpd", b"2.2.5"),
    ("asterisk", "16.28.0", "asterisk", b"Asterisk 16.28.0 built by"),
    ("realtek-upnp", "1.3", "mini_upnpd", b"OS 1.0 UPnP/1.0 Realtek/V1.3"),
    ("jquery-ui", "1.11.4", "ui.js", b"/*! jQuery UI - v1.11.4 - 2015-03-11"),
    ("bootstrap", "3.3.7", "bootstrap.js", b"/*!\n * Bootstrap v3.3.7 (http://getbootstrap.com)"),
    ("prototype", "1.6.0.3", "p.js", b"/*  Prototype JavaScript framework, version 1.6.0.3"),
    ("angularjs", "1.5.8", "a.js", b" AngularJS v1.5.8\n (c) 2010-2016 Google"),
)  # the same, from what is publicly known of those programs


def seen_in(path: str, content: bytes) -> list[Sighting]:
    return list(sightings_in(path, facts_of(content)))


def file_with(name: str, *texts: bytes, **facts: object) -> bytes:
    """Make a binary of a name that has texts in it, or a text."""
    if PurePosixPath(name).suffix == ".js":
        return b"\n".join(texts)
    kind = "library" if ".so" in name else "program"
    inside = b"".join(b"\0" + text + b"\0" for text in texts)
    return build(type=kind, rodata=inside, **facts)  # type: ignore[arg-type]


@pytest.mark.parametrize(("software", "version", "name", "text"), SEEN + SAID)
def test_what_programs_say_of_themselves(
    software: str, version: str, name: str, text: bytes
) -> None:
    seen = seen_in(f"usr/lib/{name}", file_with(name, text))
    assert [(one.software.name, one.version) for one in seen] == [(software, version)]


def test_everything_said_to_be_verified_is_in_the_table() -> None:
    others = {"mongoose"}  # below
    assert {row.name for row in TABLE if row.verified} == {row[0] for row in SEEN} | others
    assert len(TABLE) >= 120
    assert len(SEEN) >= 120


def test_names_are_unique_and_well_formed() -> None:
    assert len(SOFTWARE) == len(TABLE)
    assert len({pattern.name for pattern in PATTERNS}) == len(PATTERNS)
    for row in TABLE:
        for cpe in row.cpe:
            vendor, _, product = cpe.partition(":")
            assert vendor
            assert product
            assert ":" not in product


def test_a_copy_is_found_by_the_functions_it_offers() -> None:
    content = file_with("swupdate-client", b"7.8", exports=("main", "mg_mgr_init"))
    (seen,) = [
        one for one in seen_in("usr/bin/vendord", content) if one.software.name == "mongoose"
    ]
    assert (seen.version, seen.own, seen.how) == ("7.8", False, "symbol")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("httpd", b"GCC: (GNU) 3.3.2"),  # stands in hundreds of files
        ("libc.so.0", b"$1$rasmusle$rISCgZzpwk3UhDidwXvin0"),  # a self-test
        ("sniffer", b"SSH-2.0-dropbear_%s"),
        ("scanner", b"OpenSSH_3.*,OpenSSH_4.*"),  # a list of peers
        ("pluto", b"Openswan 2.2.0"),  # likewise
        ("dig", b"transfer will fail in BIND 9.17.2 and later"),
        ("wizard", b"Apache/2.2.3"),  # what it tells others to be
        ("libavahi-client.so.3", b"avahi 0.6"),  # a protocol
        ("vendor.js", b"needs jQuery UI 1"),
        ("README.js", b"BusyBox v1.20.0"),  # a text is not the program
    ],
)
def test_traps(name: str, text: bytes) -> None:
    assert seen_in(f"usr/bin/{name}", file_with(name, text)) == []


def test_the_vendors_pppd_is_not_samba() -> None:
    (seen,) = seen_in("usr/sbin/pppd", file_with("pppd", b"/lib/pppd/2.4.5"))
    assert seen.software.name == "ppp"
    assert "samba:samba" not in seen.software.cpe


def test_a_copy_inside_a_vendors_library_is_told_apart() -> None:
    text = b"RSA part of OpenSSL 0.9.8zh 3 Dec 2015"
    (seen,) = seen_in("lib/libgdpr.so", file_with("libgdpr.so", text))
    assert (seen.software.name, seen.version, seen.own) == ("openssl", "0.9.8zh", False)
    assert seen.offset is not None


def test_the_text_of_a_header_says_nothing_of_who_asks_for_the_library() -> None:
    text = b"OpenSSL 3.0.22 25 Aug 2026"
    asks = file_with("nginx", text, needed=("libssl.so.3",))
    assert [
        one for one in seen_in("usr/sbin/vendord", asks) if one.software.name == "openssl"
    ] == []
    alone = seen_in("usr/sbin/vendord", file_with("vendord", text))
    assert [(one.version, one.header) for one in alone] == [("3.0.22", True)]


def test_several_versions_that_stand_alone_are_no_version() -> None:
    (seen,) = seen_in("usr/sbin/radvd", file_with("radvd", b"1.8", b"2.1"))
    assert (seen.version, seen.confidence < 0.5) == ("", True)


def test_of_a_program_that_knows_its_ancestors_the_newest_counts() -> None:
    (seen,) = seen_in("usr/bin/rsync", file_with("rsync", b"2.6.3", b"3.2.0", b"3.5.0"))
    assert seen.version == "3.5.0"


def test_a_version_of_zlibs_header_is_not_that_of_the_program() -> None:
    content = file_with("wget", b"1.2.13", b"1.21.3", imports=("inflateInit2_",))
    assert [one.version for one in seen_in("usr/bin/wget", content)] == ["1.21.3"]


def test_two_libraries_that_share_a_name_are_told_apart() -> None:
    for text, name in (
        (b"LibreSSL 3.5.2", "libressl"),
        (b"OpenSSL 1.1.1n  15 Mar 2022", "openssl"),
    ):
        seen = seen_in("usr/lib/libcrypto.so.46", file_with("libcrypto.so.46", text))
        assert [one.software.name for one in seen] == [name]


def test_what_a_kernel_carries_belongs_to_the_kernel() -> None:
    banner = b"Linux version 3.18.23 (tux@box) (gcc version 4.8.3) #2 Tue Nov 3 07:44:12 UTC 2015\n"
    zlib = b"inflate 1.1.3 Copyright 1995-1998 Mark Adler "
    assert seen_in("boot/vmlinux", bytes(400) + banner + bytes(8) + zlib + bytes(8)) == []
    assert len(seen_in("boot/loader", bytes(400) + zlib + bytes(8))) == 1


def test_a_renamed_server_is_found() -> None:
    (seen,) = seen_in("usr/bin/camsvr", file_with("camsvr", b"Server: Boa/0.94.14rc21\r\n"))
    assert (seen.software.name, seen.version, seen.own) == ("boa", "0.94.14rc21", False)
