"""Are numbers as evenly spread as chance makes them? Two tests; each gives the probability that chance does worse."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from statistics import NormalDist


def chi_square_p(values: Iterable[int], bins: int) -> float:
    """Pearson's test of `values`, each 0 to `bins` - 1, against all being equally likely.

    The distribution is approximated after Wilson and Hilferty; with 60 bins or more that is good to three digits.
    """
    counts = Counter(values)
    expected = counts.total() / bins
    statistic = sum((counts[value] - expected) ** 2 for value in range(bins)) / expected
    freedom = bins - 1
    spread = 2 / (9 * freedom)
    return 1 - NormalDist().cdf(((statistic / freedom) ** (1 / 3) - (1 - spread)) / math.sqrt(spread))


def kolmogorov_smirnov_p(values: Sequence[int], low: int, high: int) -> float:
    """The one-sample test of `values` against all from `low` to `high` (both included) being equally likely."""
    count = len(values)
    width = high - low + 1
    distance = max(
        max((place + 1) / count - (value - low + 0.5) / width, (value - low + 0.5) / width - place / count)
        for place, value in enumerate(sorted(values))
    )
    scaled = (math.sqrt(count) + 0.12 + 0.11 / math.sqrt(count)) * distance  # Stephens, 1970
    terms = ((-1) ** (k - 1) * math.exp(-2 * (k * scaled) ** 2) for k in range(1, 101))
    return min(1.0, max(0.0, 2 * math.fsum(terms)))
