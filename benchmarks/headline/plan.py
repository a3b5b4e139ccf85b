"""What is compared, how long everything trains, and where it is kept."""

from dataclasses import dataclass
from pathlib import Path

from nas.data import DetectionData
from nas.latency import LatencySettings


@dataclass(frozen=True, slots=True)
class Plan:
    """The comparison that was asked for.

    Attributes:
        data: The data set.
        source: Checkpoint of the pretrained arms.
        source_steps: Steps for which it is tuned on the data first.
        work: Folder of the searches, trained files and logs.
        kept: Folder of the tables that are kept.
        target: The latency limit as it was typed.
        target_ms: The same in ms.
        latency: How latency is measured.
        seeds: Seeds of the searches.
        steps: Steps of a final training.
        hand_steps: Steps of hand scaling's first trainings.
        epochs: Epochs of a training of the Optuna script.
        finals: Final trainings of every arm; None for the arms' own numbers.
        workers: Trainings side by side.
        device: Where is trained: `cpu` or `cuda:N`.
        search_options: Further options of all searches.
    """

    data: DetectionData
    source: Path
    source_steps: int
    work: Path
    kept: Path
    target: str
    target_ms: float
    latency: LatencySettings
    seeds: tuple[int, ...]
    steps: int
    hand_steps: int
    epochs: int
    finals: int | None
    workers: int
    device: str
    search_options: tuple[str, ...]

    @property
    def yaml(self) -> str:
        """Path of the data YAML."""
        return str(self.data.source.absolute())

    def search_folder(self, arm: str, seed: int) -> Path:
        """The results folder of a search.

        Args:
            arm: The arm's name.
            seed: The search's seed.
        """
        return self.work / "searches" / f"{arm}-{seed}"
