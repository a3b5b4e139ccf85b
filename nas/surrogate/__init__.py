"""What is learnt from the scores of designs: encoding, posterior, acquisition function."""

from typing import TYPE_CHECKING

from nas.util.lazy import lazy

if TYPE_CHECKING:
    from nas.surrogate.acquisition import MeasuredDesign, constrained_expected_improvement, limit_used
    from nas.surrogate.encoding import Described, described
    from nas.surrogate.posterior import AccuracyEstimate, ScoredDesign, ScorePosterior, posterior_of

__getattr__ = lazy(
    __name__,
    {
        "acquisition": (
            "MeasuredDesign",
            "constrained_expected_improvement",
            "limit_used",
        ),
        "encoding": (
            "Described",
            "described",
        ),
        "posterior": (
            "AccuracyEstimate",
            "ScoredDesign",
            "ScorePosterior",
            "posterior_of",
        ),
    },
)
