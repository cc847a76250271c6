"""The error tree. Each error is raised where it is known and caught once, where it can be acted on.

Errors that one module or an upper floor alone knows stand there, and are MoatdnsErrors too.

MoatdnsError
├── ConfigError            the config file: every problem with file, line and key path
├── RuleError              a rule, name or network that cannot be read
├── CatalogueError         the bundled catalogue does not hold together
├── ListError              a list of rules that cannot be read at all
├── FetchError             a list that cannot be fetched
├── SnapshotError          a compiled policy that is damaged, missing or of another version
├── SubjectsError          a journal of leases and exemptions that is damaged, missing or cannot be written
├── ListenError            a socket that cannot be opened
├── ChannelError           a message between processes that cannot be read, or is of another version
│   ├── ChannelClosed      the process at the other end is gone
│   ├── NoAnswer           it did not answer a request in time
│   └── RequestRefused     it answered that it cannot; carries why
├── FormatError            bytes that are not a DNS message we can answer; carries the rcode to answer with
│   └── NotAQuery          bytes that must not be answered at all
└── UpstreamError          no answer could be had from an upstream
    ├── UpstreamTimeout    it stayed silent
    ├── UpstreamUnreachable  the network or the host refused
    │   └── UpstreamInsecure  its certificate, or TLS with it, is not good
    ├── UpstreamBusy       too many queries wait for it already
    └── UpstreamBadAnswer  it answered, but nothing that can be used (SERVFAIL, REFUSED, garbage over TCP)
        └── UpstreamLame   it refers to other servers instead of answering
"""

from __future__ import annotations


class MoatdnsError(Exception):
    """Base of all errors that moatdns raises on purpose; the text is fit to show a user."""


class ConfigError(MoatdnsError):
    """The configuration cannot be used. `problems` holds one finished line for each mistake."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class RuleError(MoatdnsError):
    """A rule, a domain name or a network that cannot be read."""


class CatalogueError(MoatdnsError):
    """The bundled catalogue contradicts itself or cannot be read."""


class SnapshotError(MoatdnsError):
    """A compiled policy is damaged, missing, or was written by another version."""


class SubjectsError(MoatdnsError):
    """The journal of leases and exemptions is damaged or missing, or cannot be written."""


class ListenError(MoatdnsError):
    """A listening socket cannot be opened."""


class ChannelError(MoatdnsError):
    """A message between processes cannot be read, is not known, or is of another version."""


class ChannelClosed(ChannelError):
    """The process at the other end of a channel is gone."""


class NoAnswer(ChannelError):
    """A request on a channel was not answered within its patience."""


class RequestRefused(ChannelError):
    """The other process cannot do what was asked; the text is its own, fit to show a user."""


class FormatError(MoatdnsError):
    """Bytes that are not a well-formed query. `rcode` is what the client is told (an extended rcode, 0 to 4095)."""

    def __init__(self, why: str, rcode: int = 1) -> None:  # 1 is FORMERR (RFC 1035 section 4.1.1)
        super().__init__(why)
        self.rcode = rcode


class NotAQuery(FormatError):
    """Bytes that must be dropped in silence: too short for a header, or themselves a response."""


class UpstreamError(MoatdnsError):
    """An upstream gave no usable answer."""


class UpstreamTimeout(UpstreamError):
    """An upstream stayed silent for its whole time."""


class UpstreamUnreachable(UpstreamError):
    """The network or the upstream's host refused us."""


class UpstreamInsecure(UpstreamUnreachable):
    """TLS could not be agreed upon with an upstream, or its certificate is not one that we take."""


class UpstreamBusy(UpstreamError):
    """As many queries wait for an upstream as may."""


class UpstreamBadAnswer(UpstreamError):
    """An upstream answered with an error or with garbage. `rcode` is what it said, None if it cannot be read.

    `told` is the extended error that it gave for that, with its text.
    """

    def __init__(self, why: str, rcode: int | None = None, told: tuple[int, str] | None = None) -> None:
        super().__init__(why)
        self.rcode = rcode
        self.told = told


class UpstreamLame(UpstreamBadAnswer):
    """An upstream neither knows the answer nor looks for it."""


class ListError(MoatdnsError):
    """A list of rules that cannot be read at all."""


class FetchError(MoatdnsError):
    """A list could not be fetched. Its text says nothing of what stands behind private addresses."""
