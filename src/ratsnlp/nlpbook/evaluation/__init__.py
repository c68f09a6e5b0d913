"""Answers -> report."""
