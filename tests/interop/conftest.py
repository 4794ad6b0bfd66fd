"""One network of real processes for all of these tests, and the second client in it."""

import os

import pytest

from second_account import PUBLIC, Mailbox
from second_client import Network
from second_session import Account
from second_view import Protos
from testnet import Layout, Testnet

pytest.register_assert_rewrite("foreign", "foreign_story")


@pytest.fixture(scope="session")
def testnet(tmp_path_factory):
    made = Testnet(tmp_path_factory.mktemp("second"), Layout(relays=3, storage=3))
    try:
        made.up()
        yield made
    finally:
        made.down()


@pytest.fixture(scope="session")
def protos():
    return Protos()


@pytest.fixture(scope="session")
def network(testnet, protos):
    with Network(testnet.network_file, protos) as made:
        made.fetch_view()
        yield made


@pytest.fixture
def inbox(protos):
    key = Account(os.urandom(32)).read_key
    return Mailbox(protos, PUBLIC, key.public, bytes(32), key)
