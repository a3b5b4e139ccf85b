"""Whole searches replayed on a table of designs: what the product's sampler finds beside Optuna's samplers.

    python -m benchmarks.search.quality TABLE.csv --accuracy ACCURACY --latency LATENCY
    python -m benchmarks.search.quality TABLE.csv ... --report

Every column is a dimension but those of the accuracy, the latency, `--fidelity` (scores that are cheaper, the cheapest
first) and `--without`. The latency limit is the median of the table, or `--target`. The gate is the same for all: what
misses the limit is rejected untrained and does not count; its sampler learns its latency. What a sampler proposes again
is counted, and made way for by an unknown neighbour. A search ends with 50 trained designs.

`ghostnas` is the product's `propose`. `gpsampler`, `tpe` and `nsga2` are Optuna's with both objectives and the limit as
a constraint, `gpsampler-accuracy` has accuracy as its only one. With `--fidelity` a proposal is scored at the cheapest
one; of 50 designs 8 are promoted to each further one but the last, 2 of every 12, and 2 to the accuracy, by score.

Of each search, at 25 and 50 trained designs: the share of the hypervolume below the limit that is missing, and the
regret: the best accuracy below the limit without that of the chosen design. A row is appended as each search ends; the
table at the end has medians over seeds with quartiles. Seeds are interleaved.
"""

import argparse
import random
import statistics
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

import numpy as np
from numpy.typing import NDArray

from benchmarks.common.hypervolume import hypervolume
from benchmarks.common.rows import Rows
from benchmarks.search.table import Table, describe, read_table
from nas.architecture import Architecture
from nas.search.sampler import Observation, propose, unknown_near
from nas.space import SearchSpace
from nas.surrogate import Described

if TYPE_CHECKING:
    import optuna
    from optuna.distributions import BaseDistribution

AT = (25, 50)
EVERY, TOGETHER, PROMOTED, FINAL = 12, 2, 8, 2
ASKED_AGAIN = 5
"""Proposals of known designs in a row before an unknown neighbour is evaluated."""
REJECTED_A_TRAINED = 30
FOLDER = Path("results/reference/search-quality")
HEADER = (
    "table",
    "target",
    "sampler",
    "seed",
    *(f"{name}@{at}" for at in AT for name in ("missing", "regret")),
    "rejected",
    "duplicates",
    "propose_s",
)


@dataclass(slots=True)
class Replay:
    """What a search knows so far.

    Attributes:
        table: The truth.
        target: Latency limit.
        seen: Rows in the order of their trials.
        trained: Those that met the limit.
        scores: By trained row, its scores by rung.
        duplicates: Proposals of a known design.
    """

    table: Table
    target: float
    seen: list[int] = field(default_factory=list)
    trained: list[int] = field(default_factory=list)
    scores: dict[int, dict[int, float]] = field(default_factory=dict)
    duplicates: int = 0

    def rungs(self) -> list[NDArray[np.float64]]:
        """Scores of all rows, the cheapest fidelity first."""
        return [*self.table.fidelities.values(), self.table.accuracy]

    def meets(self, row: int) -> bool:
        """Whether a row keeps the limit."""
        return bool(self.table.latency[row] <= self.target)

    def known(self) -> set[str]:
        """Keys of what was evaluated."""
        return {str(row) for row in self.seen}

    def unknown(self, point: dict[str, int], rng: random.Random) -> int:
        """The row of a point, or of an unknown one near it."""
        found = unknown_near(cast(SearchSpace, self.table), point, self.known(), rng)
        if found is None:
            raise SystemExit(f"{self.table.name} has no further designs")
        return self.table.decode(found).row

    def evaluate(self, row: int) -> None:
        """Measure a row, train it where it keeps the limit, and promote."""
        self.seen.append(row)
        if not self.meets(row):
            return
        self.trained.append(row)
        self.scores[row] = {0: float(self.rungs()[0][row])}
        last = len(self.rungs()) - 1
        if last > 1 and len(self.trained) % EVERY == 0:
            for _ in range(TOGETHER):
                self.promote(0)

    def promote(self, rung: int) -> None:
        """Train the best of a rung that is not above it one rung further."""
        below = [row for row in self.trained if rung in self.scores[row] and rung + 1 not in self.scores[row]]
        if below:
            row = max(below, key=lambda one: self.scores[one][rung])
            self.scores[row][rung + 1] = float(self.rungs()[rung + 1][row])

    def chosen(self) -> int:
        """The best design, once the rungs are finished as for a search that ends now."""
        done = Replay(self.table, self.target, self.seen, self.trained, {k: dict(v) for k, v in self.scores.items()})
        last = len(self.rungs()) - 1
        for rung in range(last):
            places = FINAL if rung + 1 == last else max(FINAL, PROMOTED * len(self.trained) // AT[-1])
            while sum(rung + 1 in one for one in done.scores.values()) < min(places, len(self.trained)):
                done.promote(rung)
        return max(self.trained, key=lambda row: (max(done.scores[row]), done.scores[row][max(done.scores[row])]))

    def observations(self) -> list[Observation]:
        """Everything that was evaluated, as the product's sampler takes it."""
        return [
            Observation(
                self.table.point(row),
                float(self.table.latency[row]),
                self.scores[row][0] if row in self.scores else None,
                self.meets(row),
                {rung: score for rung, score in self.scores.get(row, {}).items() if rung},
            )
            for row in self.seen
        ]


Sampler = Callable[[Replay, random.Random], int]
"""From what is known to the row that is evaluated next."""


def product(seed: int) -> Sampler:
    """The product's sampler."""

    def ask(replay: Replay, rng: random.Random) -> int:
        found = propose(
            cast(SearchSpace, replay.table),
            replay.observations(),
            [],
            sampler="gp",
            target_ms=replay.target,
            seed=seed,
            number=len(replay.seen),
            known=replay.known(),
            describe=cast("Callable[[Architecture], Described]", describe),
        )
        if found is None:
            raise SystemExit(f"{replay.table.name} has no further designs")
        return replay.table.decode(found.indices).row

    return ask


def at_random(seed: int) -> Sampler:
    """Random rows."""
    return lambda replay, rng: replay.unknown(replay.table.sample(rng), rng)


class OptunaSampler:
    """A sampler of Optuna, in one study that lasts for the search."""

    def __init__(self, name: str, seed: int) -> None:
        """Begin a study.

        Args:
            name: A key of `SAMPLERS`.
            seed: Its seed.
        """
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        made: dict[str, Callable[[], optuna.samplers.BaseSampler]] = {
            "gpsampler": lambda: optuna.samplers.GPSampler(seed=seed, deterministic_objective=True),
            "gpsampler-accuracy": lambda: optuna.samplers.GPSampler(seed=seed, deterministic_objective=True),
            "tpe": lambda: optuna.samplers.TPESampler(seed=seed, multivariate=True),
            "nsga2": lambda: optuna.samplers.NSGAIISampler(seed=seed),
        }
        both: list[Literal["maximize", "minimize"]] = ["maximize", "minimize"]
        directions = both[:1] if name == "gpsampler-accuracy" else both
        self._study = optuna.create_study(directions=directions, sampler=made[name]())
        self._generations = name == "nsga2"
        self._asked: tuple[optuna.Trial | None, int] | None = None

    def __call__(self, replay: Replay, rng: random.Random) -> int:
        """Learn what the last proposal gave, and propose an unknown row."""
        if self._asked is not None:
            self._tell(replay, *self._asked)
        spaces = distributions(replay.table)
        for _ in range(ASKED_AGAIN):
            trial = self._study.ask(spaces)
            row = replay.table.decode(trial.params).row
            if row not in replay.seen:
                self._asked = trial, row
                return row
            replay.duplicates += 1
            self._tell(replay, trial, row)
        row = replay.unknown(dict(trial.params), rng)
        self._asked = None, row
        return row

    def _tell(self, replay: Replay, trial: "optuna.Trial | None", row: int) -> None:
        from optuna.trial import TrialState, create_trial

        worst = min((one[0] for one in replay.scores.values()), default=0.0)
        # A rejected design has no accuracy: the worst one that was seen, and it misses.
        values = [replay.scores[row][0] if row in replay.scores else worst, float(replay.table.latency[row])]
        values = values[: len(self._study.directions)]
        limit = float(np.log(replay.table.latency[row] / replay.target))
        point = replay.table.point(row)
        # Generations are of trials that were asked for; what is off the table counts as its nearest row there.
        if trial is not None and (self._generations or trial.params == point):
            trial.set_constraint("limit", limit)
            self._study.tell(trial, values)
            return
        if trial is not None:
            self._study.tell(trial, state=TrialState.FAIL)
        spaces = distributions(replay.table)
        self._study.add_trial(
            create_trial(params=point, distributions=spaces, values=values, constraints={"limit": limit})
        )


def distributions(table: Table) -> "dict[str, BaseDistribution]":
    """Ordered dimensions as integers, the others as categories."""
    from optuna.distributions import CategoricalDistribution, IntDistribution

    return {
        one.name: IntDistribution(0, len(one.choices) - 1)
        if one.ordered
        else CategoricalDistribution(list(range(len(one.choices))))
        for one in table.dimensions
    }


SAMPLERS: dict[str, Callable[[int], Sampler]] = {
    "ghostnas": product,
    **{name: partial(OptunaSampler, name) for name in ("gpsampler", "gpsampler-accuracy", "tpe", "nsga2")},
    "random": at_random,
}


def search(table: Table, target: float, name: str, seed: int) -> dict[str, object]:
    """One search, as a row."""
    warnings.simplefilter("ignore")
    replay, sampler, rng = Replay(table, target), SAMPLERS[name](seed), random.Random(seed)
    found: dict[str, object] = {"table": table.name, "target": f"{target:g}", "sampler": name, "seed": seed}
    seconds = 0.0
    meeting = table.latency <= target
    corner = target, float(table.accuracy[meeting].min())
    points = np.column_stack([table.latency, table.accuracy])
    everything, best = hypervolume(points[meeting], corner), table.accuracy[meeting].max()
    while len(replay.trained) < AT[-1]:
        if len(replay.seen) - len(replay.trained) > REJECTED_A_TRAINED * AT[-1]:
            raise SystemExit(f"{name} with seed {seed}: too many designs miss the limit of {target:g}")
        began = time.perf_counter()
        row = sampler(replay, rng)
        seconds += time.perf_counter() - began
        replay.evaluate(row)
        if (number := len(replay.trained)) in AT and f"missing@{number}" not in found:
            missing = 1 - hypervolume(points[replay.trained], corner) / everything
            found[f"missing@{number}"] = f"{missing:.5f}"
            found[f"regret@{number}"] = f"{best - table.accuracy[replay.chosen()]:.5f}"
    found |= {"rejected": len(replay.seen) - len(replay.trained), "duplicates": replay.duplicates}
    return {**found, "propose_s": f"{seconds / len(replay.seen):.3f}"}


def report(rows: Sequence[dict[str, str]]) -> str:
    """Medians over the seeds that every sampler has, quartiles, and means as a share of GPSampler's."""
    every = [{row["seed"] for row in rows if row["sampler"] == name} for name in SAMPLERS]
    seeds = set.intersection(*every)
    if len(seeds) < 2:
        return "fewer than two seeds are complete"
    some = [row for row in rows if row["seed"] in seeds]
    measures = [f"{name}@{at}" for at in AT for name in ("missing", "regret")]
    lines = [
        f"{len(seeds)} seeds; median (quartiles); x: mean as a share of the mean of gpsampler",
        "| sampler | " + " | ".join(measures) + " | rejected | duplicates | s a proposal |",
        "|---" * (len(measures) + 4) + "|",
    ]
    for name in SAMPLERS:
        mine = [row for row in some if row["sampler"] == name]
        cells = [_cell(some, mine, measure) for measure in measures]
        rest = [f"{statistics.median(float(row[one]) for row in mine):g}" for one in HEADER[-3:]]
        lines.append(f"| {name} | " + " | ".join([*cells, *rest]) + " |")
    return "\n".join(lines)


def _cell(rows: Sequence[dict[str, str]], mine: Sequence[dict[str, str]], measure: str) -> str:
    values = [float(row[measure]) for row in mine]
    other = statistics.mean(float(row[measure]) for row in rows if row["sampler"] == "gpsampler")
    low, middle, high = statistics.quantiles(values, n=4)
    share = f"{statistics.mean(values) / other:.2f}x" if other else "-"
    return f"{middle:.4f} ({low:.4f} to {high:.4f}), {share}"


def main() -> None:
    """Search with every sampler and seed that is left, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", type=Path)
    parser.add_argument("--accuracy", default="accuracy", metavar="COLUMN")
    parser.add_argument("--latency", default="latency_ms", metavar="COLUMN")
    parser.add_argument(
        "--fidelity", nargs="+", default=[], metavar="COLUMN", help="cheaper scores, the cheapest first"
    )
    parser.add_argument("--without", nargs="+", default=[], metavar="COLUMN", help="columns that are no dimensions")
    parser.add_argument("--target", type=float, help="latency limit in the table's unit; by default its median")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--samplers", nargs="+", choices=SAMPLERS, default=list(SAMPLERS))
    parser.add_argument("--report", action="store_true", help="print what is there")
    parser.add_argument("--out", type=Path, default=FOLDER, metavar="FOLDER", help="for one CSV file a table")
    options = parser.parse_args()
    table = read_table(options.table, options.accuracy, options.latency, options.fidelity, options.without)
    target = float(np.median(table.latency)) if options.target is None else options.target
    if (table.latency <= target).sum() <= AT[-1]:
        raise SystemExit(f"{options.table}: at most {AT[-1]} designs take {target:g} or less; give a larger --target")
    rows = Rows(options.out / f"{table.name}-{options.latency}.csv", HEADER, fresh=False)
    if other := {row["target"] for row in rows.all()} - {f"{target:g}"}:
        raise SystemExit(f"the rows of {table.name} have the target {', '.join(other)}; give another --out")
    done = {(row["sampler"], row["seed"]) for row in rows.all()}
    jobs = [(name, seed) for seed in range(options.seeds) for name in options.samplers]
    for name, seed in jobs * (not options.report):
        if (name, str(seed)) not in done:
            row = search(table, target, name, seed)
            rows.add(row)
            print(" ".join(f"{key}={value}" for key, value in row.items()), flush=True)
    print(report(rows.all()))


if __name__ == "__main__":
    main()
