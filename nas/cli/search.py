"""`ghostnas search`: find detectors that meet a measured latency target."""

import math
from pathlib import Path
from typing import Literal

import typer

from nas.cli.trust import TRUST
from nas.util.checkpoint_trust import trust_checkpoints

DEFAULT_TARGET = "2.5ms"


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("search")(search)


def search(
    space: str | None = typer.Option(
        None,
        help="Shipped space (ghostv2-n, -n-wide, -s, -m, mixed-n, -s, narrowed-n, -s, -m), a space file, or auto. "
        "`auto` measures YOLO11 first. It takes narrowed of the source's scale (with `--from scratch` ghostv2 of the "
        "scale that fits) and the input sizes at which about half of the designs meet the target.",
        show_default="auto",
    ),
    data: str | None = typer.Option(None, help="Ultralytics data YAML; without it, the embedded synthetic set."),
    budget: int | None = typer.Option(
        None, min=1, help="Candidates to train. Rejected ones do not count.", show_default="by the effort"
    ),
    effort: Literal["quick", "normal", "thorough"] | None = typer.Option(
        None,
        help="How much is trained. quick: 32 candidates, the best 3 again for 400 steps. normal: 50 candidates, the "
        "best 8 again for 400, the best 2 of them for 600 steps. thorough: 80 candidates, 8 for 400 and 3 for 1,200.",
        show_default="normal; without --steps and --epochs",
    ),
    rungs: str | None = typer.Option(
        None,
        help="Instead of --effort: longer trainings, as STEPS:CANDIDATES that are promoted to it, such as "
        "400:8,1200:2.",
        show_default="by the effort",
    ),
    target_latency: str = typer.Option(DEFAULT_TARGET, help="Latency limit with its unit, such as 2.5ms."),
    device: list[str] = typer.Option(
        ["local"],
        help="Where latency is measured: local (= cpu), cuda:N, ssh://user@host, or a device profile. Several times: a "
        "pool of boards of one kind.",
        show_default="local",
    ),
    runtime: str | None = typer.Option(
        None,
        help="auto (= onnxruntime), onnxruntime, openvino, ncnn, torch, torch-cudagraph or tensorrt.",
        show_default="the device profile's, else auto",
    ),
    imgsz: str | None = typer.Option(
        None, help="Input sizes instead of the chosen ones or the space's own: 128 or 96,128,160."
    ),
    precision: str | None = typer.Option(
        None, help="Precision of the measured model.", show_default="the device profile's, else float32"
    ),
    threads: int | None = typer.Option(
        None, help="Threads of the measured runtime.", show_default="the device profile's, else 1"
    ),
    scope: str = typer.Option("compute", help="What the latency's clock covers: compute or +copies."),
    target_stat: str = typer.Option("quiet", help="What must meet the target: quiet (a best case), p50 or p95."),
    sustained: str | None = typer.Option(None, help="How long a p50 or p95 is measured: 60s."),
    train_device: str | None = typer.Option(None, help="Where proxies train; default: cuda:0 when there is one."),
    steps: int | None = typer.Option(
        None, min=1, help="Optimiser steps of a proxy training.", show_default="by the proxy"
    ),
    epochs: float | None = typer.Option(None, help="Length of a proxy training in passes over the data."),
    fraction: float = typer.Option(1.0, help="Share of the training pictures, a stratified sample."),
    max_time: str | None = typer.Option(
        None, help="As many candidates as fit into this time with their rungs: 20m, 2h."
    ),
    max_params: str | None = typer.Option(None, help="Most parameters: 1.5M."),
    max_gflops: float | None = typer.Option(None, help="Most GFLOPs at the model's own input size."),
    max_size: str | None = typer.Option(None, help="Largest float32 ONNX file: 4MB."),
    sampler: Literal["gp", "tpe", "random"] = typer.Option(
        "gp", help="gp (Gaussian processes, ours and Optuna's), tpe or random."
    ),
    seed_literals: bool = typer.Option(
        False, "--seed-literals", help="Begin with the shipped literals that lie in the space and meet the target."
    ),
    finalist_seeds: int | None = typer.Option(
        None,
        min=1,
        help="With --steps or --epochs, which alone are a search without rungs: number of seeds for the top candidates "
        "and the best baseline (1: no repeats).",
        show_default="3",
    ),
    class_loss: Literal["bce", "focal"] = typer.Option("bce", help="Class loss of the proxies: bce or focal."),
    box_loss: Literal["ciou", "giou"] = typer.Option("ciou", help="Box loss of the proxies: ciou or giou."),
    source: str | None = typer.Option(
        None,
        "--from",
        help="YOLO11 n, s or m checkpoint. It is tuned on the data first; then every candidate inherits its channels. "
        "`self`: a YOLO11n that is trained on the data from scratch; `self-s`, `self-m`: a larger one. `scratch`: "
        "every candidate begins with fresh weights.",
        show_default="self; scratch with --space, --steps, --epochs, --max-time or --seed-literals",
    ),
    source_steps: int | None = typer.Option(
        None,
        min=1,
        help="Without `--from scratch`: steps for which the source is trained on the data first.",
        show_default="600; 1200 for self",
    ),
    teacher: Path | None = typer.Option(
        None, help="Ultralytics checkpoint that teaches the proxies (distillation).", show_default="none"
    ),
    workers: int | None = typer.Option(
        None,
        min=0,
        help="Worker processes, one core each; 0: in this process, without Ray. With --ray-address: trials that train "
        "at a time.",
        show_default="one a core, on a GPU at most 8; as many as the cluster holds",
    ),
    ray_address: str | None = typer.Option(
        None,
        help="Train on the nodes of a Ray cluster that this machine is a node of: auto, or HOST:PORT.",
        show_default="train on this machine",
    ),
    seed: int = typer.Option(0, min=0, max=2**32 - 1, help="Seed of the sampler and the proxies."),
    name: str | None = typer.Option(None, help="Name of the results folder.", show_default="a digest of the request"),
    out: Path = typer.Option(Path("results"), help="Folder of all results."),
    storage: str | None = typer.Option(
        None,
        help="PostgreSQL database that holds the study: postgresql://USER@HOST/DATABASE. The password comes from "
        "PGPASSWORD or ~/.pgpass.",
        show_default="a file of the results folder; where a search was begun",
    ),
    trust: bool = TRUST,
) -> None:
    """Search for detectors that meet a latency target.

    The same command again resumes the search; a larger --budget extends it. Ctrl-C ends it with the front so far.
    """
    from dataclasses import replace

    from nas.errors import UsageError
    from nas.latency import pooled, resolve_device
    from nas.model import Losses
    from nas.search import asked_for, parse_rungs
    from nas.study import AUTO, Limits, check_url
    from nas.util import ultralytics_env, units

    trust_checkpoints(trust)
    if storage is not None:
        check_url(storage)
    cluster = None if ray_address is None else _cluster(ray_address, workers)
    target_ms = units.latency_ms(target_latency)
    limits = Limits(
        target_ms=target_ms,
        max_params=None if max_params is None else units.count(max_params),
        max_gflops=max_gflops,
        max_bytes=None if max_size is None else units.size_bytes(max_size),
    )
    if max_gflops is not None and not 0 < max_gflops < math.inf:
        raise UsageError(f"--max-gflops must be above zero and finite, got {max_gflops:g}; leave it out for no limit")
    losses = Losses(class_loss, box_loss)
    if steps is not None and epochs is not None:
        raise UsageError("--steps and --epochs both set a proxy's length; give one of them")
    named, source = (
        source,
        source_of(source, (space or AUTO.space) != AUTO.space, steps, epochs, max_time, seed_literals),
    )
    if source is None and source_steps is not None:
        raise UsageError("--source-steps belongs to a search that starts from a source; add --from")
    candidates, promotions = asked_for(
        effort,
        budget,
        None if rungs is None else parse_rungs(rungs),
        one_length=steps is not None or epochs is not None,
    )
    if promotions and finalist_seeds is not None:
        raise UsageError(
            "--finalist-seeds belongs to a search without rungs (--steps or --epochs alone): with rungs the best "
            "candidates are trained longer instead"
        )
    max_seconds = None if max_time is None else units.duration_s(max_time)
    if scope == "+nms":
        raise UsageError("a search cannot measure +nms: how long NMS takes depends on trained weights; use compute")
    latency = pooled([resolve_device(one) for one in device]).settings(
        runtime=runtime,
        precision=precision,
        threads=threads,
        scope=scope,
        statistic=target_stat,
        sustained_s=None if sustained is None else units.duration_s(sustained),
    )
    ultralytics_env.prepare()

    from nas.cli.search_progress import ConsoleReporter
    from nas.inherit import default_steps, find_source
    from nas.model import checkpoint_at_hand, find_checkpoint, hint
    from nas.proxy import FINE_TUNING, SOURCE_STEPS, ProxySettings
    from nas.results import annotate
    from nas.search import AutoSpace, Request, run_search, scale_of_source
    from nas.space import SearchSpace, load_space

    start = None if source is None else find_source(source)
    found: SearchSpace | AutoSpace
    scale = None if start is None else scale_of_source(start)
    sizes = () if imgsz is None else tuple(sorted(set(_sizes(imgsz))))
    if space is None or space == AUTO.space:
        auto = AutoSpace("ghostv2" if scale is None else "narrowed", scale, sizes)
        least = auto.least  # refuses wrong sizes
        found = least if sizes and scale else auto  # with both nothing is left to choose
    else:
        found = load_space(space, also=(AUTO.space,))
        if sizes:
            found = found.with_imgsz(sizes)
    proxy = replace(
        ProxySettings() if source is None else FINE_TUNING,
        seed=seed,
        device=_train_device(train_device),
        losses=losses,
        teacher=None if teacher is None else str(find_checkpoint(teacher).absolute()),
    )
    request = Request(
        space=found,
        data=data,
        fraction=fraction,
        budget=candidates,
        limits=limits,
        latency=latency,
        proxy=proxy if steps is None else proxy.with_steps(steps),
        epochs=epochs,
        source=start,
        source_steps=source_steps or (SOURCE_STEPS if start is None else default_steps(start)),
        rungs=promotions,
        sampler=sampler,
        seed_literals=seed_literals,
        finalist_seeds=3 if finalist_seeds is None else finalist_seeds,
        workers=_workers(cluster, proxy.device) if workers is None else workers,
        ray_address=cluster,
        max_seconds=max_seconds,
        name=name,
        out=out,
        storage=storage,
    )
    if named is None and (at_hand := checkpoint_at_hand()) is not None:
        typer.echo(hint(at_hand))
    with ConsoleReporter() as reporter:
        outcome = run_search(request, reporter, annotate)
        reporter.concluded(outcome)


def source_of(asked: str | None, *otherwise: object) -> str | None:
    """What `--from` names: without it `self`, unless something else says that designs train from scratch."""
    if asked is None:
        return None if any(otherwise) else "self"
    return None if asked == "scratch" else asked


def _sizes(text: str) -> list[int]:
    from nas.errors import UsageError

    try:
        return [int(part) for part in text.split(",")]
    except ValueError as error:
        raise UsageError(f"--imgsz must be sizes in pixels such as 128 or 96,128,160; got {text!r}") from error


def _cluster(address: str, workers: int | None) -> str:
    from nas.errors import UsageError
    from nas.search import check_address

    if workers == 0:
        raise UsageError("--workers 0 runs without Ray, and --ray-address with it; leave one of them out")
    return check_address(address)


def _workers(cluster: str | None, train_device: str) -> int:
    import os

    import torch

    from nas.search import default_workers

    if cluster is not None:
        return 0  # as many as it holds
    # os.sched_getaffinity honours container and taskset limits where the platform has it.
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return default_workers(cores, None if train_device == "cpu" else torch.cuda.mem_get_info(train_device)[0])


def _train_device(asked: str | None) -> str:
    import torch

    from nas.errors import UsageError
    from nas.proxy import check_computes

    if asked is None:
        asked = "cuda:0" if torch.cuda.is_available() else "cpu"
    kind, colon, index = asked.partition(":")
    if asked != "cpu" and not (kind == "cuda" and (index.isdecimal() or not colon)):
        raise UsageError(f"--train-device must be cpu or cuda:N, got {asked!r}")
    if kind == "cuda" and not torch.cuda.is_available():
        raise UsageError(f"--train-device {asked}: torch finds no CUDA device here; use --train-device cpu")
    if kind == "cuda" and int(index or 0) >= torch.cuda.device_count():
        raise UsageError(f"--train-device {asked}: torch finds {torch.cuda.device_count()} CUDA devices here")
    if kind == "cpu":
        return asked
    device = f"cuda:{int(index or 0)}"
    check_computes(torch.device(device))
    return device
