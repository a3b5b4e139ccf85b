"""Latency predicted from a model's operations."""

from typing import TYPE_CHECKING

from nas.util.lazy import lazy

if TYPE_CHECKING:
    from nas.latency.predictor.by_layer import layer_times
    from nas.latency.predictor.feature_cache import features_of, remember_features
    from nas.latency.predictor.features import Features, graph_features
    from nas.latency.predictor.predictor import LEAST_SAMPLES, Prediction, Predictor, Sample

__getattr__ = lazy(
    __name__,
    {
        "by_layer": ("layer_times",),
        "feature_cache": (
            "features_of",
            "remember_features",
        ),
        "features": (
            "Features",
            "graph_features",
        ),
        "predictor": (
            "LEAST_SAMPLES",
            "Prediction",
            "Predictor",
            "Sample",
        ),
    },
)
