"""Files spoilt at random: flipped bits, truncation, cut and doubled pieces, numbers and words that nobody expects."""

from __future__ import annotations

import gzip
import io
import random
import zipfile
import zlib
from collections.abc import Callable

_ODD_NUMBERS = [
    *(value.to_bytes(4, order) for value in (0, 1, 2**31 - 1, 2**31, 2**32 - 1) for order in ("little", "big")),
    *(b"\x00\x00\xc0\x7f", b"\x00\x00\x80\x7f", b"\xff" * 8, b"\x00" * 8),  # NaN, infinity
]
_ODD_WORDS = [
    *(b"nan", b"-inf", b"1e400", b"-1", b"0", b"99999999999999999999999", b"0x10", b"1_0", b"\xff\xfe", b"\x00"),
    *(
        b"",
        b'"',
        b"'",
        b",",
        b";",
        b"\n",
        b"\r",
        b"[" * 50,
        b"{}",
        b"null",
        b"../../up",
        b"/dev/zero",
        b"%s%n",
        b"\x1b[2J",
    ),
    *(b"raw", b"gzip", b"LIST", b"LOCAL", b"fixed", b"moving", "肺".encode(), b"CON", b"\xe2\x80\xae"),
]
_BEGINNING = 600  # where headers are


def spoil(content: bytes, draw: random.Random) -> bytes:
    """One to four things wrong with a file."""
    data = bytearray(content)
    for _ in range(draw.choice((1, 1, 1, 2, 4))):
        draw.choice(_KINDS)(data, draw)
    return bytes(data)


def spoil_inside_gzip(content: bytes, draw: random.Random) -> bytes:
    """Half of the time, what is compressed is spoilt and its checksum is right again."""
    if draw.random() < 0.5:
        return spoil(content, draw)
    return gzip.compress(spoil(gzip.decompress(content), draw), 1)


def spoil_inside_zip(content: bytes, draw: random.Random) -> bytes:
    """Most of the time, one entry is spoilt and its checksum is right again."""
    if draw.random() < 0.2:
        return spoil(content, draw)
    written = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(written, "w") as new:
        chosen = draw.choice([name for name in old.namelist() if name.endswith("data.pkl")] * 4 + old.namelist())
        for name in old.namelist():
            data = old.read(name)
            new.writestr(name, spoil(data, draw) if name == chosen else data)
    return written.getvalue()


def _place(data: bytearray, draw: random.Random) -> int:
    return draw.randrange(min(len(data), _BEGINNING) if draw.random() < 0.6 else len(data)) if data else 0


def _flip_bits(data: bytearray, draw: random.Random) -> None:
    for _ in range(draw.choice((1, 2, 8))):
        if data:
            data[_place(data, draw)] ^= 1 << draw.randrange(8)


def _truncate(data: bytearray, draw: random.Random) -> None:
    del data[_place(data, draw) :]


def _put_number(data: bytearray, draw: random.Random) -> None:
    number, place = draw.choice(_ODD_NUMBERS), _place(data, draw)
    data[place : place + len(number)] = number


def _put_word(data: bytearray, draw: random.Random) -> None:
    """In the place of a word, as text formats have them."""
    start = _place(data, draw)
    while start > 0 and data[start - 1 : start] not in (b" ", b",", b"\n", b":", b"="):
        start -= 1
    end = start
    while end < len(data) and data[end : end + 1] not in (b" ", b",", b"\n", b":"):
        end += 1
    if end - start < 100:
        data[start:end] = draw.choice(_ODD_WORDS)


def _cut(data: bytearray, draw: random.Random) -> None:
    start = _place(data, draw)
    del data[start : start + draw.choice((1, 4, 64))]


def _double(data: bytearray, draw: random.Random) -> None:
    start = _place(data, draw)
    data[start:start] = data[start : start + draw.choice((1, 8, 200))]


_KINDS: list[Callable[[bytearray, random.Random], None]] = [
    _flip_bits,
    _flip_bits,
    _truncate,
    _put_number,
    _put_word,
    _put_word,
    _cut,
    _double,
]


def gzip_of_zeros(mebibytes: int) -> bytes:
    """A gzip file of very many zeros, a thousandth of their size."""
    member = gzip.compress(bytes(1 << 20), 9)
    return member * mebibytes


def zlib_of_zeros(mebibytes: int) -> bytes:
    packer = zlib.compressobj(9)
    return b"".join([*(packer.compress(bytes(1 << 20)) for _ in range(mebibytes)), packer.flush()])
