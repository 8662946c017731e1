"""Proofs about a build, for every input and every pattern of gaps; see ``docs/proof.md``."""

from bittrigger.prove.claims import Claim, Verdict
from bittrigger.prove.run import ASSUMED, TESTED_ONLY, Proof, prove, save_proof

__all__ = ["ASSUMED", "TESTED_ONLY", "Claim", "Proof", "Verdict", "prove", "save_proof"]
