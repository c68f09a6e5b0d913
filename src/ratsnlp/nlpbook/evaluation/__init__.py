"""Answers -> score card."""
