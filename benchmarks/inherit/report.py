"""The tables of the experiments, from the rows of their trainings."""

import statistics
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import bootstrap

Row = dict[str, str]
Values = NDArray[np.float64]
TRUTH = 600
_REPLICATES = 2000
SCRATCH = "scratch"


def report(rows: list[Row]) -> None:
    """Print them, a data set after the other."""
    for data in dict.fromkeys(row["data"] for row in rows):
        mine = [row for row in rows if row["data"] == data]
        print("\n".join([f"## {data}", "", *arms(mine), "", *families(mine), "", *ranking(mine), ""]))


def table(head: Sequence[str], rows: Iterator[Sequence[str]]) -> list[str]:
    """A Markdown table."""
    return [f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows)]


def arms(rows: Sequence[Row]) -> list[str]:
    """Each design, arm and length: scores before and after, mean and range over the seeds, and what it cost."""
    groups: dict[tuple[str, str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row["design"], row["arm"], row["steps"]), []).append(row)

    def cells() -> Iterator[Sequence[str]]:
        for (design, arm, steps), some in sorted(groups.items(), key=lambda item: (*item[0][:2], int(item[0][2]))):
            begun = [float(row["start_val"]) for row in some if row["start_val"]]
            costs = [mean_of(some, name, ".0f") for name in ("start_cpu_s", "train_cpu_s")]
            before, after = spread(begun), spread([float(row["val"]) for row in some])
            yield design, arm, steps, str(len(some)), mean_of(some, "inherited", ".0%"), before, after, *costs

    head = ("design", "arm", "steps", "seeds", "inherited", "val before", "val after", "start CPU s", "training CPU s")
    return table(head, cells())


def families(rows: Sequence[Row]) -> list[str]:
    """Ghost and plain designs of an arm: the mean over all designs, and the best."""
    groups: dict[tuple[str, str, str], dict[str, list[float]]] = {}
    for row in rows:
        if row["family"] in ("ghost", "plain"):
            of_design = groups.setdefault((row["family"], row["arm"], row["steps"]), {})
            of_design.setdefault(row["design"], []).append(float(row["val"]))

    def cells() -> Iterator[Sequence[str]]:
        for key, found in sorted(groups.items()):
            means = {label: statistics.mean(values) for label, values in found.items()}
            best = max(means, key=means.__getitem__)
            yield *key, str(len(means)), f"{statistics.mean(means.values()):.3f}", f"{means[best]:.3f} ({best})"

    return table(("family", "arm", "steps", "designs", "mean val", "best"), cells())


def ranking(rows: Sequence[Row]) -> list[str]:
    """How the proxies of an arm's first seed rank designs against the arm's long trainings."""

    def cells() -> Iterator[Sequence[str]]:
        for arm in dict.fromkeys(row["arm"] for row in rows):
            every = [row for row in rows if row["arm"] == arm and row["family"] in ("ghost", "plain")]
            truth = truths(every)
            scratch = [row for row in rows if row["arm"] == SCRATCH]
            for name, scores, cost in proxies(every, scratch):
                for subset, wanted in SUBSETS.items():
                    chosen = [row["design"] for row in every if row["steps"] == str(TRUTH) and wanted(row)]
                    labels = [label for label in dict.fromkeys(chosen) if label in scores and label in truth]
                    if len(labels) > 2:
                        pairs = [(scores[label], truth[label]) for label in labels]
                        yield arm, name, subset, str(len(labels)), tau(pairs), cost

    return table(("arm", "proxy", "designs", "how many", f"tau with val after {TRUTH} steps", "CPU s each"), cells())


SUBSETS: dict[str, Callable[[Row], bool]] = {
    "all": lambda row: True,
    "ghost": lambda row: row["family"] == "ghost",
    "plain": lambda row: row["family"] == "plain",
    "held out": lambda row: row["held_out"] == "1",
}


def truths(rows: Sequence[Row]) -> dict[str, float]:
    """By design the mean over the seeds of val after the long trainings."""
    found: dict[str, list[float]] = {}
    for row in rows:
        if row["steps"] == str(TRUTH):
            found.setdefault(row["design"], []).append(float(row["val"]))
    return {design: statistics.mean(values) for design, values in found.items()}


def proxies(rows: Sequence[Row], scratch: Sequence[Row]) -> Iterator[tuple[str, dict[str, float], str]]:
    """Scores of the first seed by design, and the mean of what they cost."""
    first = [row for row in rows if row["seed"] == "0"]
    short, full = ([row for row in first if row["steps"] == steps] for steps in ("60", str(TRUTH)))
    short_scratch = [row for row in scratch if row["steps"] == "60" and row["seed"] == "0"]
    kinds = (
        ("before training, selection part", "start_select", short, ("start_cpu_s", "select_s")),
        ("before training, val", "start_val", short, ("start_cpu_s", "select_s")),
        ("60 steps, selection part", "select", short, ("start_cpu_s", "train_cpu_s")),
        ("60 steps, val", "val", short, ("start_cpu_s", "train_cpu_s")),
        ("60 steps from scratch, selection part", "select", short_scratch, ("train_cpu_s",)),
        (f"{TRUTH} steps, selection part", "select", full, ("start_cpu_s", "train_cpu_s")),
    )
    for name, column, some, costs in kinds:
        scored = [row for row in some if row[column]]
        if scored:
            seconds = statistics.mean(sum(float(row[cost] or 0) for cost in costs) for row in scored)
            yield name, {row["design"]: float(row[column]) for row in scored}, f"{seconds:.0f}"


def tau(pairs: Sequence[tuple[float, float]]) -> str:
    """Kendall's tau-b with its 95% interval, a bootstrap over the designs."""
    ours, theirs = map(np.array, zip(*pairs, strict=True))
    random = np.random.default_rng(0)
    found = bootstrap((ours, theirs), _tau_b, paired=True, n_resamples=_REPLICATES, method="percentile", rng=random)
    low, high = found.confidence_interval
    return f"{float(_tau_b(ours, theirs)):.2f} ({low:.2f} to {high:.2f})"


def _tau_b(x: Values, y: Values, axis: int = -1) -> Values:
    """Of samples along the last axis, many at once, which `scipy.stats.kendalltau` does a thousand times slower; 0
    where all values of one are equal."""
    first, second = (np.sign(one[..., :, None] - one[..., None, :]) for one in (x, y))
    agreeing, *pairs = (
        (one * other).sum((-1, -2)) for one, other in ((first, second), (first, first), (second, second))
    )
    return np.asarray(agreeing / np.maximum(np.sqrt(pairs[0] * pairs[1]), 1))


def spread(values: Sequence[float]) -> str:
    """Mean and, where there are several, the range."""
    if not values:
        return "-"
    mean = f"{statistics.mean(values):.3f}"
    return mean if len(values) == 1 else f"{mean} ({min(values):.3f} to {max(values):.3f})"


def mean_of(rows: Sequence[Row], column: str, form: str) -> str:
    """The mean of a column, `-` where it is empty."""
    values = [float(row[column]) for row in rows if row[column]]
    return format(statistics.mean(values), form) if values else "-"
