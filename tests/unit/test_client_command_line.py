"""The whole command line at once: each command speaks JSON where it is asked to, whatever becomes of it."""

import io
import json
import sys

import pytest
from typer.main import get_command

from essaim.protocol.account import Account
from essaim_client.cli import app, main

ACCOUNT = str(Account(bytes(32)).id)
VALUES = {
    "account": ACCOUNT,
    "message": "00" * 16,
    "archive": "00" * 8,
    "slot": "1",
    "seconds": "5",
    "shell": "bash",
    "code": "ABCD-EFGH-JKMN",
    "room": "aabbccddeeff/room",
    "host": "aabbccddeeff",
    "member": "00" * 32,
    "post": "00" * 32,
}


def commands(command, path=()):
    for name, each in getattr(command, "commands", {}).items():
        yield from commands(each, (*path, name))
    if not hasattr(command, "commands"):
        yield path, command


COMMANDS = dict(commands(get_command(app)))


def value_of(parameter) -> str:
    return VALUES.get(parameter.name, "word")


def plausible(command) -> list[str]:
    """Whatever it cannot be called without."""
    needed = [each for each in command.params if each.required]
    options = [text for each in needed if each.param_type_name == "option" for text in (each.opts[0], "/nowhere")]
    return options + [value_of(each) for each in needed if each.param_type_name == "argument"]


def called(monkeypatch, capsys, tmp_path, *arguments: str):
    monkeypatch.setattr(sys, "argv", ["essaim", *arguments])
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"words")))
    monkeypatch.setenv("ESSAIM_HOME", str(tmp_path / "nobody"))
    monkeypatch.setenv("ESSAIM_PASSPHRASE", "pass")
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr()
    return ended.value.code or 0, said.out, said.err


def test_there_are_commands_to_look_at():
    assert len(COMMANDS) > 50 and ("archive", "export") in COMMANDS and ("chat",) in COMMANDS


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_has_json_and_says_what_it_does(path):
    command = COMMANDS[path]
    assert any("--json" in each.opts for each in command.params)
    assert command.help and all(getattr(each, "help", True) for each in command.params)


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_tells_a_failure_as_one_json_object(path, monkeypatch, capsys, tmp_path):
    given = plausible(COMMANDS[path])
    code, out, err = called(monkeypatch, capsys, tmp_path, *path, *given, "--json")
    told = json.loads(out)
    if path == ("completion",):
        assert code == 0 and told["shell"] == "bash" and "_ESSAIM_COMPLETE" in told["script"]
        return
    assert code == 2 and out.count("\n") == 1 and set(told) == {"error"}
    assert told["error"]["reason"].isupper() and err == f"essaim: {told['error']['message']}\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ("send",),
        ("no-such-command",),
        ("message", "timer", ACCOUNT, "soon"),
        ("completion", "ksh"),
        ("receive", "--what"),
    ],
)
def test_wrong_call_is_told_as_json_too(arguments, monkeypatch, capsys, tmp_path):
    code, out, err = called(monkeypatch, capsys, tmp_path, *arguments, "--json")
    assert code == 2 and json.loads(out)["error"]["reason"] == "USAGE" and err.count("\n") == 1
    code, out, err = called(monkeypatch, capsys, tmp_path, *arguments)
    assert code == 2 and out == "" and "Usage" in err


def test_view_without_a_terminal_is_refused(monkeypatch, capsys, tmp_path):
    code, out, err = called(monkeypatch, capsys, tmp_path, "chat", ACCOUNT)
    assert (code, out) == (2, "") and err.startswith("essaim: the view needs a terminal")
