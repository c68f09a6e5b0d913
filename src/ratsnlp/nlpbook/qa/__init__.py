"""Question answering: find the answer to a question in a passage. Names are resolved when they are used."""

import lazy_loader

from ratsnlp.nlpbook import old_names

_find, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__getattr__ = old_names.after(_find, "qa")
