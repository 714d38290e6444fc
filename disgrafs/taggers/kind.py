"""Detects the kind of a file by its content only."""

import os
import re
from dataclasses import dataclass
from functools import cache
from typing import Any, BinaryIO

HEAD = 8192
# Characters that are rare in prose, but common in source code and data, with their highest share in prose.
_RARE = ((re.compile(r"[{}()\[\];=<>#\\/|$@*_`]"), 0.03), (re.compile(r"[0-9]"), 0.1))


@dataclass(frozen=True, slots=True)
class Kind:
    """A type of content."""

    name: str
    """Such as pdf, python or txt: a name of Magika, the classifier for files without a known signature."""
    media_type: str
    group: str
    """Such as image, code, text, document, audio, video or archive."""


# Signatures at the beginning of a file. The classifier gives the same result, but takes a hundred times as long.
_SIGNATURES: tuple[tuple[int, bytes, Kind], ...] = (
    (0, b"%PDF-", Kind("pdf", "application/pdf", "document")),
    (0, b"\xff\xd8\xff", Kind("jpeg", "image/jpeg", "image")),
    (0, b"\x89PNG\r\n\x1a\n", Kind("png", "image/png", "image")),
    (0, b"GIF87a", Kind("gif", "image/gif", "image")),
    (0, b"GIF89a", Kind("gif", "image/gif", "image")),
    (8, b"WEBP", Kind("webp", "image/webp", "image")),
    (0, b"II*\0", Kind("tiff", "image/tiff", "image")),
    (0, b"MM\0*", Kind("tiff", "image/tiff", "image")),
    (0, b"ID3", Kind("mp3", "audio/mpeg", "audio")),
    (0, b"fLaC", Kind("flac", "audio/flac", "audio")),
    (0, b"OggS", Kind("ogg", "audio/ogg", "audio")),
    (8, b"WAVE", Kind("wav", "audio/x-wav", "audio")),
    (8, b"AIFF", Kind("aiff", "audio/x-aiff", "audio")),
    (8, b"AVI ", Kind("avi", "video/x-msvideo", "video")),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", Kind("asf", "video/x-ms-asf", "video")),
    (0, b"\x1aE\xdf\xa3", Kind("mkv", "video/x-matroska", "video")),
    (4, b"ftypM4A", Kind("m4", "audio/mp4", "audio")),
    (4, b"ftyp", Kind("mp4", "video/mp4", "video")),
)
# An archive of the parts of an Office document, in which the text of a Word document follows soon. Any other archive is
# left to the classifier: it may contain a Word document as a file, or the text may be further behind.
_DOCX_START = re.compile(rb"PK\x03\x04.{26}(?:\[Content_Types\]\.xml|_rels/|docProps/|word/)", re.DOTALL)
_DOCX_TEXT = re.compile(rb"PK\x03\x04.{26}word/document\.xml", re.DOTALL)
_DOCX = Kind("docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document", "document")
_EMPTY = Kind("empty", "inode/x-empty", "inode")
_TEXT = Kind("txt", "text/plain", "text")


def kind_of(file: BinaryIO, size: int) -> Kind:
    """The kind of an open file."""
    head = os.pread(file.fileno(), HEAD, 0)
    if size == 0 or not head:
        return _EMPTY
    for offset, signature, kind in _SIGNATURES:
        if head[offset : offset + len(signature)] == signature:
            return kind
    if _DOCX_START.match(head) and _DOCX_TEXT.search(head):
        return _DOCX
    prose = as_text(head)
    if prose is not None and all(len(rare.findall(prose)) <= most * len(prose) for rare, most in _RARE):
        return _TEXT
    # The classifier also reads the end of the file.
    found = _classifier().identify_stream(file).output
    file.seek(0)
    if prose is not None and not found.is_text:
        return _TEXT
    return Kind(str(found.label), str(found.mime_type), str(found.group))


def as_text(raw: bytes) -> str | None:
    """Decodes bytes as text; None if they are not text. The last character may be incomplete."""
    for encoding, mark in (("utf-8", b"\xef\xbb\xbf"), ("utf-16", b"\xff\xfe"), ("utf-16", b"\xfe\xff")):
        if raw.startswith(mark):
            return raw.decode(encoding, "ignore").lstrip("\ufeff")
    if b"\0" in raw:
        return None
    for cut in range(min(4, len(raw) + 1)):
        try:
            return raw[: len(raw) - cut].decode("utf-8")
        except UnicodeDecodeError:
            continue
    # Text in an old Western encoding has no control characters.
    old = raw.decode("cp1252", "replace")
    odd = sum(char == "\ufffd" or (char < " " and char not in "\t\r\n\f") for char in old)
    return old if odd == 0 else None


@cache
def _classifier() -> Any:
    import onnxruntime  # noqa: PLC0415 - slow to load, and only some files need it
    from magika import Magika  # noqa: PLC0415

    class OneThread(Magika):
        """By default, each CPU gets a thread that spins while it waits for the others, which doubles the CPU time."""

        def _init_onnx_session(self) -> Any:
            onnxruntime.disable_telemetry_events()
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = options.inter_op_num_threads = 1
            return onnxruntime.InferenceSession(self._model_path, options, providers=["CPUExecutionProvider"])

    return OneThread()
