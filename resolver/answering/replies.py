"""Options of one reply, for its client alone: cookie, keepalive, NSID, client subnet, padding.

Answers in cache and answer table are free of them, and shared; they are put into each reply as it leaves.
"""

from __future__ import annotations

from resolver.answering.client import Client
from resolver.errors import FormatError
from resolver.wire.codes import MAX_MESSAGE, EdnsOption
from resolver.wire.cookies import CookieProof, ServerCookies
from resolver.wire.question import Question
from resolver.wire.response import edns_option, padded, truncated, with_options
from resolver.wire.transport import Transport

PADDING_BLOCK = 468  # octets: responses are padded to a multiple of it (RFC 8467 section 4.1)
_BELIEVED_SECONDS = 60  # a cookie that was checked; at most until it is renewed (resolver.wire.cookies)
_OPTION_HEADER = 4  # octets of an option's code and length
_MOST_TENTHS = 0xFFFF  # of a second, which keepalive counts in

# Plain numbers: an enumeration's member costs as much to fetch as all the rest of a test.
_NSID = int(EdnsOption.NSID)
_COOKIE = int(EdnsOption.COOKIE)
_KEEPALIVE = int(EdnsOption.TCP_KEEPALIVE)
_PADDING = int(EdnsOption.PADDING)


class Reply:
    """Parts that are added to an answer.

    * `nsid`: an option that is left out where there is no room;
    * `cookie`: what the client's proves, None where it sent none;
    * `rated_network`: whose responses are counted; b"" where they are not.
    """

    __slots__ = ("cookie", "is_padded", "nsid", "options", "rated_network", "transport")

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        self.options = b""
        self.nsid = b""
        self.is_padded = False
        self.cookie: CookieProof | None = None
        self.rated_network = b""

    def finish(self, answer: bytes, question: Question) -> bytes:
        """The answer with what is added to it. What no longer fits into a datagram is truncated."""
        most = question.max_size if self.transport is Transport.UDP else MAX_MESSAGE
        whole = with_options(answer, question, self.options + self.nsid)
        if len(whole) > most:
            whole = with_options(answer, question, self.options)
        if len(whole) > most:
            # Over a stream an answer that fills it up goes without: there is no larger message to ask for.
            if self.transport is not Transport.UDP:
                return answer
            whole = with_options(truncated(question, answer[3] & 0xF), question, self.options)
        return padded(whole, question, PADDING_BLOCK) if self.is_padded else whole


class Replies:
    """Says what is added to the answer of a query."""

    def __init__(
        self, cookies: ServerCookies | None = None, identity: str | None = None, *, idle_seconds: float = 10.0
    ) -> None:
        """Without `cookies` there are none; `identity` is what NSID tells, `idle_seconds` what keepalive does."""
        self._cookies = cookies
        self._nsid = b"" if identity is None else edns_option(_NSID, identity.encode())
        tenths = min(int(idle_seconds * 10), _MOST_TENTHS)
        self._keepalive = edns_option(_KEEPALIVE, tenths.to_bytes(2, "big"))

    def of(self, question: Question, client: Client, transport: Transport, now: float) -> Reply:
        """The parts of the answer to a client's question that has options. `now` is in monotonic seconds.

        Raises FormatError for an option that is malformed.
        """
        asked = question.options
        reply = Reply(transport)
        if self._cookies is not None and (cookie := asked.get(_COOKIE)) is not None:
            option = edns_option(_COOKIE, cookie)
            if option == client.cookie and now < client.cookie_until:
                reply.options, reply.cookie = client.cookie_answer, client.cookie_proof
            else:
                reply.options, reply.cookie = self._answered(self._cookies, option, client, now)
        if _KEEPALIVE in asked and transport.has_connections:  # over UDP it is ignored (RFC 7828 section 3.3.1)
            if asked[_KEEPALIVE]:
                raise FormatError("a client must not send a timeout (RFC 7828 section 3.2.1)")
            reply.options += self._keepalive
        if _NSID in asked:
            reply.nsid = self._nsid
        reply.is_padded = _PADDING in asked and transport.is_encrypted
        return reply

    def cookie_option(self, option: bytes, client: Client, now: float) -> bytes | None:
        """The option that answers a client's COOKIE option, which is whole; b"" without cookies, None: it is malformed.

        `now` is in monotonic seconds.
        """
        if option == client.cookie and now < client.cookie_until:
            return client.cookie_answer
        if self._cookies is None:
            return b""
        try:
            return self._answered(self._cookies, option, client, now)[0]
        except FormatError:
            return None

    @staticmethod
    def _answered(cookies: ServerCookies, option: bytes, client: Client, now: float) -> tuple[bytes, CookieProof]:
        """The option that answers a client's COOKIE option, and what that one proves. Raises FormatError.

        Most clients send the one that they were given, again and again: it is checked once a minute. What is made for
        who sends its own alone is the same for a second. What is bad is looked at each time, and takes no good one's
        place.
        """
        answered, proof = cookies.answer(option[_OPTION_HEADER:], client.packed)
        left = 0.0
        if proof is CookieProof.UNKNOWN:
            left = cookies.same_seconds()
        elif proof is CookieProof.GOOD and answered == option:
            left = float(min(cookies.seconds_left(option[_OPTION_HEADER:]), _BELIEVED_SECONDS))
        if left:
            client.cookie, client.cookie_answer, client.cookie_proof = option, answered, proof
            client.cookie_until = now + left
        return answered, proof
