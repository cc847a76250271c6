"""Failures of one question at its servers, and the error that is told when all have failed."""

from __future__ import annotations

from resolver.errors import UpstreamBadAnswer, UpstreamError, UpstreamLame, UpstreamTimeout, UpstreamUnreachable


class Failures:
    """Failures so far.

    * `rcode`: the last error rcode heard, `told`: the extended error that came with one.
    * `is_lame`: some server referred to others; `was_silent`: some server was; `error`: the last one.
    """

    def __init__(self) -> None:
        self.rcode: int | None = None
        self.told: tuple[int, str] | None = None
        self.is_lame = False
        self.was_silent = False
        self.error: UpstreamError | None = None

    def note(self, error: UpstreamError) -> Failures:
        """Note the error of one more try; gives itself."""
        self.error = error
        if isinstance(error, UpstreamTimeout):
            self.was_silent = True
        return self

    def verdict(self, asked: str) -> UpstreamError:
        """The error to tell: an rcode says most, then a referral, silence of those `asked`, and last a refusal."""
        if self.rcode is not None:
            return UpstreamBadAnswer(
                f"no upstream gave an answer; the last response had rcode {self.rcode}", self.rcode, self.told
            )
        if self.is_lame:
            return UpstreamLame("the upstreams return referrals instead of answers")
        if self.was_silent:
            return UpstreamTimeout(f"no answer from {asked}")
        return self.error or UpstreamUnreachable("no upstream could be asked")
