"""A proxy's header at the beginning of a connection, as far as it has come. No I/O."""

from __future__ import annotations

from resolver.wire.proxy_header import ProxyHeader, read_proxy_header, starts_like_proxy_header, starts_like_version_1


class HeaderReader:
    """Reader of a header.

    * `header`: the one that has come; None where none has, or none will;
    * `rest`: what came behind it, or all that came.
    """

    def __init__(self) -> None:
        self.header: ProxyHeader | None = None
        self.rest = b""

    def feed(self, data: bytes) -> bool:
        """Take more of what comes; True once it is known whether there is a header. Raises FormatError.

        False for what begins like one of version 1, which is not spoken here, as for what may still become one.
        """
        self.rest += data
        if starts_like_version_1(self.rest):
            return False
        if starts_like_proxy_header(self.rest):
            self.header = read_proxy_header(self.rest)
            if self.header is None:
                return False
            self.rest = self.rest[self.header.length :]
        return True
