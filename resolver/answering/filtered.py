"""Answers that were filtered, by us or by an upstream: counted, and the latest names, for somebody to open them."""

from __future__ import annotations

from collections import Counter
from typing import Final

from resolver.wire.answer import Answer
from resolver.wire.remarks import PRIVATE_ADDRESSES, ZERO_ADDRESS, ede_in, is_zero_address, remark_of_ede

_MOST_STRIPPED: Final = 20  # names that are told
_STRIPPED_SECONDS: Final = 86400.0  # for which one is told


class Filtered:
    """A worker's. `remarks` are answers by kind (resolver.wire.remarks.KINDS)."""

    def __init__(self) -> None:
        self.remarks: Counter[str] = Counter()
        self._stripped: dict[bytes, float] = {}  # the latest names whose private addresses were left out, and when

    @property
    def results(self) -> dict[tuple[str, ...], int]:
        """The counts of remarks, as metrics have them."""
        return {("remark", kind): count for kind, count in self.remarks.items()}

    def stripped(self, now: float) -> list[bytes]:
        """Names (wire form) whose private addresses were left out within a day, the latest last."""
        return [name for name, at in self._stripped.items() if at >= now - _STRIPPED_SECONDS]

    def note(self, answer: Answer, said: Answer, message: bytes, qname: bytes, now: float) -> None:
        """Remark on an answer, made of what an upstream `said`, where it was filtered and is not all that there is."""
        told = ede_in(message)
        remark = None if told is None else remark_of_ede(told)
        if remark is None and said.answers and is_zero_address(said.body, said.answers):
            remark = ZERO_ADDRESS
        if remark is None and answer.filtered:
            remark = PRIVATE_ADDRESSES
            self._stripped.pop(qname, None)
            self._stripped[qname] = now
            if len(self._stripped) > _MOST_STRIPPED:
                del self._stripped[next(iter(self._stripped))]
        if remark is not None:
            answer.remark = remark
            self.remarks[remark[0]] += 1
