"""Training: it learns, it repeats to the bit, it stops at NaN, and it leaves nothing changed behind it."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
import torch
from torch import nn

from nas.data import DetectionData
from nas.data.image_cache import pixels
from nas.errors import ProxyError
from nas.proxy import ProxySettings, train_proxy
from nas.proxy.ema import AveragedWeights, recalibrate
from nas.proxy.train import changed_share, learning_rate, optimizer_of, set_learning_rate

from .conftest import MakeModel


class CountingGate:
    """Counts the batches that pass."""

    def __init__(self) -> None:
        """Start at zero."""
        self.passed = 0

    @contextmanager
    def training(self) -> Iterator[None]:
        """Count one."""
        self.passed += 1
        yield


def test_statistics_of_any_number_of_pictures_are_taken_in_even_parts(small_data: DetectionData) -> None:
    seen: list[int] = []
    norm = nn.BatchNorm2d(3)
    norm.register_forward_hook(lambda _, inputs, __: seen.append(len(inputs[0])))
    model = nn.Sequential(nn.AdaptiveAvgPool2d(1), norm)  # 1x1 maps: a single picture has no statistics
    recalibrate(model, pixels(small_data.train, 64), 17, 16, torch.device("cpu"), "float32")
    assert seen == [9, 8]
    assert norm.num_batches_tracked == 2


def test_it_learns_and_passes_the_lock(small_data: DetectionData, make_model: MakeModel) -> None:
    lock = CountingGate()
    settings = ProxySettings(steps=40, batch=8, recalibration=32)
    before = torch.get_num_threads(), torch.get_rng_state()
    result, model = train_proxy(make_model(width=0.125), small_data, 64, settings, lock)
    assert lock.passed == 40 + 4 + 3  # steps, recalibration, validation in batches of 16
    assert torch.get_num_threads() == before[0]
    assert torch.equal(torch.get_rng_state(), before[1])
    assert not model.training
    assert (result.steps, result.settings, result.precision in ("float32", "bfloat16")) == (
        40,
        settings,
        True,
    )
    early, _ = train_proxy(make_model(width=0.125), small_data, 64, settings.with_steps(4))
    assert result.train_loss < 0.9 * early.train_loss
    assert 0 <= early.score.map50_95 <= result.score.map50_95 < result.score.map50 < 1


def test_batchnorm_statistics_are_taken_anew(small_data: DetectionData, make_model: MakeModel) -> None:
    settings = ProxySettings(steps=2, batch=8, recalibration=24)
    _, model = train_proxy(make_model(), small_data, 64, settings)
    norms = [module for module in model.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    assert all(int(norm.num_batches_tracked or 0) == 3 for norm in norms)
    assert all(norm.momentum is not None for norm in norms)


def test_a_loss_that_is_not_finite_ends_it(small_data: DetectionData, make_model: MakeModel) -> None:
    model = make_model()
    with torch.no_grad():
        next(model.parameters()).fill_(float("inf"))
    with pytest.raises(ProxyError, match=r"the training loss became (nan|inf) at step 1 of 5"):
        train_proxy(model, small_data, 64, ProxySettings(steps=5, batch=4))


ABSENT = [("cuda:99", "not there"), ("abacus", "unknown"), ("meta", "not on")]


@pytest.mark.parametrize(("device", "message"), ABSENT)
def test_an_absent_device_is_refused(
    small_data: DetectionData, make_model: MakeModel, device: str, message: str
) -> None:
    with pytest.raises(ProxyError, match=message):
        train_proxy(make_model(), small_data, 64, ProxySettings(steps=1, device=device))


def test_more_pictures_a_batch_than_there_are(small_data: DetectionData, make_model: MakeModel) -> None:
    result, _ = train_proxy(make_model(), small_data, 32, ProxySettings(steps=1, batch=100))
    assert result.steps == 1


def test_learning_rate_rises_and_falls() -> None:
    settings = ProxySettings(steps=100, lr=0.01, horizon=1, warmup=0.1, final_lr=0.1)
    rates = [learning_rate(step, settings) for step in range(100)]
    assert rates[:10] == pytest.approx([0.001 * (step + 1) for step in range(10)])
    assert rates[9:] == sorted(rates[9:], reverse=True)
    assert rates[-1] == pytest.approx(0.001)
    assert learning_rate(0, ProxySettings(steps=1, lr=0.01, horizon=1)) == 0.01
    half = replace(settings, steps=50, horizon=2)
    assert [learning_rate(step, half) for step in range(50)] == rates[:50]


def test_a_proxy_is_the_first_half_of_a_longer_training(small_data: DetectionData, make_model: MakeModel) -> None:
    middle: list[torch.Tensor] = []

    def observe(step: int, average: torch.nn.Module) -> None:
        if step == 2:
            middle.extend(parameter.detach().clone() for parameter in average.parameters())

    whole = ProxySettings(steps=4, batch=8, recalibration=8, horizon=1)
    train_proxy(make_model(), small_data, 32, whole, observe=observe)
    _, half = train_proxy(make_model(), small_data, 32, replace(whole, steps=2, horizon=2))
    assert all(torch.equal(one, other) for one, other in zip(middle, half.parameters(), strict=True))


def test_augmentation_grows_with_the_passes() -> None:
    assert changed_share(160, ProxySettings(steps=50, batch=16)) == pytest.approx(0.25)
    assert changed_share(160, ProxySettings(steps=10_000, batch=16)) == 1.0
    assert changed_share(160, ProxySettings(steps=10_000, augment=0.0)) == 0.0


def test_the_average_forgets_the_start() -> None:
    model = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.zeros_(model.weight)
    average = AveragedWeights(model, limit=0.998, tau=60)
    torch.nn.init.ones_(model.weight)
    for _ in range(30):
        average.update()
    assert average.model.weight.item() == pytest.approx(1.0, abs=0.01)  # type: ignore[union-attr, operator]


REPEAT = """
import hashlib, sys, torch
from pathlib import Path
from nas.data import load
from nas.data.synthetic import embedded
from nas.proxy import ProxySettings, train_proxy
from nas.model.builder import load_model
embedded.PICTURES, embedded.SET_NAME = {"train": 30, "val": 4}, "embedded-repeat"
torch.manual_seed(int(sys.argv[1]))  # another global state each time, which must not matter
data = load(None)
model = load_model("yolo11n.yaml", nc=6)
generator = torch.Generator().manual_seed(0)
with torch.no_grad():
    for parameter in model.parameters():
        parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.05)
result, trained = train_proxy(model, data, 64, ProxySettings(steps=3, batch=8, recalibration=8))
digest = hashlib.sha256()
for value in trained.state_dict().values():
    digest.update(value.numpy().tobytes())
print(digest.hexdigest(), result.score, result.train_loss)
"""


@pytest.mark.slow
def test_one_seed_repeats_to_the_bit_in_fresh_processes() -> None:
    runs = [
        subprocess.Popen([sys.executable, "-W", "ignore", "-c", REPEAT, seed], stdout=subprocess.PIPE, text=True)
        for seed in ("1", "2")
    ]
    outputs = [run.communicate()[0].strip().splitlines()[-1] for run in runs]
    assert [run.returncode for run in runs] == [0, 0]
    assert outputs[0] == outputs[1]
    assert "Score" in outputs[0]


NMS_FREE = """
nc: 6
reg_max: 1
end2end: True
backbone:
- [-1, 1, Conv, [8, 3, 2]]
- [-1, 1, Conv, [16, 3, 2]]
- [-1, 1, C3k2, [16, False]]
head:
- [[1, 2], 1, SlimDetect, [nc, 8, 8]]
"""


def test_a_head_without_nms_learns_and_is_scored_by_its_own_branches(small_data: DetectionData) -> None:
    from ultralytics.utils.loss import E2ELoss

    from nas.model.builder import build, is_nms_free
    from nas.proxy.loss import loss_of

    settings = ProxySettings(steps=4, batch=8, recalibration=8)
    result, model = train_proxy(build(NMS_FREE, seed=0), small_data, 64, settings)
    assert is_nms_free(model) and model.end2end
    assert 0 <= result.score.map50_95 <= 1
    with torch.no_grad():
        assert model(torch.rand(1, 3, 64, 64))[0].shape == (1, 300, 6)
    loss = loss_of(build(NMS_FREE, seed=0), settings)
    assert isinstance(loss, E2ELoss)
    shares = []
    for _ in range(settings.steps):  # the one-to-many branches lose weight over the steps, not over a hundred epochs
        loss.update()
        shares.append(loss.o2m)
    assert shares == sorted(shares, reverse=True) and shares[-1] == pytest.approx(loss.final_o2m)


@pytest.mark.slow
def test_the_losses_of_choice_are_trained_with(small_data: DetectionData, make_model: MakeModel) -> None:
    from nas.model.loss_names import Losses

    settings = ProxySettings(steps=3, batch=8, recalibration=8)
    plain, _ = train_proxy(make_model(), small_data, 64, settings)
    other, _ = train_proxy(make_model(), small_data, 64, replace(settings, losses=Losses("focal", "giou")))
    assert other.train_loss != plain.train_loss and other.settings.losses == Losses("focal", "giou")


def test_every_layer_moves_by_the_same_share_of_its_fresh_weights() -> None:
    torch.manual_seed(0)
    wide, narrow = nn.Conv2d(256, 8, 3), nn.Conv2d(64, 64, 3, groups=64)
    model = nn.Sequential(narrow, nn.Conv2d(64, 256, 1), wide)

    def moved(settings: ProxySettings) -> list[float]:
        kernels = [layer.weight.data for layer in model]
        before = [kernel.clone() for kernel in kernels]
        optimizer = optimizer_of(model, replace(settings, weight_decay=0.0))
        set_learning_rate(optimizer, 1e-4)
        for parameter in model.parameters():
            parameter.grad = torch.rand_like(parameter) + 0.1
        optimizer.step()
        return [float((kernel - old).norm() / old.norm()) for kernel, old in zip(kernels, before, strict=True)]

    even = moved(ProxySettings(lr_inputs=256.0))
    assert even == pytest.approx([1e-4 * (3 * 256) ** 0.5] * 3, rel=0.1)  # torch draws weights of sd (3 inputs)^-0.5
    usual = moved(ProxySettings(lr_inputs=None))
    assert usual[2] / usual[0] == pytest.approx((256 * 9 / 9) ** 0.5, rel=0.1)


def test_weights_decay_but_biases_do_not(make_model: MakeModel) -> None:
    optimizer = optimizer_of(make_model(), ProxySettings())
    for group in optimizer.param_groups:
        assert {parameter.ndim > 1 for parameter in group["params"]} == {group["weight_decay"] > 0}
