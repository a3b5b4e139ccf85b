"""ghostnas: neural architecture search for lightweight detectors under a measured latency limit."""

__version__ = "0.1.0"
