"""Policies: the protocol, the masked network, the one forward pass, the seed ensemble, checked artefacts."""

from huracan.policy.artefact import Artefact, combine_artefacts, export_artefact, load_artefact
from huracan.policy.card import PolicyCard, catalogue_identity, library_versions
from huracan.policy.check import check_policy, specimen_states
from huracan.policy.ensemble import Ensemble
from huracan.policy.forward import BLOCK_ROWS, Decision, decide
from huracan.policy.network import NUM_ACTIONS, NetworkSpec, Normaliser, PolicyNet, legal_mask
from huracan.policy.protocol import Policy
from huracan.policy.sureness import CERTAIN, Sureness

__all__ = [
    "BLOCK_ROWS",
    "CERTAIN",
    "NUM_ACTIONS",
    "Artefact",
    "Decision",
    "Ensemble",
    "NetworkSpec",
    "Normaliser",
    "Policy",
    "PolicyCard",
    "PolicyNet",
    "Sureness",
    "catalogue_identity",
    "check_policy",
    "combine_artefacts",
    "decide",
    "export_artefact",
    "legal_mask",
    "library_versions",
    "load_artefact",
    "specimen_states",
]
