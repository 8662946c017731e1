"""What is known about FPGAs and trigger systems: parts, budgets, delays, carry chains, the LUTs that things cost."""
