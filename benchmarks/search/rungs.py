"""Scores of ghostbench's designs at every length of training, the rungs: how they spread, agree and are disturbed.

A table is the 16 designs of a latency band on one data set. Its rungs are the proxies of 45 steps, the selection score
along the long trainings, and `VAL`, the score of their ends on val. The covariance of two rungs over *different* seeds
holds what designs are worth alone, that of one seed also its luck. The difference is noise, without any model of it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import kendalltau

from benchmarks.proxies.quality import read
from nas.architecture import from_key
from nas.surrogate import ScoredDesign

FIRST, LAST, VAL = 45, 1200, 0
RUNGS = (FIRST, 100, 200, 400, 600, 800, LAST, VAL)
BANDS = (("bccd", "target"), ("bccd", "yolo11n"), ("embedded", "target"))
Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Table:
    """Designs with their scores.

    Attributes:
        name: Data and band.
        designs: Their sizes; the score is not used.
        scores: By rung, (designs, seeds). The seeds of `FIRST` are the proxies', those of the others the trainings'.
        truth: (designs, training seeds), what a policy is judged by that looked at this seed.
    """

    name: str
    designs: tuple[ScoredDesign, ...]
    scores: dict[int, Values]
    truth: Values

    def take(self, index: "Sequence[int] | NDArray[np.int64]") -> "Table":
        """Some of the designs; one that is named twice counts as two."""
        designs = tuple(self.designs[at] for at in index)
        return Table(self.name, designs, {rung: all_[index] for rung, all_ in self.scores.items()}, self.truth[index])


def table(data: str, band: str, proxy: str) -> Table:
    """The table of a band, its designs in the order of their names: the same in all tables of a band."""

    def rows_of(name: str) -> dict[tuple[str, int], dict[str, str]]:
        rows = [row for row in read(name) if (row["data"], row["band"]) == (data, band)]
        return {(row["arch"], int(row["seed"])): row for row in rows if row.get("proxy", proxy) == proxy}

    trainings, proxies = rows_of("trainings.csv"), rows_of("proxies.csv")
    if not trainings or not proxies:
        raise SystemExit(f"no trainings or no proxies `{proxy}` of {data}, {band} in results/reference/ghostbench")
    sizes = {row["arch"]: (int(row["params"]), float(row["gflops"])) for row in read("architectures.csv")}
    curves = {key: dict(point.split(":") for point in row["curve"].split()) for key, row in trainings.items()}
    archs = sorted({arch for arch, _ in trainings})

    def matrix(rows: dict[tuple[str, int], dict[str, str]], column: str) -> Values:
        seeds = sorted({seed for _, seed in rows})
        return np.array([[float(rows[arch, seed][column]) for seed in seeds] for arch in archs])

    scores = {FIRST: matrix(proxies, "score"), VAL: matrix(trainings, "map50_95")}
    scores |= {rung: matrix(curves, str(rung)) for rung in RUNGS if rung not in scores}
    designs = tuple(ScoredDesign(from_key(arch), *sizes[arch], 0.0) for arch in archs)
    return Table(f"{data}, {band}", designs, scores, others(scores[VAL]))


def others(val: Values) -> Values:
    """The mean of the other seeds, (designs, seeds)."""
    return np.asarray((val.sum(axis=1, keepdims=True) - val) / (val.shape[1] - 1))


def covariances(one: Table) -> tuple[Values, Values]:
    """The covariances of the rungs over different seeds, and over the same seed, (rungs, rungs).

    No training has the seed of a proxy: both are over different seeds there.
    """
    columns = [(rung, (rung == FIRST, seed)) for rung in RUNGS for seed in range(one.scores[rung].shape[1])]
    owner = np.array([[float(rung == mine) for mine, _ in columns] for rung in RUNGS])
    same = np.array([[float(seed == other) for _, other in columns] for _, seed in columns])
    whole = np.cov(np.concatenate([one.scores[rung] for rung in RUNGS], axis=1).T)

    def mean(mask: Values) -> Values:
        counts = owner @ mask @ owner.T
        return np.asarray(owner @ (whole * mask) @ owner.T / np.where(counts > 0, counts, np.nan))

    across, along = mean(1 - same), mean(same)
    return across, np.where(np.isnan(along), across, along)


def pooled(tables: Sequence[Table]) -> tuple[Values, Values]:
    """The mean of the tables' covariances in units of each one's standard deviations; see `covariances`."""
    found = []
    for across, along in map(covariances, tables):
        unit = np.sqrt(np.outer(np.diag(along), np.diag(along)))
        found.append((across / unit, along / unit))
    across, along = (np.mean(each, axis=0) for each in zip(*found, strict=True))
    return across, along


def noise_shares(across: Values, along: Values) -> Values:
    """What share of the variance of one training is luck: 1 less the correlation of two seeds, (rungs,)."""
    return np.asarray(1 - np.diag(across) / np.diag(along))


def correlations(covariance: Values) -> Values:
    """Of a covariance; NaN where a variance is not above 0."""
    variance = np.where(np.diag(covariance) > 0, np.diag(covariance), np.nan)
    return np.asarray(covariance / np.sqrt(np.outer(variance, variance)))


def tau(one: Table, rung: int, other: int | None, same: bool) -> float:
    """How well a rung ranks another over the same seed or different ones, or the truth (None): Kendall's tau-b."""
    mine, its = one.scores[rung], one.truth if other is None else one.scores[other]
    free = (rung == FIRST) != (other == FIRST)
    pairs = [(a, b) for a in range(mine.shape[1]) for b in range(its.shape[1]) if free or (a == b) == same]
    return float(np.mean([kendalltau(mine[:, a], its[:, b]).statistic for a, b in pairs]))


def drawn(one: Table, count: int, pools: int, rng: np.random.Generator) -> Iterator[Table]:
    """Pools of designs with normal scores of a table's covariances, one seed each; their truth is without luck."""
    across, joint = covariances(one)
    joint[-1], joint[:, -1] = across[-1], across[-1]  # VAL, of other seeds
    values, vectors = np.linalg.eigh(joint)
    root = vectors * np.sqrt(np.clip(values, 0.0, None))
    nobody = (one.designs[0],) * count
    for scores in rng.standard_normal((pools, count, len(RUNGS))) @ root.T:
        by_rung = {rung: scores[:, at : at + 1] for at, rung in enumerate(RUNGS)}
        yield Table(one.name, nobody, by_rung, by_rung[VAL])


def resampled(tables: Sequence[Table], rng: np.random.Generator) -> list[Table]:
    """Tables of as many designs, drawn with replacement; a band's designs are the same in all its tables."""
    index = dict[str, NDArray[np.int64]]()
    for one in tables:
        index.setdefault(one.name.split(", ")[1], rng.integers(len(one.designs), size=len(one.designs)))
    return [one.take(index[one.name.split(", ")[1]]) for one in tables]


def within(values: Values, form: str = ".1f") -> str:
    """A 95% interval; nothing of no values."""
    if not len(values):
        return ""
    low, high = np.nanquantile(values, (0.025, 0.975))
    return f"({low:{form}} to {high:{form}})"


def row(name: str, cells: Sequence[str]) -> None:
    """Print a row of a table."""
    print(f"| {name} | {' | '.join(cells)} |", flush=True)


def head(name: str, cells: Sequence[str]) -> None:
    """Print the head of a table."""
    row(name, cells)
    print("|---" * (len(cells) + 1) + "|")


def called(rung: int) -> str:
    """A rung in a table."""
    return str(rung) if rung != VAL else "val"


def report(tables: Sequence[Table], replicates: int) -> None:
    """Print how rungs rank, spread, are disturbed and go together."""
    rng = np.random.default_rng(0)
    names = [one.name for one in tables]
    print("\n## Kendall's tau-b between rungs\n")
    head("of, to", (*names, "mean"))
    asked = [(FIRST, 400, False), (FIRST, LAST, False), *((400, LAST, same) for same in (True, False))]
    for rung, other, same in (*asked, *((rung, None, True) for rung in RUNGS[:-1])):
        taus = [tau(one, rung, other, same) for one in tables]
        name = "truth, other seeds" if other is None else f"{other}, {'the same training' if same else 'other seeds'}"
        row(f"{rung} to {name}", [f"{value:.2f}" for value in (*taus, np.mean(taus))])
    print("\n## Standard deviation over designs, and the share of the variance that is luck\n")
    head("rung", (*names, "share of luck, mean"))
    found = [covariances(one) for one in tables]
    again = [pooled(resampled(tables, rng)) for _ in range(replicates)]
    shares, drawn_shares = noise_shares(*pooled(tables)), np.array([noise_shares(*each) for each in again])
    for at, rung in enumerate(RUNGS):
        cells = [f"{along[at, at] ** 0.5:.4f}, {noise_shares(across, along)[at]:.2f}" for across, along in found]
        row(called(rung), (*cells, f"{shares[at]:.2f} {within(drawn_shares[:, at], '.2f')}"))
    across, along = pooled(tables)
    drawn_ = np.array([correlations(each) for each, _ in again])
    for title, values in (
        ("of what designs are worth (luck removed)", correlations(across)),
        ("of luck in one training", correlations(along - across)),
        ("of scores of one training", correlations(along)),
    ):
        print(f"\n## Correlations {title}\n")
        head("", [called(rung) for rung in RUNGS])
        for at, rung in enumerate(RUNGS):
            row(called(rung), [f"{value:.2f}" for value in values[at]])
    print("\n## Correlations of what designs are worth, by table\n")
    head("rungs", (*names, "pooled"))
    for rung, other in ((FIRST, 400), (FIRST, LAST), (FIRST, VAL), (400, LAST), (400, VAL), (LAST, VAL)):
        a, b = RUNGS.index(rung), RUNGS.index(other)
        cells = [f"{correlations(each)[a, b]:.2f}" for each, _ in found]
        cells.append(f"{correlations(across)[a, b]:.2f} {within(drawn_[:, a, b], '.2f')}")
        row(f"{called(rung)} and {called(other)}", cells)
