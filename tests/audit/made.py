"""Fixtures of checks: trees made from a folder and from what may not be in git.

    tests/audit/fixtures/<rule>/{pass,fail}-NAME/
        rootfs/             files as they are
        made.toml           what is generated: programs, keys, certificates, owners, devices
        product.toml        profile, if the check needs one
        baseline/           root of the last approved build, if the check needs one
        vulnerabilities.json  records for a database of its own: `{"records": [...], "kev": [...],
                            "epss": {CVE: score}, "streams": {...}, "published": day}`
        expected.json       {"verdict": "fail", "where": ["etc/inetd.conf:3"]}

`made.toml` holds tables `[[file]]` with `path` and one of `content`, `elf` (arguments of
`elf_builder.build`), `key` (`kind`: rsa, ec, ed25519, dsa; `bits`; `number`; `encrypted`; `form`:
pem, openssh, public, ssh-public), `certificate` (`days`, `bits`, `ca`, `name`, `hash`, `count`), or
none of them for a file of `rootfs` whose `mode`, `uid`, `gid` are to be changed; and `[[node]]`
with `path`, `kind`, `target`, `device`.
"""

import json
import tomllib
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.x509.oid import NameOID

from holdfast import product
from holdfast.audit.facts.gather import facts_of
from holdfast.audit.image import Image
from holdfast.audit.model.build import model_of
from holdfast.audit.report.shapes import FileEntry, Opened, Report, Subject
from holdfast.audit.tree import Kind, Node, Tree
from holdfast.audit.vulnerabilities.database import Database
from holdfast.audit.vulnerabilities.forms.detection import Intake
from holdfast.audit.vulnerabilities.identity import identify
from holdfast.audit.vulnerabilities.matching import matches
from holdfast.audit.vulnerabilities.writing import taking_in
from holdfast.product.profile import Profile
from tests.audit.elf_builder import build

# PKCS#1 identifiers of RSA with a hash: no library signs with the old ones any more, so a good
# certificate is renamed; nobody looks whether its signature holds.
HASHES = {"sha256": b"\x0b", "sha1": b"\x05", "md5": b"\x04"}
RSA_WITH = bytes.fromhex("2a864886f70d0101")
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def tree_of(folder: Path, rootfs: str = "rootfs") -> Tree:
    """Build the tree of one fixture; everything belongs to root unless `made.toml` says else."""
    tree = Tree(_from_folder(folder / rootfs))
    recipe = folder / "made.toml"
    if rootfs == "rootfs" and recipe.exists():
        made = tomllib.loads(recipe.read_text())
        for entry in made.pop("file", []):
            tree.add(_file(tree, dict(entry)))
        for entry in made.pop("node", []):
            tree.add(_node(dict(entry)))
        assert not made, f"{recipe}: unknown tables {sorted(made)}"
    return tree


def image_of(folder: Path) -> Image:
    """Make what a check sees of one fixture."""
    profile = folder / "product.toml"
    baseline = folder / "baseline"
    image = image_from(
        tree_of(folder),
        profile=product.read(profile) if profile.exists() else None,
        baseline=report_of(tree_of(folder, "baseline")) if baseline.is_dir() else None,
        guess=folder.parent.name == "password-not-default",  # it takes long
    )
    records = folder / "vulnerabilities.json"
    return compared(image, json.loads(records.read_text())) if records.exists() else image


def compared(image: Image, records: dict[str, Any]) -> Image:
    """Compare an image with a database made of these records."""
    day = records.get("published", "2026-11-20")
    documents: list[Any] = []
    if "records" in records:
        # One of none of our products gives the catalogue its day.
        documents.append(
            [*records["records"], {"id": "CVE-1999-0001", "updated": day, "affected": []}]
        )
    if "kev" in records:
        documents.append(
            {"catalogVersion": "1", "dateReleased": day, "vulnerabilities": records["kev"]}
        )
    if "streams" in records:
        documents.append({"cves": records["streams"]})
    who = identify(image.tree, profile=image.profile)
    machines = {facts.elf.machine for facts in image.facts.values() if facts.elf is not None}
    with TemporaryDirectory() as folder:
        path = Path(folder) / "vulnerabilities.sqlite"
        with taking_in(path, now=NOW) as writer:
            intake = Intake(writer)
            for number, document in enumerate(documents):
                file = Path(folder) / f"{number}.json"
                file.write_text(json.dumps(document))
                intake.file(file)
            if "epss" in records:
                rows = [f"{cve},{score}" for cve, score in records["epss"].items()]
                (Path(folder) / "epss.csv").write_text(
                    "\n".join([f"#model_version:1,score_date:{day}", "cve,epss", *rows])
                )
                intake.file(Path(folder) / "epss.csv")
            intake.finish()
        with Database(path) as database:
            return replace(
                image,
                identity=who,
                vulnerabilities=matches(
                    image.model, database, image.profile, identity=who, machines=machines
                ),
                vulnerability_data=database.ages(),
            )


def image_from(
    tree: Tree,
    *,
    profile: Profile | None = None,
    baseline: Report | None = None,
    guess: bool = True,
) -> Image:
    """Make what a check sees of a tree."""
    contents = {node.path: node.read() for node in tree.files() if node.read is not None}
    digests = {path: sha256(content).hexdigest() for path, content in contents.items()}
    facts = {digests[path]: facts_of(content) for path, content in contents.items()}
    return Image(
        tree=tree,
        facts=facts,
        digests=digests,
        model=model_of(tree, facts, digests, guess=guess),
        opened=Opened(complete=True),
        now=NOW,
        profile=profile,
        baseline=baseline,
    )


def report_of(tree: Tree) -> Report:
    """Make the report of an approved build as far as later builds are compared with it."""
    image = image_from(tree)
    files = tuple(
        FileEntry(
            path=node.path, kind=str(node.kind), mode=f"{node.mode:o}",
            owner=f"{node.uid}:{node.gid}", sha256=image.digests.get(node.path, ""),
            target=node.target,
        )
        for node in tree.walk()
    )  # fmt: skip
    return Report(
        made=NOW, holdfast="0.1.0", rules="", subject=Subject(name="baseline", kind="folder"),
        outcome="pass", opened=image.opened, model=image.model, others={}, checks=(),
        files=files, seconds={},
    )  # fmt: skip


def _from_folder(root: Path) -> Iterator[Node]:
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if path.is_symlink():
            yield Node(path=name, kind=Kind.LINK, mode=0o777, target=str(path.readlink()))
        elif path.is_dir():
            yield Node(path=name, kind=Kind.FOLDER, mode=0o755)
        elif path.name != ".gitkeep":
            # Only the execute bit is in git; what else a clone has depends on its umask.
            mode = 0o755 if path.stat().st_mode & 0o100 else 0o644
            yield file_node(name, path.read_bytes(), mode=mode)


def file_node(path: str, content: bytes, *, mode: int = 0o644, uid: int = 0, gid: int = 0) -> Node:
    """Make the node of a regular file."""
    return Node(
        path=path, kind=Kind.FILE, mode=mode, uid=uid, gid=gid,
        size_bytes=len(content), read=lambda: content,
    )  # fmt: skip


def _file(tree: Tree, entry: dict[str, Any]) -> Node:
    path = entry.pop("path")
    rights: dict[str, Any] = {name: entry.pop(name) for name in ("uid", "gid") if name in entry}
    if "mode" in entry:
        rights["mode"] = int(entry.pop("mode"), 8)
    if not entry:
        there = tree.get(path)
        assert there is not None, f"{path} is neither in rootfs nor made"
        return replace(there, **rights)
    ((how, what),) = entry.items()
    rights.setdefault("mode", 0o755 if how == "elf" else 0o644)
    return file_node(path, MAKERS[how](what), **rights)


def _node(entry: dict[str, Any]) -> Node:
    if "device" in entry:
        entry["device"] = tuple(entry["device"])
    return Node(
        path=entry.pop("path"), kind=Kind(entry.pop("kind")),
        mode=int(entry.pop("mode", "755"), 8), **entry,
    )  # fmt: skip


def _elf(what: dict[str, Any]) -> bytes:
    return build(**what)


def _key(what: dict[str, Any]) -> bytes:
    private = _private(what.get("kind", "rsa"), what.get("bits", 2048), what.get("number", 0))
    form = what.get("form", "pem")
    if form == "public":
        return private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    if form == "ssh-public":
        public = private.public_key().public_bytes(
            serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
        )
        return public + f" {what.get('comment', 'somebody')}\n".encode()
    style = {
        "pem": serialization.PrivateFormat.PKCS8,
        "openssh": serialization.PrivateFormat.OpenSSH,
    }[form]
    lock: Any = serialization.NoEncryption()
    if what.get("encrypted"):
        lock = serialization.BestAvailableEncryption(b"a passphrase for nothing")
    return private.private_bytes(serialization.Encoding.PEM, style, lock)


PrivateKey = (
    rsa.RSAPrivateKey | dsa.DSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
)


@cache
def _private(kind: str, bits: int, number: int) -> PrivateKey:
    del number  # makes keys of the same kind differ
    if kind == "rsa":
        return rsa.generate_private_key(65537, bits)
    if kind == "dsa":
        return dsa.generate_private_key(bits)
    if kind == "ec":
        return ec.generate_private_key(ec.SECP256R1())
    return ed25519.Ed25519PrivateKey.generate()


def _certificate(what: dict[str, Any]) -> bytes:
    return b"".join(
        _one_certificate({**what, "number": number}) for number in range(what.get("count", 1))
    )


def _one_certificate(what: dict[str, Any]) -> bytes:
    private = _private("rsa", what.get("bits", 2048), what["number"])
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, what.get("name", "device.example"))])
    until = NOW + timedelta(days=what.get("days", 365))
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(7 + what["number"])
        .not_valid_before(until - timedelta(days=3650))
        .not_valid_after(until)
        .add_extension(x509.BasicConstraints(ca=what.get("ca", False), path_length=None), True)  # noqa: FBT003
        .sign(private, hashes.SHA256())
    )
    told = RSA_WITH + HASHES[what.get("hash", "sha256")]
    der = made.public_bytes(serialization.Encoding.DER)
    return pem("CERTIFICATE", der.replace(RSA_WITH + HASHES["sha256"], told))


def pem(label: str, der: bytes) -> bytes:
    """Write bytes as PEM."""
    body = b64encode(der)
    lines = [body[at : at + 64] for at in range(0, len(body), 64)]
    return b"\n".join(
        [f"-----BEGIN {label}-----".encode(), *lines, f"-----END {label}-----".encode(), b""]
    )


MAKERS: dict[str, Callable[[Any], bytes]] = {
    "content": lambda text: str(text).encode(),
    "elf": _elf,
    "key": _key,
    "certificate": _certificate,
}
