"""Whether what a search found holds in long trainings: its best design beside its baselines, trained as ghostbench is.

    python -m benchmarks.proxies.ghostbench.winner results/reference/embedded --designs trial-25 yolo11-scaled

On the embedded set by default, or on the search's own `--data`; `--jobs` trainings of one thread side by side, six to
nine minutes each on an AMD EPYC core. Prints a table.
"""

import argparse
import csv
from pathlib import Path

from benchmarks.common.jobs import results
from benchmarks.proxies.ghostbench.train import trained

COLUMNS = ("map50_95", "map50", "select_map50_95", "latency_ms", "params", "gflops", "steps", "seed")


def designs(folder: Path) -> dict[str, dict[str, str]]:
    """Front and baselines of a results folder by label, as rows that ghostbench trains."""
    found = {}
    for name, label in (("front.csv", "trial"), ("baselines.csv", "baseline")):
        with (folder / name).open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                known = {"arch": row["architecture"], "band": "", "held_out": "", **row}
                found[f"trial-{row[label]}" if label == "trial" else row[label]] = known
    return found


def main() -> None:
    """Train and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="results folder")
    parser.add_argument("--designs", nargs="+", required=True, help="trial-N, or a baseline's name")
    parser.add_argument("--data", help="data YAML; default: the embedded set")
    parser.add_argument("--steps", type=int, default=1200)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    known = designs(arguments.folder)
    if unknown := set(arguments.designs) - set(known):
        parser.error(f"{arguments.folder} has no {', '.join(sorted(unknown))}; it has {', '.join(known)}")
    labels = {known[label]["arch"]: label for label in arguments.designs}
    todo = [
        (known[label], seed, arguments.steps, arguments.data)
        for seed in range(arguments.seeds)
        for label in arguments.designs
    ]
    print("| design | " + " | ".join(COLUMNS) + " |")
    print("|---" * (len(COLUMNS) + 1) + "|")
    for row in results(trained, todo, arguments.jobs):
        print(f"| {labels[row['arch']]} | " + " | ".join(str(row[name]) for name in COLUMNS) + " |", flush=True)


if __name__ == "__main__":
    main()
