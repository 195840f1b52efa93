"""A tiny program that runs inside containers and says what it sees there."""
