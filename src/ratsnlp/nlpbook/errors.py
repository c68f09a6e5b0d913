"""Errors a user can cause and put right. The command shows only their message; any other exception is a bug."""


class RatsnlpError(Exception):
    """Base of every error that a user can cause: says where, what was found, and what to do next."""


class ArgumentError(RatsnlpError, ValueError):
    """A setting cannot be used as given."""


class PositionError(ArgumentError, TypeError):
    """Settings are given without their names, which Python calls a TypeError."""


class CorpusFormatError(RatsnlpError, ValueError):
    """A corpus file breaks its format; the message names the file and the line."""


class CorpusMissingError(RatsnlpError, FileNotFoundError):
    """A corpus file is missing; the message names the folder and what it holds."""


class DownloadError(RatsnlpError, OSError):
    """A file could not be fetched or verified; nothing was put in its place."""


class CheckpointError(RatsnlpError, ValueError):
    """No checkpoint could be chosen or read; the message names what was found."""


class ModelLoadError(RatsnlpError, OSError):
    """A pretrained model or tokenizer could not be loaded."""


class CheckError(RatsnlpError, ValueError):
    """Tokenizer, model, data and settings do not fit each other; the message lists every error found."""


class EvaluationError(RatsnlpError, ValueError):
    """Scores are missing, or cannot be compared; the message names the folders."""


class ServingError(RatsnlpError, OSError):
    """A page cannot be served as asked."""
