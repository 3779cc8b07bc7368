"""Configurations of web servers."""

import re
from typing import Final

from holdfast.audit.model.configuration import uci
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
    statements,
)

_SOCKET = re.compile(r'\$SERVER\["SOCKET"\]\s*=?\s*"([^"]{1,80})"?')
_VARIABLE = re.compile(r"\$\{(\w+)\}")
_TLS = 443
_MOST_LOOKS = 8


def lighttpd(reading: Reading) -> Settings:
    """Read lighttpd.conf with what it includes; without `server.username` it stays root."""
    settings = Settings()
    last: dict[str, Line] = {}
    depth = 0
    for line in included(reading, "include"):
        whole = f"{line.name} {line.value}"
        if depth == 0 or line.name != "ssl.engine":  # in a block it is of that block
            last[line.name] = line
        depth += whole.count("{") - whole.count("}")
        match = _SOCKET.search(f"{line.name.upper()} {line.value}")
        found = endpoint(match[1], line.where) if match else None
        if found is not None:
            settings.endpoints.append(found)
    if "server.username" in last:
        settings.user, settings.where = last["server.username"].value, last["server.username"].where
    if "server.chroot" in last and last["server.chroot"].value:
        settings.walls.append("chroot")
    tls = "ssl.engine" in last and is_on(last["ssl.engine"].value)
    port = last.get("server.port")
    host = last["server.bind"].value if "server.bind" in last else ""
    settings.endpoints.insert(
        0,
        Endpoint(
            number(_value(port.value, last)) if port else 80, address(_value(host, last)),
            service="https" if tls else "", where=port.where if port else reading.path,
        ),
    )  # fmt: skip
    return settings


def _value(text: str, last: dict[str, Line]) -> str:
    """Look up `var.name`, which may stand for another; what is not known stays as it is."""
    for _ in range(_MOST_LOOKS):
        if not text.startswith("var.") or text.lower() not in last:
            break
        text = last[text.lower()].value
    return text


def nginx(reading: Reading) -> Settings:
    """Read nginx.conf with what it includes."""
    settings = Settings()
    folder = reading.path.rpartition("/")[0]
    for line in included(reading, "include", folder=folder, lines=statements):
        words = line.value.split()
        if not words:
            continue
        if line.name == "user" and not settings.user:
            settings.user, settings.where = words[0], line.where
        elif line.name == "listen" and (found := endpoint(words[0], line.where)) is not None:
            service = "https" if "ssl" in words[1:] else ""
            settings.endpoints.append(
                Endpoint(found.port or 80, found.address, where=line.where, service=service)
            )
    return settings


def apache(reading: Reading) -> Settings:
    """Read httpd.conf of Apache with what it includes."""
    settings = Settings()
    variables = {}
    folder = reading.path.rpartition("/")[0]
    for row in (reading.read(f"{folder}/envvars") or "").splitlines():
        name, _, value = row.removeprefix("export ").partition("=")
        variables[name.strip()] = value.strip().strip("\"'")
    for line in included(reading, "include", "includeoptional", folder=folder):
        value = _VARIABLE.sub(lambda match: variables.get(match[1], match[0]), line.value)
        if line.name == "user":
            settings.user, settings.where = value, line.where
        elif line.name == "chrootdir" and value:
            settings.walls.append("chroot")
        elif line.name == "listen" and value and (found := endpoint(value.split()[0], line.where)):
            settings.endpoints.append(found)
    return settings


def boa(reading: Reading) -> Settings:
    """Read boa.conf."""
    settings = Settings()
    port, host, where = 80, "", ""
    for line in directives(reading):
        if line.name == "port":
            port, where = number(line.value) or port, line.where
        elif line.name == "listen":
            host = line.value
        elif line.name == "user":
            settings.user, settings.where = line.value, line.where
    settings.endpoints.append(Endpoint(port, address(host), where=where))
    return settings


def keys(reading: Reading) -> Settings:
    """Read the `name=value` file of thttpd and mini_httpd."""
    settings = Settings()
    port, host, where, tls = None, "", "", False
    for line in directives(reading):
        if line.name == "port":
            port, where = number(line.value), line.where
        elif line.name == "host":
            host = line.value
        elif line.name == "user":
            settings.user, settings.where = line.value, line.where
        elif line.name == "chroot":
            settings.walls.append("chroot")
        elif line.name == "ssl":
            tls = True
    port = port or (_TLS if tls else 80)
    settings.endpoints.append(Endpoint(port, address(host), where=where))
    return settings


def httpd(reading: Reading) -> Settings:
    """Read what a program called httpd reads: of Apache, or of a vendor with `Port` lines."""
    if re.search(r"(?mi)^\s*(?:ServerRoot|LoadModule)\b", reading.text):
        return apache(reading)
    settings = Settings()
    for line in directives(reading):
        if line.name in {"port", "listen", "server.port", "http_port"}:
            found = endpoint(line.value, line.where)
            if found is not None and found.port is not None:
                settings.endpoints.append(found)
        elif line.name == "user" and line.value:
            settings.user, settings.where = line.value, line.where
    return settings


def uhttpd(reading: Reading) -> Settings:
    """Read /etc/config/uhttpd; TLS needs its library."""
    settings = Settings()
    tls = bool(reading.glob("lib/libustream-ssl.so*") or reading.glob("usr/lib/libustream*"))
    for section in uci.parse(reading.text):
        if section.type != "uhttpd":
            continue
        for name, service in (("listen_http", "http"), ("listen_https", "https")):
            for text in " ".join(section.options.get(name, [])).split():
                where = f"{reading.path}:{section.lines[name]}"
                found = endpoint(text, where, service=service)
                if found is not None and (service == "http" or tls):
                    settings.endpoints.append(found)
    return settings


READERS: Final = {
    "lighttpd": lighttpd,
    "nginx": nginx,
    "apache": apache,
    "boa": boa,
    "httpd_keys": keys,
    "httpd": httpd,
    "uhttpd": uhttpd,
}
