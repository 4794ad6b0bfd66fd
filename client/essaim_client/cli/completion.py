"""`essaim completion`: what a shell needs to complete commands and options."""

from enum import StrEnum
from typing import Annotated

import typer
from typer.completion import get_completion_script  # type: ignore[attr-defined]  # imported there, not defined

from essaim_client.cli.options import JsonOption
from essaim_client.cli.output import emit, sentences

PROGRAM = "essaim"
COMPLETE_VARIABLE = "_ESSAIM_COMPLETE"


class Shell(StrEnum):
    """Those that there is a script for."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


ShellArgument = Annotated[Shell, typer.Argument(help="Which shell.")]


def completion(shell: ShellArgument, as_json: JsonOption = False) -> None:
    """Print the script by which a shell completes `essaim`.

    In bash or zsh: eval "$(essaim completion bash)". In fish: essaim completion fish | source.
    """
    with sentences(as_json):
        script = get_completion_script(prog_name=PROGRAM, complete_var=COMPLETE_VARIABLE, shell=shell.value)
        if as_json:
            emit({"shell": shell.value, "script": script})
        else:
            print(script)
