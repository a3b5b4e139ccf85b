"""The process that measures; it starts with the standard library alone."""
