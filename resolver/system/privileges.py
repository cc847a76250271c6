"""Users of this machine, and becoming one of them for good."""

from __future__ import annotations

import os
import pwd
from dataclasses import dataclass

from resolver.errors import MoatdnsError


@dataclass(frozen=True, slots=True)
class Account:
    """A user of this machine."""

    name: str
    uid: int
    gid: int

    @classmethod
    def named(cls, name: str) -> Account:
        """The user of that name. Raises MoatdnsError."""
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            raise MoatdnsError(
                f"user: there is no user {name!r} on this machine; add one ('useradd --system {name}') or name another"
            ) from None
        if entry.pw_uid == 0:
            raise MoatdnsError(f"user: {name!r} is root: name an ordinary user")
        return cls(entry.pw_name, entry.pw_uid, entry.pw_gid)

    @classmethod
    def with_id(cls, uid: int) -> Account:
        """The user with that id. Raises MoatdnsError."""
        try:
            return cls.named(pwd.getpwuid(uid).pw_name)
        except KeyError:
            raise MoatdnsError(f"no user of this machine has the id {uid}: run this as that id") from None

    def take_over(self) -> None:
        """Make this process that user's, with no way back. Raises OSError."""
        os.setgroups([])
        os.setresgid(self.gid, self.gid, self.gid)
        os.setresuid(self.uid, self.uid, self.uid)


def name_of(uid: int) -> str:
    """The name of the user with that id; the id where nobody has it."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
