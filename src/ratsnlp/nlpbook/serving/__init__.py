"""Answers on a page: a Flask app around any `inference_fn`, and the server that shows it."""
