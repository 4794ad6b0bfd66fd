"""A bot that answers every message with what it says; without asyncio.

    essaim account new --network network.json        once, in a home of its own (ESSAIM_HOME)
    essaim account show                              whom to write to
    ESSAIM_PASSPHRASE=... python examples/echo_bot.py

Put your own words in the place of `answer`. Ctrl-C or SIGTERM ends it; what comes meanwhile waits for the next start.
"""

import os
import signal
import sys

from essaim_client import AccountId, Message, ProtocolError, SyncClient


def answer(message: Message) -> str:
    """What to say to somebody; nothing: "" """
    return message.text


def serve(me: SyncClient) -> None:
    """Until it is ended. Whoever writes is accepted; a new device of theirs is taken for theirs."""
    for message in me.listen():
        if message.request:
            me.contacts.accept(message.sender)
        text = answer(message)
        if text:
            try:
                reply(me, message.sender, text, message.message_id)
            except ProtocolError as error:  # kept by the client, and sent when the network is back
                sys.stderr.write(f"not sent yet: {error}\n")


def reply(me: SyncClient, account: AccountId, text: str, to: bytes) -> None:
    """A person would look at a new device first: for a bot whoever can write to it is the same."""
    try:
        me.send(account, text, reply_to=to)
    except ProtocolError as error:
        if error.reason != "KEYS_CHANGED":
            raise
        me.contacts.acknowledge(account)
        me.send(account, text, reply_to=to)


def main() -> None:
    """With the account in ESSAIM_HOME."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with SyncClient.open(passphrase=os.environ.get("ESSAIM_PASSPHRASE")) as me:
        me.ready()
        sys.stderr.write(f"echoing as {me.account_id}\n")
        serve(me)


if __name__ == "__main__":
    try:
        main()
    except ProtocolError as error:
        sys.exit(f"echo_bot: {error}")
    except KeyboardInterrupt:
        pass
