"""Huffman code is read as the hpack library reads it, and so is what is none."""

from __future__ import annotations

import pytest
from hpack.exceptions import HPACKDecodingError
from hpack.huffman import HuffmanEncoder
from hpack.huffman_constants import REQUEST_CODES, REQUEST_CODES_LENGTH
from hpack.huffman_table import decode_huffman as as_the_library
from hypothesis import given
from hypothesis import strategies as st

from resolver.errors import FormatError
from resolver.wire.huffman import decode_huffman

_ENCODER = HuffmanEncoder(REQUEST_CODES, REQUEST_CODES_LENGTH)


@given(st.binary(max_size=200))
def test_what_was_encoded_comes_back(text: bytes) -> None:
    assert decode_huffman(_ENCODER.encode(text)) == text


@given(st.binary(max_size=60))
def test_any_octets_mean_the_same_to_the_library(data: bytes) -> None:
    try:
        expected = as_the_library(data)
    except HPACKDecodingError:
        with pytest.raises(FormatError):
            decode_huffman(data)
    else:
        assert decode_huffman(data) == expected


@pytest.mark.parametrize(
    "data",
    [b"\xff\xff\xff\xfc", b"\x1f\xff", b"\x1e", b"\xff" * 5],
    ids=["EOS", "eight bits of padding", "padding of zeros", "EOS and more"],
)
def test_what_stands_for_nothing_is_a_format_error(data: bytes) -> None:  # RFC 7541 section 5.2
    with pytest.raises(FormatError):
        decode_huffman(data)
