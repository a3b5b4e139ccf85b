"""What a search stores: settings, records, evaluations, finalists, outcome."""

from typing import TYPE_CHECKING

from nas.util.lazy import lazy

if TYPE_CHECKING:
    from nas.study.accuracy import TOP_K, Estimates, estimates, most_accurate, top_candidates
    from nas.study.comparison import (
        HEAD,
        NECK,
        STEM,
        TOP,
        Box,
        ComparedPicture,
        Comparison,
        GroupAccuracy,
        StageTime,
        comparison_file,
        write_comparison,
    )
    from nas.study.conclusion import (
        compared_files,
        compared_pair,
        conclusion_of,
        kept_comparison,
        read_outcome,
        yolo11_of,
    )
    from nas.study.copying import Copied, copy_study
    from nas.study.evaluation import Evaluation
    from nas.study.finalists import Finalist, Finalists, FinalMeasurement, choose_best
    from nas.study.gain import Gain
    from nas.study.limits import Limits, Violation
    from nas.study.location import STUDY_FILES, forget, remember, remembered, storage_of, study_name_of
    from nas.study.outcome import Outcome
    from nas.study.postgres import PostgresDatabase
    from nas.study.postgres_connection import DatabaseUnreachable, check_url
    from nas.study.record import INTERRUPTED, Record, TrainedRecord, as_trained, trained
    from nas.study.rungs import (
        RungScore,
        RungScores,
        RungStanding,
        longest,
        read_rung_scores,
        rung_scores,
        weights_name,
    )
    from nas.study.settings import AUTO, DataChoice, ProxyChoice, SearchSettings, SpaceChoice, StartChoice
    from nas.study.storage import SEARCH, StudyStorage, close_storage
    from nas.study.store import Annotate, StoredStudy, check_settings, read_kept, read_records
    from nas.study.study_file import StudyFile, check_path
    from nas.study.unwritten import UNWRITTEN_FILE
    from nas.study.weights import (
        finalist_weights,
        measured_file,
        trained_model,
        weights_file,
        write_text,
        write_weights,
    )

__getattr__ = lazy(
    __name__,
    {
        "accuracy": (
            "TOP_K",
            "Estimates",
            "estimates",
            "most_accurate",
            "top_candidates",
        ),
        "comparison": (
            "HEAD",
            "NECK",
            "STEM",
            "TOP",
            "Box",
            "ComparedPicture",
            "Comparison",
            "GroupAccuracy",
            "StageTime",
            "comparison_file",
            "write_comparison",
        ),
        "conclusion": (
            "compared_files",
            "compared_pair",
            "conclusion_of",
            "kept_comparison",
            "read_outcome",
            "yolo11_of",
        ),
        "copying": (
            "Copied",
            "copy_study",
        ),
        "evaluation": ("Evaluation",),
        "finalists": (
            "Finalist",
            "Finalists",
            "FinalMeasurement",
            "choose_best",
        ),
        "gain": ("Gain",),
        "limits": (
            "Limits",
            "Violation",
        ),
        "location": (
            "STUDY_FILES",
            "forget",
            "remember",
            "remembered",
            "storage_of",
            "study_name_of",
        ),
        "outcome": ("Outcome",),
        "postgres": ("PostgresDatabase",),
        "postgres_connection": (
            "DatabaseUnreachable",
            "check_url",
        ),
        "record": (
            "INTERRUPTED",
            "Record",
            "TrainedRecord",
            "as_trained",
            "trained",
        ),
        "rungs": (
            "RungScore",
            "RungScores",
            "RungStanding",
            "longest",
            "read_rung_scores",
            "rung_scores",
            "weights_name",
        ),
        "settings": (
            "AUTO",
            "DataChoice",
            "ProxyChoice",
            "SearchSettings",
            "SpaceChoice",
            "StartChoice",
        ),
        "storage": (
            "SEARCH",
            "StudyStorage",
            "close_storage",
        ),
        "store": (
            "Annotate",
            "StoredStudy",
            "check_settings",
            "read_kept",
            "read_records",
        ),
        "study_file": (
            "StudyFile",
            "check_path",
        ),
        "unwritten": ("UNWRITTEN_FILE",),
        "weights": (
            "finalist_weights",
            "measured_file",
            "trained_model",
            "weights_file",
            "write_text",
            "write_weights",
        ),
    },
)
