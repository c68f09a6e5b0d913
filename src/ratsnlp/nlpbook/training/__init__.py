"""Features -> checkpoint: what a step is, and what runs the steps."""
