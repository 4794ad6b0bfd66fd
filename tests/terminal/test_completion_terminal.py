"""What a shell does with the script of `essaim completion`: real shells on a pty, TAB is pressed."""

import shutil
import sys

import pytest

from terminal import Terminal

LOADED = {
    "bash": ("--norc", "--noprofile", "-i"),
    "zsh": ("-f", "-i"),
    "fish": ("--no-config", "-i"),
}
LOAD = {
    "bash": 'eval "$(essaim completion bash)"',
    "zsh": 'autoload -Uz compinit; compinit -u; eval "$(essaim completion zsh)"',
    "fish": "essaim completion fish | source",
}


@pytest.mark.parametrize("shell", LOADED)
def test_tab_completes_commands_and_options(shell, tmp_path, monkeypatch):
    path = shutil.which(shell)
    if path is None:
        pytest.skip(f"{shell} is not on this machine")
    command = tmp_path / "bin" / "essaim"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m essaim_client "$@"\n')
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{command.parent}:/usr/bin:/bin")
    monkeypatch.setenv("HOME", str(tmp_path))
    with Terminal(tmp_path, program=(path, *LOADED[shell])) as at:
        at.type(f"{LOAD[shell]}; echo lo''aded")
        at.wait("loaded")
        at.press("essaim arch\t")
        at.wait("essaim archive")
        at.press("exp\t")
        at.wait("essaim archive export")
        at.press("--pass\t\t\t")
        at.wait("assphrase", "assphrase-file")  # fish cuts the front off where there is no room
