"""The lines of a list, from its octets: unpacked, decoded, and bounded."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterable, Iterator

from resolver.errors import ListError

MOST_BYTES = 256 << 20  # of a list, unpacked
_MOST_LINE = 64 << 10
_TOO_LONG = f"it is longer than {_MOST_LINE >> 10} KiB"
_PIECE = 1 << 20
_HEAD = 512  # octets that are looked at before anything is read
_GZIP = b"\x1f\x8b"
_UTF8_BOM = b"\xef\xbb\xbf"
_BOM = "\ufeff"
_MARKED = re.compile(rf"^[ \t{_BOM}]*{_BOM}", re.MULTILINE)  # lists that are put behind each other
_UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")

Tell = Callable[[int, str, str], None]


def lines_of(chunks: Iterable[bytes], tell: Tell, *, most_bytes: int = MOST_BYTES) -> Iterator[tuple[int, str]]:
    """Number and text of each line that is text; `tell` hears of the others (line, text, reason).

    Gzip is known by its first octets (RFC 1952), whatever the name of the file. Raises ListError for what is too large,
    damaged, or no text at all.
    """
    number = 0
    rest = b""
    is_long = False
    is_first = True
    for piece in _bounded(_unpacked(chunks), most_bytes):
        data = rest + piece
        if is_first:
            if len(data) < _HEAD:
                rest = data
                continue
            data = _begin(data)
            is_first = False
        cut = max(data.rfind(b"\n"), data.rfind(b"\r", 0, len(data) - 1)) + 1
        whole, rest = data[:cut], data[cut:]
        for text in _decoded(whole):
            number += 1
            if is_long:
                is_long = False  # its end
            elif text.isascii() and len(text) <= _MOST_LINE:  # nearly all
                yield number, text
            else:
                yield from _checked(number, text, tell)
        if len(rest) > _MOST_LINE + 1:  # one more, for half a line end
            if not is_long:
                tell(number + 1, rest[:200].decode(errors="replace"), _TOO_LONG)
            is_long, rest = True, b""
    if is_first:
        rest = _begin(rest)
    end = b"" if rest.endswith((b"\n", b"\r")) else b"\n"
    for text in _decoded(rest + end) if rest and not is_long else ():
        number += 1
        yield from _checked(number, text, tell)


def _checked(number: int, text: str, tell: Tell) -> Iterator[tuple[int, str]]:
    """The line, unless it is too long or, apart from what looks like a comment, no text."""
    if len(text) > _MOST_LINE or (not text.isascii() and len(text.encode("utf-8", "surrogateescape")) > _MOST_LINE):
        tell(number, text[:200], _TOO_LONG)
    elif _is_text(text):
        yield number, text
    elif text.lstrip().startswith(("!", ";", "//")) or _is_text(text.partition("#")[0]):
        yield number, text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")  # Latin-1, in old lists
    else:
        tell(number, text, "it is not UTF-8 text")


def _begin(data: bytes) -> bytes:
    if data.startswith(_UTF16_BOMS):
        raise ListError("this list is UTF-16 text: save it as UTF-8")
    while data.startswith(_UTF8_BOM):
        data = data.removeprefix(_UTF8_BOM)
    start = data[:_HEAD].replace(_UTF8_BOM, b"").lstrip().lower()
    if start.startswith((b"<!doctype", b"<html", b"<head", b"<?xml")):
        raise ListError("this is a web page, not a list: the URL is wrong, or needs a login")
    if start.startswith((b"{", b"[{")):
        raise ListError("this is JSON, not a list")
    if b"\0" in data[:_HEAD]:
        raise ListError("this is not text")
    return data


def _decoded(whole: bytes) -> list[str]:
    text = whole.decode("utf-8", "surrogateescape")
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if _BOM in text:
        text = _MARKED.sub("", text)
    lines = text.split("\n")
    lines.pop()  # behind the last line end
    return lines


def _is_text(text: str) -> bool:
    return text.isascii() or not any("\udc80" <= char <= "\udcff" for char in text)


def _bounded(pieces: Iterable[bytes], most: int) -> Iterator[bytes]:
    size = 0
    for piece in pieces:
        size += len(piece)
        if size > most:
            raise ListError(f"this list is larger than {most >> 20} MiB when unpacked, the maximum of a list")
        yield piece


def _unpacked(chunks: Iterable[bytes]) -> Iterator[bytes]:
    source = iter(chunks)
    first = b""
    for chunk in source:
        first += chunk
        if len(first) >= len(_GZIP):
            break
    if not first.startswith(_GZIP):
        yield first
        yield from source
        return
    unpacker = zlib.decompressobj(31)
    data = first
    try:
        while True:
            while data:
                yield unpacker.decompress(data, _PIECE)
                data = unpacker.unconsumed_tail
                if unpacker.eof:  # files may be put behind each other (RFC 1952, section 2.2)
                    data = unpacker.unused_data.lstrip(b"\0")
                    if data:
                        unpacker = zlib.decompressobj(31)
            following = next(source, None)
            if following is None:
                break
            data = following.lstrip(b"\0") if unpacker.eof else following
            if data and unpacker.eof:
                unpacker = zlib.decompressobj(31)
    except zlib.error as error:
        raise ListError("this gzip file is damaged") from error
    if not unpacker.eof:
        raise ListError("this gzip file is truncated")
