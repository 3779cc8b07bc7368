import json

import pytest
import structlog

from holdfast.core import log


@pytest.mark.parametrize("json_lines", [True, False])
def test_no_secret_reaches_the_log(capsys: pytest.CaptureFixture[str], *, json_lines: bool) -> None:
    log.configure(json_lines=json_lines)
    password = "a secret in a local variable"
    try:
        1 // 0  # noqa: B018 - the fault
    except ZeroDivisionError:
        structlog.get_logger().exception("login.failed", token="t0p", name="ada")
    said = capsys.readouterr().err
    structlog.reset_defaults()
    assert "ada" in said
    assert "ZeroDivisionError" in said
    assert "t0p" not in said
    assert password not in said.replace('password = "a secret in a local variable"', "")
    if json_lines:
        assert json.loads(said.strip())["token"] == "(withheld)"
