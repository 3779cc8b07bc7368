"""A visitor without a screen: follows links and fills in forms as a person's browser does."""

import http.client
import http.cookies
import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import SplitResult, urlencode, urljoin, urlsplit

from holdfast.cli.demo.pinned import PinnedConnection
from holdfast.core.errors import HoldfastError

_TIMEOUT_S = 20.0
_MOST_BYTES = 4 << 20
_MOST_REDIRECTS = 5
# Tags whose text a person never sees.
_UNSEEN = frozenset({"script", "style", "head", "template"})


class VisitError(HoldfastError):
    """A page is not as the visitor needs it."""

    code = "visit"


@dataclass(slots=True)
class Form:
    """One form of a page: where it goes, and its fields as they are filled in."""

    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)
    buttons: list[tuple[str, str, str]] = field(default_factory=list)  # name, value, caption


@dataclass(slots=True)
class Page:
    """What the visitor sees: status, text without tags, links and forms."""

    url: str
    status: int
    text: str
    html: str
    links: dict[str, str]
    forms: list[Form]

    def form(self, *names: str) -> Form:
        """Find the form that has all the named fields or a button of that caption.

        Raises:
            VisitError: There is none.
        """
        for form in self.forms:
            captions = {caption for _, _, caption in form.buttons}
            if all(name in form.fields or name in captions for name in names):
                return form
        raise VisitError(f"{self.url} ({self.status}) has no form with {', '.join(names)}")


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.words: list[str] = []
        self.links: dict[str, str] = {}
        self.forms: list[Form] = []
        self._unseen = 0
        self._link: tuple[str, int] | None = None
        self._button: tuple[str, str, int] | None = None
        self._choice: str | None = None
        self._area: tuple[str, int] | None = None
        self._open_form = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag in _UNSEEN:
            self._unseen += 1
        elif tag == "a":
            self._link = (given.get("href", ""), len(self.words))
        elif tag == "form":
            self._open_form = True
            self.forms.append(Form(given.get("action", ""), given.get("method", "get").lower()))
        elif self._open_form:
            self._start_field(tag, given)

    def _start_field(self, tag: str, given: dict[str, str]) -> None:
        fields = self.forms[-1].fields
        name = given.get("name", "")
        if tag == "input" and name:
            kind = given.get("type", "text")
            if kind == "submit":
                self.forms[-1].buttons.append(
                    (name, given.get("value", ""), given.get("value", ""))
                )
            elif kind not in {"checkbox", "radio"} or "checked" in given:
                fields[name] = given.get("value", "on" if kind == "checkbox" else "")
        elif tag == "button":
            self._button = (name, given.get("value", ""), len(self.words))
        elif tag == "select":
            self._choice = name
        elif tag == "option" and self._choice:
            if self._choice not in fields or "selected" in given:
                fields[self._choice] = given.get("value", "")
        elif tag == "textarea":
            self._area = (name, len(self.words))

    def handle_endtag(self, tag: str) -> None:
        if tag in _UNSEEN:
            self._unseen -= 1
        elif tag == "a" and self._link:
            href, start = self._link
            self.links[" ".join(self.words[start:])] = href
            self._link = None
        elif tag == "button" and self._button:
            name, value, start = self._button
            self.forms[-1].buttons.append((name, value, " ".join(self.words[start:])))
            self._button = None
        elif tag == "textarea" and self._area:
            name, start = self._area
            self.forms[-1].fields[name] = " ".join(self.words[start:])
            self._area = None
        elif tag == "select":
            self._choice = None
        elif tag == "form":
            self._open_form = False

    def handle_data(self, data: str) -> None:
        if not self._unseen and (word := " ".join(data.split())):
            self.words.append(word)


class Visitor:
    """Keeps cookies and visits the pages of one server.

    Args:
        base: Its address.
        sha256: Fingerprint of its certificate, for an https address.
    """

    def __init__(self, base: str, *, sha256: str = "") -> None:
        self.base = base
        self._sha256 = sha256
        self._cookies: dict[str, str] = {}

    def get(self, path: str) -> Page:
        """Open a page, following redirects."""
        return self._visit("GET", urljoin(self.base, path), None)

    def submit(self, page: Page, *names: str, press: str = "", **values: str) -> Page:
        """Fill in the form that has the named fields and send it.

        Args:
            page: Page that shows the form.
            names: Fields or captions by which the form is recognised.
            press: Caption of the button, where the form has several.
            values: What to write into which field.
        """
        form = page.form(*(*names, *values, *((press,) if press else ())))
        filled = {**form.fields, **values}
        for name, value, caption in form.buttons:
            if name and (caption == press or not press):
                filled[name] = value
                break
        target = urljoin(page.url, form.action or page.url)
        if form.method == "get":
            return self._visit("GET", f"{target}?{urlencode(filled)}", None)
        return self._visit("POST", target, urlencode(filled).encode())

    def _visit(self, method: str, url: str, body: bytes | None) -> Page:
        for _ in range(_MOST_REDIRECTS):
            status, headers, raw = self._exchange(method, url, body)
            if status in {301, 302, 303, 307} and "location" in headers:
                url, method, body = urljoin(url, headers["location"]), "GET", None
                continue
            html = raw.decode(errors="replace")
            reader = _Reader()
            reader.feed(html)
            return Page(url, status, " ".join(reader.words), html, reader.links, reader.forms)
        raise VisitError(f"{url} redirects without end")

    def _connection(self, parts: SplitResult) -> http.client.HTTPConnection:
        if parts.scheme == "https":
            return PinnedConnection(parts.netloc, sha256=self._sha256, timeout_s=_TIMEOUT_S)
        return http.client.HTTPConnection(parts.netloc, timeout=_TIMEOUT_S)

    def _exchange(
        self, method: str, url: str, body: bytes | None
    ) -> tuple[int, dict[str, str], bytes]:
        parts = urlsplit(url)
        origin = f"{parts.scheme}://{parts.netloc}"
        headers = {"Origin": origin, "Referer": url, "Accept": "text/html"}
        if self._cookies:
            headers["Cookie"] = "; ".join(
                f"{name}={value}" for name, value in self._cookies.items()
            )
        if body is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        connection = self._connection(parts)
        try:
            path = parts.path or "/"
            connection.request(
                method, f"{path}?{parts.query}" if parts.query else path, body, headers
            )
            answer = connection.getresponse()
            raw = answer.read(_MOST_BYTES)
        except OSError as error:
            raise VisitError(f"{url} does not answer: {error}") from error
        finally:
            connection.close()
        for line in answer.headers.get_all("Set-Cookie") or []:
            for name, morsel in http.cookies.SimpleCookie(line).items():
                self._cookies[name] = morsel.value
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, raw


def links_in(text: str) -> list[str]:
    """Find the web addresses in a mail or a log."""
    return [link.rstrip(".,;") for link in re.findall(r"https?://[^\s<>\"')]+", text)]
