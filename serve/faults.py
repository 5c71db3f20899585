"""What went wrong in another process of the cluster, as its own words and not as Ray's wrapping of them."""

from ray.exceptions import RayTaskError

from huracan.errors import HuracanError

__all__ = ["own_fault", "own_words"]

_WORDS_MAX = 300


def own_fault(error: BaseException) -> BaseException:
    """Return what an actor raised; Ray's own error where it raised nothing of ours."""
    if isinstance(error, RayTaskError) and isinstance(error.cause, HuracanError | OSError):
        return error.cause
    return error


def own_words(error: BaseException) -> str:
    """Return in one line what went wrong: the fault's message, of a foreign one its class alone, never a traceback."""
    fault = own_fault(error)
    if isinstance(fault, RayTaskError):
        return f"a fault of {type(fault.cause).__name__}; its log has more"
    return " ".join(str(fault).split())[:_WORDS_MAX] or type(fault).__name__
