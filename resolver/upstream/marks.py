"""Marks of queries over UDP that only those know who see them: a DNS cookie (RFC 7873), and the letter case of a name.

A reply without them is not believed, and neither is it held against the server: the question goes on over TCP, which
is not forged from afar, and what comes there decides whether the server still keeps the cookie or the case.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from siphash24 import siphash24

from resolver.errors import FormatError
from resolver.upstream.randomness import Randomness
from resolver.wire.codes import HEADER, EdnsOption
from resolver.wire.query import NO_OPTIONS, cookie_in, options_field
from resolver.wire.response import edns_option

RETRY_SECONDS: Final = 3600.0  # after which a server that knows no cookies, or loses the case, is tried with them again
_CLIENT_COOKIE: Final = 8  # octets
_SHORTEST_WITH_SERVERS, _LONGEST_WITH_SERVERS = 8 + 8, 8 + 32  # octets of both cookies together
_OPTION_HEADER: Final = 4


class Marks:
    """The marks of one server."""

    def __init__(
        self,
        server_name: str,
        *,
        cookies: bool,
        random_case: bool,
        secret: bytes,
        clock: Callable[[], float],
        randomness: Randomness,
    ) -> None:
        """`secret` is 16 octets that nobody else knows, of this process alone."""
        self.options = NO_OPTIONS  # what a query carries
        self.expected = b""  # what a reply must hold, or `cookie_is_good` says that it counts all the same
        self.has_cookie = False  # it has sent one
        self.client_cookie = b""
        self._server_name = server_name.encode()
        self._secret = secret
        self._wants_cookies = cookies
        self.wants_case = random_case
        self._clock = clock
        self._randomness = randomness
        self._local = ""
        self._cookies_again_at = 0.0
        self._case_again_at = 0.0

    def settle(self, local: str) -> None:
        """Make the client's cookie for queries from this address, unless it is there: another address, another cookie.

        So that it does not tell who has moved where (RFC 7873 section 4.1, RFC 9018 section 3).
        """
        if not self._wants_cookies:
            return
        if local != self._local:
            self._local = local
            made = siphash24(self._server_name + b"\0" + local.encode(), key=self._secret)
            self.client_cookie = bytes(made.digest())
            self.has_cookie = False
            self._ask_for_cookie()
        elif not self.options[2:] and self._clock() >= self._cookies_again_at:
            self._ask_for_cookie()

    def _ask_for_cookie(self) -> None:
        option = edns_option(EdnsOption.COOKIE, self.client_cookie)
        self.options = options_field(option)
        self.expected = option  # what knows no cookies and sends all options back is left in peace

    def cookie_is_good(self, response: bytes, expected: bytes) -> bool:
        """Whether a reply counts that lacks what its query made us expect; its cookie is kept (RFC 7873 section 5.3).

        What is not ours, of an illegal length, or cut off, is not believed, and says nothing of the server.
        """
        client_cookie = expected[_OPTION_HEADER : _OPTION_HEADER + _CLIENT_COOKIE]
        try:
            cookie = cookie_in(response)
        except FormatError:
            return False
        if cookie is None:
            if self.has_cookie:
                return False
            self._do_without()
            return True
        if not _is_ours(cookie, client_cookie):
            return False
        if len(cookie) == _CLIENT_COOKIE:  # as if it had none, which is not believed of one that had
            return not self.has_cookie
        if client_cookie == self.client_cookie:
            self._keep(cookie)
        return True

    def _keep(self, cookie: bytes) -> None:
        """Send both cookies from now on."""
        self.has_cookie = True
        self.expected = edns_option(EdnsOption.COOKIE, cookie)
        self.options = options_field(self.expected)

    def _do_without(self) -> None:
        self.has_cookie = False
        self.options = NO_OPTIONS
        self.expected = b""
        self._cookies_again_at = self._clock() + RETRY_SECONDS

    @property
    def randomises_case(self) -> bool:
        """Whether names are asked for in random case."""
        return self.wants_case and (not self._case_again_at or self._clock() >= self._case_again_at)

    def in_random_case(self, question: bytes) -> bytes:
        """The question, with the case of each letter in its name chosen anew."""
        cased = bytearray(question)
        octet = self._randomness.octet
        for at in range(len(cased) - 4):  # a length octet is no letter: it is below 64
            if 0x41 <= cased[at] & 0xDF <= 0x5A and octet() & 1:
                cased[at] ^= 0x20
        return bytes(cased)

    def heard_by_stream(self, response: bytes, question: bytes, *, expects_cookie: bool) -> bool:
        """Learn from an answer over TCP to `question` what the server keeps; False if it is not to be believed."""
        if self.wants_case:
            is_kept = response[HEADER : HEADER + len(question)] == question
            self._case_again_at = 0.0 if is_kept else self._clock() + RETRY_SECONDS
        if not expects_cookie:
            return True
        try:
            cookie = cookie_in(response)
        except FormatError:
            return False
        if cookie is None:
            self._do_without()
            return True
        if not _is_ours(cookie, self.client_cookie):
            return False
        if len(cookie) > _CLIENT_COOKIE:
            self._keep(cookie)
        else:
            self.has_cookie = False  # it has given up its own
            self._ask_for_cookie()
        return True


def _is_ours(cookie: bytes, client_cookie: bytes) -> bool:
    """Whether an option is of a legal length, and begins with our part (RFC 7873 sections 4 and 5.3)."""
    size = len(cookie)
    return cookie.startswith(client_cookie) and (
        size == _CLIENT_COOKIE or _SHORTEST_WITH_SERVERS <= size <= _LONGEST_WITH_SERVERS
    )
