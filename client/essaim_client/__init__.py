"""The client library of Essaim: accounts, conversations and paths over asyncio."""
