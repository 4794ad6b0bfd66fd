"""Which member key this account has at a host: derived where the account's keys are, else handed by a manager.

Registers of the configuration: "room-wish/" + host id ("1", by a device without the account's keys that wants to be
there); "room-key/" + host id (a handed key, essaim.protocol.opengroup.member, by a manager that saw a wish). Highest
number: "room-turn/" + host id, how often the key was given up for another one.
"""

from contextlib import suppress

from essaim.protocol.blinding import BlindedKey
from essaim.protocol.keys import PUBLIC_SIZE
from essaim.protocol.opengroup.member import MAX_TURN, Handed, member_key
from essaim.protocol.opengroup.refusal import MemberKeyRefusedError, MemberKeyWantedError
from essaim_client.messaging.agreement import Agreement
from essaim_client.messaging.profile import Profile

WISH = b"room-wish/"
KEY = b"room-key/"
TURN = b"room-turn/"
MAX_HOSTS = 64
"""Hosts that keys are handed for: each costs the configuration some 200 bytes, on every device."""


class RoomKeys:
    """Of an account, on one of its devices."""

    def __init__(self, profile: Profile, agreement: Agreement) -> None:
        self._profile = profile
        self._agreement = agreement
        self._made: dict[tuple[bytes, int], bytes] = {}

    def at(self, host_id: bytes) -> BlindedKey:
        """Raises MemberKeyWantedError: a manager is asked, and hands the key when it is online."""
        turn = self._turn(host_id)
        if self._profile.account is not None:
            return member_key(self._profile.account, host_id, turn)
        value, identity = self._profile.configuration.value(KEY + host_id), self._profile.account_id.identity
        with suppress(MemberKeyRefusedError):
            handed = Handed.decode(value or b"", identity, host_id)
            if handed.turn >= turn:
                return handed.key
        self._wish(host_id)
        raise MemberKeyWantedError("a manager device was asked for the key of this host: try again later")

    def _turn(self, host_id: bytes) -> int:
        return min(self._profile.configuration.highest(TURN + host_id), MAX_TURN)

    def renew(self, host_id: bytes) -> BlindedKey:
        """Another member from now on, on all devices: a device that had the key is not the account's any more.

        To the host it is a stranger: offices and invitations are given anew, and the old key is to be banned. Raises
        NotAManagerError, MemberKeyRefusedError where there is no further key.
        """
        account, turn = self._profile.keys, self._turn(host_id) + 1
        if turn > MAX_TURN:  # any device of the account may have raised it so far, one that is revoked since among them
            raise MemberKeyRefusedError(
                "this account has used up its keys at this host: no device can be shut out there"
            )
        with self._agreement.changing() as (state, _):
            state.raise_to(TURN + host_id, turn)
        return member_key(account, host_id, turn)

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
            place = host_id, self._turn(host_id)
            handed = self._made.get(place) or Handed.make(account, *place).encode()
            self._made[place] = handed
            if self._profile.configuration.value(KEY + host_id) != handed:
                with self._agreement.changing() as (state, now):
                    state.write(KEY + host_id, handed, now)
