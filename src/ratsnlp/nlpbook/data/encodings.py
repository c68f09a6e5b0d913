"""Which encoding a text file is in: told by decoding all of it, never guessed from a part.

Korean Excel saves "CSV" as CP949, "CSV UTF-8" as UTF-8 with a byte-order mark, and "Unicode Text" as UTF-16.
"""

import codecs
from pathlib import Path

from ratsnlp.nlpbook.errors import CorpusFormatError

SHOWN = {
    "utf-8": "UTF-8",
    "utf-8-sig": "UTF-8 with a byte-order mark",
    "utf-16": "UTF-16",
    "cp949": "CP949 (it is not UTF-8)",
}
"""The encodings that are read, by Python's name, as the log shows them."""


def find_encoding(path: Path) -> str:
    """Return the encoding of a text file, a key of `SHOWN`.

    UTF-8 is tried before CP949: Hangul written in CP949 is not valid UTF-8, so the first that fits is right.

    Raises:
        CorpusFormatError: The file is text in none of them; names the line and the byte at which each one fails.
    """
    with path.open("rb") as file:
        opening = file.read(3)
    if opening[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        check_utf16(path)
        return "utf-16"
    marked = opening == codecs.BOM_UTF8
    faults = {}
    for codec in ("utf-8",) if marked else ("utf-8", "cp949"):
        faults[codec] = find_fault(path, codec)
        if not faults[codec]:
            return "utf-8-sig" if marked else codec
    found = " and ".join(f"not {codec.upper()} ({fault})" for codec, fault in faults.items())
    zero = " A byte 0x00 means UTF-16 without its mark, or no text at all." if "0x00" in found else ""
    raise CorpusFormatError(
        f"{path}: {found}.{zero} Save the file as UTF-8 (Excel: 'CSV UTF-8') and try again; "
        "a file joined from several must be in one encoding throughout."
    )


def find_fault(path: Path, codec: str) -> str:
    """Return where a file is no text in an encoding whose line ends are single bytes; empty where all of it is."""
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            place = line.find(b"\0")
            try:
                line.decode(codec)
            except UnicodeDecodeError as error:
                place = error.start
            if place >= 0:
                return f"line {number}, byte {place + 1} of the line, 0x{line[place]:02x}"
    return ""


def check_utf16(path: Path) -> None:
    """Decode a file that begins with a mark of UTF-16.

    Raises:
        CorpusFormatError: Some of it is not UTF-16; names the byte.
    """
    try:
        text = path.read_bytes().decode("utf-16")
    except UnicodeDecodeError as error:
        raise CorpusFormatError(
            f"{path}, byte {error.start + 1}: the file begins as UTF-16, but this is none. It may have been cut short; "
            "save it as UTF-8 and try again."
        ) from None
    if "\0" in text:
        raise CorpusFormatError(f"{path}: the file begins as UTF-16, but holds zero characters; save it as UTF-8")
