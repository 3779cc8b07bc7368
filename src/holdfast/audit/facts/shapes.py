"""What is known about one distinct content, whatever its name; cached by its digest."""

from dataclasses import dataclass
from enum import StrEnum


class FileKind(StrEnum):
    """What a content is, told by the content."""

    EMPTY = "empty"
    ELF = "elf"
    MODULE = "module"
    SCRIPT = "script"
    TEXT = "text"
    PEM = "pem"
    IMAGE = "image"
    COMPRESSED = "compressed"
    ARCHIVE = "archive"
    KERNEL = "kernel"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """Where a pattern of `holdfast.audit.patterns` stands in a content.

    Attributes:
        pattern: Name of the pattern.
        offset: Position in bytes.
        text: What stands there, decoded with replacement, at most 160 characters; "" where the
            pattern is marked secret.
        version: The pattern's group `version`, if it has one and it matched.
    """

    pattern: str
    offset: int
    text: str = ""
    version: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ElfFacts:
    """What an ELF file says of itself.

    Attributes:
        machine: For example `mips`, `arm`, `aarch64`, `x86_64`.
        bits: 32 or 64.
        big_endian: Byte order.
        type: `program`, `library`, `object`.
        interpreter: Its dynamic loader, "" if linked statically.
        soname: Name as a library.
        needed: Libraries it asks for.
        imports: Functions it takes from others, sorted.
        exports: Functions it offers, sorted; at most 4,000.
        build_id: Lower-case hexadecimal, "" if none.
        nx: Whether its stack cannot be executed.
        pie: Whether it can be loaded anywhere (libraries always can).
        relro: `none`, `partial` or `full`.
        canary: Whether it uses stack protection.
        fortify: Whether it uses checked functions of libc.
        stripped: Whether its symbol table is gone.
        static: Whether it is a program without a dynamic loader.
        rpath: Folders of RPATH or RUNPATH.
    """

    machine: str
    bits: int
    big_endian: bool
    type: str
    interpreter: str = ""
    soname: str = ""
    needed: tuple[str, ...] = ()
    imports: tuple[str, ...] = ()
    exports: tuple[str, ...] = ()
    build_id: str = ""
    nx: bool = False
    pie: bool = False
    relro: str = "none"
    canary: bool = False
    fortify: bool = False
    stripped: bool = True
    static: bool = False
    rpath: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFact:
    """A key or certificate inside a content; never its secret part.

    Attributes:
        kind: `private-key`, `encrypted-private-key`, `public-key`, `certificate`,
            `certificate-request`, `ssh-private-key`, `ssh-public-key`, `ssh-host-key`,
            `usign-public-key`, `usign-secret-key`, `pgp-public-key`, `pgp-private-key`,
            `pkcs12`, `dropbear-host-key`, `wireguard-private-key`, `dh-parameters`.
        offset: Where it stands, bytes.
        algorithm: `rsa`, `dsa`, `ec`, `ed25519`, `ed448`, `x25519`, `x448`, `dh` or `unknown`.
        bits: Size of the key, 0 if not known.
        fingerprint: SHA-256 of the public part (SubjectPublicKeyInfo, DER), lower-case
            hexadecimal; "" if it could not be read. Public and private half have the same.
        subject: Of a certificate, RFC 4514; or the comment of an SSH key.
        issuer: Of a certificate.
        not_after: Of a certificate, seconds since 1970, else 0.
        authority: Whether a certificate says that it is a CA.
        signature: Hash algorithm of a certificate's signature, for example `sha1`.
    """

    kind: str
    offset: int
    algorithm: str = "unknown"
    bits: int = 0
    fingerprint: str = ""
    subject: str = ""
    issuer: str = ""
    not_after: int = 0
    authority: bool = False
    signature: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleFacts:
    """The `.modinfo` of a kernel module.

    Attributes:
        name: Of the module.
        version: Its own version, often "".
        vermagic: The kernel that it was built for.
        license: As written.
        depends: Other modules.
        signed: Whether a signature is appended.
    """

    name: str
    version: str = ""
    vermagic: str = ""
    license: str = ""
    depends: tuple[str, ...] = ()
    signed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFacts:
    """All that is known about one distinct content.

    Attributes:
        sha256: Of the content, lower-case hexadecimal.
        size_bytes: Length.
        kind: What it is.
        interpreter: Of a script, the words after `#!`.
        hits: What the patterns found, by offset.
        elf: If it is ELF.
        keys: Keys and certificates in it.
        module: If it is a kernel module.
        entropy: Bits per byte, 0 to 8, of what is neither text nor ELF; else 0.
        fault: Why facts are missing, for example damaged content; "" if none are.
    """

    sha256: str
    size_bytes: int
    kind: FileKind
    interpreter: str = ""
    hits: tuple[Hit, ...] = ()
    elf: ElfFacts | None = None
    keys: tuple[KeyFact, ...] = ()
    module: ModuleFacts | None = None
    entropy: float = 0.0
    fault: str = ""
