"""One way to declare a command: what it does. The options that all have are added, and what it tells is printed for
people or for programs."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from inspect import Parameter, signature
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import typer
from rich.console import RenderableType

from essaim_client.cli.opened import with_account
from essaim_client.cli.options import HomeOption, JsonOption, PassphraseFileOption
from essaim_client.cli.output import emit, screen, visible
from essaim_client.client import Client


@dataclass(frozen=True)
class Told:
    """What a command has to say: one object for programs; lines and tables for people."""

    flat: Mapping[str, object]
    lines: Sequence[RenderableType] = ()


def done(what: str, **more: object) -> Told:
    """Of a command whose one line says that it was done, and (for programs) what else there is to know."""
    return Told({"done": what, **more}, [visible(what)])


Given = ParamSpec("Given")
Opened = TypeVar("Opened")
Work = Callable[Concatenate[Opened, Given], Awaitable[Told | None]]
"""None: it has told everything itself."""
Open = Callable[[Path | None, Path | None, bool, Callable[[Opened], Awaitable[None]]], None]
"""(home, passphrase file, as JSON, what is done then), like `with_account`."""
SHARED = {"home": (HomeOption, None), "passphrase_file": (PassphraseFileOption, None), "as_json": (JsonOption, False)}


def command(app: typer.Typer, name: str | None = None) -> Callable[[Work[Client, Given]], Work[Client, Given]]:
    """`@command(app) async def verb(me, ...) -> Told`: a command of this name, its docstring the help.

    One that has a parameter `as_json` is told whether a program reads it.
    """
    return command_on(with_account, app, name)


def command_on(
    open_it: Open[Opened], app: typer.Typer, name: str | None = None
) -> Callable[[Work[Opened, Given]], Work[Opened, Given]]:
    """The same of a command on what `open_it` opens."""

    def declare(work: Work[Opened, Given]) -> Work[Opened, Given]:
        own = [each for each in signature(work).parameters.values() if each.name not in SHARED][1:]
        asks = "as_json" in signature(work).parameters

        def run(**given: Any) -> None:
            home, passphrase_file, as_json = (given.pop(each) for each in SHARED)

            async def online(opened: Opened) -> None:
                arguments = {**given, "as_json": as_json} if asks else given
                tell(await work(opened, **arguments), as_json)  # type: ignore[call-arg]  # typer gives what it declares

            open_it(home, passphrase_file, as_json, online)

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


def tell(told: Told | None, as_json: bool) -> None:
    """Print it."""
    if told is None:
        return
    if as_json:
        emit(told.flat)
        return
    for line in told.lines:
        screen.print(line)
