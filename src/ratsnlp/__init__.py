"""Learn and use Korean NLP from a notebook. The step-by-step names live in `ratsnlp.nlpbook`."""

import dataclasses

__version__ = "2.0.0"

if not hasattr(dataclasses, "KW_ONLY"):
    raise ImportError(
        f"{dataclasses.__file__} hides Python's own module of that name, so torch cannot be loaded. It is an old "
        "package that Korpora asks for and no Python since 3.7 needs: pip uninstall dataclasses, or delete that file"
    )
