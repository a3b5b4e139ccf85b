"""Policies for picking one design of a band, replayed on the scores of ghostbench: nothing is trained.

    python -m benchmarks.search.race
    python -m benchmarks.search.race --proxy "45 of 90 steps" --posterior --replicates 100

A policy trains all designs of a pool for 45 steps, the best of them longer or again, and picks one. Its gain is how far
the truth of the pick lies above the mean of the pool, in points of mAP (0.01), in the mean over every seed of a proxy
and of a training; the truth of a design is its mean on val over the training seeds that the policy did not look at.
Costs are steps in units of one proxy each, with trainings that go on where they were and, in brackets, that begin anew.
Intervals are 95% bootstraps over the designs; those of the two tables of one band are drawn together. A pool that is
drawn so holds about 10 different designs of 16, of which the best is worse: intervals lie low.
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.search.rungs import BANDS, FIRST, LAST, Table, Values, drawn, report, resampled, table, within
from nas.surrogate import posterior_of

Scores = dict[int, dict[int, tuple[float, ...]]]
"""By rung, by the place of a design in its pool: a score a seed."""
Order = Callable[[Table, Scores], list[int]]


@dataclass(frozen=True, slots=True)
class Policy:
    """What is trained.

    Attributes:
        name: How tables call it.
        rungs: Steps and designs of each rung; the same steps once more are the same proxies with all other seeds.
    """

    name: str
    rungs: tuple[tuple[int, int], ...]

    def cost(self, proxies: float, anew: bool) -> float:
        """Steps in units of one proxy for every design.

        Args:
            proxies: Seeds of the proxy, in the mean over tables.
            anew: A longer training begins at step 0.
        """
        steps, before = 0.0, 0
        for rung, count in self.rungs:
            steps += count * (rung * (proxies - 1) if rung == before else rung - (0 if anew else before))
            before = rung
        return steps / (FIRST * self.rungs[0][1])


def ordered(pool: Table, scores_by_rung: Scores) -> list[int]:
    """Designs from the best on: those that went further, or were trained with more seeds, first; then by the mean.

    A process over all rungs goes here: it may name the best from all scores.
    """
    found = {
        label: (rung, len(seeds), float(np.mean(seeds)))
        for rung, by_label in sorted(scores_by_rung.items())
        for label, seeds in by_label.items()
    }
    return sorted(found, key=lambda label: found[label], reverse=True)


def smoothed(pool: Table, scores_by_rung: Scores) -> list[int]:
    """As `ordered`, with the posterior means of all proxies together in place of their scores."""
    each = [(label, score) for label, seeds in scores_by_rung.get(FIRST, {}).items() for score in seeds]
    found = posterior_of([replace(pool.designs[label], score=score) for label, score in each])
    if found is None:
        return ordered(pool, scores_by_rung)
    means = {label: one.mean for (label, _), one in zip(each, found.estimates, strict=True)}
    proxies = {label: (means[label],) * len(seeds) for label, seeds in scores_by_rung[FIRST].items()}
    return ordered(pool, {**scores_by_rung, FIRST: proxies})


def policies(size: int) -> list[Policy]:
    """The policies for a pool of so many designs."""
    every = (FIRST, size)
    one = [Policy("45 each", (every,)), Policy("today: 45 each, best 3 again", (every, (FIRST, 3)))]
    one.append(Policy("45 each, all again", (every, every)))
    two = [Policy(f"45 each, {n} to 400", (every, (400, n))) for n in (2, 3, 4, 6, 8)]
    end = [Policy(f"45 each, {n} to 1200", (every, (LAST, n))) for n in (2, 4)]
    pairs = ((3, 2), (4, 2), (6, 2), (6, 3), (8, 2), (8, 4))
    three = [Policy(f"45 each, {n} to 400, {m} to 1200", (every, (400, n), (LAST, m))) for n, m in pairs]
    return [*one, *two, *end, *three, *(Policy(f"{steps} each", ((steps, size),)) for steps in (100, 200, 400, LAST))]


def pick(policy: Policy, pool: Table, proxy: int, training: int, order: Order) -> int:
    """The design that a policy picks from a pool with one seed of the proxies and one of the trainings."""
    scores: Scores = {}
    for rung, count in policy.rungs:
        labels = order(pool, scores)[:count] if scores else range(len(pool.designs))
        known = scores.setdefault(rung, {})
        for label in labels:
            values = pool.scores[rung][label].tolist()
            others = (*values[proxy + 1 :], *values[:proxy])
            new = (values[training],) if rung != FIRST else others if label in known else (values[proxy],)
            known[label] = (*known.get(label, ()), *new)
    return order(pool, scores)[0]


def gain(policy: Policy, pool: Table, order: Order = ordered) -> float:
    """Points above the mean of the pool, in the mean over all seeds."""
    above = pool.truth - pool.truth.mean(axis=0)
    trainings = range(above.shape[1])
    looks = any(rung != FIRST for rung, _ in policy.rungs)
    found = []
    for proxy in range(pool.scores[FIRST].shape[1]):
        if looks:
            found.append(np.mean([above[pick(policy, pool, proxy, seed, order), seed] for seed in trainings]))
        else:
            found.append(above[pick(policy, pool, proxy, 0, order)].mean())
    return float(np.mean(found)) * 100


def largest(pool: Table) -> float:
    """The gain of the design with most GFLOPs."""
    above = pool.truth - pool.truth.mean(axis=0)
    return float(above[int(np.argmax([one.gflops for one in pool.designs]))].mean()) * 100


def print_gains(tables: Sequence[Table], order: Order, replicates: int) -> None:
    """Policies with their gains, in all and beyond one proxy each."""
    rng, all_ = np.random.default_rng(0), policies(len(tables[0].designs))
    proxies = float(np.mean([one.scores[FIRST].shape[1] for one in tables]))

    def gains(pools: Sequence[Table]) -> Values:
        return np.array([[largest(one) for one in pools], *([gain(p, one, order) for one in pools] for p in all_)])

    found, drawn_ = gains(tables), np.array([gains(resampled(tables, rng)) for _ in range(replicates)])
    print(f"| policy | steps | {' | '.join(one.name for one in tables)} | mean | mean beyond 45 each |")
    print("|---|---|" + "---|" * (len(tables) + 2))
    print("| at random | 0 |" + " 0.0 |" * (len(tables) + 1) + " |")
    for at, name in enumerate(("largest by GFLOPs", *(one.name for one in all_))):
        steps = (
            "0" if at == 0 else "{:.1f} ({:.1f})".format(*(all_[at - 1].cost(proxies, anew) for anew in (False, True)))
        )
        cells = [f"{found[at, of]:.1f} {within(drawn_[:, at, of])}" for of in range(len(tables))]
        mean, beyond = found.mean(axis=1), drawn_.mean(axis=2)
        cells += [f"{mean[at]:.1f} {within(beyond[:, at])}"]
        cells += [f"{mean[at] - mean[1]:+.1f} {within(beyond[:, at] - beyond[:, 1], '+.1f')}"]
        print(f"| {name} | {steps} | {' | '.join(cells)} |")


def print_equal_steps(tables: Sequence[Table], pools: int) -> None:
    """Races beside as many steps of proxies, on pools of the tables and on pools of normal scores."""
    rng, size = np.random.default_rng(0), len(tables[0].designs)

    def real(policy: Policy, count: int) -> float:
        subsets = [rng.permutation(size)[:count] for _ in range(pools if count < size else 1)]
        return float(np.mean([gain(policy, one.take(at)) for one in tables for at in subsets]))

    def normal(policy: Policy, count: int) -> str:
        each = [np.mean([gain(policy, drawn(one, count, rng)) for one in tables]) for _ in range(pools)]
        return f"{np.mean(each):.1f} ± {2 * np.std(each) / pools**0.5:.1f}"

    print(
        "| race | steps in proxies | race, tables | as many proxies, tables | race, normal | as many proxies, normal |"
    )
    print("|---|---|---|---|---|---|")
    for count, *carried in ((4, 2), (8, 2), (16, 2), (16, 4), (16, 4, 2), (32, 4), (34, 2), (50, 3), (50, 8, 2)):
        rungs = ((FIRST, count), *zip((400, LAST), carried, strict=False))
        race = Policy("race", rungs)
        steps = round(race.cost(1, anew=False) * count)
        proxies = [Policy("proxies", ((FIRST, many),)) for many in (min(steps, size), steps)]
        cells = [f"{real(race, count):.1f}" if count <= size else "pool too small"]
        cells += [f"{real(proxies[0], min(steps, size)):.1f}" + (f" (of {size} only)" if steps > size else "")]
        print(f"| {' / '.join(map(str, (count, *carried)))} | {steps} | {' | '.join(cells)} |", end="")
        print(f" {normal(race, count)} | {normal(proxies[1], steps)} |")


def main() -> None:
    """Print all tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--proxy", default="search", help="the proxy of 45 steps, a name in proxies.csv")
    parser.add_argument(
        "--posterior", action="store_true", help="order proxies by their posterior means, not by scores"
    )
    parser.add_argument("--replicates", type=int, default=500, help="of bootstraps and of pools")
    options = parser.parse_args()
    tables = [table(data, band, options.proxy) for data, band in BANDS]
    print(f"## Gains over a random design, points; proxy `{options.proxy}`\n")
    print_gains(tables, smoothed if options.posterior else ordered, options.replicates)
    if not options.posterior:
        print("\n## At equal steps, mean gain of the tables\n")
        print_equal_steps(tables, options.replicates)
        report(tables, options.replicates)


if __name__ == "__main__":
    main()
