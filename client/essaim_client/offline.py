"""What an account can do on this device without a network: exports, archives, reading."""

import os
from pathlib import Path
from types import TracebackType

from essaim.protocol.account import AccountId
from essaim.protocol.export import AccountLock, ExportLock, PassphraseLock, Range
from essaim_client.home import Home
from essaim_client.messaging.archives import Archives
from essaim_client.messaging.exports import Conversation, Exports, NothingToExportError, OnCount
from essaim_client.messaging.group_book import GroupBook
from essaim_client.messaging.profile import Profile
from essaim_client.network.connection import own_now_ms


class Offline:
    """`with Client.offline(home, passphrase="...") as me`. Not beside an open `Client` (StoreBusyError)."""

    def __init__(self, home: Path, passphrase: str | None) -> None:
        self._home = home
        self._passphrase = passphrase

    def __enter__(self) -> "Offline":
        """Raises NoAccountError, VaultRefusedError, StoreBusyError."""
        self._open = Home.open(self._home, self._passphrase)
        self._profile = Profile.load(self._open.keys, self._open.store)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    @property
    def account_id(self) -> AccountId:
        return self._open.account_id

    @property
    def archives(self) -> Archives:
        """Imported exports."""
        return Archives.of(self._open.store, self._profile, own_now_ms)

    @property
    def group_names(self) -> dict[bytes, str]:
        """Of the closed groups that this device has, also those that were left, by their ids."""
        groups = GroupBook(self._profile).all() if self._profile else []
        return {group.group_id: group.roster.name for group in groups}

    async def export(
        self,
        conversation: Conversation,
        path: Path,
        *,
        passphrase: str | None = None,
        span: Range | None = None,
        on_count: OnCount | None = None,
    ) -> int:
        """As `Client.export`, for a passphrase or, without one, for the own devices."""
        if self._profile is None:
            raise NothingToExportError("this account was never online on this device: there is nothing to export")
        own = self._profile.device.manifest
        lock: ExportLock = AccountLock.of(own) if passphrase is None else PassphraseLock(passphrase)
        exports = Exports(self._profile, own_now_ms, os.urandom)
        return await exports.write(conversation, path, lock, span or Range(), on_count)
