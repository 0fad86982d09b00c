"""What a file is by its first bytes, whatever its name says."""

from __future__ import annotations

SIGNATURES = (
    (b"PK\x03\x04", "a ZIP archive, such as an Excel workbook or an NPZ file"),
    (b"PK\x05\x06", "an empty ZIP archive"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook"),
    (b"\x1f\x8b", "a gzip file"),
    (b"BZh", "a bzip2 file"),
    (b"\xfd7zXZ", "an xz file"),
    (b"7z\xbc\xaf", "a 7-Zip archive"),
    (b"%PDF", "a PDF"),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"\x93NUMPY", "a single NumPy array (.npy)"),
    (b"MATLAB 5.0", "a MATLAB file"),
    (b"\x89HDF", "an HDF5 file, as MATLAB 7.3 writes"),
    (b"SQLite format", "a database"),
    (b"PAR1", "a Parquet file"),
    (b"{\\rtf", "a text document (RTF)"),
    (b"\xff\xfe", "UTF-16 text"),
    (b"\xfe\xff", "UTF-16 text"),
    (b"version https://git-lfs", "a pointer of Git LFS, not the file itself"),
)
"""First bytes of a file, and what it is then."""


def kind_of(content: bytes) -> str | None:
    """What a file is that begins with `content`; None where it is not known, as of plain text.

    >>> kind_of(b"%PDF-1.7"), kind_of(b"<html>"), kind_of(b"level,rate")
    ('a PDF', 'a page of HTML or XML', None)
    """
    for start, name in SIGNATURES:
        if content.startswith(start):
            return name
    text = content.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text.startswith(b"<"):
        return "a page of HTML or XML"
    if text.startswith((b"{", b"[")):
        return "JSON"
    if content[:200].count(b"\x00") > len(content[:200]) // 4:
        return "UTF-16 text without a mark, or no text"
    return None
