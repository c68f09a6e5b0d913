"""Named entity recognition. Names are resolved when they are used, so settings import without torch."""

import lazy_loader

from ratsnlp.nlpbook import old_names

_find, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__getattr__ = old_names.after(_find, "ner")
