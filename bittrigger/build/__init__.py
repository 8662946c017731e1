"""The build folder: files, manifest, what is kept of a design."""
