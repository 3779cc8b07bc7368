"""A browser without a screen, for tests of the device's pages."""

import re
from contextlib import closing
from urllib.parse import urlencode

from holdfast.cli.demo.pinned import PinnedConnection

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
PASSWORD = "correct horse battery"


class Visitor:
    """A browser without a screen: cookies, forms, no scripts."""

    def __init__(self, url: str, sha256: str) -> None:
        self.host = url.removeprefix("https://")
        self.sha256 = sha256
        self.cookies: dict[str, str] = {}
        self.headers: dict[str, str] = {}

    def ask(
        self, method: str, path: str, body: bytes | str | None = None, **headers: str
    ) -> tuple[int, str, dict[str, str]]:
        connection = PinnedConnection(self.host, sha256=self.sha256, timeout_s=20)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.cookies:
            sent["Cookie"] = "; ".join(f"{key}={value}" for key, value in self.cookies.items())
        with closing(connection):
            connection.request(method, path, body=body, headers=sent)
            answer = connection.getresponse()
            text = answer.read().decode()
        for name, value in answer.getheaders():
            if name.lower() == "set-cookie":
                key, _, rest = value.partition("=")
                content = rest.partition(";")[0].strip('"')
                self.cookies[key] = content
                if not content:
                    del self.cookies[key]
        found = {name.lower(): value for name, value in answer.getheaders()}
        return answer.status, text, found

    def token(self, page: str) -> str:
        _, text, _ = self.ask("GET", page)
        found = re.search(r'name="token" value="([^"]+)"', text)
        assert found, text
        return found.group(1)

    def post(self, path: str, page: str, **fields: str) -> tuple[int, str, dict[str, str]]:
        body = urlencode({"token": self.token(page), **fields})
        return self.ask("POST", path, body, Content_Type=FORM["Content-Type"])

    def log_in(self) -> None:
        status, _, found = self.post("/login", "/login", name="ada", password=PASSWORD)
        assert (status, found["location"]) == (303, "/")
