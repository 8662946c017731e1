"""What the top of a design does: wiring, valid chain, queues, and the guard of the interval."""
