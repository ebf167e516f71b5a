"""What charging looks like in numbers: facts in, rows of features out. Pure; no arrays, so that detection starts
without them."""

from detector.features.gather import Gathered, gather
from detector.features.sample import WINDOW, Context, Span, Window
from detector.features.table import FEATURES, FEATURES_OF, Feature
from detector.features.window import RAMP, OpenWindow, collect

__all__ = [
    "FEATURES",
    "FEATURES_OF",
    "RAMP",
    "WINDOW",
    "Context",
    "Feature",
    "Gathered",
    "OpenWindow",
    "Span",
    "Window",
    "collect",
    "gather",
]
