"""What the cells call as `nlpbook.X`. Names are resolved when used, so importing this costs nothing."""

import lazy_loader

from ratsnlp.nlpbook import old_names

_find, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__getattr__ = old_names.after(_find)
old_names.install()
