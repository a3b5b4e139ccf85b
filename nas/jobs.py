"""What a worker is given to do, and what does it."""

from collections.abc import Callable
from dataclasses import dataclass

from nas.architecture import Architecture
from nas.evaluate import Evaluation, Evaluator, Task, TrainAgain, evaluate, train_again
from nas.exploration import Judged
from nas.judge import judge, prepare_parent
from nas.latency.predictor import Predictor
from nas.proxy import Score
from nas.space import SearchSpace


@dataclass(frozen=True, slots=True)
class Assignment:
    """An architecture to evaluate.

    Attributes:
        number: Trial number inside its study.
        label: File stem of its YAML and weights: `trial-7`, or a baseline's name.
        architecture: The design.
        baseline: Whether it is a baseline, which is trained also when it misses a limit.
        repetition: 0 to evaluate it; else the number of another seed with which it is only trained.
    """

    number: int
    label: str
    architecture: Architecture
    baseline: bool = False
    repetition: int = 0


@dataclass(frozen=True, slots=True)
class ParentTraining:
    """The parent of a space to train.

    Attributes:
        space: The space.
        steps: How long.
    """

    space: SearchSpace
    steps: int
    label: str = "the parent"


@dataclass(frozen=True, slots=True)
class Judgement:
    """Designs to judge with the parent's weights.

    Attributes:
        space: Their space.
        designs: The designs.
        predictor: What predicts their latencies.
    """

    space: SearchSpace
    designs: tuple[Architecture, ...]
    predictor: Predictor
    label: str = "designs judged with the parent's weights"


Job = Assignment | ParentTraining | Judgement
Answer = Evaluation | Score | float | tuple[Judged, ...]
"""Of an evaluation, of a repetition, of a parent's training (its seconds), of a judgement."""


@dataclass(frozen=True, slots=True)
class Crew:
    """The functions that do the jobs; workers import them.

    Attributes:
        evaluate: Evaluates an architecture.
        again: Trains one with another seed.
        parent: Trains a parent.
        judge: Judges designs with its weights.
    """

    evaluate: Evaluator = evaluate
    again: TrainAgain = train_again
    parent: Callable[[SearchSpace, int, Task], float] = prepare_parent
    judge: Callable[[SearchSpace, tuple[Architecture, ...], Predictor, Task], tuple[Judged, ...]] = judge

    def carry_out(self, job: Job, task: Task) -> Answer:
        """Do a job.

        Args:
            job: What is to be done.
            task: How the search evaluates.
        """
        match job:
            case ParentTraining():
                return self.parent(job.space, job.steps, task)
            case Judgement():
                return self.judge(job.space, job.designs, job.predictor, task)
            case Assignment(repetition=0):
                return self.evaluate(job.architecture, task, job.label, job.baseline)
            case _:
                return self.again(job.architecture, task, job.repetition)
