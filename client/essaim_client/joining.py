"""A new device joins an account: a home that is kept only when a manager has let it in.

async with Client.join(home, network, passphrase, name="laptop") as joining:
    print(joining.code)                    # for `device link` on a manager, typed or as a QR code
    account = await joining.offered()
    print(account, joining.check)          # the manager shows the same six digits
    await joining.approved()
"""

import asyncio
import os
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType

from essaim.protocol.account import AccountId
from essaim_client.home import Home
from essaim_client.mailbox.swarm_call import Swarms
from essaim_client.messaging.linking import Joining
from essaim_client.network.connection import Connection
from essaim_client.network_file import NetworkFile


class JoiningHome:
    """Raises HomeTakenError, VaultRefusedError, LinkRefusedError, LinkTimeoutError, SwarmUnreachableError."""

    def __init__(self, path: Path, network: NetworkFile, passphrase: str | None, name: str) -> None:
        self._path = path
        self._network = network
        self._passphrase = passphrase
        self._name = name
        self._kept = False

    async def __aenter__(self) -> "JoiningHome":
        async with AsyncExitStack() as stack:
            self._home = await asyncio.to_thread(Home.begin, self._path, self._network, self._passphrase)
            stack.callback(self._leave)
            network, store = self._network, self._home.store
            connection = await stack.enter_async_context(
                Connection(network.genesis, network.seeds, store, random=os.urandom)
            )
            swarms = Swarms(connection.onion, connection.views, connection.clock, os.urandom)
            self._joining = Joining(swarms, store, self._name)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    @property
    def code(self) -> str:
        """What the manager is to be given."""
        return self._joining.code

    @property
    def check(self) -> str:
        """Six digits that both sides show, once there is an offer."""
        return self._joining.check

    async def offered(self) -> AccountId:
        """Whose device this is going to be."""
        return await self._joining.offered()

    async def approved(self) -> None:
        """From now on `Client.open(home)` opens it."""
        await self._joining.approved()
        self._home.keep()
        self._kept = True

    def _leave(self) -> None:
        self._home.close()
        if not self._kept:
            Home.remove(self._path)
