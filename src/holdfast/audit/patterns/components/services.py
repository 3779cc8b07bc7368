"""Programs that serve files, messages, names of devices and documents."""

from typing import Final

from holdfast.audit.patterns.components.software import Software

TABLE: Final[tuple[Software, ...]] = (
    Software(
        name="easycwmp",
        programs=("easycwmpd", "easycwmp"),
        verified=False,
    ),
    Software(
        name="freecwmp",
        programs=("freecwmpd",),
        verified=False,
    ),
    Software(
        name="odhcpd",
        programs=("odhcpd",),
    ),
    Software(
        name="odhcp6c",
        programs=("odhcp6c",),
    ),
    Software(
        name="mosquitto",
        cpe=("eclipse:mosquitto",),
        strings=(rb"mosquitto version (?P<version>[0-2]\.[0-9]{1,2}(?:\.[0-9]{1,2})?)[\x00 ]",),
        bare=r"[0-2]\.[0-9]{1,2}\.[0-9]{1,2}",
        programs=("mosquitto*",),
        libraries=("libmosquitto",),
        packages=("libmosquitto",),
    ),
    Software(
        name="paho-mqtt-c",
        cpe=("eclipse:paho_mqtt_c",),
        strings=(rb"MQTT(?:Async|Client)V3_Version (?P<version>1\.[0-9]\.[0-9]{1,2})\x00",),
        symbols=("MQTTAsync_getVersionInfo", "MQTTClient_getVersionInfo"),
        libraries=("libpaho-mqtt3a", "libpaho-mqtt3as", "libpaho-mqtt3c", "libpaho-mqtt3cs"),
    ),
    Software(
        name="asterisk",
        cpe=("digium:asterisk", "sangoma:asterisk"),
        strings=(rb"Asterisk (?P<version>1?[0-9]\.[0-9]{1,2}\.[0-9]{1,2}) built by",),
        programs=("asterisk",),
        verified=False,
    ),
    Software(
        name="tinyproxy",
        cpe=("tinyproxy_project:tinyproxy", "banu:tinyproxy"),
        strings=(rb"tinyproxy/(?P<version>1\.[0-9]{1,2}\.[0-9]{1,2})",),
        bare=r"1\.[0-9]{1,2}\.[0-9]{1,2}",
        programs=("tinyproxy",),
        verified=False,
    ),
    Software(
        name="rsync",
        cpe=("samba:rsync",),
        bare=r"[23]\.[0-9]\.[0-9]{1,2}",
        newest=True,
        programs=("rsync",),
    ),
    Software(
        name="aria2",
        cpe=("aria2_project:aria2",),
        strings=(rb"aria2/(?P<version>1\.[0-9]{1,2}\.[0-9]{1,2})\x00",),
        programs=("aria2c",),
        libraries=("libaria2",),
    ),
    Software(
        name="transmission",
        cpe=("transmissionbt:transmission",),
        strings=(rb"Transmission/(?P<version>[1-4]\.[0-9]{1,2}(?:\.[0-9]{1,2})?)[\x00+]",),
        programs=("transmission-*",),
    ),
    Software(
        name="samba",
        cpe=("samba:samba",),
        strings=(rb"\x00Samba (?P<version>[2-4]\.[0-9]{1,2}\.[0-9]{1,2}[a-z]?)[-\x00 ]",),
        own_strings=(rb"SAMBA_(?P<version>4\.[0-9]{1,2}\.[0-9]{1,2})",),
        bare=r"[234]\.[0-9]{1,2}\.[0-9]{1,2}[a-z]?(?:-.*)?",
        programs=("smbd", "nmbd", "winbindd", "smbpasswd", "samba", "net", "testparm"),
        libraries=(
            "libsmbconf",
            "libsmbd-base",
            "libsmbclient",
            "libsamba-util",
            "libbigballofmud",
        ),
        packages=("samba36-server", "samba4-server", "samba-libs"),
    ),
    Software(
        name="ksmbd-tools",
        strings=(rb"ksmbd-tools version : (?P<version>3\.[0-9]\.[0-9])",),
        bare=r"3\.[0-9]\.[0-9]",
        programs=("ksmbd.tools", "ksmbd.mountd", "ksmbd.*"),
        packages=("ksmbd-server",),
    ),
    Software(
        name="netatalk",
        cpe=("netatalk:netatalk",),
        strings=(rb"[Nn]etatalk[ /](?P<version>[234]\.[0-9]\.[0-9]{1,2})",),
        bare=r"[234]\.[0-9]\.[0-9]{1,2}",
        programs=("afpd",),
        verified=False,
    ),
    Software(
        name="vsftpd",
        cpe=("vsftpd_project:vsftpd", "beasts:vsftpd"),
        strings=(rb"(?:vsFTPd|vsftpd: version) (?P<version>[123]\.[0-9]\.[0-9])",),
        programs=("vsftpd",),
    ),
    Software(
        name="proftpd",
        cpe=("proftpd:proftpd",),
        strings=(
            rb"ProFTPD (?:Version )?(?P<version>1\.[0-9]\.[0-9]{1,2}(?:[a-z]|rc[0-9])?)[\x00 ]",
        ),
        programs=("proftpd",),
    ),
    Software(
        name="pure-ftpd",
        cpe=("pureftpd:pure-ftpd",),
        strings=(rb"[Pp]ure-[Ff][Tt][Pp]d v?(?P<version>1\.[0-9]\.[0-9]{1,2})[a-z]?[\x00\n ]",),
        programs=("pure-ftpd*",),
    ),
    Software(
        name="bftpd",
        cpe=("bftpd_project:bftpd", "bftpd:bftpd"),
        strings=(rb"\x00bftpd (?P<version>[0-9]\.[0-9]{1,2}(?:\.[0-9]{1,2})?)",),
        bare=r"[0-9]\.[0-9](?:\.[0-9]{1,2})?",
        programs=("bftpd",),
        verified=False,
    ),
    Software(
        name="stupid-ftpd",
        strings=(rb"Stupid-FTPd",),
        bare=r"1\.[0-9](?:beta)?",
        programs=("stupid-ftpd",),
        verified=False,
    ),
    Software(
        name="cups",
        cpe=("apple:cups", "openprinting:cups"),
        strings=(rb"CUPS/(?P<version>[12]\.[0-9](?:\.[0-9]{1,2})?)[ \x00]",),
        programs=("cupsd",),
        libraries=("libcups",),
    ),
    Software(
        name="squid",
        cpe=("squid-cache:squid",),
        strings=(rb"squid/(?P<version>[2-7]\.[0-9]{1,2}(?:\.[0-9]{1,2})?)",),
        programs=("squid",),
        verified=False,
    ),
)
