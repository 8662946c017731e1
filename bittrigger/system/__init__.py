"""The machine that bittrigger runs on: programs, shipped files, arrays in files."""
