"""Small helpers of the compat scripts: steps, expectations, exact distances."""

import logging
import math
import sys
import time

URI = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:19530"

# The client logs every refusal with its stack; the scripts judge refusals themselves.
logging.disable(logging.ERROR)

_started = time.monotonic()


def step(text):
    """Prints what has just been shown to work."""
    print(f"   {time.monotonic() - _started:6.2f}s  {text}", flush=True)


def equal(actual, expected, what):
    """Ends the script unless both are the same."""
    if actual != expected:
        raise AssertionError(f"{what}: got {repr(actual)[:500]}, expected {repr(expected)[:500]}")


def close(actual, expected, what, tolerance=1e-4):
    """The same for numbers that went through single precision."""
    if not math.isclose(actual, expected, rel_tol=tolerance, abs_tol=tolerance):
        raise AssertionError(f"{what}: got {actual!r}, expected about {expected!r}")


def l2(a, b):
    """Milvus's L2: the squared distance, no root."""
    return sum((x - y) ** 2 for x, y in zip(a, b))


def cosine(a, b):
    """Cosine similarity."""
    dot = sum(x * y for x, y in zip(a, b))
    return dot / math.sqrt(sum(x * x for x in a) * sum(y * y for y in b))
