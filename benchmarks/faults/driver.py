"""The driver of one such search, with real Ray; killed by `kills.py` and watched by `soak.py`.

python -m benchmarks.faults.driver FOLDER --budget 20 --workers 2
"""

import argparse
from pathlib import Path

from benchmarks.faults.objective import evaluate, opened, train_promoted
from nas.search.evaluate import train_again
from nas.search.executors import ray_tune


def main() -> None:
    """Search, and print why it ended."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--budget", type=int, default=20)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    study, scheduler, task = opened(options.folder.absolute(), options.budget, options.workers + 1)
    try:
        ray_tune.run(scheduler, task, evaluate, options.workers, train_again, train_promoted)
    finally:
        study.close()
    print("ended", scheduler.ended)


if __name__ == "__main__":
    main()
