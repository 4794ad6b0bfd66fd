"""The distribution's Chromium, headless: what a page becomes in a real browser."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

LACKING = "Chromium is not installed (on Debian: apt-get install chromium); the page was judged without a browser"
SECONDS = 50
DARK, LIGHT = "0", "1"
"""Values of Blink's preferredColorScheme."""


def require() -> str:
    """The program; skip where it lacks, fail where it must be there."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        if os.environ.get("CI") == "true":
            pytest.fail(LACKING)
        pytest.skip(LACKING)
    return found


def run(program: str, folder: Path, *arguments: str) -> str:
    """One start with a profile of its own; what it printed."""
    command = [
        program,
        "--headless=new",
        "--no-sandbox",  # of a container that runs as root
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--hide-scrollbars",
        f"--user-data-dir={folder / 'profile'}",
        *arguments,
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def dom(program: str, folder: Path, url: str) -> str:
    """The document after everything has run that would run."""
    return run(program, folder, "--virtual-time-budget=2000", "--dump-dom", url)


def picture(program: str, folder: Path, url: str, to: Path, scheme: str, size: str = "900,1300") -> None:
    """A screenshot in the light or the dark."""
    blink = f"--blink-settings=preferredColorScheme={scheme}"
    run(program, folder, blink, f"--window-size={size}", f"--screenshot={to}", url)
