"""A set is made: planned in blocks, made by any number of workers, kept part by part, and joined to one file."""
