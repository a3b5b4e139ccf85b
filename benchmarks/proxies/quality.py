"""How well proxies rank ghostbench's architectures: within latency bands, overall, and by the best they find.

    python -m benchmarks.proxies.quality                     # make proxy-report
    python -m benchmarks.proxies.quality --data embedded --held-out
    python -m benchmarks.proxies.quality --keep --yaml bccd/data.yaml

Concordance is Kendall's tau from the pairs within a band, pooled over the bands: (agreeing - disagreeing) / pairs.
The truth is the mean over the seeds of the longest trainings. `top-1 regret` is how far the truth of the architecture
that a proxy likes best lies below the best of its band, in points of mAP (0.01), a band. Intervals are 95% bootstraps
over the architectures of each band; the noise of the truth itself is not in them, but told before the table. A name
with `, posterior` is the posterior mean of a proxy's scores (nas/surrogate/posterior.py), learnt from all architectures
of the table together, as a search does from its trials.
"""

import argparse
import csv
import json
import math
import statistics
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata, spearmanr

from nas.architecture import from_key
from nas.data import load
from nas.results.proxy_quality import MEASURED, Ranking, measured
from nas.space import load_space
from nas.surrogate import ScoredDesign, posterior_of

FOLDER = Path("results/reference/ghostbench")
FREE = ("params", "gflops", "latency_ms")
SEARCH_STEPS = 45
"""Length of the proxies named `search`; whoever changes a search's default scores all of them anew."""
REPLICATES = 1000
BANDS = ("target", "yolo11n")
HEAD = (
    "| proxy | tau within bands | tau overall | top-1 regret a band | cost | architectures |\n|---|---|---|---|---|---|"
)
Values = NDArray[np.float64]
Scores = dict[str, tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Truth:
    """An architecture with the scores of its long trainings, one a seed; the first seed's curve, seconds and loss."""

    arch: str
    band: str
    held_out: bool
    seeds: tuple[float, ...]
    curve: dict[int, float] = field(default_factory=dict)
    seconds: float = 0.0
    train_loss: float = 0.0

    @property
    def mean(self) -> float:
        """The mean over the seeds."""
        return statistics.mean(self.seeds)


def read(name: str) -> list[dict[str, str]]:
    """A table of ghostbench; empty where there is none yet."""
    path = FOLDER / name
    if not path.is_file():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def usual_steps(data: str) -> str:
    """The most frequent length of the trainings on the data."""
    steps = [row["steps"] for row in read("trainings.csv") if row["data"] == data]
    if not steps:
        raise SystemExit(
            f"no trainings on {data} in {FOLDER / 'trainings.csv'}: python -m benchmarks.proxies.ghostbench.train"
        )
    return statistics.mode(steps)


def truths(data: str, steps: str) -> list[Truth]:
    """The architectures that are trained on the data for so many steps, with their scores."""
    rows = [row for row in read("trainings.csv") if row["data"] == data]
    found: dict[str, list[dict[str, str]]] = {}
    for row in rows:
        if row["steps"] == steps:
            found.setdefault(row["arch"], []).append(row)
    return [_truth(arch, sorted(mine, key=lambda row: int(row["seed"]))) for arch, mine in found.items()]


def _truth(arch: str, rows: Sequence[dict[str, str]]) -> Truth:
    points = (point.split(":") for point in rows[0]["curve"].split())
    return Truth(
        arch=arch,
        band=rows[0]["band"],
        held_out=rows[0]["held_out"] == "1",
        seeds=tuple(float(row["map50_95"]) for row in rows),
        curve={int(step): float(value) for step, value in points},
        seconds=float(rows[0]["seconds"]),
        train_loss=float(rows[0]["train_loss"]),
    )


def stopped_early(known: Sequence[Truth]) -> Iterator[tuple[str, list[Truth], Scores]]:
    """The first seed's curve at each of its steps, as a proxy for the mean of the other seeds."""
    several = [replace(one, seeds=one.seeds[1:]) for one in known if len(one.seeds) > 1]
    steps = sorted(set[int]().union(*(one.curve for one in several)))
    for step in steps:
        scored = {one.arch: (one.curve[step], one.seconds * step / steps[-1]) for one in several if step in one.curve}
        yield f"{step} of {steps[-1]} steps", several, scored


def beginnings(known: Sequence[Truth]) -> Iterator[tuple[str, Scores]]:
    """What the first seed's curve, its extrapolations and its last losses say of its own end, which favours them."""
    curves = [one for one in known if one.curve]
    steps = sorted(set[int]().union(*(one.curve for one in curves)))

    def cost(one: Truth, step: int) -> float:
        return one.seconds * step / steps[-1]

    for step in steps:
        yield f"{step} of {steps[-1]} steps", {one.arch: (one.curve[step], cost(one, step)) for one in curves}
    for points in (3, 4, 6):
        first = steps[:points]
        table = {
            one.arch: (extrapolated([one.curve[at] for at in first], first, steps[-1]), cost(one, first[-1]))
            for one in curves
        }
        yield f"extrapolated from {first[-1]} steps", table
    yield "the last losses", {one.arch: (-one.train_loss, cost(one, steps[-1])) for one in curves}


def extrapolated(values: Sequence[float], steps: Sequence[int], wanted: int) -> float:
    """A curve's value later on by the law a - b step^-c that fits its beginning; the last value where none does."""
    from scipy.optimize import OptimizeWarning, curve_fit

    def law(step: Values, a: float, b: float, c: float) -> Values:
        return a - b * step**-c

    bounds = ([0.0, 0.0, 0.1], [1.0, 50.0, 3.0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OptimizeWarning)
        try:
            found, _ = curve_fit(law, np.array(steps, float), values, p0=(0.5, 1.0, 0.5), bounds=bounds, maxfev=5000)
        except RuntimeError:
            return values[-1]
    return float(law(np.array(wanted, float), *found))


def agreement(score: Values, truth: Values) -> tuple[int, int]:
    """Pairs that a score orders as the truth does less those that it turns round, and all pairs that differ."""
    first, second = np.triu_indices(len(score), 1)
    truly = np.sign(truth[first] - truth[second])
    return int((np.sign(score[first] - score[second]) * truly).sum()), int(np.abs(truly).sum())


def pooled_tau(parts: Sequence[tuple[Values, Values]]) -> float:
    """Concordance of the pairs within each part."""
    counted = [agreement(score, truth) for score, truth in parts]
    pairs = sum(total for _, total in counted)
    return sum(balance for balance, _ in counted) / pairs if pairs else float("nan")


def regret(score: Values, truth: Values) -> float:
    """Points of mAP between the best and what the score likes best."""
    return float(truth.max() - truth[int(score.argmax())]) * 100


def mean_tau(parts: Sequence[tuple[Values, Values]]) -> float:
    """The mean concordance of several scores, (architectures, scores) a part."""
    count = parts[0][0].shape[1]
    return statistics.mean(pooled_tau([(score[:, one], truth) for score, truth in parts]) for one in range(count))


def usual_regret(score: Values, truth: Values) -> float:
    """The mean regret among random halves of a band: less a matter of which design happens to be its best."""
    rng, values = np.random.default_rng(0), []
    for _ in range(REPLICATES):
        drawn = rng.choice(len(score), len(score) // 2, replace=False)
        values.append(regret(score[drawn], truth[drawn]))
    return statistics.mean(values)


def correlation(parts: Sequence[tuple[Values, Values]]) -> float:
    """Pearson's, of what deviates from the mean of each part."""
    score, truth = (np.concatenate([part[of] - part[of].mean() for part in parts]) for of in (0, 1))
    return float(np.corrcoef(score, truth)[0, 1])


def interval(parts: Sequence[tuple[Values, Values]], of: Callable[..., float]) -> tuple[float, float]:
    """95% bootstrap over the architectures of each part."""
    rng, values = np.random.default_rng(0), []
    for _ in range(REPLICATES):
        drawn = [rng.integers(len(score), size=len(score)) for score, _ in parts]
        value = of([(score[at], truth[at]) for at, (score, truth) in zip(drawn, parts, strict=True)])
        if np.isfinite(value):
            values.append(value)
    low, high = np.quantile(values, (0.025, 0.975)) if values else (np.nan, np.nan)
    return float(low), float(high)


def scores(data: str, seed: int | None = None) -> dict[str, Scores]:
    """By proxy: what each architecture got (the mean over the seeds, or by one seed), and its seconds."""
    chosen = {row["arch"]: row for row in read("architectures.csv")}
    found: dict[str, Scores] = {name: {arch: (float(row[name]), 0.0) for arch, row in chosen.items()} for name in FREE}
    kept: dict[tuple[str, str], list[dict[str, str]]] = {}
    for row in read("proxies.csv"):
        if row["data"] == data and (seed is None or int(row["seed"]) == seed):
            kept.setdefault((row["proxy"], row["arch"]), []).append(row)
    for (proxy, arch), rows in kept.items():
        value, cost = (statistics.mean(float(row[column]) for row in rows) for column in ("score", "seconds"))
        found.setdefault(proxy, {})[arch] = value, cost
    for proxy in [name for name in found if name not in FREE]:
        table = found[proxy]
        scored = [
            ScoredDesign(from_key(arch), int(chosen[arch]["params"]), float(chosen[arch]["gflops"]), value)
            for arch, (value, _) in table.items()
        ]
        better = posterior_of(scored)
        if better is not None:
            found[f"{proxy}, posterior"] = {
                arch: (one.mean, cost) for (arch, (_, cost)), one in zip(table.items(), better.estimates, strict=True)
            }
    return found


def parts_of(
    known: Sequence[Truth], score: Callable[[Truth], float], truth: Callable[[Truth], float] = lambda one: one.mean
) -> list[tuple[Values, Values]]:
    """Scores and truth of each band."""
    groups = [[one for one in known if one.band == band] for band in BANDS]
    return [
        (np.array([score(one) for one in group]), np.array([truth(one) for one in group]))
        for group in groups
        if len(group) > 1
    ]


def seed_against_seed(group: Sequence[Truth]) -> float:
    """How well one seed of the long trainings ranks another, over all pairs of seeds; NaN with one seed."""
    seeds = min((len(one.seeds) for one in group), default=0)
    taus = [
        pooled_tau([(np.array([one.seeds[a] for one in group]), np.array([one.seeds[b] for one in group]))])
        for a, b in combinations(range(seeds), 2)
    ]
    return statistics.mean(taus) if taus else float("nan")


def ceiling(group: Sequence[Truth]) -> Callable[[int], float]:
    """What tau a perfect proxy would reach against the mean of so many seeds, were all normal.

    tau = 2/pi asin(rho), with rho the correlation of what the designs are worth with that mean (Kruskal 1958,
    doi:10.1080/01621459.1958.10501481).
    """
    noise = statistics.mean(statistics.variance(one.seeds) for one in group)
    seen = statistics.variance([one.mean for one in group])
    real = max(seen - noise * statistics.mean(1 / len(one.seeds) for one in group), 0.0)
    return lambda seeds: 2 / math.pi * math.asin(math.sqrt(real / (real + noise / seeds))) if real else 0.0


def line(name: str, known: Sequence[Truth], found: Scores) -> str:
    """One proxy's row of the table."""
    mine = [one for one in known if one.arch in found]
    parts = parts_of(mine, at(found))
    if not parts:
        return f"| {name} | - | - | - | - | {len(mine)} |"
    within, (low, high) = pooled_tau(parts), interval(parts, pooled_tau)
    every = [(np.array([at(found)(one) for one in mine]), np.array([one.mean for one in mine]))]
    cost = statistics.mean(found[one.arch][1] for one in mine)
    regrets = " / ".join(f"{regret(*part):.1f}" for part in parts)
    return (
        f"| {name} | {within:.2f} ({low:.2f} to {high:.2f}) | {pooled_tau(every):.2f} | {regrets} | "
        f"{cost:.1f} s | {len(mine)} |"
    )


def describe(band: str, group: Sequence[Truth]) -> str:
    """How far apart the truth of a band's architectures lies, how noisy it is, and what that allows."""
    means = [one.mean for one in group]
    lost = 100 * (max(means) - statistics.mean(means))
    text = (
        f"{band}: {len(group)} architectures, mAP50-95 {min(means):.3f} to {max(means):.3f}, sd between them "
        f"{statistics.stdev(means):.4f}; one drawn at random lies {lost:.1f} points "
        "behind the best in the mean"
    )
    curves = [sorted(one.curve.items()) for one in group if one.curve]
    gains = [curve[-1][1] - next(value for step, value in curve if step >= 0.75 * curve[-1][0]) for curve in curves]
    if gains:
        text += f"; the last quarter adds {min(gains):.3f} to {max(gains):.3f} on the selection part"
    several = [one for one in group if len(one.seeds) > 1]
    if len(several) < len(group):
        return f"{text}; {len(several)} of them with several seeds"
    noise = math.sqrt(statistics.mean(statistics.variance(one.seeds) for one in several))
    best = ceiling(several)
    shown = ", ".join(f"{best(seeds):.2f} of {seeds}" for seeds in (1, 2, 3, 10))
    return (
        f"{text}; between seeds {noise:.4f}. One seed ranks another with tau {seed_against_seed(several):.2f}. "
        f"The most that a proxy can reach against the mean of some seeds: {shown}"
    )


def one_or_more(least: int, most: int) -> str:
    """A number of seeds in words."""
    if least < most:
        return f"{least} to {most} seeds"
    return f"{most} seed{'s' if most > 1 else ''}"


def keep(data: str, digest: str, steps: str, known: Sequence[Truth]) -> None:
    """Write what a search's report says of its proxies: of one seed each, the mean over the seeds and its interval."""
    space = load_space("ghostv2-n-wide")
    bands = [one for one in known if one.band in BANDS]
    seeds, most = (which(len(one.seeds) for one in bands) for which in (min, max))
    tables = [found for found in (scores(data, seed) for seed in range(9)) if covers(found, bands)]
    groups = [group for group in ([one for one in bands if one.band == band] for band in BANDS) if len(group) > 1]

    def every_seed(name: str, among: Sequence[Truth]) -> tuple[Values, Values]:
        each = [[at(found[name])(one) for found in tables] for one in among]
        return np.array(each), np.array([one.mean for one in among])

    def by_band(name: str) -> list[tuple[Values, Values]]:
        return [every_seed(name, group) for group in groups]

    def within(name: str) -> float:
        return round(mean_tau(by_band(name)), 3)

    low, high = interval(by_band("search"), mean_tau)
    best = statistics.mean(ceiling(group)(seeds) for group in groups) if seeds > 1 else None
    overall = None
    if len(bands) < len(known) and all(covers(found, known) for found in tables):
        overall = mean_tau([every_seed("search, posterior", known)])
    one = Ranking(
        space=space.name,
        space_digest=space.digest,
        data=data,
        data_digest=digest,
        steps=SEARCH_STEPS,
        architectures=len(bands),
        truth=f"{steps} steps and {one_or_more(seeds, most)}",
        within=within("search"),
        within_low=round(low, 3),
        within_high=round(high, 3),
        estimated=within("search, posterior"),
        params=within("params"),
        overall=None if overall is None else round(overall, 3),
        ceiling=None if best is None else round(best, 3),
    )
    mine = (one.space_digest, one.data, one.steps)
    others = [kept for kept in measured() if (kept.space_digest, kept.data, kept.steps) != mine]
    MEASURED.write_text(json.dumps([asdict(kept) for kept in (*others, one)], indent=2) + "\n", encoding="utf-8")


def covers(found: dict[str, Scores], known: Sequence[Truth]) -> bool:
    """Whether the search's proxies scored all of these architectures."""
    return all(one.arch in found.get("search, posterior", {}) for one in known)


def at(table: Scores) -> Callable[[Truth], float]:
    """An architecture's score in a table."""
    return lambda one: table[one.arch][0]


def noise(data: str, steps: str, known: Sequence[Truth]) -> Iterator[str]:
    """How well single seeds of a proxy rank, and each other; and what other pictures than val make of the truth."""
    bands = [one for one in known if one.band in BANDS]
    seeded = [scores(data, seed) for seed in range(9)]
    for proxy in seeded[0]:
        mine = [found[proxy] for found in seeded if all(one.arch in found.get(proxy, {}) for one in bands)]
        if proxy in FREE or len(mine) < 2:
            continue
        single = ", ".join(f"{pooled_tau(parts_of(bands, at(table))):.2f}" for table in mine)
        if len(mine) > 2:
            single += f", two together with {', '.join(f'{tau:.2f}' for tau in taus_of_two(bands, mine))}"
        each_other = statistics.mean(pooled_tau(parts_of(bands, at(a), at(b))) for a, b in combinations(mine, 2))
        values = [[at(table)(one) for table in mine] for one in bands]
        between = statistics.stdev(statistics.mean(one) for one in values)
        within = math.sqrt(statistics.mean(statistics.variance(one) for one in values))
        parts = parts_of(bands, lambda one, mine=mine: statistics.mean(at(table)(one) for table in mine))
        halves = " / ".join(f"{usual_regret(*part):.1f}" for part in parts)
        yield (
            f"{proxy}: single seeds rank with tau {single}, each other with {each_other:.2f}; standard deviation "
            f"{within:.3f} between seeds, {between:.3f} between designs; their mean correlates within bands with "
            f"{correlation(parts):.2f}, regret among random halves {halves}"
        )
    pairs = {
        row["arch"]: (float(row["select_map50_95"]), float(row["map50_95"]))
        for row in read("trainings.csv")
        if row["data"] == data and row["steps"] == steps and row["seed"] == "0"
    }
    if all(one.arch in pairs for one in bands):
        tau = pooled_tau(parts_of(bands, lambda one: pairs[one.arch][0], lambda one: pairs[one.arch][1]))
        yield f"the long trainings' own scores on the selection part rank those on val with tau {tau:.2f}"


def taus_of_two(bands: Sequence[Truth], tables: Sequence[Scores]) -> Iterator[float]:
    """How well the mean of two seeds ranks within bands, for each two."""
    for a, b in combinations(tables, 2):
        yield pooled_tau(parts_of(bands, lambda one, a=a, b=b: at(a)(one) + at(b)(one)))


def misplaced(known: Sequence[Truth], found: Scores) -> Iterator[str]:
    """How many places too low a proxy ranks architectures, by `reg_max`: heads with more distances learn later."""
    mine = [one for one in known if one.arch in found]
    bins = np.array([from_key(one.arch).reg_max for one in mine])
    true = rankdata([one.mean for one in mine])
    lost = true - rankdata([at(found)(one) for one in mine])
    for value in np.unique(bins):
        here = bins == value
        yield f"reg_max {value}: {lost[here].mean():+.1f} places of {len(mine)} ({here.sum()} architectures)"
    together = spearmanr(bins, lost)
    yield f"Spearman correlation of reg_max and the places {together.statistic:.2f} (p {together.pvalue:.1g})"


def elsewhere(data: str, steps: str, known: Sequence[Truth]) -> Iterator[str]:
    """How well long trainings on other data rank those on this."""
    for other in sorted({row["data"] for row in read("trainings.csv")} - {data}):
        there = {one.arch: one.mean for one in truths(other, steps)}
        both = [one for one in known if one.arch in there]
        if len(both) > 2:
            tau = pooled_tau(parts_of(both, lambda one, there=there: there[one.arch]))
            yield f"long trainings on {other} rank those on {data} with tau {tau:.2f} ({len(both)} architectures)"


def wanted(one: Truth, options: argparse.Namespace) -> bool:
    """Whether the options leave an architecture in."""
    if options.held_out and one.band in BANDS and not one.held_out:
        return False
    return options.band in (None, one.band) and (options.without is None or options.without not in one.arch)


def show(data: str, steps: str, known: Sequence[Truth]) -> None:
    """Print everything that the tables say of these architectures."""
    found = scores(data)
    for band in (*BANDS, "extreme"):
        group = [one for one in known if one.band == band]
        if len(group) > 1:
            print(describe(band, group))
    print("\n" + HEAD)
    for name, table in found.items():
        print(line(name, known, table))
    print()
    for text in (*noise(data, steps, known), *elsewhere(data, steps, known)):
        print(text)
    for name in [name for name in ("search", "45 of 90 steps") if name in found]:
        print(f"\nHow many places too low `{name}` ranks architectures:", *misplaced(known, found[name]), sep="\n")
    print("\nOne long training, stopped early, against the mean of the other seeds:\n\n" + HEAD)
    for name, several, table in stopped_early(known):
        print(line(name, several, table))
    print("\nThe beginnings of the long trainings, against their own ends:\n\n" + HEAD)
    for name, table in beginnings(known):
        print(line(name, known, table))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="bccd", help="name of the data in the tables")
    parser.add_argument("--steps", help="length of the long trainings; default: the most frequent")
    parser.add_argument("--held-out", action="store_true", help="only the half that is held out from tuning")
    parser.add_argument("--band", choices=BANDS, help="only the architectures of this band")
    parser.add_argument("--without", help="leave out architectures whose key holds this: box16")
    parser.add_argument(
        "--keep", action="store_true", help="write what reports of searches tell (nas/results/proxy_quality.json)"
    )
    parser.add_argument("--yaml", help="for --keep, the data YAML of these data; default: the embedded set")
    options = parser.parse_args()
    if options.keep and (options.held_out or options.band or options.without):
        parser.error("--keep writes what all architectures say: not with --held-out, --band or --without")
    pictures = load(options.yaml) if options.keep else None
    if pictures is not None and pictures.name != options.data:
        parser.error(f"--keep needs the data YAML of {options.data} as --yaml, got that of {pictures.name}")
    steps = options.steps or usual_steps(options.data)
    known = [one for one in truths(options.data, steps) if wanted(one, options)]
    if not known:
        parser.error(f"no architecture of {options.data} is left: another --band, or without --held-out or --without")
    show(options.data, steps, known)
    if pictures is not None:
        keep(options.data, pictures.digest, steps, known)


if __name__ == "__main__":
    main()
