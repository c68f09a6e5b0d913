"""What the cells call as `nlpbook.X`. Names are resolved when used, so importing this costs nothing."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
