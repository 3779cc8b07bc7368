"""What an image is, said in the words of the field: start-up, accounts, listeners, components."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal


class Started(StrEnum):
    """When something runs."""

    BOOT = "boot"  # started without anybody asking
    MAYBE = "maybe"  # started at boot on a condition that cannot be decided here
    DEMAND = "demand"  # inetd, socket unit, timer, hot-plug
    STARTABLE = "startable"  # a script, switch or vendor process can start it
    NO = "no"  # lies there


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One node of the start-up graph.

    Attributes:
        id: Number in the graph, 0 for the kernel.
        kind: What it is.
        where: Place that says so, `path:line`; for a binary its path.
        text: The command line, unit or script name; secrets in arguments replaced by `***`.
        program: Path of the binary it leads to, "" if none was found.
        user: Account it runs as; "" if nothing says, then it is that of its parent.
        started: When.
        condition: In words, for `maybe`, for example `[ -f /etc/telnet.on ]`.
    """

    id: int
    kind: Literal["kernel", "init", "script", "unit", "command", "binary", "inetd", "cron"]
    where: str
    text: str
    program: str = ""
    user: str = ""
    started: Started = Started.BOOT
    condition: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StartUp:
    """The start-up graph of one root file system.

    Attributes:
        init: What the kernel starts: `busybox-init`, `sysv`, `systemd`, `procd`, `openrc`,
            `runit`, `s6`, `android`, `upstart`, `vendor`, `none` (no root file system).
        steps: Nodes; ids are their indices.
        edges: Pairs of ids, who starts whom.
        unresolved: Commands whose program is not in the image, `path:line word`.
        cut: Why a part of start-up is not in the graph; what is absent there is not known to be.
        fetched: Places that run what was just downloaded, `path:line unchecked: file`, or
            `checked:` where something looked at it before.
        opaque: Programs that start-up runs, and of which nobody can see whether they listen.
    """

    init: str
    steps: tuple[Step, ...] = ()
    edges: tuple[tuple[int, int], ...] = ()
    unresolved: tuple[str, ...] = ()
    cut: tuple[str, ...] = ()
    fetched: tuple[str, ...] = ()
    opaque: tuple[str, ...] = ()


class Password(StrEnum):
    """The state of an account's password."""

    LOCKED = "locked"
    NONE = "none"  # no password entry can be reached, for example no shadow file
    EMPTY = "empty"  # anybody gets in
    HASHED = "hashed"
    PLAIN = "plain"  # readable, or reversible


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Somebody who can log in, or a user that programs run as.

    Attributes:
        name: Login name.
        where: `path:line`, or `path@offset`.
        service: `system` for passwd and shadow; else what it is for, such as `web`, `telnet`,
            `ftp`, `smb`, `snmp`, `ppp`, `vendor`.
        uid: Of a system account, else None.
        shell: Of a system account.
        login: Whether it could log in at all (shell, not locked).
        password: State.
        scheme: Of the hash: `des`, `md5crypt`, `sha256crypt`, `sha512crypt`, `bcrypt`, `yescrypt`,
            `argon2id`, `scrypt`, `md5`, `sha1`, `plain`, `reversible`, `unknown`, or "".
        rounds: Cost as the scheme counts it, 0 if it has none.
        salt: `good`, `short`, `empty`, `constant` or "" without hash.
        guessed: Which list knew the password: `name`, `default`, `common`, `empty`; "" if it held,
            `untried` where it could not be tried.
        same_as: Where another account with the very same hash stands; "" if none.
    """

    name: str
    where: str
    service: str = "system"
    uid: int | None = None
    shell: str = ""
    login: bool = True
    password: Password = Password.NONE
    scheme: str = ""
    rounds: int = 0
    salt: str = ""
    guessed: str = ""
    same_as: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """A program that waits for others on a network.

    Attributes:
        service: `telnet`, `ssh`, `http`, `https`, `ftp`, `tftp`, `smb`, `upnp`, `upnp-igd`, `dns`,
            `dhcp`, `ntp`, `snmp`, `tr069`, `mdns`, `shell`, ... or `unknown`.
        program: Path of the binary.
        where: Place that starts or configures it, `path:line`.
        protocol: `tcp` or `udp`.
        port: None if not known.
        address: As configured; "" for all or not known; `lan` or `loopback` where it says so.
        started: When.
        user: Account it runs as; "root" where nothing says otherwise.
        user_why: How that is known: `config`, `command`, `unit`, `drops`, `absent` (nothing says),
            `seen` (on a running system).
        confinement: Walls found: `chroot`, `systemd:NAME`, `apparmor`, `ujail`, `capabilities` ...
        steps: Ids in the start-up graph that lead to it.
        options: Facts read from its configuration, for example `root-login=yes`.
    """

    service: str
    program: str
    where: str
    protocol: Literal["tcp", "udp"] = "tcp"
    port: int | None = None
    address: str = ""
    started: Started = Started.NO
    user: str = "root"
    user_why: str = "absent"
    confinement: tuple[str, ...] = ()
    steps: tuple[int, ...] = ()
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """A piece of software that somebody publishes under a name and version.

    Attributes:
        name: As its makers call it, lower case: `busybox`, `linux`, `dropbear`.
        version: As written; "" if not known.
        purl: Package URL.
        cpe: CPE 2.3 with vendor, product and version; "" if it has none.
        where: Paths (`path` or `path@offset`) that hold it, the best first, at most 20.
        how: `package` (a package database), `string`, `soname`, `symbol`, `file`, `kernel`.
        confidence: 0 to 1.
        copied: Whether it is linked statically into something else.
        evidence: What was read, at most 160 characters.
        package: Package that owns it and its own version with patches, `name version`, else "".
        fixed: CVE ids that its package says are fixed in it.
        started: When the programs that hold it run.
        listening: Whether one of them listens.
        licence: SPDX expression if a package database tells, else "".
    """

    name: str
    version: str = ""
    purl: str = ""
    cpe: str = ""
    where: tuple[str, ...] = ()
    how: str = "string"
    confidence: float = 0.5
    copied: bool = False
    evidence: str = ""
    package: str = ""
    fixed: tuple[str, ...] = ()
    started: Started = Started.NO
    listening: bool = False
    licence: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """The kernel of an image.

    Attributes:
        version: For example `3.18.23`; "" if none was found.
        where: Places that say so.
        banner: The `Linux version ...` line, at most 200 characters.
        built: Day of the build, ISO, "" if not known.
        config: Options that are known, name without `CONFIG_` to `y`, `m`, `n` or text.
        config_where: Where the configuration was read; "" if there is none.
        modules: Names of the modules in the image.
        symbols: Whether a symbol table was found that could tell what is built in.
        parts: Places in its source that the kernel itself names, `drivers/android/binder`; in most
            kernels these are few of those that are built in.
    """

    version: str = ""
    where: tuple[str, ...] = ()
    banner: str = ""
    built: str = ""
    config: tuple[tuple[str, str], ...] = ()
    config_where: str = ""
    modules: tuple[str, ...] = ()
    symbols: bool = False
    parts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedKey:
    """A key or certificate, and every place where it stands.

    Attributes:
        kind, algorithm, bits, fingerprint, subject, issuer, not_after, authority, signature: As in
            `facts.shapes.KeyFact`.
        where: `path` or `path@offset`.
        purpose: What it is used for as far as names and configuration tell: `tls-server`,
            `ssh-host`, `ssh-authorised`, `update-verify`, `update-sign`, `ca-bundle`, `vpn`, ...
        known: Name of the public list or product that is known for it, "" if none.
    """

    kind: str
    where: tuple[str, ...]
    algorithm: str = "unknown"
    bits: int = 0
    fingerprint: str = ""
    subject: str = ""
    issuer: str = ""
    not_after: int = 0
    authority: bool = False
    signature: str = ""
    purpose: str = ""
    known: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdatePath:
    """How new software gets onto the product, as far as the image tells.

    Attributes:
        tools: Programs that install: `swupdate`, `rauc`, `mender`, `sysupgrade`, `opkg`, `apt`,
            `holdfast`, `vendor:NAME` ...; with their path: `name path`.
        verifiers: What checks a signature: `tool path`.
        keys: Places of public keys that they use.
        urls: Addresses that updates are looked for at, `path url`; secrets removed.
        skips: Places that allow an unsigned or unchecked update, `path:line why`; `why` begins with
            `signature:`, `packages:` or `certificate:`.
        automatic: Places that look for updates by themselves.
        rollback: Places that keep an older version out, `tool place`.
        unclear: Why a tool may check a signature, though it was not seen, `tool why`.
        lacking: Why a tool checks none, `tool why`.
    """

    tools: tuple[str, ...] = ()
    verifiers: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()
    skips: tuple[str, ...] = ()
    automatic: tuple[str, ...] = ()
    rollback: tuple[str, ...] = ()
    unclear: tuple[str, ...] = ()
    lacking: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """A file system as it is, or is to be, mounted.

    Attributes:
        place: Where, with leading slash.
        kind: For example `ext4`, `tmpfs`.
        options: For example `ro`, `nosuid`, `nodev`.
        where: Place that says so, `path:line`.
    """

    place: str
    kind: str
    options: tuple[str, ...]
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """All of it, for one root file system."""

    start_up: StartUp
    accounts: tuple[Account, ...] = ()
    listeners: tuple[Listener, ...] = ()
    components: tuple[Component, ...] = ()
    kernel: Kernel = Kernel()
    keys: tuple[PlacedKey, ...] = ()
    updates: UpdatePath = UpdatePath()
    mounts: tuple[Mount, ...] = ()
