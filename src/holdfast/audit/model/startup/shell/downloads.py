"""Follows what scripts download to where they run it."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from holdfast.audit.model.shapes import Started
from holdfast.audit.model.startup.graph import Context
from holdfast.audit.model.startup.shell.joined import unpacked
from holdfast.audit.model.startup.shell.syntax import Redirect
from holdfast.audit.model.startup.shell.variables import Value
from holdfast.audit.model.startup.wrappers import unwrap
from holdfast.audit.tree import Tree

if TYPE_CHECKING:
    from holdfast.audit.model.startup.shell.runner import Shell

MOST: Final = 200
_FETCHES: Final = re.compile(r"(?:^|[\s/|])(?:wget|curl|uclient-fetch|tftp|ftpget|atftp)\s")
_FETCHERS: Final = frozenset({"wget", "curl", "uclient-fetch", "tftp", "ftpget", "atftp"})
_OUTPUT: Final = {
    "wget": ("-O", "--output-document"), "uclient-fetch": ("-O", "--output-document"),
    "curl": ("-o", "--output"), "tftp": ("-l",), "atftp": ("-l", "--local-file"),
}  # fmt: skip
_FOLDER: Final = {"wget": ("-P", "--directory-prefix"), "curl": ("--output-dir",)}
_CHECKERS: Final = re.compile(
    r"openssl\s.*-verify|gpg2?\s.*--verify|gpgv\s|(?:usign|signify|minisign|ucert)\s+-\w*V"
)
_SUMS: Final = re.compile(r"(?:sha(?:224|256|384|512)|b2|sha3)sum$|shasum$")
_READERS: Final = re.compile(
    r"(?:python|perl|ruby|php|php-cgi|lua|luajit|node|nodejs|tclsh|micropython)[\d.]*|insmod"
)
_ADDRESS: Final = re.compile(r"\w{2,8}://\S+")


@dataclass(slots=True)
class Downloads:
    """What was downloaded so far.

    Attributes:
        tree: The image.
        places: Files, and with a slash at the end folders, to whether something checked them.
        ran: What was run of them, as in `StartUp.fetched`.
    """

    tree: Tree
    places: dict[str, bool] = field(default_factory=dict)
    ran: dict[str, None] = field(default_factory=dict)

    def add(self, place: str, *, checked: bool = False) -> None:
        """Note a file that comes from elsewhere."""
        if place and "$" not in place.rstrip("/").rpartition("/")[2] and len(self.places) < MOST:
            self.places[place] = checked

    def state(self, place: str) -> bool | None:
        """Tell whether a downloaded file was checked somehow; None if it is none."""
        if not self.places or not place:
            return None
        if place in self.places:
            return self.places[place]
        above = place if self.tree.resolve(place) is None else ""
        while "/" in above:
            above = above.rpartition("/")[0]
            if f"{above}/" in self.places:
                return self.places[f"{above}/"]
        return None

    def run(self, place: str, where: str, context: Context) -> None:
        """Note that a file is run, if it was downloaded."""
        if context.started in {Started.STARTABLE, Started.NO} or len(self.ran) >= MOST:
            return
        checked = self.state(place)
        if checked is not None:
            self.ran[f"{where} {'checked' if checked else 'unchecked'}: /{place}"] = None

    def read(self, words: Sequence[str], where: str, context: Context, shell: "Shell") -> None:
        """Note the files that an interpreter, or the kernel, is given to run."""
        if self.places and _READERS.fullmatch(words[0].rpartition("/")[2]):
            for word in words[1:]:
                if not word.startswith("-"):
                    self.run(shell.world.files.place(word, shell.folder), where, context)


def look(shell: "Shell", words: list[Value], redirects: tuple[Redirect, ...]) -> None:
    """Note what a command downloads, unpacks or checks."""
    downloads = shell.world.files.downloads
    texts = unwrap([word.text for word in words]).words
    if not texts:
        return
    files = shell.world.files
    name = texts[0].rpartition("/")[2]
    if name in _FETCHERS or _FETCHES.search(f"{shell.handed_by} "):
        named = [*_outputs(name, texts), *_redirected(shell, redirects)]
        for place in named:
            if place != "-":
                downloads.add(files.place(place, shell.folder))
    elif downloads.places:
        _check(shell, name, texts)
    if (found := unpacked(texts)) is not None:
        archive, folder = found.archive, found.folder
        state = downloads.state(files.place(archive, shell.folder)) if archive else None
        if not archive and _FETCHES.search(f"{shell.handed_by} "):
            state = False
        if state is not None:
            downloads.add(f"{files.place(folder, shell.folder)}/", checked=state)


def _check(shell: "Shell", name: str, texts: list[str]) -> None:
    downloads, files = shell.world.files.downloads, shell.world.files
    named = [place for text in texts if (place := files.place(text, shell.folder)) in
             downloads.places]  # fmt: skip
    if _CHECKERS.match(f"{name} {' '.join(texts[1:])}"):
        for place in named:  # a signature holds, or what follows is not reached
            del downloads.places[place]
        if not named:
            downloads.places.update(dict.fromkeys(downloads.places, True))
    elif _SUMS.search(name) or (name == "openssl" and "dgst" in texts):
        # Where the sum comes from is not followed: from the image it would do.
        sure = named if named and "-c" not in texts else list(downloads.places)
        downloads.places.update(dict.fromkeys(sure, True))


def _redirected(shell: "Shell", redirects: tuple[Redirect, ...]) -> Iterator[str]:
    for redirect in redirects:
        if redirect.operator in {">", ">>", ">|", "&>"}:
            target = shell.expander.one(redirect.target).text
            if not target.startswith(("/dev/", "/proc/")):
                yield target


def _outputs(name: str, texts: list[str]) -> Iterator[str]:
    """Give the files that a download, or `tee` behind one, writes."""
    rest = [text for text in texts[1:] if not text.startswith("-")]
    if name == "tee":
        yield from rest
    elif name == "ftpget":
        yield from rest[1:2]
    if name not in _OUTPUT:
        return
    folder = next(_values(texts, _FOLDER.get(name, ())), "")
    given = list(_values(texts, _OUTPUT[name]))
    if name == "tftp" and not given:
        given = [value.rpartition("/")[2] for value in _values(texts, ("-r",))]
    elif not given and (name != "curl" or _takes_name(texts)):
        found = [match[0] for text in texts[1:] if (match := _ADDRESS.fullmatch(text))]
        given = [address.partition("?")[0].rpartition("/")[2] for address in found]
    for place in given:
        yield f"{folder}/{place}" if folder and not place.startswith("/") else place


def _takes_name(texts: list[str]) -> bool:
    return "--remote-name" in texts or any(re.match(r"-[A-Za-z]*O", text) for text in texts)


def _values(texts: list[str], options: tuple[str, ...]) -> Iterator[str]:
    """Give the values of an option, however it is written: `-O x`, `-Ox`, `-qO x`, `--o=x`."""
    for number, text in enumerate(texts):
        for option in options:
            following = texts[number + 1] if number + 1 < len(texts) else ""
            if option.startswith("--"):
                if text.startswith(f"{option}="):
                    yield text.partition("=")[2]
                elif text == option:
                    yield following
            elif (match := re.fullmatch(rf"-[A-Za-z]*?{option[1]}(.*)", text)) is not None:
                yield match[1] or following
