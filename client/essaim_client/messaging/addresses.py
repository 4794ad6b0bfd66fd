"""Where an account is found: its public inbox and its outbox, both derivable from its ID alone."""

from essaim.protocol.account import AccountId
from essaim.protocol.blinding import outbox_key, public_inbox_key
from essaim.protocol.mailbox.policy import Policy
from essaim_client.mailbox.access import Access


def public_inbox(account: AccountId) -> Policy:
    """Anyone may write, the owner's devices read."""
    return Policy.public_inbox(public_inbox_key(account.identity))


def outbox(account: AccountId) -> Policy:
    """The owner writes, anyone reads: manifest and prekeys."""
    return Policy.outbox(outbox_key(account.identity))


def entry_access(account: AccountId, name: bytes) -> Access:
    """An entry of somebody's outbox, which anyone reads."""
    return Access(outbox(account), name)
