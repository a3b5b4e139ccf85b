"""The one file that is timed, scored and shipped, for a runtime and a precision."""
