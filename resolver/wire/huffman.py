"""Huffman code of HTTP/2's header fields (RFC 7541 section 5.2 and appendix B), an octet at a time. No I/O.

The code is the hpack library's table, which takes half an octet at a step. Steps of a whole octet are put together from
two of those when they are first needed: a path has few different ones.
"""

from __future__ import annotations

from typing import Final

from hpack.huffman_table import HUFFMAN_COMPLETE, HUFFMAN_EMIT_SYMBOL, HUFFMAN_FAIL, HUFFMAN_TABLE

from resolver.errors import FormatError

_COMPLETE: Final[int] = HUFFMAN_COMPLETE
_EMITS: Final[int] = HUFFMAN_EMIT_SYMBOL
_FAILS: Final[int] = HUFFMAN_FAIL


class HuffmanStep:
    """Effect of an octet in some state: what it completes, and the steps that may come next."""

    def __init__(self, state: int, emitted: bytes, may_end: bool) -> None:
        self.state = state
        self.emitted = emitted
        self.may_end = may_end  # the rest is padding: the first bits of EOS, fewer than eight
        self.following = _following(state)


_FOLLOWING: Final[dict[int, list[HuffmanStep | None]]] = {}  # by state, of 256; then by octet. Some 60 for paths


def _following(state: int) -> list[HuffmanStep | None]:
    steps = _FOLLOWING.get(state)
    if steps is None:
        steps = _FOLLOWING[state] = [None] * 256
    return steps


_BEGIN: Final = HuffmanStep(0, b"", True)


def decode_huffman(data: bytes) -> bytes:
    """The octets that `data` stands for. Raises FormatError for EOS within, or padding that is none."""
    step = _BEGIN
    pieces = []
    for octet in data:
        known = step.following[octet]
        step = _made(step, octet) if known is None else known
        pieces.append(step.emitted)
    if not step.may_end:
        raise FormatError("Huffman code without an end")
    return b"".join(pieces)


def _made(before: HuffmanStep, octet: int) -> HuffmanStep:
    """The step of an octet, from its two halves. Raises FormatError where there is none."""
    state, flags = before.state, 0
    emitted = bytearray()
    for half in (octet >> 4, octet & 0xF):
        state, flags, symbol = HUFFMAN_TABLE[state << 4 | half]
        if flags & _FAILS:
            raise FormatError("EOS within Huffman code")
        if flags & _EMITS:
            emitted.append(symbol)
    step = HuffmanStep(state, bytes(emitted), bool(flags & _COMPLETE))
    before.following[octet] = step
    return step
