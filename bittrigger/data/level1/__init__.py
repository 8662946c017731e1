"""Bunch crossings as a Level-1 trigger sees them: towers, objects, regions, jets and vertices, in integers."""
