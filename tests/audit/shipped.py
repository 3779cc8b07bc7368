"""Images that somebody might release, and who signs them.

An image is the reference as a tar, as it is or with steps away from what is right.
"""

import io
import tarfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from holdfast import product
from holdfast.audit.engine import judge_tree
from holdfast.audit.tree import Kind, Tree
from holdfast.audit.verdicts import Verdict
from holdfast.core.clock import now
from holdfast.updates import keys
from holdfast.updates.keys import Cost, KeyFile
from holdfast.updates.workshop import Start, Workshop
from tests.audit.test_reference import REFERENCE, STEPS_AWAY, reference

PASSPHRASE = "five unrelated words in here"
PRODUCT = "reference-gateway"
WAIVER = """
[[waivers]]
rule = "{}"
place = "**"
reason = "The reference was right when it was written; time has passed."
who = "The tests"
until = {}
"""


def tar_of(tree: Tree) -> bytes:
    """Pack a tree with owners, modes and links."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for node in tree.walk():
            if not node.path:
                continue
            about = tarfile.TarInfo(node.path)
            about.mode, about.uid, about.gid, about.mtime = node.mode, node.uid, node.gid, 1
            content = node.read() if node.read is not None else b""
            if node.kind is Kind.FOLDER:
                about.type = tarfile.DIRTYPE
            elif node.kind is Kind.LINK:
                about.type, about.linkname = tarfile.SYMTYPE, node.target
            about.size = len(content)
            archive.addfile(about, io.BytesIO(content))
    return out.getvalue()


def shipped(folder: Path, *steps: str) -> tuple[Path, Path]:
    """Make an image and its profile.

    Args:
        folder: Where to.
        steps: Names of steps away from the reference.

    Returns:
        The image, and its profile, which waives what time alone made wrong.
    """
    profile = folder / "product.toml"
    text = (REFERENCE / "product.toml").read_text()
    aged = judge_tree(reference(), now=now(), profile=product.read(REFERENCE / "product.toml"))
    for one in aged.checks:
        if one.verdict is Verdict.FAIL:
            text += WAIVER.format(one.rule, f"{now() + timedelta(days=30):%Y-%m-%d}")
    profile.write_text(text)
    tree = reference()
    for step in steps:
        change: Callable[[Tree], None] = STEPS_AWAY[step][0]
        change(tree)
    image = folder / "rootfs.tar"
    image.write_bytes(tar_of(tree))
    return image, profile


def founded(folder: Path, online: bytes) -> list[KeyFile]:
    """Make a workshop for the product, of whose two keys both must sign.

    Args:
        folder: Where `workshop`, `keys` and `passphrase` are made.
        online: The hub's public keys.

    Returns:
        The two keys.
    """
    (folder / "passphrase").write_text(PASSPHRASE)
    (folder / "passphrase").chmod(0o600)
    cost = Cost(iterations=1, memory_kib=8, lanes=1)
    made = [
        keys.make(folder / "keys", role=role, passphrase=PASSPHRASE, cost=cost)
        for role in ("root", "targets", PRODUCT, PRODUCT)
    ]
    root, targets, *signers = (keys.load(each.path, PASSPHRASE) for each in made)
    start = Start(online=online, root=[root.public], targets=[targets.public], root_threshold=1)
    shop = Workshop.init(folder / "workshop", start, now=now())
    shop.sign("root", root)
    shop.sign("targets", targets)
    shop.add_product(PRODUCT, [each.public for each in signers], threshold=2, now=now())
    shop.sign("targets", targets)
    return made[2:]
