"""The table of central login: what failed, or could not be run, is never shown as fine."""

from pathlib import Path

import pytest

from holdfast.cli.bench import accounts_central
from holdfast.cli.bench.accounts_central import cells_of, figures_of, measure
from holdfast.cli.bench.errors import BenchError

REPORT = """<?xml version="1.0"?><testsuites><testsuite>
<testcase classname="tests.accounts.directories.test_ldap_servers" name="test_good" time="0.25"/>
<testcase classname="tests.accounts.directories.test_ldap_servers" name="test_bad" time="0.5">
  <failure message="no">assert</failure></testcase>
<testcase classname="tests.accounts.directories.tacacs.test_tacquito" name="test_x[tls]" time="0">
  <skipped message="Skipped: tacquito is not built: run script/tacquito"/></testcase>
<testcase classname="tests.accounts.directories.test_central_login" name="test_y[radsec-dead]"
  time="11"><properties><property name="median_login_s" value="0.125"/></properties></testcase>
<testcase classname="tests.accounts.directories.test_central_login" name="test_z" time="1">
  <error message="fixture">no</error></testcase>
</testsuite></testsuites>"""


def test_cells_are_counted_by_protocol(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "report.xml"
    path.write_text(REPORT)
    cells = list(cells_of(path))
    figures = figures_of(cells)
    assert {name: (one.value, one.holds) for name, one in figures.items()} == {
        "all_cells": (1, True),
        "all_not_run": (0, True),
        "all_right_percent": (0, False),
        "all_slowest_s": (1, True),
        "ldap_cells": (2, True),
        "ldap_not_run": (0, True),
        "ldap_right_percent": (50, False),
        "ldap_slowest_s": (0.5, True),
        "radius_cells": (1, True),
        "radius_not_run": (0, True),
        "radius_right_percent": (100, True),
        "radius_slowest_s": (11, False),
        "radius_login_s": (0.125, True),
        "tacacs_cells": (1, True),
        "tacacs_not_run": (1, False),
        "tacacs_right_percent": (0, False),
        "tacacs_slowest_s": (0, True),
    }
    accounts_central._say_what_is_wrong(cells)
    told = capsys.readouterr().err
    assert "not installed: tacquito" in told
    assert "wrong: ldap test_bad" in told


def test_without_the_tests_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BenchError, match="in a checkout"):
        measure()
