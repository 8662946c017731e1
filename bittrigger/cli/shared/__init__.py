"""What the verbs share: the terminal, options, progress, evidence, and what is given up before a model is read."""
