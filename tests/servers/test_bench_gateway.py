import json
import subprocess
import sys
from collections.abc import Callable

import pytest

pytestmark = [pytest.mark.servers, pytest.mark.slow]


def test_figures_of_a_short_run(need: Callable[[str], str]) -> None:
    need("wrk")
    words = ["bench", "gateway", "--json", "--devices", "200", "--seconds", "3", "--rounds", "1"]
    program = [sys.executable, "-c", "from holdfast.cli import main; main()"]
    done = subprocess.check_output([*program, *words, "--no-goosebit"], timeout=90)
    figures = json.loads(done)
    assert figures["devices"] == 200
    assert figures["errors"] == 0
    assert figures["polls_per_s"] > 0
    assert figures["last_seen_probes"] > 0
    assert 0 < figures["last_seen_lag_s"] <= 5
    assert figures["rss_mb"] > 0
    assert set(figures["goals_met"]) == {"polls_per_s", "p99_ms", "last_seen_lag_s", "errors"}
