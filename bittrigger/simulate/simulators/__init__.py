"""Programs that the executors compile and run."""
