"""Sessions of the web pages: a cookie that stands for a token or for who signed in, as long as either holds.

They live in the memory of this process: whoever is logged in when it restarts logs in again. The cookie's text is not
kept, only its SHA-256. A token is looked up anew at each
call; who signed in is in until the time that the provider gave.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from admin_api.sign_in.person import SignedIn
from resolver.config.settings import LONGEST_SESSION_SECONDS

MOST_SESSIONS = 1000  # beyond, the one that was silent for longest ends
IDLE_SECONDS = 2 * 3600.0
REASON_SECONDS = 3600.0
_MOST_REASONS = 100
_MOST_TOLD = 5
_LONGEST_HINT = 4096  # of an ID token that is kept for the log-out


@dataclass(slots=True)
class Session:
    """One person's browser."""

    token_id: str  # "" of who signed in
    csrf: str  # that forms send back: a page of somebody else's cannot know it
    began: float
    used: float
    person: SignedIn | None = None
    id_token: str = ""  # the provider's, for its log-out; "" where it is too long for an address
    told: list[str] = field(default_factory=list)  # what the next page says once
    reasons: OrderedDict[str, tuple[str, float]] = field(default_factory=OrderedDict)  # of looks, and until when

    def tell(self, text: str) -> None:
        """Have the next page say this."""
        self.told = [*self.told, text][-_MOST_TOLD:]

    def take_told(self) -> list[str]:
        """Take the messages that are to be shown; they are shown once."""
        told, self.told = self.told, []
        return told

    def give_reason(self, look: str, reason: str, now: float) -> None:
        """Remember why its person looks at persons, for an hour; the oldest of many is forgotten."""
        self.reasons.pop(look, None)
        self.reasons[look] = reason, now + REASON_SECONDS
        while len(self.reasons) > _MOST_REASONS:
            self.reasons.popitem(last=False)

    def reason_for(self, look: str, now: float) -> str | None:
        """The reason of a look; None where there is none yet, or its hour is over."""
        reason, until = self.reasons.get(look, ("", now))
        return reason if now < until else None

    @property
    def last_reason(self) -> str:
        """The reason that was given last; "" for none."""
        return next(reversed(self.reasons.values()))[0] if self.reasons else ""


class Sessions:
    """All sessions; the one that was used last is at the end."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, wall: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._wall = wall
        self._by_digest: OrderedDict[bytes, Session] = OrderedDict()

    def __len__(self) -> int:
        return len(self._by_digest)

    def begin(self, token_id: str = "", person: SignedIn | None = None, id_token: str = "") -> str:
        """Begin one; gives the text of its cookie."""
        text = secrets.token_urlsafe(32)
        now = self._clock()
        self._by_digest[_digest(text)] = Session(
            *(token_id, secrets.token_urlsafe(32), now, now),
            person=person,
            id_token=id_token if len(id_token) <= _LONGEST_HINT else "",
        )
        while len(self._by_digest) > MOST_SESSIONS:
            self._by_digest.popitem(last=False)
        return text

    def find(self, text: str, *, is_used: bool = True) -> Session | None:
        """The session of a cookie; None when there is none, or its time is over.

        One that is not `is_used` by its person, but by a page that asks by itself, goes on being silent.
        """
        digest = _digest(text)
        session = self._by_digest.get(digest)
        if session is None:
            return None
        now = self._clock()
        is_past = session.person is not None and self._wall() >= session.person.ends
        if is_past or now - session.used > IDLE_SECONDS or now - session.began > LONGEST_SESSION_SECONDS:
            del self._by_digest[digest]
            return None
        if is_used:
            session.used = now
            self._by_digest.move_to_end(digest)
        return session

    def end(self, text: str) -> None:
        """End it, if it is there."""
        self._by_digest.pop(_digest(text), None)


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
