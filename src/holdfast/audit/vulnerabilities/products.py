"""What catalogues call a piece of software, and how its versions are compared.

A name is `vendor:product` as in CPE, `:product` where a record names no vendor, or
`ecosystem/package`. The table holds only names that mean the very same software; it was put
together by hand.
"""

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from packageurl import PackageURL

from holdfast.audit.model.shapes import Component
from holdfast.audit.vulnerabilities.identifiers import read_cpe

_GROUPS: Final[Mapping[str, str]] = {
    "asterisk": "digium:asterisk sangoma:asterisk",
    "avahi": "avahi:avahi :avahi",
    "axtls": "axtls_project:axtls",
    "bash": "gnu:bash",
    "bind": "isc:bind isc:bind_9",
    "bluez": "bluez:bluez",
    "boa": "boa:boa boa:boa_webserver boa:boa_web_server",
    "busybox": "busybox:busybox",
    "civetweb": "civetweb_project:civetweb civetweb:civetweb",
    "curl": "haxx:curl haxx:libcurl curl:curl curl:libcurl",
    "dbus": "freedesktop:dbus d-bus_project:d-bus",
    "dhcp": "isc:dhcp isc:dhcpd isc:isc_dhcp",
    "dhcpcd": "dhcpcd_project:dhcpcd phystech:dhcpcd",
    "dnsmasq": "thekelleys:dnsmasq dnsmasq:dnsmasq",
    "dropbear": "dropbear_ssh_project:dropbear_ssh matt_johnston:dropbear_ssh_server "
    "matt_johnston:dropbear dropbear:dropbear dropbear_ssh:dropbear_ssh",
    "e2fsprogs": "e2fsprogs_project:e2fsprogs",
    "expat": "libexpat_project:libexpat libexpat:expat libexpat:libexpat",
    "ffmpeg": "ffmpeg:ffmpeg",
    "freetype": "freetype:freetype",
    "frr": "frrouting:frrouting linuxfoundation:free_range_routing frr:frr :frr",
    "glibc": "gnu:glibc the_gnu_c_library:glibc gnu_libc:glibc :glibc",
    "gnutls": "gnu:gnutls",
    "goahead": "embedthis:goahead embedthis:goahead_webserver goahead:goahead_webserver",
    "gsoap": "genivia:gsoap",
    "hostapd": "w1.fi:hostapd hostapd:hostapd",
    "httpd": "apache:http_server apache_software:apache_http_server",
    "inetutils": "gnu:inetutils",
    "iproute2": "iproute2_project:iproute2",
    "iptables": "netfilter:iptables netfilter_core_team:iptables",
    "iputils": "iputils_project:iputils",
    "json-c": "json-c:json-c json-c_project:json-c",
    "libevent": "libevent_project:libevent",
    "libgcrypt": "gnupg:libgcrypt",
    "libmicrohttpd": "gnu:libmicrohttpd",
    "libpcap": "tcpdump:libpcap the_tcpdump_group:libpcap",
    "libpng": "libpng:libpng",
    "libssh": "libssh:libssh",
    "libssh2": "libssh2:libssh2",
    "libtomcrypt": "libtom:libtomcrypt",
    "libupnp": "libupnp_project:libupnp pupnp_project:pupnp pupnp:pupnp "
    "portable_sdk_for_upnp_project:portable_sdk_for_upnp",
    "libwebsockets": "libwebsockets:libwebsockets",
    "libxml2": "xmlsoft:libxml2",
    "lighttpd": "lighttpd:lighttpd",
    "linux": "linux:linux_kernel linux:linux linux:kernel the_linux_kernel_organization:linux",
    "live555": "live555:live555 live555:streaming_media",
    "lldpd": "lldpd_project:lldpd",
    "lua": "lua:lua",
    "matrixssl": "matrixssl:matrixssl",
    "mbedtls": "arm:mbed_tls mbed:mbedtls mbed-tls:mbedtls polarssl:polarssl",
    "mini_httpd": "acme:mini_httpd acme:mini-httpd",
    "minidlna": "readymedia_project:readymedia minidlna_project:minidlna",
    "miniupnpd": "miniupnp_project:miniupnpd miniupnp.free:miniupnpd miniupnp:miniupnpd",
    "mongoose": "cesanta:mongoose",
    "mosquitto": "eclipse:mosquitto",
    "musl": "musl-libc:musl musl:musl",
    "ncurses": "gnu:ncurses",
    "net-snmp": "net-snmp:net-snmp",
    "netatalk": "netatalk:netatalk netatalk_project:netatalk",
    "nettle": "nettle_project:nettle",
    "nginx": "f5:nginx nginx:nginx f5:nginx_open_source igor_sysoev:nginx",
    "node.js": "nodejs:node.js",
    "nostromo": "nazgul:nostromo",
    "ntfs-3g": "tuxera:ntfs-3g",
    "ntp": "ntp:ntp",
    "openldap": "openldap:openldap",
    "openssh": "openbsd:openssh",
    "openssl": "openssl:openssl",
    "openvpn": "openvpn:openvpn",
    "openwrt": "openwrt:openwrt",
    "pcre": "pcre:pcre",
    "perl": "perl:perl",
    "php": "php:php php_group:php",
    "ppp": "point-to-point_protocol_project:point-to-point_protocol samba:ppp paul_mackerras:ppp",
    "procps": "procps_project:procps procps-ng_project:procps-ng",
    "proftpd": "proftpd:proftpd proftpd_project:proftpd",
    "pure-ftpd": "pureftpd:pure-ftpd",
    "python": "python:python python_software:python python_software:cpython",
    "quagga": "quagga:quagga",
    "radvd": "litech:router_advertisement_daemon",
    "redis": "redis:redis redislabs:redis",
    "rsync": "samba:rsync rsync_project:rsync rsync:rsync",
    "samba": "samba:samba red_hat:samba :samba",
    "sqlite": "sqlite:sqlite",
    "squid": "squid-cache:squid",
    "strongswan": "strongswan:strongswan",
    "stunnel": "stunnel:stunnel",
    "sudo": "sudo_project:sudo todd_miller:sudo",
    "systemd": "systemd_project:systemd freedesktop:systemd",
    "tcpdump": "tcpdump:tcpdump the_tcpdump_group:tcpdump",
    "thttpd": "acme:thttpd",
    "tinyproxy": "tinyproxy_project:tinyproxy banu:tinyproxy",
    "u-boot": "denx:u-boot",
    "uclibc": "uclibc:uclibc",
    "uclibc-ng": "uclibc-ng_project:uclibc-ng",
    "util-linux": "kernel:util-linux",
    "vsftpd": "vsftpd_project:vsftpd beasts:vsftpd",
    "wget": "gnu:wget",
    "wolfssl": "wolfssl:wolfssl",
    "wpa_supplicant": "w1.fi:wpa_supplicant wpa_supplicant:wpa_supplicant",
    "xl2tpd": "xelerance:xl2tpd xl2tpd:xl2tpd",
    "zlib": "zlib:zlib gnu:zlib zlib_project:zlib",
}

_SAME: Final[Mapping[str, str]] = {
    "apache": "httpd", "apache2": "httpd", "bind9": "bind", "goahead-webs": "goahead",
    "isc-dhcp": "dhcp", "kernel": "linux", "libcurl": "curl", "libexpat": "expat",
    "libpolarssl": "mbedtls", "libsqlite3": "sqlite", "linux_kernel": "linux",
    "mini-httpd": "mini_httpd", "nodejs": "node.js", "polarssl": "mbedtls", "pppd": "ppp",
    "pupnp": "libupnp", "sqlite3": "sqlite", "wpa-supplicant": "wpa_supplicant",
}  # fmt: skip
"""Other names of components for the same."""

NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    name: tuple(group.split()) for name, group in _GROUPS.items()
}
_GROUP_OF: Final[Mapping[str, str]] = {
    alias: name for name, aliases in NAMES.items() for alias in aliases
}

KERNEL: Final = frozenset(NAMES["linux"])

_SCHEMES: Final[Mapping[str, str]] = dict.fromkeys(KERNEL, "linux") | {"openbsd:openssh": "openssh"}

_OSV: Final[Mapping[str, tuple[str, ...]]] = {
    "debian": ("debian", "ubuntu"),
    "alpine": ("alpine", "wolfi", "chainguard"),
    "rpm": ("rocky linux", "almalinux", "red hat", "suse", "opensuse", "mageia", "openeuler"),
    "semver": ("npm", "crates.io", "go", "hex", "pub", "swifturl"),
}
OSV_SCHEMES: Final[Mapping[str, str]] = {
    ecosystem: scheme for scheme, ecosystems in _OSV.items() for ecosystem in ecosystems
}

_ECOSYSTEMS: Final[Mapping[str, str]] = {
    "npm": "npm", "pypi": "pypi", "golang": "go", "cargo": "crates.io", "gem": "rubygems",
    "composer": "packagist", "hex": "hex", "opkg": "openwrt", "ipk": "openwrt",
}  # fmt: skip

_SOURCE_PACKAGES: Final[Mapping[str, str]] = {
    "hostapd": "wpa", "wpa_supplicant": "wpa", "httpd": "apache2", "sqlite": "sqlite3",
    "mini_httpd": "mini-httpd", "procps": "procps", "bind": "bind9", "dhcp": "isc-dhcp",
}  # fmt: skip
"""Source packages of Debian that are named otherwise than what is in them."""


class Package(NamedTuple):
    """What a package system says of a component.

    Attributes:
        system: `deb`, `apk`, `opkg`, `rpm`, or that of a language.
        distribution: `debian`, `alpine`, `openwrt`, ... as product names begin.
        release: Of the distribution, "" if not known.
        names: Of the package and its source.
        version: With patches.
    """

    system: str
    distribution: str
    release: str
    names: tuple[str, ...]
    version: str


def scheme_of(name: str) -> str:
    """Say how the versions of a product are compared."""
    return _SCHEMES.get(name, "generic")


def canonical(name: str) -> str:
    """Give the name by which the tables here know a component."""
    lower = name.lower()
    return _SAME.get(lower, lower)


def names_of(component: Component) -> frozenset[str]:
    """Give all names under which catalogues may speak of a component."""
    found = set(NAMES.get(canonical(component.name), ()))
    cpe = read_cpe(component.cpe) if component.cpe else None
    if cpe is not None:
        found.add(cpe.name)
        found.update(NAMES.get(_GROUP_OF.get(cpe.name, ""), ()))
    return frozenset(found)


def package_of(component: Component, system: "Package | None" = None) -> Package | None:
    """Tell which package of which distribution a component is.

    Args:
        component: As found.
        system: The package system of the image, for what a component does not say itself.
    """
    url = _url_of(component)
    names = [component.name, _SOURCE_PACKAGES.get(canonical(component.name), "")]
    if url is not None and url.type in {"deb", "apk", "rpm", "opkg", "ipk", *_ECOSYSTEMS}:
        qualifiers = url.qualifiers if isinstance(url.qualifiers, dict) else {}
        source, _, built = qualifiers.get("upstream", "").partition("@")
        names += [url.name, source, qualifiers.get("source", "")]
        distribution = _ECOSYSTEMS.get(url.type) or (url.namespace or "").lower()
        release = release_of(distribution, qualifiers.get("distro", "").rpartition("-")[2])
        if not release and system is not None and system.distribution == distribution:
            release = system.release
        return Package(
            system="opkg" if url.type == "ipk" else url.type,
            distribution=distribution,
            release=release,
            names=_distinct(names),
            version=built or url.version or component.version,
        )
    if system is not None and component.package:
        name, _, version = component.package.rpartition(" ")
        return system._replace(names=_distinct([*names, name]), version=version)
    return None


def package_names(package: Package | None) -> set[str]:
    """Give the names under which distributions speak of a package."""
    if package is None:
        return set()
    return {f"{package.distribution}/{name}" for name in package.names}


def system_of(components: Iterable[Component]) -> Package | None:
    """Tell which package system an image has, and which release of the distribution it is."""
    every = tuple(components)
    for one in every:
        package = package_of(one)
        if package is not None and package.system in {"deb", "apk", "rpm", "opkg"}:
            whole = next((each for each in every if each.name == package.distribution), None)
            release = package.release or (release_of(whole.name, whole.version) if whole else "")
            return package._replace(release=release)
    return None


def release_of(distribution: str, version: str) -> str:
    """Write the release of a distribution as its statements do: `12`, `v3.18`."""
    numbers = version.removeprefix("v").split(".")
    if not numbers[0].isdigit():
        return ""
    return "v" + ".".join(numbers[:2]) if distribution == "alpine" else numbers[0]


def _url_of(component: Component) -> PackageURL | None:
    try:
        return PackageURL.from_string(component.purl) if component.purl else None
    except ValueError:
        return None


def _distinct(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name.lower() for name in names if name))
