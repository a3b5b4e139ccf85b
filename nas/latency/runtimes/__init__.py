"""One interface, one file a runtime."""
