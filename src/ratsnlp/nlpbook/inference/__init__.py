"""Checkpoint -> answers."""
