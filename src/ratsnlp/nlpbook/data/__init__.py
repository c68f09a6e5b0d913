"""Corpus file -> rows -> examples -> ragged features on disk -> batches."""
