"""Backdoors that were published, by the traces they leave in programs and pages.

Every entry is a fact about products that anybody can buy; it stands here so that no product is
built from the same kit again. A trace must be long and odd enough to stand nowhere by chance.
"""

from dataclasses import dataclass
from typing import Final

from holdfast.audit.patterns.pattern import Pattern


@dataclass(frozen=True, slots=True, kw_only=True)
class Backdoor:
    """One published backdoor.

    Attributes:
        name: For programs.
        trace: Expression over bytes.
        what: What it opens, to whom.
        source: CVE, or who published it when.
        secret: Whether the trace itself is a password or token.
    """

    name: str
    trace: bytes
    what: str
    source: str
    secret: bool = False


BACKDOORS: Final[tuple[Backdoor, ...]] = (
    Backdoor(
        name="backdoor-roodkcab",
        trace=rb"xmlset_roodkcableoj28840ybtide",
        what="a browser with this name needs no password (thttpd of Alpha Networks)",
        source="CVE-2013-6026",
        secret=True,
    ),
    Backdoor(
        name="backdoor-telnet-user",
        trace=rb"telnetd[^\n]{0,80}-u[ \t]{0,4}[A-Za-z0-9_$\"{]{1,40}:",
        what="Telnet with a user and password fixed in the image",
        source="D-Link DIR and DAP models, published 2013",
        secret=True,
    ),
    Backdoor(
        name="backdoor-scfgmgr",
        trace=rb"scfgmgr",
        what="a configuration service on TCP port 32764 that asks for no password (Sercomm)",
        source="CVE-2014-0659",
    ),
    Backdoor(
        name="backdoor-w302r-mfg",
        trace=rb"w302r_mfg",
        what="a UDP packet with this word runs commands as root (Tenda)",
        source="C. Heffner, 2013",
        secret=True,
    ),
    Backdoor(
        name="backdoor-nat-debug",
        trace=rb"userRpmNatDebugRpm26525557",
        what="a hidden page runs commands as root (TP-Link)",
        source="Sekurak, 2013",
    ),
    Backdoor(
        name="backdoor-open-once",
        trace=rb"OpenTelnet:OpenOnce",
        what="a request to TCP port 9530 starts Telnet with a fixed password (Xiongmai kit)",
        source="V. Yarmak, 2020",
    ),
    Backdoor(
        name="backdoor-helodbg",
        trace=rb"HELODBG",
        what="a UDP packet with this word starts Telnet (Quanta LTE routers)",
        source="P. Kim, 2016",
        secret=True,
    ),
    Backdoor(
        name="backdoor-brionyg",
        trace=rb"mydlinkBRionyg",
        what="a user fixed in a page of network storage",
        source="G. Bercegay, 2018",
        secret=True,
    ),
    Backdoor(
        name="backdoor-aaksjdkfj",
        trace=rb"aaksjdkfj",
        what="a parameter of a page that runs commands (TOTOLINK, ipTIME)",
        source="P. Kim, 2015",
        secret=True,
    ),
    Backdoor(
        name="backdoor-password-of-the-day",
        trace=rb"MPSJKMDHAI",
        what="the seed from which the technician's password of each day is computed (Arris)",
        source="CVE-2009-5149",
        secret=True,
    ),
    Backdoor(
        name="backdoor-magic-auth",
        trace=rb"YWRtaW46MTEK",
        what="a token in the address replaces the login (Hikvision kit)",
        source="CVE-2017-7921",
        secret=True,
    ),
    Backdoor(
        name="backdoor-jaws",
        trace=rb"JAWS/1\.0",
        what="a web server whose page /shell runs commands (MVPower kit)",
        source="CVE-2016-20016",
    ),
    Backdoor(
        name="backdoor-form-sys-cmd",
        trace=rb"formSysCmd",
        what="a page that runs any command (Realtek kit)",
        source="CVE-2019-19824",
    ),
    Backdoor(
        name="backdoor-web-shell",
        trace=rb"web_shell_cmd\.gch",
        what="a page that runs any command (ZTE)",
        source="CVE-2014-2321",
    ),
    Backdoor(
        name="backdoor-igdmptd",
        trace=rb"igdmptd",
        what="a service on UDP port 53413 with a password fixed in the program (Netcore, Netis)",
        source="Trend Micro, 2014",
    ),
    Backdoor(
        name="backdoor-geardog",
        trace=rb"Geardog",
        what="a packet with fixed credentials starts Telnet (NETGEAR)",
        source="published 2009",
        secret=True,
    ),
    Backdoor(
        name="backdoor-ambit",
        trace=rb"AMBIT_TELNET_ENABLE\+",
        what="a packet with the password of the web pages starts Telnet (NETGEAR)",
        source="published 2016",
    ),
    Backdoor(
        name="backdoor-zyfwp",
        trace=rb"zyfwp",
        what="an account for updates with a password fixed in the image (Zyxel)",
        source="CVE-2020-29583",
    ),
    Backdoor(
        name="backdoor-webcmd",
        trace=rb"webcmd\.shtml",
        what="a hidden page that runs commands (Wavlink, Jetstream)",
        source="CyberNews, 2020",
    ),
)

PATTERNS: Final[tuple[Pattern, ...]] = tuple(
    Pattern(name=one.name, expression=one.trace, secret=one.secret, most=4) for one in BACKDOORS
)
