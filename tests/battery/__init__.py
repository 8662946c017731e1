"""Small models of every layer and option that people's models have: what converts, in which grade, and why the rest does not."""
