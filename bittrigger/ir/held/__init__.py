"""What a design holds in registers: where it lies on the bus of settings, as a file, and at which addresses."""
