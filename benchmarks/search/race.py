"""Policies for picking one design of a band, replayed on the scores of ghostbench: nothing is trained.

    python -m benchmarks.search.race
    python -m benchmarks.search.race --posterior

A policy trains all designs of a pool for 45 steps, the best of them longer or again, and picks one. Its gain is how far
the truth of the pick lies above the mean of the pool, in points of mAP (0.01), in the mean over every seed of a proxy
and of a training; the truth of a design is its mean on val over the training seeds that the policy did not look at.
Costs are steps in units of one proxy each, with trainings that go on where they were and, in brackets, that begin anew.
Intervals are 95% bootstraps over the designs; those of the two tables of one band are drawn together. A pool that is
drawn so holds about 10 different designs of 16, of which the best is worse: intervals lie low. The process over rungs
takes copies in such a pool for repeated scores, so it has no intervals.
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.search import rungs
from benchmarks.search.rungs import FIRST, LAST, Table, Values, head, row, within
from nas.surrogate import posterior_of

Scores = dict[int, dict[int, tuple[float, ...]]]
"""By rung, by the place of a design in its pool: a score a seed."""
Order = Callable[[Table, Scores], list[int]]


def ordered(pool: Table, scores_by_rung: Scores) -> list[int]:
    """Designs from the best on: those that went further, or were trained with more seeds, first; then by the mean."""
    found = {
        label: (rung, len(seeds), sum(seeds) / len(seeds))
        for rung, by_label in sorted(scores_by_rung.items())
        for label, seeds in by_label.items()
    }
    return sorted(found, key=lambda label: found[label], reverse=True)


def probable(pool: Table, scores_by_rung: Scores) -> list[int]:
    """As a search does: the designs that went furthest, by how probable each is the best by all scores together."""
    levels = sorted(scores_by_rung)
    each = [
        (label, at, score)
        for at, rung in enumerate(levels)
        for label, seeds in scores_by_rung[rung].items()
        for score in seeds
    ]
    found = posterior_of([replace(pool.designs[label], score=score, rung=at) for label, at, score in each])
    if found is None:
        return ordered(pool, scores_by_rung)
    rows = {label: at for at, (label, *_) in enumerate(each)}
    labels = list(scores_by_rung[levels[-1]])
    likely = found.best_of([rows[label] for label in labels])
    means = [found.estimates[rows[label]].mean for label in labels]
    return [labels[at] for at in np.lexsort(np.array([means, likely]))[::-1]]


@dataclass(frozen=True, slots=True)
class Policy:
    """What is trained.

    Attributes:
        rungs: Steps and designs of each rung; the same steps once more are the same proxies with all other seeds.
        order: Who is promoted, and who is picked in the end: the first.
    """

    rungs: tuple[tuple[int, int], ...]
    order: Order = ordered

    @property
    def name(self) -> str:
        """How tables call it."""
        rungs = zip(self.rungs, self.rungs[1:], strict=False)
        later = [f", {n} again" if rung == before else f", {n} to {rung}" for (before, _), (rung, n) in rungs]
        return f"{self.rungs[0][0]} each{''.join(later)}{self.by}"

    @property
    def by(self) -> str:
        """What orders designs, where it is not their scores."""
        return ", all rungs" if self.order is probable else ""

    def cost(self, proxies: float, anew: bool) -> float:
        """Steps in units of one proxy for every design; `anew`: a longer training begins at step 0."""
        steps, before = 0.0, 0
        for rung, count in self.rungs:
            steps += count * (rung * (proxies - 1) if rung == before else rung - (0 if anew else before))
            before = rung
        return steps / (FIRST * self.rungs[0][1])


def policies(size: int, posterior: bool) -> list[Policy]:
    """One proxy each, with more seeds of the best, and with longer trainings of the best; for so many designs."""
    each, again = (FIRST, size), (FIRST, 3)
    if posterior:
        some = ((), ((400, 4),), ((400, 8),), ((400, 4), (LAST, 2)), ((400, 8), (LAST, 2)))
        return [Policy((each, *more), order) for more in some for order in (ordered, probable)]
    two = [((400, n),) for n in (2, 3, 4, 6, 8)] + [((LAST, n),) for n in (2, 4)]
    three = [((400, n), (LAST, m)) for n, m in ((3, 2), (4, 2), (6, 2), (6, 3), (8, 2), (8, 4))]
    raced = [Policy((each, *more)) for more in ((), (again,), (each,), *two, *three)]
    return [*raced, *(Policy(((steps, size),)) for steps in (100, 200, 400, LAST))]


def pick(policy: Policy, pool: Table, proxy: int, training: int) -> int:
    """The design that a policy picks from a pool with one seed of the proxies and one of the trainings."""
    scores: Scores = {}
    for rung, count in policy.rungs:
        labels = policy.order(pool, scores)[:count] if scores else range(len(pool.designs))
        known = scores.setdefault(rung, {})
        for label in labels:
            values = pool.scores[rung][label].tolist()
            others = (*values[proxy + 1 :], *values[:proxy])
            new = (values[training],) if rung != FIRST else others if label in known else (values[proxy],)
            known[label] = (*known.get(label, ()), *new)
    return policy.order(pool, scores)[0]


def gain(policy: Policy, pool: Table) -> float:
    """Points above the mean of the pool, in the mean over all seeds."""
    above = pool.truth - pool.truth.mean(axis=0)
    trainings = range(above.shape[1])
    proxies = range(pool.scores[FIRST].shape[1])
    if all(rung == FIRST for rung, _ in policy.rungs):
        return float(np.mean([above[pick(policy, pool, proxy, 0)] for proxy in proxies])) * 100
    return float(np.mean([above[pick(policy, pool, at, seed), seed] for at in proxies for seed in trainings])) * 100


def print_gains(tables: Sequence[Table], all_: Sequence[Policy], replicates: int) -> None:
    """Policies with their gains, in all and beyond one proxy each."""
    rng = np.random.default_rng(0)
    proxies = float(np.mean([one.scores[FIRST].shape[1] for one in tables]))

    def gains(pools: Sequence[Table]) -> Values:
        return np.array([[*known(one), *(gain(policy, one) for policy in all_)] for one in pools]).T

    found = gains(tables)
    again = np.array([gains(rungs.resampled(tables, rng)) for _ in range(replicates)]).reshape(-1, *found.shape)
    steps = [
        "0",
        "all",
        *("{:.1f} ({:.1f})".format(*(one.cost(proxies, anew) for anew in (False, True))) for one in all_),
    ]
    names = ["largest by GFLOPs", "the best there is", *(one.name for one in all_)]
    head("policy", ("steps", *(one.name for one in tables), "mean", "mean beyond 45 each"))
    row("at random", ("0", *("0.0" for _ in tables), "0.0", ""))
    means, spread = found.mean(axis=1), again.mean(axis=2)
    first = names.index("45 each")
    for at, name in enumerate(names):
        cells = [f"{value:.1f} {within(again[:, at, of])}" for of, value in enumerate(found[at])]
        beyond = f"{means[at] - means[first]:+.1f} {within(spread[:, at] - spread[:, first], '+.1f')}"
        row(name, (steps[at], *cells, f"{means[at]:.1f} {within(spread[:, at])}", beyond))


def known(pool: Table) -> tuple[float, float]:
    """The gains of the design with most GFLOPs, and of the best design there is."""
    above = (pool.truth.mean(axis=1) - pool.truth.mean()) * 100
    return float(above[int(np.argmax([one.gflops for one in pool.designs]))]), float(above.max())


def print_equal_steps(tables: Sequence[Table], pools: int) -> None:
    """Races beside as many steps of proxies, on parts of the tables and on pools of normal scores."""
    rng, size = np.random.default_rng(0), len(tables[0].designs)

    def real(policy: Policy) -> str:
        count = policy.rungs[0][1]
        if count > size:
            return f"more than {size}"
        parts = [rng.permutation(size)[:count] for _ in range(pools)]
        return f"{np.mean([gain(policy, one.take(at)) for one in tables for at in parts]):.1f}"

    def normal(policies: Sequence[Policy]) -> list[str]:
        """The same pools for all that train as many designs."""
        count = policies[0].rungs[0][1]
        each = [
            [gain(policy, pool) for policy in policies]
            for one in tables
            for pool in rungs.drawn(one, count, pools, rng)
        ]
        errors = np.std(each, axis=0) / len(each) ** 0.5
        return [f"{mean:.1f} ± {2 * error:.1f}" for mean, error in zip(np.mean(each, axis=0), errors, strict=True)]

    head(
        "race", ("steps", "race", "proxies", "same designs", "race, normal", "same designs, normal", "proxies, normal")
    )
    for count, *carried in ((4, 2), (8, 2), (16, 2), (16, 4), (16, 4, 2), (34, 2), (50, 3), (50, 8), (50, 8, 2)):
        race = Policy(((FIRST, count), *zip((400, LAST), carried, strict=False)))
        steps = round(race.cost(1, anew=False) * count)
        same, many = (Policy(((FIRST, of),)) for of in (count, steps))
        most = real(many) if steps <= size else f"{real(Policy(((FIRST, size),)))} (of {size})"
        cells = (str(steps), real(race), most, real(same), *normal([race, same]), *normal([many]))
        row(" / ".join(map(str, (count, *carried))), cells)


def main() -> None:
    """Print all tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--proxy", default="search", help="the proxy of 45 steps, a name in proxies.csv")
    parser.add_argument(
        "--posterior",
        action="store_true",
        help="a few policies that order designs by their scores, and by the process over all rungs; no intervals",
    )
    parser.add_argument("--replicates", type=int, default=500, help="of bootstraps and of pools")
    options = parser.parse_args()
    tables = [rungs.table(data, band, options.proxy) for data, band in rungs.BANDS]
    print(f"## Gains over a random design, points; proxy `{options.proxy}`\n")
    print_gains(
        tables, policies(len(tables[0].designs), options.posterior), 0 if options.posterior else options.replicates
    )
    if options.posterior:
        return
    print("\n## At equal steps, in units of one proxy; gains in the mean of the tables\n")
    print_equal_steps(tables, options.replicates)
    rungs.report(tables, options.replicates)


if __name__ == "__main__":
    main()
