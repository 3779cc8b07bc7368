"""Files that commands write, looked at before anything is asked or made."""

from pathlib import Path

from holdfast.core.errors import UsageError


def must_take_file(path: Path) -> None:
    """Refuse a place for a file where none can be put.

    A device such as /dev/null is none: writing a file whole puts it in the place of the device.

    Raises:
        UsageError: Its folder is missing, or something else than a file is there.
    """
    try:
        if not path.absolute().parent.is_dir():
            raise UsageError(f"there is no folder {path.absolute().parent}")
        if path.exists() and not path.is_file():
            raise UsageError(f"{path} is there, and is no file")
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from error
