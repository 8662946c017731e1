"""Faults of the machine, injected: a command says one sentence, leaves nothing half-written, and is right next time."""
