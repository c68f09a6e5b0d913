"""A task that is not part of the package: is a review short or long? Three files, as docs/architecture.md says."""
