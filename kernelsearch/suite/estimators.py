"""What k tries would have come to, estimated from n >= k of them without bias. Pure, and stable for large n: no factorial is formed.

pass@k is the chance that one of k tries succeeds (Chen et al., arXiv 2107.03374); eff@k the mean of the best efficiency among k tries
(Qiu et al., ENAMEL, arXiv 2406.06647), a Rao-Blackwell average over all subsets of size k. An efficiency is 1 at the reference's time, 0 at
the limit and for what failed; beyond the limit a time need not be known, so a time-out that is censored there costs no bias.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

ALPHA = 2.0  # the limit, in baseline times: as in ENAMEL's, so that the baseline itself is worth about a half


def pass_at(k: int, successes: int, tries: int) -> float:
    """1 - C(n - c, k) / C(n, k)."""
    _check(k, tries)
    if not 0 <= successes <= tries:
        raise ValueError(f"{successes} successes in {tries} tries")
    if tries - successes < k:
        return 1.0
    return -math.expm1(math.fsum(math.log1p(-k / n) for n in range(tries - successes + 1, tries + 1)))


def best_of(k: int, values: Sequence[float]) -> float:
    """The mean over all subsets of size k of their largest: sum of C(r-1, k-1) / C(n, k) times the r-th smallest."""
    _check(k, len(values))
    weight, terms = k / len(values), []
    for rank, value in zip(range(len(values), k - 1, -1), sorted(values, reverse=True), strict=False):
        terms.append(weight * value)
        weight *= (rank - k) / (rank - 1) if rank > 1 else 0.0
    return math.fsum(terms)


def efficiency(time_us: float | None, reference_us: float, baseline_us: float, *, alpha: float = ALPHA) -> float:
    """(tau - t) / (tau - reference), and 0 for t beyond tau = alpha times the baseline, or none at all. Above 1: faster than the reference.

    Both reference and baseline are known ways to do the work, so the limit is that of the slower.
    """
    limit = alpha * max(baseline_us, reference_us)
    return 0.0 if time_us is None or time_us >= limit else (limit - time_us) / (limit - reference_us)


def _check(k: int, tries: int) -> None:
    if not 1 <= k <= tries:
        raise ValueError(f"best of {k} cannot be told from {tries} tries")
