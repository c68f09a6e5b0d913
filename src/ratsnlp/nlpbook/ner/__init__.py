"""Named entity recognition. Names are resolved when they are used, so settings import without torch."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
