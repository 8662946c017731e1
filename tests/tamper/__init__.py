"""Tampering: files of a build are changed by hand, in every way that we know, and every change must be caught: ``make tamper``."""
