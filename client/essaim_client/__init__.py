"""The client library of Essaim: accounts, conversations and paths over asyncio.

async with Client.open(home, passphrase="...") as me:
    sent = await me.send("esm1...", "hello")
    async for message in me.listen():
        print(message.sender, message.text)

Without asyncio: `with SyncClient.open(home, passphrase="...") as me`, and no `await`.
"""

import essaim  # noqa: F401  # before gRPC, which reads its TLS settings when it is imported
from essaim.protocol.account import AccountId
from essaim.protocol.conversation import Change
from essaim.protocol.errors import ProtocolError
from essaim.protocol.export import Range
from essaim_client.client import Client
from essaim_client.messaging.agreement import Contact, Settings
from essaim_client.messaging.archives import Archive
from essaim_client.messaging.devices import OwnDevice
from essaim_client.messaging.events import (
    AccountMoved,
    ConfigurationChanged,
    DevicesChanged,
    Disappeared,
    Disappearing,
    Edited,
    Event,
    File,
    FileProgress,
    GroupChanged,
    GroupInvited,
    InGroup,
    Message,
    NewDevice,
    Reacted,
    Read,
    SessionRenewed,
    TimerChanged,
    Typing,
    Unsent,
)
from essaim_client.messaging.groups import GroupInfo, GroupMember
from essaim_client.messaging.sender import Sent
from essaim_client.messaging.transcript import Shown
from essaim_client.network_file import NetworkFile
from essaim_client.sync import SyncClient
from essaim_client.trace import Trace, TracedHop

__all__ = [
    "AccountId",
    "AccountMoved",
    "Archive",
    "Change",
    "Client",
    "ConfigurationChanged",
    "Contact",
    "DevicesChanged",
    "Disappeared",
    "Disappearing",
    "Edited",
    "Event",
    "File",
    "FileProgress",
    "GroupChanged",
    "GroupInfo",
    "GroupInvited",
    "GroupMember",
    "InGroup",
    "Message",
    "NetworkFile",
    "NewDevice",
    "OwnDevice",
    "ProtocolError",
    "Range",
    "Reacted",
    "Read",
    "Sent",
    "SessionRenewed",
    "Settings",
    "Shown",
    "SyncClient",
    "TimerChanged",
    "Trace",
    "TracedHop",
    "Typing",
    "Unsent",
]
