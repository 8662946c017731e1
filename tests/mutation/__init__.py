"""Mutation: emitters, passes and templates are broken on purpose, one token at a time, and every break must be caught."""
