"""How a public room is joined: its address, as text and as a picture that a telephone reads.

The picture is SVG inside the page: no script, no style attribute, nothing to load. Dark on light whatever the page's
colours are, with the quiet zone of ISO/IEC 18004, or not every reader sees it.
"""

from functools import lru_cache

import segno
from markupsafe import Markup

QUIET = 4
"""Modules around the code."""
SHORT_DIGITS = 20
"""Of the host id, where a person types it; a client asks for more where two hosts begin so."""


def address_of(host_id: bytes, name: str) -> str:
    """docs/protocol/opengroup.md, section 10."""
    return f"{host_id.hex()}/{name}"


def short_address(host_id: bytes, name: str) -> str:
    """For typing."""
    return f"{host_id.hex()[:SHORT_DIGITS]}/{name}"


@lru_cache(1_024)
def picture_of(address: str) -> Markup:
    """An `svg` element of black modules on white. Drawn once: it takes 15 ms, and anybody may ask for it."""
    code = segno.make_qr(address, error="m", boost_error=False)
    drawn = code.svg_inline(border=QUIET, dark="#000", light="#fff", omitsize=True, svgclass=None, lineclass=None)
    return Markup(drawn)  # noqa: S704  # segno's, of digits and a room's name
