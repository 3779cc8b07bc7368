"""An image laid out as a folder, for tools that cannot open it themselves."""

from pathlib import Path
from typing import Final

from holdfast.audit.errors import FormatError
from holdfast.audit.limits import Limits
from holdfast.audit.unpack.budget import Budget
from holdfast.audit.unpack.opening import open_image
from holdfast.audit.unpack.source import Bytes

_SECONDS: Final = 60


def lay_out(image: Path, folder: Path) -> Path:
    """Write the files of an image's main root below a folder.

    Links, owners and modes are left out.

    Only for images whose digest is known: this process has no walls.

    Args:
        image: The image.
        folder: An empty folder.

    Returns:
        The folder.
    """
    opened = open_image(Bytes(image.read_bytes()), image.name, Budget(Limits(seconds=_SECONDS)))
    for node in opened.tree.files():
        if node.read is None or node.path.startswith(":"):
            continue
        place = folder / node.path
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            place.write_bytes(node.read())
        except FormatError:
            continue
    return folder
