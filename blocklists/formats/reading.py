"""Read a list of any format."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Final

from blocklists.formats.adblock import read_adblock
from blocklists.formats.content import MOST_RULES, Collector, ListContent
from blocklists.formats.detection import SAMPLE_LINES, detect, says_something
from blocklists.formats.names import Lines, read_domains, read_hosts
from blocklists.formats.rpz import read_rpz
from blocklists.formats.servers import read_dnsmasq, read_unbound
from blocklists.formats.text import MOST_BYTES, lines_of

READER: Final = 3
"""Goes up when the same list would be read otherwise, so that it is fetched anew."""

_READERS: Final[dict[str, Callable[[Lines, Collector], None]]] = {
    "domains": read_domains,
    "hosts": read_hosts,
    "adblock": read_adblock,
    "dnsmasq": read_dnsmasq,
    "unbound": read_unbound,
    "rpz": read_rpz,
}
FORMATS: Final = ("auto", *_READERS)


def read_list(
    chunks: Iterable[bytes],
    format: str = "auto",  # noqa: A002 (the contract's word)
    *,
    most_rules: int = MOST_RULES,
    most_bytes: int = MOST_BYTES,
    may_have_regexes: bool = False,
    quotes: bool = True,
) -> ListContent:
    """Read a list, plain or gzip, as one of FORMATS. Raises ListError for what is no list at all.

    A line that cannot be read, or that says what DNS cannot do, is counted and told; the rest counts. Without `quotes`
    it is told by its number only.
    """
    into = Collector(most_rules, may_have_regexes=may_have_regexes, quotes=quotes)
    lines = _counted(lines_of(chunks, into.problem, most_bytes=most_bytes), into)
    name = format
    if name == "auto":
        head: list[tuple[int, str]] = []
        said: list[str] = []
        for number, line in lines:
            head.append((number, line))
            if says_something(line):
                said.append(line)
                if len(said) >= SAMPLE_LINES:
                    break
        name = detect(said)
        lines = chain(head, lines)
    _READERS[name](lines, into)
    return into.finish(name)


def _counted(lines: Iterator[tuple[int, str]], into: Collector) -> Iterator[tuple[int, str]]:
    for number, line in lines:
        into.lines = number
        yield number, line
