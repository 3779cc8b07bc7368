"""Which addresses in files mean a place that is called, and which only name something."""

import ipaddress
import re
from typing import Final
from urllib.parse import urlsplit

_NAMES: Final = (
    # namespaces, standards, licences
    "w3.org", "xmlsoap.org", "upnp.org", "xmlns.com", "purl.org", "iana.org", "ietf.org",
    "rfc-editor.org", "ieee.org", "oasis-open.org", "openxmlformats.org", "microsoft.com",
    "adobe.com", "apache.org", "gnu.org", "opensource.org", "creativecommons.org", "mozilla.org",
    "purenetworks.com", "broadband-forum.org", "dslforum.org", "onvif.org", "wi-fi.org",
    "json-schema.org", "schema.org", "unicode.org", "relaxng.org", "docbook.org", "spdx.org",
    "tempuri.org", "soapinterop.org", "genivia.com",
    # where software comes from
    "github.com", "githubusercontent.com", "gitlab.com", "bitbucket.org", "sourceforge.net",
    "kernel.org", "busybox.net", "openssl.org", "debian.org", "ubuntu.com", "openwrt.org",
    "freedesktop.org", "denx.de", "python.org", "perl.org", "lua.org", "php.net", "jquery.com",
    "jquery.org", "sqlite.org", "zlib.net", "netfilter.org", "uclibc.org", "musl-libc.org",
    "ucc.asn.au", "thekelleys.org.uk", "samba.org", "openbsd.org", "isc.org", "curl.se",
    "haxx.se", "nodejs.org", "npmjs.com", "pypi.org", "readthedocs.io", "stackoverflow.com",
    "wikipedia.org", "launchpad.net", "wikimedia.org", "getbootstrap.com", "angularjs.org",
    "reactjs.org", "vuejs.org", "w3schools.com", "lighttpd.net", "nginx.org", "systemd.io",
    # names that RFC 2606 and others keep for examples
    "example.com", "example.org", "example.net", "example", "test", "invalid", "localhost",
    "local", "lan", "home", "internal", "localdomain", "arpa", "xxx.com", "yourdomain.com",
)  # fmt: skip
_NAMING: Final = frozenset(_NAMES)
_HOST: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62}\.)+[a-z]{2,18}")
_FILE_ENDS: Final = frozenset(
    {"html", "htm", "php", "asp", "js", "xml", "css", "png", "gif", "jpg", "sh", "lua", "conf"}
)


def host_of(address: str) -> str:
    """Give the host of an address, lower case; "" where a program fills it in, or it is none."""
    try:
        host = (urlsplit(address).hostname or "").rstrip(".")
    except ValueError:
        return ""
    return host if host and not set(host) & set("%$*{}<>") else ""


def is_called(address: str) -> bool:
    """Tell whether an address is a public place that a program could call.

    Names of standards, projects and examples, and addresses inside a home, are none.
    """
    host = host_of(address)
    try:
        return ipaddress.ip_address(host).is_global
    except ValueError:
        pass
    if not _HOST.fullmatch(host) or host.rpartition(".")[2] in _FILE_ENDS:
        return False
    parts = host.split(".")
    return _NAMING.isdisjoint(".".join(parts[first:]) for first in range(len(parts)))
