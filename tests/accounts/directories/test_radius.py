"""What is decided before any server is asked: these tests open no socket."""

import time

import pytest

from holdfast.accounts.directories.answers import Login, Rejected, Step, Unavailable
from holdfast.accounts.directories.radius import RadiusDirectory
from holdfast.accounts.directories.settings import Server

SERVER = Server(name="r", protocol="radius", host="192.0.2.1", transport="plain")
SECRET = "a-shared-secret-of-32-characters"
NEVER = "no server was asked"


def directory(secret: str = SECRET) -> RadiusDirectory:
    return RadiusDirectory(SERVER, secret)


@pytest.mark.parametrize(
    ("name", "password", "what"),
    [
        ("", "password", "the name is empty"),
        ("ada", "", "the password is empty"),
        ("ada", "x" * 129, "the password has more than 128 bytes"),
        ("ada", "é" * 65, "the password has more than 128 bytes"),
        ("ada", "\N{ARABIC LIGATURE SALLALLAHOU ALAYHE WASALLAM}" * 43, "more than 128 bytes"),
        ("ada", "x" * 257, "the password has more than 256 characters"),
        ("ada", "x" * 10_000_000, "the password has more than 256 characters"),
        ("é" * 127, "password", "the name has more than 253 bytes"),
        ("x" * 257, "password", "the name has more than 256 characters"),
        ("ada\0", "password", "the name has characters in it"),
        ("ada", "password\0", "the password has characters in it"),
        ("ada\n", "password", "the name has characters in it"),
        ("ada", "pass\x7fword", "the password has characters in it"),
        ("ada\ud800", "password", "the name has characters in it"),
        ("ada", "\udfff", "the password has characters in it"),
    ],
)
def test_what_cannot_be_asked_is_refused(name: str, password: str, what: str) -> None:
    login = Login(name=name, password=password)
    answer = directory().authenticate(login, until=time.monotonic() + 1)
    assert isinstance(answer, Rejected)
    assert what in answer.reason
    assert NEVER in answer.reason
    steps: list[Step] = []
    assert directory().test(login, until=time.monotonic() + 1, tell=steps.append) == answer
    assert [(step.name, step.ok) for step in steps] == [("password", False)]


@pytest.mark.parametrize(("secret", "told"), [("", "is missing"), ("\ud800", "is not a text")])
def test_useless_secret(secret: str, told: str) -> None:
    login = Login(name="ada", password="password")
    answer = directory(secret).authenticate(login, until=time.monotonic() + 1)
    assert isinstance(answer, Unavailable)
    assert answer.step == "settings"
    assert told in answer.reason
    steps: list[Step] = []
    assert directory(secret).test(None, until=time.monotonic() + 1, tell=steps.append) == answer
    assert [(step.name, step.ok) for step in steps] == [("settings", False)]


def test_no_secret_is_shown() -> None:
    assert SECRET not in repr(directory())
