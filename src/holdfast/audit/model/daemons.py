"""Programs that listen, as a field guide: what they serve, where they are configured, as whom.

A program is known by the name under which it is called. What is not here and listens all the
same is told by the calls that it takes from its libraries (`LIBRARIES`, `startup.programs`).
"""

from dataclasses import dataclass
from typing import Final, Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Daemon:
    """One kind of daemon.

    Attributes:
        service: What it serves, in the words of `model.shapes.Listener`.
        port: Where, if nothing says otherwise; None if it has no usual one.
        protocol: Of that port.
        reader: Name of the reader of its configuration, see `configuration.readers`.
        configs: Files that it reads if the command line names none.
        config_option: Option that names another file.
        valued: Letters of its options that take a value.
        port_option: Option for the port, or `address:port`.
        user_option: Option for the account.
        root_option: Option for the folder that becomes its root; alone or with a value.
        address_option: Option for the address.
        drops: Account that it changes to without being told, "" if it stays what it was.
        unless: Option without which it serves nobody.
    """

    service: str
    port: int | None = None
    protocol: Literal["tcp", "udp"] = "tcp"
    reader: str = ""
    configs: tuple[str, ...] = ()
    config_option: str = ""
    valued: str = ""
    port_option: str = ""
    user_option: str = ""
    root_option: str = ""
    address_option: str = ""
    drops: str = ""
    unless: str = ""


_TELNET = Daemon(
    service="telnet", port=23, valued="plfbuaDXrLSw", port_option="-p", address_option="-b"
)
_FTP = Daemon(service="ftp", port=21, valued="cSPd")
_TFTP = Daemon(
    service="tftp", port=69, protocol="udp", valued="autUpPrBmTR", user_option="-u",
    address_option="-a",
)  # fmt: skip
_HTTP = Daemon(service="http", port=80, valued="pcfhudrS", port_option="-p")
_IGD = Daemon(
    service="upnp-igd", port=None, reader="miniupnpd",
    configs=("etc/miniupnpd.conf", "etc/miniupnpd/miniupnpd.conf", "var/etc/miniupnpd.conf"),
    config_option="-f", valued="fhioapPNuwRdnstmBblrUW",
)  # fmt: skip
_SSDP = Daemon(service="upnp", port=1900, protocol="udp")
_DLNA = Daemon(
    service="dlna", port=8200, valued="fpPsmTuhwi", port_option="-p", user_option="-u",
)  # fmt: skip
_DHCP = Daemon(service="dhcp", port=67, protocol="udp")
_DHCP6 = Daemon(service="dhcp", port=547, protocol="udp")
_DNS = Daemon(service="dns", port=53, protocol="udp")
_TR069 = Daemon(service="tr069", port=7547)
_SNMP = Daemon(
    service="snmp", port=161, protocol="udp", reader="snmpd", configs=("etc/snmp/snmpd.conf",
    "etc/snmpd.conf", "usr/share/snmp/snmpd.conf"), config_option="-c", valued="cugLpxIDmAnX",
    user_option="-u",
)  # fmt: skip
_MDNS = Daemon(service="mdns", port=5353, protocol="udp")
_IPSEC = Daemon(
    service="ipsec",
    port=500,
    protocol="udp",
)
_RTSP = Daemon(service="rtsp", port=554)
_SMB = Daemon(
    service="smb", port=445, reader="smb", configs=("etc/samba/smb.conf", "etc/smb.conf"),
    config_option="-s", valued="spldO", port_option="-p",
)  # fmt: skip
_APACHE = Daemon(
    service="http", port=80, reader="apache", configs=("etc/apache2/apache2.conf",
    "etc/httpd/conf/httpd.conf", "etc/apache/httpd.conf", "usr/local/apache/conf/httpd.conf"),
    config_option="-f", valued="fdDCcEek",
)  # fmt: skip

DAEMONS: Final[dict[str, Daemon]] = {
    # Shells over the network
    **dict.fromkeys(("telnetd", "utelnetd", "in.telnetd", "telnetd.netkit", "ttelnetd"), _TELNET),
    "sshd": Daemon(
        service="ssh", port=22, reader="sshd", configs=("etc/ssh/sshd_config", "etc/sshd_config"),
        config_option="-f", valued="bCcEfghkopu", port_option="-p",
    ),
    "dropbear": Daemon(
        service="ssh", port=22, reader="dropbear", configs=("etc/config/dropbear",
        "etc/default/dropbear"), valued="bdrpPcKIWAMTiULGD", port_option="-p",
    ),
    **dict.fromkeys(("rlogind", "in.rlogind"), Daemon(service="rlogin", port=513)),
    "rshd": Daemon(service="rsh", port=514), "in.rshd": Daemon(service="rsh", port=514),
    "rexecd": Daemon(service="rexec", port=512), "in.rexecd": Daemon(service="rexec", port=512),
    "adbd": Daemon(service="adb", port=5555), "gdbserver": Daemon(service="debug"),
    "ttyd": Daemon(service="shell", port=7681, valued="piuUgsctTWmObBCKAPd", port_option="-p"),
    "shellinaboxd": Daemon(
        service="shell", port=4200, valued="bcfgpmsu", port_option="-p", user_option="-u"
    ),
    # Pages
    "lighttpd": Daemon(
        service="http", port=80, reader="lighttpd", configs=("etc/lighttpd/lighttpd.conf",
        "etc/lighttpd.conf", "etc/lighttpd/lighttpd-angel.conf"), config_option="-f", valued="fmi",
    ),
    "nginx": Daemon(
        service="http", port=80, reader="nginx", configs=("etc/nginx/nginx.conf",
        "usr/local/nginx/conf/nginx.conf"), config_option="-c", valued="cpgse", drops="nobody",
    ),
    "uhttpd": Daemon(
        service="http", port=80, reader="uhttpd", configs=("etc/config/uhttpd",),
        valued="pshEIyilLxrdmtTkAnNuUCKcoOHzZ", port_option="-p",
    ),
    "boa": Daemon(
        service="http", port=80, reader="boa", configs=("etc/boa/boa.conf", "etc/boa.conf",
        "etc/boa.org/boa.conf"), config_option="-f", valued="fcrl",
    ),
    **dict.fromkeys(("goahead", "webs", "goahead-webs"), Daemon(service="http", port=80)),
    "mini_httpd": Daemon(
        service="http", port=80, reader="httpd_keys", configs=("etc/mini_httpd.conf",
        "etc/mini_httpd/mini_httpd.conf"), config_option="-C", valued="CpdcuhlTMPEYi",
        port_option="-p", user_option="-u", address_option="-h", drops="nobody",
    ),
    "thttpd": Daemon(
        service="http", port=80, reader="httpd_keys", configs=("etc/thttpd.conf",
        "etc/thttpd/thttpd.conf"), config_option="-C", valued="CpdcutlihTMPV",
        port_option="-p", user_option="-u", address_option="-h", drops="nobody",
    ),
    "httpd": Daemon(
        service="http", port=80, reader="httpd", configs=(), valued="pcfhurdmeCk",
        port_option="-p", user_option="-u", config_option="-f",
    ),
    **dict.fromkeys(("apache2", "httpd2", "apache", "httpd.apache"), _APACHE),
    **dict.fromkeys(
        ("micro_httpd", "shttpd", "mongoose", "appweb", "cherokee", "cherokee-worker",
         "monkey", "hiawatha", "alphapd",
         "jjhttpd", "mathopd", "darkhttpd", "civetweb", "tinyhttpd", "nhttpd", "webd", "webserver",
         "web_server", "caddy", "minihttpd", "mini_httpd.real", "fnet_httpd", "dhttpd", "bozohttpd",
         "publicfile-httpd", "ulighttpd", "h2o", "uwsgi", "gunicorn", "WebServer"),
        _HTTP),
    **dict.fromkeys(("httpsd", "mini_httpds", "httpds"), Daemon(service="https", port=443)),
    "stunnel": Daemon(service="https", port=443), "stunnel4": Daemon(service="https", port=443),
    "haproxy": Daemon(service="http", port=80, drops=""),
    # Files
    "vsftpd": Daemon(
        service="ftp", port=21, reader="vsftpd", configs=("etc/vsftpd.conf",
        "etc/vsftpd/vsftpd.conf", "var/etc/vsftpd.conf"),
    ),
    "proftpd": Daemon(
        service="ftp", port=21, reader="proftpd", configs=("etc/proftpd/proftpd.conf",
        "etc/proftpd.conf"), config_option="-c", valued="cdpS",
    ),
    "pure-ftpd": Daemon(
        service="ftp", port=21, valued="aAcClLmnpPqQSTukKUVyYzF", address_option="-S"
    ),
    **dict.fromkeys(("ftpd", "in.ftpd", "bftpd", "stupid-ftpd", "ftpd.real", "oftpd", "muddleftpd",
                     "wu-ftpd", "uftpd"), _FTP),
    **dict.fromkeys(("tftpd", "in.tftpd", "atftpd", "utftpd", "opentftpd", "tftpd-hpa"), _TFTP),
    "smbd": _SMB, "nmbd": Daemon(service="netbios", port=137, protocol="udp"),
    **dict.fromkeys(("ksmbd.mountd", "ksmbd", "usmbd", "smbd2", "tsmb"), _SMB),
    "wsdd": Daemon(service="ws-discovery", port=3702, protocol="udp"),
    "wsdd2": Daemon(service="ws-discovery", port=3702, protocol="udp"),
    **dict.fromkeys(("rpc.nfsd", "nfsd", "unfsd"), Daemon(service="nfs", port=2049)),
    "rpc.mountd": Daemon(service="nfs"), "rpc.statd": Daemon(service="rpc", drops="statd"),
    "rpcbind": Daemon(service="rpc", port=111),
    "portmap": Daemon(service="rpc", port=111, drops="daemon"),
    "afpd": Daemon(service="afp", port=548),
    "rsync": Daemon(service="rsync", port=873, unless="--daemon"),
    "rsyncd": Daemon(service="rsync", port=873),
    # Discovery, gateways
    **dict.fromkeys(("miniupnpd", "upnpd", "miniigd", "igd", "igdd", "linux-igd", "linuxigd",
                     "upnpigd", "mini_upnpd", "bcmupnp", "upnp", "natpmpd", "upnpdd"), _IGD),
    **dict.fromkeys(("minissdpd", "ssdpd", "ssdp", "lanssdp"), _SSDP),
    **dict.fromkeys(("wscd", "wps_upnp", "wsccmd", "wps_monitor"), Daemon(service="upnp")),
    **dict.fromkeys(("minidlna", "minidlnad", "ushare", "mediatomb", "gerbera"), _DLNA),
    "avahi-daemon": Daemon(service="mdns", port=5353, protocol="udp", drops="avahi"),
    **dict.fromkeys(("mdnsd", "umdns", "mDNSResponder", "mDNSResponderPosix", "mdnsresponder",
                     "mDNSResponder_proxy"), _MDNS),
    **dict.fromkeys(("llmnrd", "llmnresp"), Daemon(service="llmnr", port=5355, protocol="udp")),
    # Names, addresses, time
    "dnsmasq": Daemon(
        service="dns", port=53, protocol="udp", reader="dnsmasq", configs=("etc/dnsmasq.conf",),
        config_option="-C", valued="CpuxrSAaiIFGHlLMOXZzgKPQRsyYTUVWc7", port_option="-p",
        user_option="-u", drops="nobody",
    ),
    **dict.fromkeys(("dnsProxy", "dproxy", "dnrd", "pdnsd", "dnsproxy", "dns_proxy", "dnsmasq-lite",
                     "smartdns", "stubby"), _DNS),
    "named": Daemon(service="dns", port=53, protocol="udp", valued="cdDnpStuUxMm",
                    user_option="-u", root_option="-t"),
    "unbound": Daemon(service="dns", port=53, protocol="udp", drops="unbound"),
    **dict.fromkeys(("udhcpd", "dhcpd", "dhcpd-server", "bcmdhcpd", "kea-dhcp4"), _DHCP),
    **dict.fromkeys(("odhcpd", "dhcp6s", "dhcpd6", "dibbler-server", "kea-dhcp6"), _DHCP6),
    "ntpd": Daemon(service="ntp", port=123, protocol="udp", reader="ntpd", configs=(),
                   valued="pSuigcfktNsx", user_option="-u"),
    "chronyd": Daemon(service="ntp", port=123, protocol="udp", reader="chrony", drops="_chrony",
                      configs=("etc/chrony/chrony.conf", "etc/chrony.conf"), config_option="-f",
                      valued="fuPw", user_option="-u"),
    "openntpd": Daemon(service="ntp", port=123, protocol="udp", drops="_ntp"),
    # Management
    **dict.fromkeys(("snmpd", "mini_snmpd", "bsnmpd", "snmpd.real"), _SNMP),
    **dict.fromkeys(("cwmpd", "cwmp", "tr069", "tr069d", "tr69c", "tr069c", "cwmpClient",
                     "easycwmpd", "freecwmpd", "icwmpd", "obuspa", "tr069_client", "cwmpclient",
                     "tr098", "dmclient"), _TR069),
    "mosquitto": Daemon(service="mqtt", port=1883, reader="mosquitto", drops="mosquitto",
                        configs=("etc/mosquitto/mosquitto.conf",), config_option="-c",
                        valued="cp", port_option="-p"),
    "cupsd": Daemon(service="ipp", port=631), "p910nd": Daemon(service="print", port=9100),
    "lpd": Daemon(service="print", port=515),
    "zabbix_agentd": Daemon(service="monitoring", port=10050, drops="zabbix"),
    "collectd": Daemon(service="monitoring", port=25826, protocol="udp", unless="--listen"),
    "iperf": Daemon(service="test", port=5001, unless="-s"),
    "iperf3": Daemon(service="test", port=5201, unless="-s"),
    "tddp": Daemon(service="vendor", port=1040, protocol="udp"),
    "ated": Daemon(service="vendor"), "ated_tp": Daemon(service="vendor"),
    "infosvr": Daemon(service="vendor", port=9999, protocol="udp"),
    "lld2d": Daemon(service="lltd", protocol="udp"),
    # Tunnels
    "openvpn": Daemon(service="vpn", port=1194, protocol="udp", unless="server"),
    "pptpd": Daemon(service="vpn", port=1723), "bcrelay": Daemon(service="vpn", protocol="udp"),
    "xl2tpd": Daemon(service="vpn", port=1701, protocol="udp"),
    "l2tpd": Daemon(service="vpn", port=1701, protocol="udp"),
    **dict.fromkeys(("racoon", "charon", "pluto", "iked", "strongswan"), _IPSEC),
    # Media
    **dict.fromkeys(("rtspd", "rtsp_server", "live555MediaServer", "rtspserver", "rtsp-server",
                     "v4l2rtspserver", "mediamtx"), _RTSP),
    "swupdate": Daemon(service="http", port=8080, valued="cdefHiklLopquvwx", unless="-w"),
    "mjpg_streamer": Daemon(service="http", port=8080),
    "sipd": Daemon(service="sip", port=5060, protocol="udp"),
    "asterisk": Daemon(service="sip", port=5060, protocol="udp", drops=""),
}  # fmt: skip

TUNNELS: Final = frozenset({
    "ssh", "autossh", "dbclient", "frpc", "ngrok", "rathole", "bore", "inlets", "pagekite",
    "pagekite.py", "zrok", "npc", "phtunnel", "phddns", "lanproxy", "localtunnel", "boringproxy",
    "reverse-ssh", "gs-netcat", "localxpose", "loclx", "remoteit", "connectd", "chisel",
    "cloudflared", "gost", "devtunnel", "teamviewer", "teamviewerd", "anydesk", "rustdesk",
    "meshagent", "dwagent", "dwagsvc", "supremo", "screenconnect", "simplehelp", "zerotier-one",
    "tailscaled", "netbird", "n2n", "edge", "openvpn", "wg-quick",
})  # fmt: skip
"""Programs that call out, and may let the other end in."""

SWITCHABLE: Final = ("nc", "ncat", "netcat", "socat", "tcpsvd", "udpsvd")
"""Programs that listen only as their arguments say; `listeners` reads those."""

LIBRARIES: Final = (
    ("libupnp.so", "upnp"),
    ("libmicrohttpd.so", "http"),
    ("libwebsockets.so", "http"),
    ("libfcgi.so", ""),
)
"""Libraries that listen for a program, and what they serve; "" for nothing on a network."""

NOT_LISTENING: Final = frozenset({
    # They bind to names in the file system, to netlink, or as clients.
    "procd", "ubusd", "netifd", "rpcd", "logd", "logread", "init", "udevd", "systemd-udevd",
    "systemd", "systemd-journald", "systemd-logind", "systemd-networkd", "systemd-timesyncd",
    "dbus-daemon", "dbus-broker", "dbus-broker-launch", "hostapd", "wpa_supplicant", "wpad",
    "hostapd_cli", "wpa_cli", "udhcpc", "udhcpc6", "dhclient", "dhcpcd", "odhcp6c", "dhcp6c",
    "ntpclient", "ntpdate", "sntp", "rdate", "pppd", "pppoe", "pppoecd", "rp-pppoe", "br2684ctl",
    "syslogd", "klogd", "rsyslogd", "crond", "cron", "atd", "acpid", "mdev", "hotplug2", "inetd",
    "xinetd", "watchdog", "watchdogd", "rngd", "haveged", "irqbalance", "dropbearkey", "ssh-keygen",
    "ping", "ping6", "ip", "ifconfig", "route", "iptables", "ip6tables", "xtables-multi", "tc",
    "brctl", "arping", "traceroute", "ethtool", "iwconfig", "iwpriv", "iwlist", "iw", "wlanconfig",
    "insmod", "modprobe", "fw3", "ebtables", "nvram", "uci", "ubus", "login", "getty", "agetty",
    "sh", "ash", "bash", "mount", "swapon", "sysctl", "vconfig", "ifup", "ifdown", "igmpproxy",
    "radvd", "zebra", "ripd", "quagga", "bird", "conntrack", "conntrackd", "keepalived", "lldpd",
    "modemmanager", "ModemManager", "NetworkManager", "connmand", "bluetoothd", "polkitd",
    "inadyn", "ddclient", "noip2", "ddns", "ddnsd", "updatedd", "ez-ipupdate", "wget", "curl",
    "openssl", "usbmuxd", "smcroute", "pimd", "mcproxy", "monit", "rdisc6", "ipv6pdip", "tcpdump",
    "nscd", "nslcd", "auditd", "fail2ban-server", "logger", "start-stop-daemon", "switch",
    "switch_root", "swconfig", "mtd", "ubimount", "kmodloader", "insmod.old", "depmod",
})  # fmt: skip
"""Programs whose calls look like a listener's, and who wait for nobody on a network."""
