"""Pair classification (natural language inference): does a premise make a hypothesis true, false, or neither?

Settings, dataset and task are those of document classification. Names are resolved when they are used.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
