"""The client for programs without asyncio: the same calls, which return when they are done."""

from essaim_client.sync.client import SyncClient

__all__ = ["SyncClient"]
