"""The driver of one such search, with real Ray; killed by `kills.py`, and amid the faults of `cases.py`.

python -m benchmarks.faults.driver FOLDER --budget 20 --workers 2
"""

import argparse
import signal
import sys
from pathlib import Path

from benchmarks.faults.objective import (
    evaluate,
    evaluate_in_need_of_memory,
    evaluate_measured,
    opened,
    train_promoted,
)
from nas.errors import GhostnasError
from nas.latency import LOCAL
from nas.search.evaluate import train_again
from nas.search.executors import ray_tune


def main() -> None:
    """Search, and print why it ended; errors and signals end it as they end `ghostnas`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--budget", type=int, default=20)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--hungry", action="store_true", help="one trial takes memory until its worker is killed")
    parser.add_argument("--storage", help="PostgreSQL database for the study")
    parser.add_argument("--device", default=LOCAL, help="an ssh:// address: each design is measured there, too")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        search(options.folder.absolute(), options)
    except GhostnasError as error:
        print("ghostnas:", error, file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("ghostnas: interrupted", file=sys.stderr)
        sys.exit(130)


def search(folder: Path, options: argparse.Namespace) -> None:
    """The whole search, begun or gone on with."""
    folder.mkdir(parents=True, exist_ok=True)
    study, scheduler, task = opened(folder, options.budget, options.workers + 1, options.storage, options.device)
    evaluator = evaluate if options.device == LOCAL else evaluate_measured
    if options.hungry:
        evaluator = evaluate_in_need_of_memory
    try:
        ray_tune.run(scheduler, task, evaluator, options.workers, train_again, train_promoted)
    finally:
        study.close()
    print("ended", scheduler.ended)


if __name__ == "__main__":
    main()
