"""Decisions of the signals deployment, asked for by handle and not by HTTP, within the caller's deadline."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from ray import serve
from ray.exceptions import RayError
from ray.serve.exceptions import RayServeException

from huracan.signals.model import Decisions
from serve.faults import own_words
from serve.names import APPLICATION, DEPLOYMENT

__all__ = ["ServedDecisions"]


class ServedDecisions:
    """`DecisionMaker` over the signals deployment.

    Args:
        find: returns the deployment's handle; blocks.
    """

    def __init__(self, find: Callable[[], Any] = lambda: serve.get_deployment_handle(DEPLOYMENT, APPLICATION)) -> None:
        self._find = find
        self._handle: Any = None

    async def decide(self, close_ms: int, symbols: Sequence[str], states: NDArray[np.float32]) -> Decisions:
        """See `huracan.signals.model.DecisionMaker`; cancelling it is giving up.

        Raises:
            ConnectionError: no replica has answered.
        """
        try:
            if self._handle is None:
                self._handle = await asyncio.to_thread(self._find)
            found: Decisions = await self._handle.decide.remote(close_ms, tuple(symbols), states)
            return found
        except (RayError, RayServeException) as error:
            self._handle = None
            raise ConnectionError(f"{DEPLOYMENT} does not decide: {own_words(error)}") from None
