"""Policies: the protocol, the masked network, the one forward pass, the seed ensemble, checked artefacts."""

from huracan.policy.ensemble import Ensemble
from huracan.policy.forward import BLOCK_ROWS, Decision, decide
from huracan.policy.network import NUM_ACTIONS, NetworkSpec, Normaliser, PolicyNet, legal_mask
from huracan.policy.protocol import Policy

__all__ = [
    "BLOCK_ROWS",
    "NUM_ACTIONS",
    "Decision",
    "Ensemble",
    "NetworkSpec",
    "Normaliser",
    "Policy",
    "PolicyNet",
    "decide",
    "legal_mask",
]
