"""Asking a node directly, whatever the view says of it."""

import pytest

from essaim_client.network.direct import NoAnswerError, Seed, ask


@pytest.mark.parametrize("seed", [Seed("127.0.0.1:9", (b"no certificate",)), Seed("a name:9", (b"",))])
async def test_node_that_cannot_be_dialled_gives_no_answer(seed):
    with pytest.raises(NoAnswerError):
        await ask(seed, 0, 0, lambda: 0)
