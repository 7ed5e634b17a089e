"""Diversity of one sample, from its counts of taxa; NaN where nothing was counted.

Intervals are normal ones around the estimate, from its variance under multinomial sampling. They hold for a sample that
was drawn at random, and say nothing of names that are wrong.
"""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_diatom.statistics.count_vectors import present_counts, present_individuals, present_shares

Bounds = tuple[float, float]
"""The ends of an interval; NaN where there is none."""

NO_BOUNDS: Bounds = (math.nan, math.nan)


def shannon(counts: ArrayLike, base: float = math.e) -> float:
    """Return the Shannon index H' = - sum p log p.

    Parameters
    ----------
    counts : array-like, shape (S,)
        Of each taxon.
    base : float
        Of the logarithm: e as in DiaThor and vegan, 2 as in OMNIDIA, or 10. An index without its base says nothing.

    References
    ----------
    Shannon 1948, Bell System Technical Journal 27:379.
    """
    p = present_shares(counts)
    return float(-(p * np.log(p)).sum() / math.log(base)) + 0.0 if len(p) else math.nan


def shannon_bounds(counts: ArrayLike, base: float = math.e, level: float = 0.95) -> Bounds:
    """Return the interval of the Shannon index.

    The variance, in natural units, is (sum p ln(p)^2 - H^2) / n + (S - 1) / (2 n^2).

    Parameters
    ----------
    counts, base
        As in :func:`shannon`.
    level : float
        Share of samples whose interval holds the true value.

    References
    ----------
    Hutcheson 1970, Journal of Theoretical Biology 29:151.
    """
    found = present_counts(counts)
    if not len(found):
        return NO_BOUNDS
    p, n = found / found.sum(), float(found.sum())
    h = shannon(found)
    variance = (float((p * np.log(p) ** 2).sum()) - h * h) / n + (len(p) - 1) / (2 * n * n)
    low, high = _normal(h, variance, level)
    return max(low, 0.0) / math.log(base), high / math.log(base)


def pielou(counts: ArrayLike) -> float:
    """Return Pielou's evenness J' = H' / ln S, of any base; NaN for one taxon.

    References
    ----------
    Pielou 1966, Journal of Theoretical Biology 13:131.
    """
    taxa = len(present_counts(counts))
    return shannon(counts) / math.log(taxa) if taxa > 1 else math.nan


def pielou_bounds(counts: ArrayLike, level: float = 0.95) -> Bounds:
    """Return the interval of Pielou's evenness, for the taxa that were seen: that of H' divided by ln S."""
    taxa = len(present_counts(counts))
    if taxa < 2:
        return NO_BOUNDS
    low, high = shannon_bounds(counts, level=level)
    return low / math.log(taxa), min(high / math.log(taxa), 1.0)


def simpson(counts: ArrayLike) -> float:
    """Return the Gini-Simpson index 1 - sum p^2.

    References
    ----------
    Simpson 1949, Nature 163:688.
    """
    p = present_shares(counts)
    return 1 - float((p * p).sum()) if len(p) else math.nan


def simpson_bounds(counts: ArrayLike, level: float = 0.95) -> Bounds:
    """Return the interval of the Gini-Simpson index; the variance is 4 (sum p^3 - (sum p^2)^2) / n (Simpson 1949)."""
    found = present_counts(counts)
    if not len(found):
        return NO_BOUNDS
    low, high = _normal(simpson(found), _concentration_variance(found), level)
    return max(low, 0.0), min(high, 1.0)


def hill_n2(counts: ArrayLike) -> float:
    """Return Hill's N2 = 1 / sum p^2, the effective number of common taxa.

    References
    ----------
    Hill 1973, Ecology 54:427.
    """
    p = present_shares(counts)
    return 1 / float((p * p).sum()) if len(p) else math.nan


def hill_n2_bounds(counts: ArrayLike, level: float = 0.95) -> Bounds:
    """Return the interval of N2; its variance is that of sum p^2, times N2^4 (delta method)."""
    found = present_counts(counts)
    if not len(found):
        return NO_BOUNDS
    n2 = hill_n2(found)
    low, high = _normal(n2, _concentration_variance(found) * n2**4, level)
    return max(low, 1.0), high


def chao1(counts: ArrayLike) -> float:
    """Return how many taxa there are at least, seen or not: S + f1 (f1 - 1) / (2 (f2 + 1)), bias-corrected.

    Parameters
    ----------
    counts : array-like, shape (S,)
        Whole numbers of individuals. f1 taxa have one, f2 have two.

    References
    ----------
    Chao 1984, Scandinavian Journal of Statistics 11:265; Chao 2005, Encyclopedia of Statistical Sciences.
    """
    n = present_individuals(counts)
    ones, twos = int((n == 1).sum()), int((n == 2).sum())
    return len(n) + ones * (ones - 1) / (2 * (twos + 1))


def chao1_bounds(counts: ArrayLike, level: float = 0.95) -> Bounds:
    """Return the interval of :func:`chao1`: log-normal above the number of taxa seen, never below it.

    The variance is f1 (f1 - 1) / (2 (f2 + 1)) + f1 (2 f1 - 1)^2 / (4 (f2 + 1)^2) + f1^2 f2 (f1 - 1)^2 / (4 (f2 + 1)^4),
    or without f2 f1 (f1 - 1) / 2 + f1 (2 f1 - 1)^2 / 4 - f1^4 / (4 Chao1). Without f1 the interval is a normal one
    around S / (1 - P) with the variance S P / (1 - P), where P = exp(-n / S).

    References
    ----------
    Chao 1987, Biometrics 43:783; Colwell 2013, EstimateS 9, appendix B, equations 6, 7, 13 and 14.
    """
    n = present_individuals(counts)
    if not len(n):
        return NO_BOUNDS
    seen, z = len(n), _quantile(level)
    ones, twos = int((n == 1).sum()), int((n == 2).sum())
    if not ones:
        p = math.exp(-int(n.sum()) / seen)
        half = z * math.sqrt(seen * p / (1 - p))
        return max(float(seen), seen / (1 - p) - half), seen / (1 - p) + half
    unseen = ones * (ones - 1) / (2 * (twos + 1))
    if not unseen:
        return float(seen), float(seen)
    variance = unseen + ones * (2 * ones - 1) ** 2 / (4 * (twos + 1) ** 2)
    if twos:
        variance += ones**2 * twos * (ones - 1) ** 2 / (4 * (twos + 1) ** 4)
    else:
        variance -= ones**4 / (4 * (seen + unseen))
    k = math.exp(z * math.sqrt(math.log1p(variance / unseen**2)))
    return seen + unseen / k, seen + unseen * k


def coverage(counts: ArrayLike) -> float:
    """Return the share of the sample's individuals whose taxa were seen (Good's coverage as Chao and Jost improve it).

    C = 1 - f1 / n * (n - 1) f1 / ((n - 1) f1 + 2 f2); without f2 it is Good's 1 - f1 / n.

    Parameters
    ----------
    counts : array-like, shape (S,)
        Whole numbers of individuals. f1 taxa have one, f2 have two, n are all individuals.

    References
    ----------
    Good 1953, Biometrika 40:237; Chao and Jost 2012, Ecology 93:2533, equation 4a.
    """
    found = present_individuals(counts)
    n = int(found.sum())
    if not n:
        return math.nan
    ones, twos = int((found == 1).sum()), int((found == 2).sum())
    above = (n - 1) * ones
    return 1 - ones / n * (above / (above + 2 * twos) if twos else 1)


def _concentration_variance(found: NDArray[np.float64]) -> float:
    """Return the variance of sum p^2."""
    n = float(found.sum())
    p = found / n
    return max(4 * (float((p**3).sum()) - float((p * p).sum()) ** 2) / n, 0.0)


def _normal(value: float, variance: float, level: float) -> Bounds:
    half = _quantile(level) * math.sqrt(max(variance, 0.0))
    return value - half, value + half


def _quantile(level: float) -> float:
    return NormalDist().inv_cdf((1 + level) / 2)
