import pytest

from holdfast.cli.demo.visitor import Form, Page, VisitError, _Reader, links_in

HTML = """<head><title>not seen</title></head><script>nor this</script>
<h1>Log   in</h1><a href="/next">Go <b>on</b></a>
<form action="/go" method="POST"><input type="hidden" name="csrf" value="t&amp;t">
<input name="who"><input type="checkbox" name="off"><input type="checkbox" name="on" checked>
<select name="days"><option value="1">one</option><option value="3" selected>three</option></select>
<textarea name="why">because</textarea>
<button name="do" value="now">Install now</button></form>"""


def read(html: str) -> Page:
    reader = _Reader()
    reader.feed(html)
    return Page("http://x/", 200, " ".join(reader.words), html, reader.links, reader.forms)


def test_a_page_is_read_as_a_person_reads_it() -> None:
    page = read(HTML)
    assert page.text.startswith("Log in Go on")
    assert "seen" not in page.text
    assert page.links == {"Go on": "/next"}
    form = page.form("who", "Install now")
    assert form == Form(
        "/go",
        "post",
        {"csrf": "t&t", "who": "", "on": "on", "days": "3", "why": "because"},
        [("do", "now", "Install now")],
    )


def test_a_missing_form_is_named() -> None:
    with pytest.raises(VisitError, match="no form with password"):
        read(HTML).form("password")


def test_addresses_are_found_in_a_mail() -> None:
    assert links_in("see <http://h/a?b=c> or https://h/d.") == ["http://h/a?b=c", "https://h/d"]
