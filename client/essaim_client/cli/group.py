"""`essaim group`: closed groups. Who is in them; what is said there is in group_talk.py."""

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from essaim_client.cli.group_name import GroupArgument, group_id
from essaim_client.cli.opened import AccountArgument, with_account
from essaim_client.cli.options import HomeOption, JsonOption, PassphraseFileOption
from essaim_client.cli.output import emit, screen, visible
from essaim_client.client import Client
from essaim_client.messaging.groups import GroupInfo

app = typer.Typer(help="Closed groups: found, join, leave, manage, and write in them.", no_args_is_help=True)


def in_group(
    home: Path | None,
    passphrase_file: Path | None,
    as_json: bool,
    group: str,
    done: str,
    work: Callable[[Client, bytes], Awaitable[object]],
) -> None:
    """One thing done in one group."""

    async def online(me: Client) -> None:
        await me.receive_events()  # what has changed there meanwhile
        which = group_id(me, group)
        await work(me, which)
        if as_json:
            emit({"group_id": which.hex(), "done": done})
        else:
            screen.print(done)

    with_account(home, passphrase_file, as_json, online)


def flat(info: GroupInfo) -> Mapping[str, object]:
    return {
        "group_id": info.group_id.hex(),
        "name": info.name,
        "role": info.role,
        "picture_bytes": len(info.picture),
        "members": [
            {"account_id": str(each.account), "role": each.role, "invited_by": str(each.invited_by)}
            for each in info.members
        ],
    }


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="What to call it; all members see it.")],
    invite: Annotated[list[str] | None, typer.Option(metavar="ACCOUNT", help="Somebody; may be repeated.")] = None,
    home: HomeOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Found a group."""

    async def work(me: Client) -> None:
        info = await me.groups.create(name, invite or [])
        if as_json:
            emit(flat(info))
        else:
            screen.print(f"founded {info.group_id.hex()}")

    with_account(home, passphrase_file, as_json, work)


@app.command("list")
def show_all(
    home: HomeOption = None, passphrase_file: PassphraseFileOption = None, as_json: JsonOption = False
) -> None:
    """The groups that you are in, or invited to."""

    async def work(me: Client) -> None:
        await me.receive_events()
        groups = me.groups.all()
        if as_json:
            emit({"groups": [flat(each) for each in groups]})
            return
        table = Table("group", "name", "you are", "members")
        for each in groups:
            table.add_row(each.group_id.hex()[:12], visible(each.name), each.role, str(len(each.members)))
        screen.print(table)

    with_account(home, passphrase_file, as_json, work)


@app.command()
def show(
    group: GroupArgument,
    home: HomeOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Who is in a group."""

    async def work(me: Client) -> None:
        await me.receive_events()
        info = me.groups.get(group_id(me, group))
        if as_json:
            emit(flat(info))
            return
        screen.print(f"{visible(info.name)}  {info.group_id.hex()}", style="bold")
        for each in info.members:
            screen.print(f"{each.role:8} {each.account}")

    with_account(home, passphrase_file, as_json, work)


@app.command()
def invite(
    group: GroupArgument,
    account: AccountArgument,
    home: HomeOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Invite somebody, as an admin."""
    in_group(home, passphrase_file, as_json, group, "invited", lambda me, which: me.groups.invite(which, account))


@app.command()
def accept(
    group: GroupArgument,
    home: HomeOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Join a group that you are invited to."""
    in_group(home, passphrase_file, as_json, group, "joined", lambda me, which: me.groups.accept(which))


@app.command()
def leave(
    group: GroupArgument,
    home: HomeOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Leave a group, or decline an invitation."""
    in_group(home, passphrase_file, as_json, group, "left", lambda me, which: me.groups.leave(which))


@app.command()
def remove(
    group: GroupArgument,
    account: AccountArgument,
    home: HomeOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Remove somebody, as an admin: they read nothing that is said from then on."""
    in_group(home, passphrase_file, as_json, group, "removed", lambda me, which: me.groups.remove(which, account))


@app.command()
def promote(
    group: GroupArgument,
    account: AccountArgument,
    home: HomeOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a member an admin."""
    in_group(home, passphrase_file, as_json, group, "promoted", lambda me, which: me.groups.promote(which, account))


@app.command()
def demote(
    group: GroupArgument,
    account: AccountArgument,
    home: HomeOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make an admin a member again: yourself, or one who became an admin after you."""
    in_group(home, passphrase_file, as_json, group, "demoted", lambda me, which: me.groups.demote(which, account))


@app.command()
def rename(
    group: GroupArgument,
    name: Annotated[str, typer.Argument(help="What to call it; all members see it.")],
    home: HomeOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give a group another name, as an admin."""
    in_group(home, passphrase_file, as_json, group, "renamed", lambda me, which: me.groups.rename(which, name))


@app.command()
def picture(
    group: GroupArgument,
    file: Annotated[Path | None, typer.Argument(help="JPEG, PNG or WebP; none: take the picture away.")] = None,
    home: HomeOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give a group a picture, as an admin: small, without metadata."""
    done = "picture set" if file else "picture removed"
    in_group(home, passphrase_file, as_json, group, done, lambda me, which: me.groups.set_picture(which, file))
