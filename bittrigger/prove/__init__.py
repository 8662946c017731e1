"""Proofs about a build, for every input and every pattern of gaps; see ``docs/proof.md``."""

from typing import TYPE_CHECKING

from bittrigger.system.lazily import attributes

if TYPE_CHECKING:
    from bittrigger.prove.claims import Claim, Verdict
    from bittrigger.prove.run import ASSUMED, TESTED_ONLY, Proof, prove, save_proof

__all__ = ["ASSUMED", "TESTED_ONLY", "Claim", "Proof", "Verdict", "prove", "save_proof"]

__getattr__ = attributes(
    __name__,
    {"claims": ("Claim", "Verdict"), "run": ("ASSUMED", "TESTED_ONLY", "Proof", "prove", "save_proof")},
)
