"""The people that this person writes with: accepted, blocked, named, verified; and their new devices and accounts."""

from collections.abc import Callable

from essaim.messaging.v1 import content_pb2
from essaim.protocol.account import AccountId
from essaim.protocol.errors import ProtocolError
from essaim.protocol.keys import VerifyKey
from essaim.protocol.moving import Move, MoveRefusedError
from essaim.protocol.safety import check_safety, safety_code, safety_number
from essaim_client.messaging.agreement import Agreement, Contact
from essaim_client.messaging.events import NewDevice
from essaim_client.messaging.profile import Profile
from essaim_client.messaging.vigil import Vigil

Account = AccountId | str
"""An account, or how it is written: esm1..."""


class NotMovedError(ProtocolError):
    """The account has not said that it goes on there."""

    reason = "NOT_MOVED"


def account_of(account: Account) -> AccountId:
    """Raises AccountIdRefusedError."""
    return AccountId.parse(account) if isinstance(account, str) else account


class Contacts:
    """What is decided here holds on all own devices. Every method takes `esm1...` too (AccountIdRefusedError)."""

    def __init__(
        self, profile: Profile, agreement: Agreement, vigil: Vigil, accepted: Callable[[AccountId], None]
    ) -> None:
        self._profile = profile
        self._agreement = agreement
        self._vigil = vigil
        self._accepted = accepted

    def all(self) -> list[Contact]:
        """Everybody who is accepted, blocked ones too."""
        return self._agreement.contacts()

    def get(self, account: Account) -> Contact:
        """Also of somebody who is no contact."""
        return self._agreement.contact(account_of(account))

    def requests(self) -> list[AccountId]:
        """Who has written and is neither accepted nor blocked."""
        named = self._profile.store.history.conversations()
        conversations = [_identity(each) for each in named if not self._profile.is_group(each)]
        return [
            each
            for each in conversations
            if not self._agreement.is_contact(each) and not self._agreement.is_blocked(each)
        ]

    def accept(self, account: Account) -> None:
        """A message request, or somebody who was blocked: they may know from now on that messages arrive."""
        accepted = account_of(account)
        self._agreement.accept(accepted)
        self._accepted(accepted)

    def block(self, account: Account) -> None:
        """What they send is dropped, and they are not told."""
        self._agreement.block(account_of(account), True)

    def unblock(self, account: Account) -> None:
        self._agreement.block(account_of(account), False)

    def remove(self, account: Account) -> None:
        """No contact any more; their next message is a request."""
        self._agreement.remove(account_of(account))

    def rename(self, account: Account, name: str) -> None:
        """For this person alone. Raises NameRefusedError."""
        self._agreement.rename(account_of(account), name)

    # Safety

    def safety_number(self, account: Account) -> str:
        """60 digits, the same on both sides: to be compared in person."""
        return safety_number(self._profile.account_id, account_of(account))

    def safety_code(self, account: Account) -> str:
        """For a QR code that the other side scans."""
        return safety_code(self._profile.account_id, account_of(account))

    def verify(self, account: Account, given: str) -> None:
        """Compare with the number or code that the other side shows, and remember that it fits (SafetyRefusedError)."""
        other = account_of(account)
        check_safety(self._profile.account_id, other, given)
        self._agreement.verify(other, True)

    def unverify(self, account: Account) -> None:
        self._agreement.verify(account_of(account), False)

    def new_devices(self, account: Account) -> list[NewDevice]:
        """Those that are to be acknowledged before anything is sent there; also of the own account."""
        return list(self._vigil.strangers(account_of(account)).values())

    def acknowledge(self, account: Account) -> list[NewDevice]:
        """The person knows of the account's new devices: messages go there from now on. Those that were new."""
        return self._vigil.acknowledge(account_of(account))

    # Moving

    def moves(self, account: Account) -> AccountId | None:
        """Where an account has said, signed by both, that it goes on."""
        before = account_of(account)
        entry = self._profile.store.history.latest(before.raw, "moved")
        if entry is None or entry.author != before.raw:
            return None
        statement = content_pb2.Content.FromString(entry.content).moved.statement
        try:
            move = Move.check(statement)
        except MoveRefusedError:
            return None
        return move.after if move.before == before else None

    def follow(self, account: Account) -> AccountId:
        """Go on with somebody under the account that they moved to; the conversation goes along (NotMovedError)."""
        before = account_of(account)
        after = self.moves(before)
        if after is None:
            raise NotMovedError("this account has not said that it goes on elsewhere")
        with self._profile.store.transaction():
            self._profile.store.history.follow_to(before.raw, after.raw)
            self._agreement.follow(before, after)
        return after


def _identity(raw: bytes) -> AccountId:
    return AccountId(VerifyKey(raw))
