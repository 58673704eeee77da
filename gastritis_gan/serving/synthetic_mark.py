"""The mark in a PNG file that says: a trained model made this image.

It is a chunk of XMP (ISO 16684-1) with IPTC's Digital Source Type, as
[the IPTC](https://iptc.org/standards/photo-metadata/) recommends for generated images.
`gastritis-gan prepare` recognises it (`cohort/image_file.py`).
"""

from __future__ import annotations

import io
import struct
import zlib
from xml.sax.saxutils import quoteattr

import numpy as np
from PIL import Image

from gastritis_gan.version import __version__

DIGITAL_SOURCE_TYPE = (
    "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
)

HEAD_BYTES = 33
"""Of a PNG file: its signature (8) and IHDR (25), which must come first (PNG 5.6)."""

_NAMESPACES = {
    "xmp": "http://ns.adobe.com/xap/1.0/",
    "Iptc4xmpExt": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
    "ggan": "urn:gastritis-gan:1",
}
# PNG 11.3.3.4: keyword, not compressed, no language, no translated keyword
_ITXT_HEAD = b"XML:com.adobe.xmp\0" + b"\0\0" + b"\0" + b"\0"


def synthetic_chunk(name: str, version: int | None = None, **origin: object) -> bytes:
    """Returns the iTXt chunk of a generated image.

    Args:
        name: Of the exported model.
        version: Of the exported model.
        origin: What else is known of the image, each by a name of lower-case letters
            and `_`: `model_hash`, `seed`, `truncation`; what is empty is left out.
    """
    properties = {
        "Iptc4xmpExt:DigitalSourceType": DIGITAL_SOURCE_TYPE,
        "Iptc4xmpExt:AISystemUsed": name,
        "Iptc4xmpExt:AISystemVersionUsed": version,
        "xmp:CreatorTool": f"gastritis-gan {__version__}",
        **{f"ggan:{key}": value for key, value in origin.items()},
    }
    attributes = [
        *(f"xmlns:{prefix}={quoteattr(uri)}" for prefix, uri in _NAMESPACES.items()),
        *(
            f"{key}={quoteattr(str(value))}"
            for key, value in properties.items()
            if value not in ("", None)
        ),
    ]
    packet = (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
        '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description rdf:about="" {" ".join(attributes)}/>'
        '</rdf:RDF></x:xmpmeta><?xpacket end="r"?>'
    )
    body = b"iTXt" + _ITXT_HEAD + packet.encode()
    return struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))


def marked_png(image: np.ndarray | Image.Image, chunk: bytes) -> bytes:
    """Returns a PNG file of an image with a chunk after its IHDR.

    Args:
        image: uint8 (r, r), or a picture.
        chunk: Of `synthetic_chunk`.
    """
    if isinstance(image, np.ndarray):
        image = Image.fromarray(image)
    content = io.BytesIO()
    image.save(content, "PNG")
    png = content.getvalue()
    return png[:HEAD_BYTES] + chunk + png[HEAD_BYTES:]
