"""All defences that are taken out, by the order of an order's life."""

from tests.mutations.books import BOOKS
from tests.mutations.kinds import Mutation
from tests.mutations.outside import OUTSIDE
from tests.mutations.protocol import PROTOCOL

__all__ = ["MUTATIONS"]

MUTATIONS: tuple[Mutation, ...] = (*PROTOCOL, *BOOKS, *OUTSIDE)
