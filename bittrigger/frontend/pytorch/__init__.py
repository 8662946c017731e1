"""Reads PyTorch checkpoints without PyTorch: tensors by a grammar of our own, never by unpickling; what they mean is declared."""
