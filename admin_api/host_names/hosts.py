"""Hosts files (hosts(5)): the first name of an address's first line is what its machine is called."""

from __future__ import annotations

from admin_api.host_names.found import FoundNames
from resolver.config.local_files import host_of_line
from resolver.errors import RuleError

_MARK = b"\xef\xbb\xbf"  # with which some editors begin UTF-8


def read_hosts(content: bytes, found: FoundNames) -> None:
    """Note the names of a hosts file."""
    for number, line in enumerate(content.removeprefix(_MARK).splitlines(), 1):
        try:
            host = host_of_line(line)
        except RuleError as error:
            found.pass_over(number, str(error))
            continue
        if host is not None:
            found.add(number, host[0], host[1][0], replaces=False)
