"""Daemons and tools of the network, from names and addresses to tunnels and routing."""

from typing import Final

from holdfast.audit.patterns.components.software import Software

TABLE: Final[tuple[Software, ...]] = (
    Software(
        name="dnsmasq",
        cpe=("thekelleys:dnsmasq",),
        strings=(rb"dnsmasq-(?P<version>[12]\.[0-9]{1,2}(?:\.[0-9])?)[a-z0-9]{0,8}[\x00 \n]",),
        programs=("dnsmasq",),
        packages=("dnsmasq-full", "dnsmasq-dhcpv6"),
    ),
    Software(
        name="hostapd",
        cpe=("w1.fi:hostapd",),
        strings=(
            (
                rb"hostapd(?:_cli)? v(?P<version>[0-2]\.[0-9]{1,2}(?:\.[0-9]{1,2})?)"
                rb"(?:[^0-9.]|\.[a-z])"
            ),
        ),
        bare=r"2\.[0-9]{1,2}",
        programs=("hostapd*", "wpad*"),
        packages=("wpa", "hostapd-common", "wpad", "wpad-mini", "wpad-basic"),
    ),
    Software(
        name="wpa_supplicant",
        cpe=("w1.fi:wpa_supplicant",),
        strings=(
            (
                rb"(?:wpa_supplicant|wpa_cli) v(?P<version>[0-2]\.[0-9]{1,2}(?:\.[0-9]{1,2})?)"
                rb"(?:[^0-9.]|\.[a-z])"
            ),
        ),
        programs=("wpa_supplicant*", "wpa_cli"),
        packages=("wpasupplicant", "wpa-supplicant"),
    ),
    Software(
        name="curl",
        cpe=("haxx:curl", "haxx:libcurl"),
        strings=(
            rb"libcurl/(?P<version>[78]\.[0-9]{1,2}\.[0-9]{1,2})[\x00 -]",
            rb"\x00curl (?P<version>[78]\.[0-9]{1,2}\.[0-9]{1,2}) \(",
        ),
        programs=("curl",),
        libraries=("libcurl",),
        packages=("libcurl",),
    ),
    Software(
        name="wget",
        cpe=("gnu:wget",),
        bare=r"1\.(?:[5-9]|1[0-9]|2[0-9])(?:\.[0-9]{1,2})?",
        programs=("wget", "wget-ssl", "wget-nossl"),
        packages=("wget-ssl", "wget-nossl"),
    ),
    Software(
        name="miniupnpd",
        cpe=("miniupnp_project:miniupnpd", "miniupnp.free.fr:miniupnpd"),
        strings=(
            (
                rb"[Mm]ini[Uu][Pp][Nn][Pp]d/"
                rb"(?P<version>[12]\.[0-9](?:\.[0-9]{1,8})?(?:-RC[0-9])?)[\x00\r\n ]"
            ),
        ),
        programs=("miniupnpd",),
    ),
    Software(
        name="miniupnpc",
        cpe=("miniupnp_project:miniupnpc", "miniupnp.free.fr:miniupnpc"),
        strings=(rb"MiniUPnPc/(?P<version>[12]\.[0-9](?:\.[0-9]{1,8})?)[\x00\r\n ]",),
        programs=("upnpc",),
        libraries=("libminiupnpc",),
    ),
    Software(
        name="libupnp",
        cpe=(
            "libupnp_project:libupnp",
            "pupnp_project:pupnp",
            "portable_sdk_for_upnp_project:portable_sdk_for_upnp",
        ),
        strings=(
            (
                rb"(?:Portable|Linux|Intel) SDK for UPnP devices ?/ ?"
                rb"(?P<version>1\.[0-9]{1,2}(?:\.[0-9]{1,2})?)[\x00\r\n ]"
            ),
        ),
        libraries=("libupnp", "libixml"),
        packages=("pupnp-1.8", "pupnp"),
    ),
    Software(
        name="linux-igd",
        strings=(rb"Linux UPnP Internet Gateway Device",),
        verified=False,
    ),
    Software(
        name="minidlna",
        cpe=("readymedia_project:readymedia", "minidlna_project:minidlna"),
        strings=(rb"MiniDLNA(?: version |/)(?P<version>1\.[0-9](?:\.[0-9]{1,2})?)[\x00\r\n .]",),
        programs=("minidlna*",),
    ),
    Software(
        name="avahi",
        cpe=("avahi:avahi",),
        own_strings=(rb"avahi (?P<version>0\.[5-9](?:\.[0-9]{1,2})?)\x00",),
        programs=("avahi-daemon",),
        libraries=("libavahi-common", "libavahi-core"),
    ),
    Software(
        name="mdnsresponder",
        cpe=("apple:mdnsresponder",),
        strings=(rb"mDNSResponder-(?P<version>[0-9]{2,4}(?:\.[0-9]{1,3}){0,3})",),
        programs=("mdnsd", "mDNSResponder*"),
        verified=False,
    ),
    Software(
        name="ntp",
        cpe=("ntp:ntp",),
        strings=(rb"ntpd?(?:date|q)? (?P<version>4\.[0-9]\.[0-9]{1,2}(?:p[0-9]{1,2})?)@",),
        programs=("ntpd",),
        verified=False,
    ),
    Software(
        name="ntpsec",
        cpe=("ntpsec:ntpsec",),
        own_strings=(rb"ntpsec-(?P<version>[01]\.[0-9]\.[0-9]{1,2})",),
        bare=r"1\.[0-9]\.[0-9]{1,2}",
        symbols=("ntpsec_version",),
        verified=False,
    ),
    Software(
        name="chrony",
        cpe=("tuxfamily:chrony",),
        bare=r"[1-5]\.[0-9]{1,2}(?:\.[0-9])?",
        programs=("chronyd", "chronyc"),
    ),
    Software(
        name="net-snmp",
        cpe=("net-snmp:net-snmp",),
        bare=r"5\.[0-9](?:\.[0-9]{1,2}){0,2}(?:\.pre[0-9]|\.rc[0-9])?",
        programs=("snmpd",),
        libraries=("libnetsnmp", "libnetsnmpmibs", "libnetsnmpagent"),
        packages=("libnetsnmp", "snmpd"),
    ),
    Software(
        name="mini-snmpd",
        programs=("mini_snmpd",),
        packages=("mini_snmpd",),
        verified=False,
    ),
    Software(
        name="ppp",
        cpe=(
            "point-to-point_protocol_project:point-to-point_protocol",
            "samba:ppp",
            "paul_mackerras:ppp",
        ),
        own_strings=(rb"/lib/pppd/(?P<version>2\.[3-9]\.[0-9]{1,2})[\x00/]",),
        bare=r"2\.[3-9]\.[0-9]{1,2}(?:b[0-9])?",
        programs=("pppd",),
    ),
    Software(
        name="rp-pppoe",
        cpe=("roaring_penguin:pppoe",),
        strings=(rb"RP-PPPoE plugin version (?P<version>3\.[0-9]{1,2}p?) compiled",),
        programs=("pppoe-server", "pppoe-relay"),
        verified=False,
    ),
    Software(
        name="xl2tpd",
        cpe=("xelerance:xl2tpd",),
        strings=(rb"xl2tpd-(?P<version>1\.[0-9]{1,2}\.[0-9]{1,2})[\x00 ]",),
        programs=("xl2tpd*",),
    ),
    Software(
        name="openl2tp",
        cpe=("openl2tp:openl2tp",),
        strings=(rb"OpenL2TP V(?P<version>1\.[0-9]{1,2})",),
        programs=("openl2tpd",),
        verified=False,
    ),
    Software(
        name="pptp",
        cpe=("pptp_client_project:pptp_client",),
        strings=(rb"pptp version (?P<version>1\.[0-9]{1,2}\.[0-9]{1,2})",),
        programs=("pptp",),
        packages=("pptp-linux",),
    ),
    Software(
        name="pptpd",
        cpe=("poptop:pptp_server",),
        bare=r"1\.[0-9]\.[0-9]{1,2}",
        programs=("pptpd", "pptpctrl", "bcrelay"),
    ),
    Software(
        name="accel-pptp",
        strings=(rb"accel-pptpd? v?(?P<version>0\.[0-9]\.[0-9]{1,2})",),
        verified=False,
    ),
    Software(
        name="openvpn",
        cpe=("openvpn:openvpn",),
        strings=(
            (
                rb"OpenVPN (?P<version>[12]\.[0-9](?:\.[0-9]{1,2}|_"
                rb"(?:rc|beta|alpha)[0-9]{1,2})?) [a-z0-9_]{3,12}-"
            ),
        ),
        programs=("openvpn*",),
        packages=("openvpn-openssl", "openvpn-mbedtls"),
    ),
    Software(
        name="strongswan",
        cpe=("strongswan:strongswan",),
        strings=(rb"%sSwan (?P<version>[4-6]\.[0-9]{1,2}\.[0-9]{1,2})[ ,)]",),
        programs=("charon*", "starter", "stroke"),
        libraries=("libstrongswan", "libcharon"),
    ),
    Software(
        name="libreswan",
        cpe=("libreswan:libreswan",),
        strings=(
            rb"\x00(?:OE-)?Libreswan[ -](?P<version>[3-5]\.[0-9]{1,2}(?:\.[0-9]{1,2})?)[\x00-]",
        ),
        programs=("pluto",),
    ),
    Software(
        name="openswan",
        cpe=("xelerance:openswan", "openswan:openswan"),
        strings=(rb"Linux Openswan U?(?P<version>[12]\.[0-9]\.[0-9]{1,3})",),
        verified=False,
    ),
    Software(
        name="ipsec-tools",
        cpe=("ipsec-tools:ipsec-tools",),
        strings=(rb"@\(#\)ipsec-tools (?P<version>0\.[0-9](?:\.[0-9])?)",),
        programs=("racoon", "setkey"),
        verified=False,
    ),
    Software(
        name="wireguard-tools",
        bare=r"1\.0\.20[0-9]{6}",
        programs=("wg",),
        packages=("wireguard",),
    ),
    Software(
        name="iptables",
        cpe=("netfilter:iptables",),
        bare=r"1\.[2-8]\.[0-9]{1,2}",
        programs=("iptables*", "ip6tables*", "xtables*"),
        libraries=("libxtables", "libiptc"),
    ),
    Software(
        name="ebtables",
        strings=(rb"ebtables v(?P<version>2\.0\.[0-9]{1,2}(?:-[0-9])?)[ :]",),
        programs=("ebtables*",),
        libraries=("libebtc",),
    ),
    Software(
        name="nftables",
        cpe=("netfilter:nftables",),
        bare=r"[01]\.[0-9](?:\.[0-9])?",
        programs=("nft",),
        libraries=("libnftables",),
    ),
    Software(
        name="iproute2",
        cpe=("iproute2_project:iproute2",),
        strings=(
            rb"iproute2-(?:ss)?(?P<version>[0-9]{1,2}\.[0-9]{1,2}(?:\.[0-9]{1,2})?|[0-9]{6})",
        ),
        bare=r"[2-9]\.[0-9]{1,2}\.[0-9]|[0-9]{6}",
        programs=("ip", "ip-full", "ip-tiny", "tc", "ss"),
        packages=("ip-full", "ip-tiny", "tc"),
    ),
    Software(
        name="bridge-utils",
        strings=(rb"bridge-utils, (?P<version>[01]\.[0-9](?:\.[0-9])?)",),
        bare=r"1\.[0-9](?:\.[0-9])?",
        programs=("brctl",),
    ),
    Software(
        name="vlan",
        programs=("vconfig",),
        verified=False,
    ),
    Software(
        name="tcpdump",
        cpe=("tcpdump:tcpdump",),
        strings=(rb"%s version (?P<version>[34]\.[0-9]{1,2}\.[0-9]{1,2})\n",),
        programs=("tcpdump*",),
    ),
    Software(
        name="libpcap",
        cpe=("tcpdump:libpcap",),
        strings=(rb"libpcap version (?P<version>[01]\.[0-9]{1,2}(?:\.[0-9]{1,2})?)",),
        libraries=("libpcap",),
    ),
    Software(
        name="radvd",
        cpe=("litech:router_advertisement_daemon",),
        bare=r"[012]\.[0-9]{1,2}(?:\.[0-9])?",
        programs=("radvd",),
    ),
    Software(
        name="udhcp",
        strings=(rb"udhcpc?d?, version %s",),
        bare=r"0\.9\.[0-9](?:-pre)?",
        programs=("udhcpd", "udhcpc"),
    ),
    Software(
        name="dhcpcd",
        cpe=("dhcpcd_project:dhcpcd", "roy_marples:dhcpcd"),
        strings=(
            (
                rb"dhcpcd[ -](?P<version>[0-9]{1,2}\.[0-9]{1,2}(?:\."
                rb"[0-9]{1,2})?)(?: starting|[\n\x00])"
            ),
        ),
        programs=("dhcpcd",),
        packages=("dhcpcd5",),
    ),
    Software(
        name="isc-dhcp",
        cpe=("isc:dhcp",),
        strings=(
            (
                rb"Internet Systems Consortium DHCP (?:Client|Server|Relay Agent) V"
                rb"(?P<version>3\.[0-9]\.[0-9])"
            ),
        ),
        bare=r"[34]\.[0-9]\.[0-9](?:-P[0-9]|-ESV-R[0-9.]{1,4}(?:-P[0-9])?)?",
        programs=("dhclient", "dhcpd-isc", "dhcrelay"),
        packages=("isc-dhcp-client", "isc-dhcp-server"),
    ),
    Software(
        name="wide-dhcpv6",
        cpe=("wide-dhcpv6_project:wide-dhcpv6",),
        programs=("dhcp6c", "dhcp6s", "dhcp6relay"),
        packages=("wide-dhcpv6-client",),
    ),
    Software(
        name="bind",
        cpe=("isc:bind",),
        strings=(rb"\x00BIND (?P<version>9\.[0-9]{1,2}\.[0-9]{1,2})[-\x00 ]",),
        file=r"lib(?:dns|isc|bind9|ns)-(?P<version>9\.[0-9]{1,2}\.[0-9]{1,2})",
        programs=("named",),
        packages=("bind9", "bind-server", "bind-libs"),
    ),
    Software(
        name="unbound",
        cpe=("nlnetlabs:unbound",),
        strings=(
            rb"unbound (?P<version>1\.[0-9]{1,2}\.[0-9]{1,2})\x00",
            rb"pluggable-event(?P<version>1\.[0-9]{1,2}\.[0-9]{1,2})\x00",
        ),
        programs=("unbound*",),
        libraries=("libunbound",),
    ),
    Software(
        name="quagga",
        cpe=("quagga:quagga",),
        strings=(
            (
                rb"Hello, this is [Qq]uagga \(version "
                rb"(?P<version>[01]\.[0-9]{1,2}(?:\.[0-9]{1,2}){0,2})"
            ),
        ),
        verified=False,
    ),
    Software(
        name="zebra",
        cpe=("gnu:zebra",),
        strings=(rb"Hello, this is zebra \(version (?P<version>0\.[0-9]{1,2}[a-z]?)",),
        verified=False,
    ),
    Software(
        name="frr",
        cpe=("frrouting:frrouting",),
        strings=(
            rb"this is FRRouting \(version (?P<version>[0-9]{1,2}\.[0-9]{1,2}(?:\.[0-9]{1,2})?)",
        ),
        libraries=("libfrr",),
    ),
    Software(
        name="igmpproxy",
        strings=(rb"\nigmpproxy (?P<version>0\.[0-9](?:\.[0-9])?)\n",),
        programs=("igmpproxy",),
    ),
    Software(
        name="mcproxy",
        programs=("mcproxy",),
        verified=False,
    ),
    Software(
        name="lldpd",
        cpe=("lldpd_project:lldpd", "vincent_bernat:lldpd"),
        strings=(rb"lldpd (?P<version>[01]\.[0-9]{1,2}\.[0-9]{1,2})[\x00 ]",),
        programs=("lldpd", "lldpcli"),
    ),
    Software(
        name="tftp-hpa",
        cpe=("tftp-hpa:tftp-hpa",),
        strings=(rb"tftp-hpa (?P<version>[05]\.[0-9]{1,2})[,\x00]",),
        programs=("in.tftpd", "tftpd"),
    ),
    Software(
        name="inadyn",
        cpe=("inadyn_project:inadyn",),
        strings=(
            rb"[Ii]nadyn(?:-mt)?[/ ](?:version )?v?(?P<version>[12]\.[0-9]{1,2}(?:\.[0-9]{1,2})?)",
        ),
        programs=("inadyn*",),
        verified=False,
    ),
    Software(
        name="ez-ipupdate",
        cpe=("angus_mackay:ez-ipupdate",),
        strings=(rb"ez-ipupdate Version (?P<version>3\.[0-9]\.[0-9]{1,2}(?:b[0-9])?)",),
        programs=("ez-ipupdate",),
        verified=False,
    ),
    Software(
        name="bluez",
        cpe=("bluez:bluez",),
        bare=r"[45]\.[0-9]{1,3}",
        programs=("bluetoothd", "bluetoothctl"),
        libraries=("libbluetooth",),
    ),
)
