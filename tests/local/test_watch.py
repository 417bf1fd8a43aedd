"""``python -m local watch``: what comes through the streams is seen."""

import os
import pty
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from terminal import read_terminal

pytestmark = [pytest.mark.process, pytest.mark.server, pytest.mark.single, pytest.mark.slow]

ROOT = Path(__file__).parents[2]
START_SECONDS = 300


def test_sessions_and_page_counts_are_seen_until_ctrl_c(tmp_path):
    ours, its = pty.openpty()
    command = [sys.executable, "-m", "local", "--lake", str(tmp_path / "lake"), "watch"]
    seen, ends = "", time.monotonic() + START_SECONDS
    with subprocess.Popen(command, cwd=ROOT, stdin=its, stdout=its, stderr=its, start_new_session=True) as watching:
        os.close(its)
        while not ("live_sessions: " in seen and re.search("http.*shop.example", seen)) and time.monotonic() < ends:
            seen += os.read(ours, 65_536).decode(errors="replace")
        os.killpg(watching.pid, signal.SIGINT)  # <- as a terminal does at Ctrl-C
        while chunk := read_terminal(ours):  # <- or it waits for somebody to read
            seen += chunk.decode(errors="replace")
    os.close(ours)
    assert watching.returncode == 0, seen[-2000:]
    assert "live_page_counts of the window that began at 20" in seen
    assert [log.name for log in sorted((tmp_path / "lake" / "watch").iterdir())] == [
        "page_views_stream.log",
        "sessions_stream.log",
    ]


def test_a_job_that_ends_is_told(tmp_path):
    (tmp_path / "paths.json").write_text('{"lake": "/elsewhere"}')  # <- a lake that was moved, say
    command = [sys.executable, "-m", "local", "--lake", str(tmp_path), "watch"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=START_SECONDS)
    assert done.returncode == 1
    assert re.search(rf"watch: \w+_stream has ended; its log is {tmp_path}/watch/\w+_stream.log", done.stderr)
