"""The test split, read once: by the run whose table is shown, when every final training is done."""

from collections.abc import Sequence

import yaml

from benchmarks.common.rows import Rows
from benchmarks.headline.finals import final_file, found_in, matches_file, read_final
from benchmarks.headline.matches import Matches
from benchmarks.headline.plan import Plan
from benchmarks.headline.provenance import origin
from nas.data import Split, load
from nas.data.data_yaml import read_yaml
from nas.proxy import score_of
from nas.util.atomic_files import write_whole

HEADER = ("data", "digest", "arm", "search", "seed", "key", "test", "test50", "commit", "host", "versions")


def score_on_test(finals: Sequence[dict[str, str]], plan: Plan) -> None:
    """Score the files of all final trainings on test; goes on where it was broken off.

    Args:
        finals: The rows of all final trainings.
        plan: The comparison.

    Raises:
        SystemExit: Test was read before, or the data have none.
    """
    rows = Rows(plan.kept / "test.csv", HEADER, fresh=False)
    known = rows.all()
    have = {(row["arm"], row["search"], row["seed"]) for row in known}
    left = [row for row in finals if (row["arm"], row["search"], row["seed"]) not in have]
    if not left:
        raise SystemExit(
            f"test was read by commit {known[0]['commit']} already; {plan.kept / 'test.csv'} has the scores"
        )
    split = test_split(plan)
    for row in left:
        names = (row["arm"], row["search"], row["seed"])
        file = read_final(final_file(plan.work, *names, plan.latency), int(row["imgsz"]))
        found = found_in(file, split, plan.latency)
        Matches.of_pictures(found).write(matches_file(plan.kept, "test", *names))
        score = score_of(found)
        same = {name: row[name] for name in ("data", "digest", "arm", "search", "seed", "key")}
        rows.add(same | {"test": f"{score.map50_95:.5f}", "test50": f"{score.map50:.5f}"} | origin())


def test_split(plan: Plan) -> Split:
    """The pictures of `test:`, read as those of val are.

    Raises:
        SystemExit: The data YAML has no `test:`.
        DataError: The pictures cannot be read.
    """
    known = read_yaml(plan.data.source)
    if not known.entries["test"]:
        raise SystemExit(f"{plan.data.source} has no `test:`; leave --test out")
    keys = {"path": str(known.root.absolute()), "names": dict(enumerate(known.names))}
    entries = {"train": list(known.entries["train"]), "val": list(known.entries["test"])}
    file = plan.work / "test.yaml"
    write_whole(file, yaml.safe_dump(keys | entries, sort_keys=False).encode())
    return load(str(file)).val
