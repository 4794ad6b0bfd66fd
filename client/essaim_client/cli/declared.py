"""One way to declare a command on an account: what it does. The options that all have are added, and what it tells is
printed for people or for programs."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from inspect import Parameter, signature
from typing import Any, Concatenate, ParamSpec

import typer
from rich.console import RenderableType

from essaim_client.cli.opened import with_account
from essaim_client.cli.options import HomeOption, JsonOption, PassphraseFileOption
from essaim_client.cli.output import emit, screen
from essaim_client.client import Client


@dataclass(frozen=True)
class Told:
    """What a command has to say: one object for programs; lines and tables for people."""

    flat: Mapping[str, object]
    lines: Sequence[RenderableType] = ()


Given = ParamSpec("Given")
Work = Callable[Concatenate[Client, Given], Awaitable[Told]]
SHARED = {"home": (HomeOption, None), "passphrase_file": (PassphraseFileOption, None), "as_json": (JsonOption, False)}


def command(app: typer.Typer, name: str | None = None) -> Callable[[Work[Given]], Work[Given]]:
    """`@command(app) async def verb(me, ...) -> Told`: a command of this name, its docstring the help.

    One that has a parameter `as_json` is told whether a program reads it.
    """

    def declare(work: Work[Given]) -> Work[Given]:
        own = [each for each in signature(work).parameters.values() if each.name not in SHARED][1:]
        asks = "as_json" in signature(work).parameters

        def run(**given: Any) -> None:
            home, passphrase_file, as_json = (given.pop(each) for each in SHARED)

            async def online(me: Client) -> None:
                arguments = {**given, "as_json": as_json} if asks else given
                _tell(await work(me, **arguments), as_json)  # type: ignore[call-arg]  # typer gives what it declares

            with_account(home, passphrase_file, as_json, online)

        shared = [
            Parameter(each, Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
            for each, (annotation, default) in SHARED.items()
        ]
        every = [each.replace(kind=Parameter.KEYWORD_ONLY) for each in own] + shared
        run.__signature__ = signature(run).replace(parameters=every)  # type: ignore[attr-defined]
        run.__annotations__ = {each.name: each.annotation for each in every}
        run.__name__, run.__doc__ = work.__name__, work.__doc__
        app.command(name)(run)
        return work

    return declare


def _tell(told: Told, as_json: bool) -> None:
    if as_json:
        emit(told.flat)
        return
    for line in told.lines:
        screen.print(line)
