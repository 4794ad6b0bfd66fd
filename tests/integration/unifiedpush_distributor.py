"""A UnifiedPush distributor on a device: an XMPP client that registers apps at Prosody and is given their pushes.

RFC 6120 as far as it is needed on loopback, and https://codeberg.org/inputmice/up (the protocol of mod_unified_push).
"""

import asyncio
from base64 import b64decode, b64encode
from dataclasses import dataclass
from hashlib import sha256
from xml.etree.ElementTree import Element, XMLPullParser
from xml.sax.saxutils import quoteattr

CLIENT, STREAM = "{jabber:client}", "{http://etherx.jabber.org/streams}"
UP = "http://gultsch.de/xmpp/drafts/unified-push"
STANZAS = "urn:ietf:params:xml:ns:xmpp-stanzas"


@dataclass(frozen=True)
class Push:
    """What came for an app."""

    stanza: str
    instance: str
    body: bytes


class Distributor:
    """`async with Distributor(port, user, password) as device`."""

    def __init__(self, port: int, user: str, password: str) -> None:
        self._port = port
        self._plain = b64encode(f"\0{user}\0{password}".encode()).decode()

    async def __aenter__(self) -> "Distributor":
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        await self._open()
        self._say(f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{self._plain}</auth>")
        assert (await self._next()).tag.endswith("}success")
        await self._open()
        await self._ask("<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>device</resource></bind>", "")
        self._say("<presence/>")
        return self

    async def __aexit__(self, *error: object) -> None:
        self._say("</stream:stream>")
        self._writer.close()
        await self._writer.wait_closed()

    def _say(self, text: str) -> None:
        self._writer.write(text.encode())

    async def _open(self) -> None:
        """A new stream, up to its features."""
        self._parser = XMLPullParser(("start", "end"))
        self._depth = 0
        self._ready: list[Element] = []
        self._say(
            "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' to='localhost'"
            " version='1.0'>"
        )
        assert (await self._next()).tag == f"{STREAM}features"

    async def _next(self) -> Element:
        """The next whole stanza."""
        while not self._ready:
            data = await asyncio.wait_for(self._reader.read(65_536), 10)
            assert data, "the server has ended the stream"
            self._parser.feed(data)
            for kind, element in self._parser.read_events():
                self._depth += 1 if kind == "start" else -1
                if kind == "end" and self._depth == 1:
                    self._ready.append(element)
        return self._ready.pop(0)

    async def _ask(self, child: str, to: str) -> Element:
        self._say(f"<iq type='set' id='asked'{to}>{child}</iq>")
        while (stanza := await self._next()).get("id") != "asked":
            pass
        assert stanza.get("type") == "result", "the server refuses"
        return stanza

    async def register(self, app: str) -> str:
        """The endpoint of an app."""
        name = b64encode(sha256(app.encode()).digest()).decode()
        child = f"<register xmlns='{UP}' application={quoteattr(name)} instance={quoteattr(name)}/>"
        registered = (await self._ask(child, " to='localhost'"))[0]
        return str(registered.get("endpoint"))

    async def pushed(self) -> Push:
        """The next push. It is still to be answered: `accept` or `refuse`."""
        while True:
            stanza = await self._next()
            push = stanza.find(f"{{{UP}}}push")
            if push is not None:
                return Push(str(stanza.get("id")), str(push.get("instance")), b64decode(push.text or ""))

    def accept(self, push: Push) -> None:
        self._say(f"<iq type='result' to='localhost' id={quoteattr(push.stanza)}/>")

    def refuse(self, push: Push, condition: str) -> None:
        error = f"<error type='cancel'><{condition} xmlns='{STANZAS}'/></error>"
        self._say(f"<iq type='error' to='localhost' id={quoteattr(push.stanza)}>{error}</iq>")
