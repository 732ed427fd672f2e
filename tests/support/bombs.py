"""Small files that are large inside, or take long, or hold more pictures than anybody can look at."""

import io
import struct
import zlib
from collections.abc import Callable

from PIL import Image

PNG = b"\x89PNG\r\n\x1a\n"
INSIDE_BYTES = 200 * 2**20
FRAMES = 10_000
SCANS = 5_000


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def header(width: int, height: int, bits: int = 8, colour: int = 2) -> bytes:
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0))


def zeros(size: int) -> bytes:
    """So many of them, deflated."""
    packer, block = zlib.compressobj(9), bytes(2**20)
    packed = [packer.compress(block) for _ in range(size // len(block))]
    return b"".join((*packed, packer.compress(bytes(size % len(block))), packer.flush()))


def png(*chunks: bytes, head: bytes = header(2, 2), data: bytes = b"") -> bytes:
    pixels = chunk(b"IDAT", data or zlib.compress(bytes(2 * 7)))
    return b"".join((PNG, head, *chunks, pixels, chunk(b"IEND", b"")))


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def frames_png() -> bytes:
    """An animation; who does not know of it sees one picture."""
    moves = [chunk(b"acTL", struct.pack(">II", FRAMES, 0))]
    control = struct.pack(">IIIIHHBB", 2, 2, 0, 0, 1, 10, 0, 0)
    later = b""
    for number in range(1, 2 * FRAMES, 2):
        later += chunk(b"fcTL", struct.pack(">I", number) + control)
        later += chunk(b"fdAT", struct.pack(">I", number + 1) + zlib.compress(bytes(2 * 7)))
    whole = png(*moves, chunk(b"fcTL", struct.pack(">I", 0) + control))
    end = chunk(b"IEND", b"")
    return whole[: -len(end)] + later + end


def frames_gif() -> bytes:
    two = saved(Image.new("L", (2, 2)), "GIF", save_all=True, append_images=[Image.new("L", (2, 2), 255)])
    frame = two[two.rindex(b"\x21\xf9") : -1]
    return two[:-1] + frame * FRAMES + b";"


def frames_webp() -> bytes:
    two = saved(
        Image.new("RGB", (2, 2)), "WEBP", save_all=True, append_images=[Image.new("RGB", (2, 2), "red")]
    )
    frame = two[two.rindex(b"ANMF") :]
    body = two[8:] + frame * FRAMES
    return b"RIFF" + struct.pack("<I", len(body)) + body


def scans_jpeg() -> bytes:
    """One pass over a large image after the other."""
    once = saved(Image.new("L", (5000, 5000), 120), "JPEG", progressive=True)
    last = once[once.rindex(b"\xff\xda") : -2]
    return once[:-2] + last * SCANS + once[-2:]


def sized_jpeg() -> bytes:
    """A head that promises the most that a JPEG can."""
    whole = saved(Image.new("L", (8, 8)), "JPEG")
    at = whole.index(b"\xff\xc0") + 5
    return whole[:at] + struct.pack(">HH", 65500, 65500) + whole[at + 4 :]


WHOLE_JPEG = saved(Image.effect_noise((64, 64), 90), "JPEG")
WHOLE_PNG = saved(Image.effect_noise((64, 64), 90), "PNG")
TEXT = b"a\0\0"
BOMBS: dict[str, Callable[[], bytes]] = {
    "png of 100,000 x 100,000": lambda: png(head=header(100_000, 100_000)),
    "png of 30,000 x 30,000, all of it there": lambda: png(
        head=header(30_000, 30_000, 1, 0), data=zeros(30_000 * 3_751)
    ),
    "png of 2,000,000 x 1": lambda: png(head=header(2_000_000, 1)),
    "jpeg of 65,500 x 65,500": sized_jpeg,
    "colour profile": lambda: png(chunk(b"iCCP", TEXT + zeros(INSIDE_BYTES))),
    "packed text": lambda: png(chunk(b"zTXt", TEXT + zeros(INSIDE_BYTES))),
    "packed international text": lambda: png(chunk(b"iTXt", b"a\0\1\0\0\0" + zeros(INSIDE_BYTES))),
    "a hundred packed texts": lambda: png(*[chunk(b"zTXt", TEXT + zeros(2**20 - 1))] * 100),
    "data that end early": lambda: png(head=header(20_000, 2_500), data=zeros(1000)),
    "gif of 10,000 pictures": frames_gif,
    "webp of 10,000 pictures": frames_webp,
    "jpeg of 5,000 scans": scans_jpeg,
    "half a jpeg": lambda: WHOLE_JPEG[: len(WHOLE_JPEG) // 2],
    "half a png": lambda: WHOLE_PNG[: len(WHOLE_PNG) // 2],
}
"""None of these is answered."""
HARMLESS: dict[str, Callable[[], bytes]] = {
    "png of 10,000 pictures": frames_png,
    "jpeg": lambda: WHOLE_JPEG,
    "png": lambda: WHOLE_PNG,
}
"""These are, by their first picture."""
