"""Thin wrappers, one per system call, named as in the man page."""
