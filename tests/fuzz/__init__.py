"""Random networks through every executor, shrinking of those that fail, and damaged files for every reader."""
