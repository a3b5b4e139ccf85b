"""What is learnt from the scores of designs: encoding, posterior, acquisition function."""

from typing import TYPE_CHECKING

from nas.util.lazy import lazy

if TYPE_CHECKING:
    from nas.surrogate.acquisition import Seen, promises
    from nas.surrogate.posterior import Denoised, Estimate, Scored, denoised

__getattr__ = lazy(
    __name__,
    {
        "acquisition": (
            "Seen",
            "promises",
        ),
        "posterior": (
            "Denoised",
            "Estimate",
            "Scored",
            "denoised",
        ),
    },
)
