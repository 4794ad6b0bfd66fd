"""Which member key this account has at a host: derived where the account's keys are, else handed by a manager.

Registers of the configuration: "room-wish/" + host id ("1", by a device without the account's keys that wants to be
there); "room-key/" + host id (a handed key, essaim.protocol.opengroup.member, by a manager that saw a wish).
"""

from essaim.protocol.blinding import BlindedKey
from essaim.protocol.keys import PUBLIC_SIZE
from essaim.protocol.opengroup.member import Handed, member_key
from essaim.protocol.opengroup.refusal import MemberKeyRefusedError, MemberKeyWantedError
from essaim_client.messaging.agreement import Agreement
from essaim_client.messaging.profile import Profile

WISH = b"room-wish/"
KEY = b"room-key/"
MAX_HOSTS = 64
"""Hosts that keys are handed for: each costs the configuration some 200 bytes, on every device."""


class RoomKeys:
    """Of an account, on one of its devices."""

    def __init__(self, profile: Profile, agreement: Agreement) -> None:
        self._profile = profile
        self._agreement = agreement
        self._made: dict[bytes, bytes] = {}

    def at(self, host_id: bytes) -> BlindedKey:
        """Raises MemberKeyWantedError: a manager is asked, and hands the key when it is online."""
        if self._profile.account is not None:
            return member_key(self._profile.account, host_id)
        value, identity = self._profile.configuration.value(KEY + host_id), self._profile.account_id.identity
        try:
            return Handed.decode(value or b"", identity, host_id).key
        except MemberKeyRefusedError:
            self._wish(host_id)
            raise MemberKeyWantedError("a manager device was asked for the key of this host: try again later") from None

    def _wish(self, host_id: bytes) -> None:
        if self._profile.configuration.value(WISH + host_id) is None:
            with self._agreement.changing() as (state, now):
                state.write(WISH + host_id, b"1", now)

    async def settle(self) -> None:
        """A manager's: what was wished for and is not there, or was written by none."""
        account = self._profile.account
        if account is None:
            return
        wished = [key.removeprefix(WISH) for key in self._profile.configuration.values(WISH)]
        for host_id in [each for each in wished if len(each) == PUBLIC_SIZE][:MAX_HOSTS]:
            handed = self._made.get(host_id) or Handed.make(account, host_id).encode()
            self._made[host_id] = handed
            if self._profile.configuration.value(KEY + host_id) != handed:
                with self._agreement.changing() as (state, now):
                    state.write(KEY + host_id, handed, now)
