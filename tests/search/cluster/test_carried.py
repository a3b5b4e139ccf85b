"""What is carried to nodes and back as bytes."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from nas.errors import DataError, StorageError
from nas.search.evaluate import Task
from nas.search.executors.cluster import probe
from nas.search.executors.cluster.carried import Written, collect, keep, read_files, task_on_node
from nas.util.locks import wait_for_lock
from nas.util.paths import writable_dir
from nas.util.worker_messages import post
from tests.data.conftest import MakeSet, make_set  # noqa: F401


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache folder of a node that has nothing yet."""
    monkeypatch.setenv("GHOSTNAS_CACHE", str(tmp_path / "node"))
    return tmp_path / "node"


def test_a_source_and_a_teacher_are_written_where_a_node_has_not_got_them(
    tmp_path: Path, task: Task, cache: Path
) -> None:
    source, teacher = tmp_path / "source.pt", tmp_path / "teacher.pt"
    source.write_bytes(b"channels")
    teacher.write_bytes(b"maps")
    task = replace(task, source=source, proxy=replace(task.proxy, teacher=str(teacher)))
    files = read_files(task)
    here = task_on_node(task, None, files, [])
    assert here.source == source and here.proxy.teacher == str(teacher)  # the same content: nothing is written
    assert not cache.exists()
    source.write_bytes(b"another one's")
    teacher.unlink()
    there = task_on_node(task, "/there/data.yaml", files, [])
    assert there.source is not None and there.source != source and there.source.read_bytes() == b"channels"
    assert Path(str(there.proxy.teacher)).read_bytes() == b"maps"
    assert there.data == "/there/data.yaml" and there.source.is_relative_to(cache)
    there.source.write_bytes(b"cut off")
    assert task_on_node(task, None, files, []).source == there.source and there.source.read_bytes() == b"channels"


def test_workers_of_a_node_write_a_file_one_after_the_other(cache: Path) -> None:
    content, file = b"channels", Path("/of/the/driver/source.pt")
    digest = sha256(content).hexdigest()
    folder = writable_dir(cache / "shipped" / digest)
    with ThreadPoolExecutor() as pool:
        with wait_for_lock(folder / ".lock"):  # another worker writes
            written = pool.submit(probe.file_here, file, digest, content)
            with pytest.raises(TimeoutError):
                written.result(timeout=0.2)
            assert not (folder / file.name).exists()
        assert written.result(timeout=10).read_bytes() == content


def test_a_file_that_is_gone_ends_the_search(tmp_path: Path, task: Task) -> None:
    with pytest.raises(StorageError, match=r"cannot read .*gone.pt, which the nodes need"):
        read_files(replace(task, source=tmp_path / "gone.pt"))


def test_what_a_trial_leaves_is_kept_in_the_results_folder_and_nowhere_else(tmp_path: Path) -> None:
    node, results = tmp_path / "node", tmp_path / "results"
    (node / "models").mkdir(parents=True)
    (node / "models" / "trial-3.pt").write_bytes(b"weights")
    (node / "models" / "trial-3.yaml").write_text("nc: 1")
    post(node, "trial-3: a rate diverged")
    written = collect(node)
    assert written.messages == ("trial-3: a rate diverged",)
    keep(written, results)
    assert (results / "models" / "trial-3.pt").read_bytes() == b"weights"
    keep(Written((("../../escaped.pt", b""),), ()), results)
    assert {path.name for path in tmp_path.iterdir()} == {"node", "results"}


def test_data_are_used_at_their_own_path_where_they_are_the_same(
    make_set: MakeSet,  # noqa: F811
    tmp_path: Path,
    cache: Path,
) -> None:
    from nas.data import load

    yaml = str(make_set())
    digest = load(yaml).digest
    assert probe.data_here(yaml, 1.0, digest, "/no/such/folder", None) == yaml
    (tmp_path / "labels" / "train" / "000.txt").write_text("1 0.5 0.5 0.1 0.1\n")
    with pytest.raises(DataError, match=r"holds other pictures or labels .* copy it to the same path there"):
        probe.data_here(yaml, 1.0, digest, "/no/such/folder", None)


def test_small_data_are_sent_and_read_as_the_same(
    make_set: MakeSet,  # noqa: F811
    tmp_path: Path,
    cache: Path,
) -> None:
    from nas.data import load, pack

    yaml = make_set()
    (tmp_path / "labels" / "train" / "003.txt").unlink()  # a picture without objects
    data = load(str(yaml))
    assert pack(data, 10) is None
    packed = pack(data, 2**20)
    yaml.rename(tmp_path / "elsewhere.yaml")
    sent = probe.data_here(str(yaml), 1.0, data.digest, "/no/such/folder", packed)
    assert sent is not None and Path(sent).is_relative_to(cache)
    there = load(sent)
    assert there.digest == data.digest and there.names == data.names
    assert [labels.tolist() for labels in there.select.labels] == [labels.tolist() for labels in data.select.labels]
    assert probe.data_here(str(yaml), 1.0, data.digest, "/no/such/folder", packed) == sent


def test_data_that_are_read_otherwise_once_sent_are_refused(
    make_set: MakeSet,  # noqa: F811
    cache: Path,
) -> None:
    from nas.data import load, pack

    yaml = make_set()
    packed = pack(load(str(yaml)), 2**20)
    with pytest.raises(DataError, match=r"sent, it was read otherwise"):
        probe.data_here(str(yaml), 1.0, "another digest", "/no/such/folder", packed)
