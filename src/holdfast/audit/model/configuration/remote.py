"""Configurations of SSH, files, names, time and the other services."""

import re
from collections.abc import Callable
from itertools import takewhile
from typing import Final

from holdfast.audit.model.configuration import pages, uci
from holdfast.audit.model.configuration.settings import (
    Endpoint,
    Line,
    Reading,
    Settings,
    address,
    directives,
    endpoint,
    included,
    is_on,
    number,
)


def sshd(reading: Reading) -> Settings:
    """Read sshd_config; the first value of a keyword counts, blocks of `Match` are left out."""
    settings = Settings()
    lines = list(takewhile(lambda line: line.name != "match",
                           included(reading, "include", folder="etc/ssh")))  # fmt: skip
    ports = [line for line in lines if line.name == "port"]
    named = [number(line.value) for line in ports] or [22]
    for line in lines:
        if line.name == "listenaddress" and line.value:
            found = endpoint(line.value.split()[0], line.where)
            if found is not None:
                settings.endpoints.append(
                    Endpoint(found.port or named[0], found.address, where=line.where)
                )
    if not settings.endpoints:
        settings.endpoints += [
            Endpoint(port, where=ports[place].where if ports else "")
            for place, port in enumerate(named)
        ]
    first = {line.name: line for line in reversed(lines)}
    for name, option in (
        ("permitrootlogin", "root-login"),
        ("passwordauthentication", "password-login"),
        ("permitemptypasswords", "empty-passwords"),
        ("protocol", "protocol"),
    ):
        if name in first:
            settings.options.append(f"{option}={first[name].value.lower()}")
    if _asks_for_password({name: line.value.lower() for name, line in first.items()}):
        settings.options.append("interactive-login=yes")
    return settings


def _asks_for_password(values: dict[str, str]) -> bool:
    """Tell whether PAM asks for the password where plain password login is off: RFC 4256."""
    switch = values.get("kbdinteractiveauthentication") or values.get(
        "challengeresponseauthentication", "yes"
    )
    through_pam = is_on(switch) and is_on(values.get("usepam", "no"))
    return through_pam and not is_on(values.get("passwordauthentication", "yes"))


def dropbear(reading: Reading) -> Settings:
    """Read /etc/config/dropbear of OpenWrt, or /etc/default/dropbear of Debian."""
    settings = Settings()
    if "DROPBEAR" in reading.text or "NO_START" in reading.text:
        for line in directives(reading):
            if line.name == "dropbear_port":
                settings.endpoints.append(Endpoint(number(line.value), where=line.where))
            elif line.name == "no_start":
                settings.off = line.value == "1"
        return settings
    sections = [one for one in uci.parse(reading.text) if one.type == "dropbear"]
    for section in sections:
        if not section.is_on("enable", default=True):
            continue
        where = f"{reading.path}:{section.lines.get('Port', section.line)}"
        host = address(section.get("Interface"))
        for port in section.get("Port", "22").split():
            settings.endpoints.append(Endpoint(number(port), host, where=where))
        root = section.is_on("RootLogin", default=True)
        password = section.is_on("PasswordAuth", default=True)
        root_password = section.is_on("RootPasswordAuth", default=True)
        settings.options += ssh_options(root=root, password=password, root_password=root_password)
    settings.off = bool(sections) and not settings.endpoints
    return settings


def ssh_options(*, root: bool, password: bool, root_password: bool) -> list[str]:
    """Say in the words of sshd how one logs in; `root-login=yes` means with a password."""
    by_password = root and password and root_password
    login = "yes" if by_password else "prohibit-password" if root else "no"
    return [f"root-login={login}", f"password-login={'yes' if password else 'no'}"]


def vsftpd(reading: Reading) -> Settings:
    """Read vsftpd.conf."""
    settings = Settings()
    values = {line.name: line for line in directives(reading)}
    port = values.get("listen_port")
    settings.endpoints.append(
        Endpoint(number(port.value) if port else 21, where=port.where if port else "")
    )
    for name, option, default in (
        ("anonymous_enable", "anonymous", True),
        ("anon_upload_enable", "anonymous-upload", False),
        ("local_enable", "local-users", False),
        ("write_enable", "write", False),
        ("ssl_enable", "tls", False),
        ("chroot_local_user", "chroot-users", False),
    ):
        on = is_on(values[name].value, default=default) if name in values else default
        settings.options.append(f"{option}={'yes' if on else 'no'}")
    return settings


def proftpd(reading: Reading) -> Settings:
    """Read proftpd.conf."""
    settings = Settings()
    for line in directives(reading):
        if line.name == "port":
            settings.endpoints.append(Endpoint(number(line.value), where=line.where))
        elif line.name == "user" and not settings.user:
            settings.user, settings.where = line.value, line.where
        elif line.name == "<anonymous":
            settings.options.append("anonymous=yes")
        elif line.name == "defaultroot":
            settings.options.append("chroot-users=yes")
    return settings


def smb(reading: Reading) -> Settings:
    """Read smb.conf."""
    settings = Settings()
    section, guest = "global", []
    for line in _pairs(reading):
        if line.name.startswith("["):
            section = line.name.strip("[]").lower()
        elif section == "global" and line.name == "smb ports":
            settings.endpoints += [
                Endpoint(number(word), where=line.where) for word in line.value.split()
            ]
        elif section == "global" and line.name in {"server min protocol", "min protocol"}:
            settings.options.append(f"min-protocol={line.value.lower()}")
        elif line.name in {"guest ok", "public"} and is_on(line.value):
            guest.append(section)
        elif section == "global" and line.name == "map to guest":
            settings.options.append(f"map-to-guest={line.value.lower()}")
        elif line.name == "null passwords" and is_on(line.value):
            settings.options.append("empty-passwords=yes")
    if guest:
        settings.options.append(f"guest-shares={len(guest)}")
    return settings


def _pairs(reading: Reading) -> list[Line]:
    """Give `name with blanks = value` lines and section heads."""
    found = []
    for count, line in enumerate(reading.text.splitlines()[:5000], start=1):
        plain = line.strip()
        where = f"{reading.path}:{count}"
        if plain.startswith("["):
            found.append(Line(plain, "", where))
        elif "=" in plain and plain[0] not in "#;":
            name, _, value = plain.partition("=")
            found.append(Line(" ".join(name.lower().split()), value.strip(), where))
    return found


def snmpd(reading: Reading) -> Settings:
    """Read snmpd.conf; communities are accounts and read elsewhere."""
    settings = Settings()
    for line in directives(reading):
        if line.name == "agentaddress":
            for text in re.split(r"[,\s]+", line.value):
                protocol, colon, rest = text.partition(":")
                udp = protocol.lower() in {"udp", "udp6"} and colon
                found = endpoint(rest if udp else text, line.where)
                if found is not None:
                    settings.endpoints.append(
                        Endpoint(found.port or 161, found.address, "udp", where=line.where)
                    )
        elif line.name == "agentuser":
            settings.user, settings.where = line.value, line.where
        elif line.name in {"rwcommunity", "rwcommunity6"}:
            settings.options.append("write-community=yes")
    return settings


def dnsmasq(reading: Reading) -> Settings:
    """Read dnsmasq.conf: it may serve names, addresses and boot files."""
    settings = Settings()
    host = ""
    port: int | None = 53
    for line in directives(reading):
        if line.name == "port":
            port = None if line.value == "0" else number(line.value)
        elif line.name == "user":
            settings.user, settings.where = line.value, line.where
        elif line.name in {"listen-address", "interface"}:
            host = host or address(line.value.split(",")[0])
        elif line.name == "dhcp-range":
            settings.endpoints.append(Endpoint(67, "", "udp", "dhcp", line.where))
        elif line.name == "enable-tftp":
            settings.endpoints.append(Endpoint(69, "", "udp", "tftp", line.where))
    if port is not None:
        settings.endpoints.insert(0, Endpoint(port, host, "udp"))
    return settings


def miniupnpd(reading: Reading) -> Settings:
    """Read miniupnpd.conf."""
    settings = Settings()
    values = {line.name: line for line in directives(reading)}
    igd = is_on(values["enable_upnp"].value, default=True) if "enable_upnp" in values else True
    pmp = "enable_natpmp" in values and is_on(values["enable_natpmp"].value)
    port = number(values["port"].value) if "port" in values else None
    if igd:  # with SSDP on UDP port 1900
        settings.endpoints.append(Endpoint(port))
        settings.options += ["nat-pmp=yes"] if pmp else []
    elif pmp:
        settings.endpoints.append(Endpoint(5351, "", "udp", "nat-pmp"))
    settings.off = not (igd or pmp)
    if "secure_mode" in values:
        settings.options.append(f"secure-mode={values['secure_mode'].value.lower()}")
    return settings


def chrony(reading: Reading) -> Settings:
    """Read chrony.conf: without `allow` it asks others, and answers only itself."""
    settings = Settings()
    lines = list(directives(reading))
    settings.off = not any(line.name == "allow" for line in lines)
    for line in lines:
        if line.name == "user":
            settings.user, settings.where = line.value, line.where
        elif line.name == "port" and line.value == "0":
            settings.off = True
    return settings


def mosquitto(reading: Reading) -> Settings:
    """Read mosquitto.conf."""
    settings = Settings()
    for line in directives(reading):
        words = line.value.split()
        if line.name in {"listener", "port"} and words and number(words[0]):
            host = address(words[1]) if len(words) > 1 else ""
            settings.endpoints.append(Endpoint(number(words[0]), host, where=line.where))
        elif line.name == "user":
            settings.user, settings.where = line.value, line.where
        elif line.name == "allow_anonymous":
            settings.options.append(f"anonymous={'yes' if is_on(line.value) else 'no'}")
    return settings


READERS: Final[dict[str, Callable[[Reading], Settings]]] = {
    **pages.READERS,
    "sshd": sshd,
    "dropbear": dropbear,
    "vsftpd": vsftpd,
    "proftpd": proftpd,
    "smb": smb,
    "snmpd": snmpd,
    "dnsmasq": dnsmasq,
    "miniupnpd": miniupnpd,
    "chrony": chrony,
    "mosquitto": mosquitto,
}
"""Readers by the name that `daemons` has for them; `ntpd` needs none."""
