"""Independent ways to run one design."""
