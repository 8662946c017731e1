"""Every adder in a clock cycle: ASAP, retiming, and LUTs against registers within a latency."""
