"""What a product tells about itself: its pages, its release files, security.txt."""

from collections.abc import Iterator

from holdfast.audit.image import Image
from holdfast.audit.model.update_scene import MANUALS

PAGE_FOLDERS = frozenset({"www", "web", "htdocs", "html", "webpages", "public", "wwwroot", "gui"})
PAGE_ENDS = (".html", ".htm", ".php", ".asp", ".js", ".lua", ".shtml", ".txt", ".json")
MOST_PAGES = 3000
MOST_BYTES = 512 * 1024


def security_txts(image: Image) -> list[str]:
    """Find the files that RFC 9116 describes, wherever the web server's root is."""
    return [
        path for path in sorted(image.digests)
        if path.rpartition("/")[2] == "security.txt" and not MANUALS.search(_folder(path))
    ]  # fmt: skip


def _folder(path: str) -> str:
    return path.rpartition("/")[0] + "/"


def pages(image: Image) -> Iterator[str]:
    """Give the paths of the pages of a web interface."""
    many = 0
    for path in sorted(image.digests):
        parts = path.split("/")
        if PAGE_FOLDERS.isdisjoint(parts[:-1]) or not path.endswith(PAGE_ENDS):
            continue
        many += 1
        if many > MOST_PAGES:
            return
        yield path


def page_hit(image: Image, pattern: str) -> str:
    """Find the first page in which a pattern was found; "" if there is none."""
    found = {path for path, _ in image.hits(pattern)}
    return next((path for path in pages(image) if path in found), "") if found else ""


def page_with(image: Image, *texts: str) -> str:
    """Find the first page, or security.txt, that holds one of these texts; "" if none does."""
    wanted = [text.lower() for text in texts if text]
    for path in (*security_txts(image), *pages(image)):
        content = (image.text(path, MOST_BYTES) or "").lower()
        if any(text in content for text in wanted):
            return path
    return ""


def release_values(image: Image) -> Iterator[tuple[str, str, str]]:
    """Give `path:line`, name and value of the files that say what system this is."""
    for path in ("etc/os-release", "usr/lib/os-release", "etc/openwrt_release", "etc/lsb-release"):
        for number, line in image.lines(path):
            name, mark, text = line.partition("=")
            if mark and name.strip().isidentifier():
                yield f"{path}:{number}", name.strip(), text.strip().strip("\"'")
