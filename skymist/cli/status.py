"""Exit status of all commands; 0 if it is done."""

FAILED = 1
"""The scan failed."""

BAD_INPUT = 2
"""Wrong usage or input."""

INTERRUPTED = 130
"""By the user; as shells have it."""
