"""An image as a careless supplier delivers it: with a shell on a port."""

import io
import tarfile
from pathlib import Path

_FILES = {
    "etc/inittab": b"::sysinit:/etc/init.d/rcS\n",
    "etc/init.d/rcS": b"#!/bin/sh\ntelnetd -l /bin/sh -p 2323 &\nhttpd -h /www\n",
    "etc/passwd": b"root::0:0:root:/root:/bin/sh\n",
    "www/index.html": b"<p>Welcome</p>\n",
}
_LINKS = {"sbin/init": "../bin/busybox", "bin/sh": "busybox", "usr/sbin/telnetd": "/bin/busybox"}


def plant(path: Path) -> None:
    """Write the image."""
    with tarfile.open(path, "w") as image:
        # Any compiled program may stand for BusyBox: nothing of the image is ever run.
        program = {"bin/busybox": Path("/bin/true").read_bytes()}
        for name, content in {**program, **_FILES}.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o755
            image.addfile(entry, io.BytesIO(content))
        for name, target in _LINKS.items():
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            image.addfile(entry)
