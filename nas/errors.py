"""The exceptions that ghostnas raises on purpose.

GhostnasError                what went wrong and what to do, in one message; exit code 2 at the command line
├── UsageError               an option or argument that cannot be used as given
├── SpaceError               a search-space file that breaks a rule (file, line, key, rule, value)
├── ModelError               a model file that is not there, or that cannot be built, fused or exported
├── DataError                a detection data set that cannot be used
│   └── DataChanged          a data set that was changed while a search runs on it
├── LatencyError             a latency that could not be measured
│   ├── RuntimeMissing       a runtime that is not installed (the message says how), or lacks a precision here
│   ├── Unmeasurable         a machine too disturbed, for now, for a number to mean anything
│   ├── Busy                 a device that another measurement or a training step holds
│   └── DeviceLost           a device that cannot be reached, or that was lost while it measured
├── ProxyError               a proxy training that gave no usable score (NaN, no boxes)
│   └── OutOfMemory          one that did not fit beside what else was in memory then
├── StudyError               a stored study that cannot be read, or that belongs to another search
├── TargetUnreachable        no model of the space meets the target; says what is reachable and how
└── StorageError             a folder that cannot be written, or a disk that is full

A measurement that failed raises one of these; no function of ghostnas returns a stand-in value.
"""


class GhostnasError(Exception):
    """Base of every error that is the user's, the data's or the machine's, not a bug in ghostnas.

    Its arguments are lines: mostly one, the message.
    """

    def __str__(self) -> str:
        return "\n".join(map(str, self.args))


class UsageError(GhostnasError):
    """An option or argument cannot be used as given."""


class SpaceError(GhostnasError):
    """A search-space file breaks a rule."""


class ModelError(GhostnasError):
    """A model file is missing or cannot be built, fused or exported."""


class DataError(GhostnasError):
    """A detection data set cannot be used."""


class DataChanged(DataError):
    """A detection data set was changed while a search runs on it."""


class LatencyError(GhostnasError):
    """A latency could not be measured."""


class RuntimeMissing(LatencyError):
    """An inference runtime is not installed, or lacks the precision on this processor."""


class Unmeasurable(LatencyError):
    """The machine is too disturbed, for now, for a number to mean anything."""


class Busy(LatencyError):
    """Another measurement or a training step holds the device."""


class DeviceLost(LatencyError):
    """A device cannot be reached, or was lost while it measured."""


class ProxyError(GhostnasError):
    """A proxy training gave no usable score."""


class OutOfMemory(ProxyError):
    """A proxy training did not fit beside what else was in memory then."""


class StudyError(GhostnasError):
    """A stored study cannot be read or belongs to another search."""


class TargetUnreachable(GhostnasError):
    """No model of the search space can meet the latency target."""


class StorageError(GhostnasError):
    """A folder cannot be written or a disk is full."""
