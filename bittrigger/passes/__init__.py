"""From the integer graph to a pipeline, one pass a file."""
