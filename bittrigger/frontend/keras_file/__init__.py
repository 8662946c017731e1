"""Keras model files as data that may be hostile: read by bytes, checked against what is allowed, and only then given to Keras."""
