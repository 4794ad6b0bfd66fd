"""The client in Go against a real testnet, with the Python client: `make interop-go`."""

from pathlib import Path

import pytest

from foreign_story import (  # noqa: F401  # pytest finds tests and fixtures by their names here
    foreign,
    home,
    made,
    test_account_is_the_one_of_its_24_words,
    test_conversation_that_the_other_client_begins,
    test_conversation_that_the_python_client_begins,
    test_listening_goes_on_after_a_relay_has_restarted,
    test_messages_arrive_live_in_both_directions,
    test_view_is_the_one_that_the_authorities_signed,
    test_view_of_other_authorities_is_refused,
    test_wrong_passphrase_is_refused,
)

pytestmark = pytest.mark.timeout(150)  # the first test waits for a whole network


@pytest.fixture(scope="session")
def program():
    return (str(Path(__file__).parents[3] / "build" / "interop" / "bin" / "essaim"),)
