"""`essaim group`: closed groups. Who is in them; what is said there is in group_talk.py."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from essaim_client.cli.declared import Told, command
from essaim_client.cli.group_name import GroupArgument, group_id
from essaim_client.cli.opened import AccountArgument
from essaim_client.cli.output import visible
from essaim_client.client import Client
from essaim_client.messaging.groups import GroupInfo

app = typer.Typer(help="Closed groups: found, join, leave, manage, and write in them.", no_args_is_help=True)
NameArgument = Annotated[str, typer.Argument(help="What to call it; all members see it.")]


async def named(me: Client, group: str) -> bytes:
    """Its id, after what has changed there meanwhile (WhichGroupError)."""
    await me.receive_events()
    return group_id(me, group)


def _done(group: bytes, done: str) -> Told:
    return Told({"group_id": group.hex(), "done": done}, [done])


def flat(info: GroupInfo) -> Mapping[str, object]:
    """For a program."""
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


@command(app)
async def create(
    me: Client,
    name: NameArgument,
    invite: Annotated[list[str] | None, typer.Option(metavar="ACCOUNT", help="Somebody; may be repeated.")] = None,
) -> Told:
    """Found a group."""
    info = await me.groups.create(name, invite or [])
    return Told(flat(info), [f"founded {info.group_id.hex()}"])


@command(app, "list")
async def show_all(me: Client) -> Told:
    """The groups that you are in, or invited to."""
    await me.receive_events()
    groups = me.groups.all()
    table = Table("group", "name", "you are", "members")
    for each in groups:
        table.add_row(each.group_id.hex()[:12], visible(each.name), each.role, str(len(each.members)))
    return Told({"groups": [flat(each) for each in groups]}, [table])


@command(app)
async def show(me: Client, group: GroupArgument) -> Told:
    """Who is in a group."""
    info = me.groups.get(await named(me, group))
    title = Text(f"{visible(info.name)}  {info.group_id.hex()}", style="bold")
    return Told(flat(info), [title, *(f"{each.role:8} {each.account}" for each in info.members)])


@command(app)
async def invite(me: Client, group: GroupArgument, account: AccountArgument) -> Told:
    """Invite somebody, as an admin."""
    which = await named(me, group)
    await me.groups.invite(which, account)
    return _done(which, "invited")


@command(app)
async def accept(me: Client, group: GroupArgument) -> Told:
    """Join a group that you are invited to."""
    which = await named(me, group)
    await me.groups.accept(which)
    return _done(which, "joined")


@command(app)
async def leave(me: Client, group: GroupArgument) -> Told:
    """Leave a group, or decline an invitation."""
    which = await named(me, group)
    await me.groups.leave(which)
    return _done(which, "left")


@command(app)
async def remove(me: Client, group: GroupArgument, account: AccountArgument) -> Told:
    """Remove somebody, as an admin: they read nothing that is said from then on."""
    which = await named(me, group)
    await me.groups.remove(which, account)
    return _done(which, "removed")


@command(app)
async def promote(me: Client, group: GroupArgument, account: AccountArgument) -> Told:
    """Make a member an admin."""
    which = await named(me, group)
    await me.groups.promote(which, account)
    return _done(which, "promoted")


@command(app)
async def demote(me: Client, group: GroupArgument, account: AccountArgument) -> Told:
    """Make an admin a member again: yourself, or one who became an admin after you."""
    which = await named(me, group)
    await me.groups.demote(which, account)
    return _done(which, "demoted")


@command(app)
async def rename(me: Client, group: GroupArgument, name: NameArgument) -> Told:
    """Give a group another name, as an admin."""
    which = await named(me, group)
    await me.groups.rename(which, name)
    return _done(which, "renamed")


@command(app)
async def picture(
    me: Client,
    group: GroupArgument,
    file: Annotated[Path | None, typer.Argument(help="JPEG, PNG or WebP; none: take the picture away.")] = None,
) -> Told:
    """Give a group a picture, as an admin: small, without metadata."""
    which = await named(me, group)
    await me.groups.set_picture(which, file)
    return _done(which, "picture set" if file else "picture removed")
