"""What each kind of module computes, proven from its definition."""
