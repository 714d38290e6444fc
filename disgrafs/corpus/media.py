"""Pictures, PDF, Word and music. Simple formats are written byte by byte, so that a seed gives the same bytes."""

import io
import struct
import zipfile
from random import Random
from xml.sax.saxutils import escape

from PIL import Image, ImageDraw

_EPOCH = (2020, 1, 1, 0, 0, 0)
_EXIF_DESCRIPTION = 0x010E
_EXIF_MODEL = 0x0110


def picture(random: Random, words: str, kind: str) -> bytes:
    """A drawing of hills or of shapes. A JPEG has its topic in EXIF."""
    width, height = random.choice([(640, 480), (800, 600), (480, 640), (320, 240)])
    sky = tuple(random.randint(120, 255) for _ in range(3))
    image = Image.new("RGB", (width, height), sky)
    draw = ImageDraw.Draw(image)
    for _ in range(random.randint(4, 10)):
        colour = tuple(random.randint(0, 255) for _ in range(3))
        x, y = random.randrange(width), random.randrange(height)
        size = random.randrange(20, width // 2)
        if random.random() < 0.5:
            draw.ellipse((x - size, y - size, x + size, y + size), fill=colour)
        else:
            draw.polygon([(x - size, height), (x, y), (x + size, height)], fill=colour)
    out = io.BytesIO()
    if kind == "jpeg":
        exif = Image.Exif()
        exif[_EXIF_DESCRIPTION] = words
        exif[_EXIF_MODEL] = random.choice(["Leica M6", "Nikon F3", "Olympus OM-1"])
        image.save(out, "JPEG", quality=85, exif=exif)
    else:
        image.save(out, "PNG")
    return out.getvalue()


def pdf(heading: str, lines: list[str]) -> bytes:
    """A PDF with 40 lines per page. Its font has only Latin letters."""
    pages = [lines[start : start + 40] for start in range(0, len(lines), 40)]
    objects = ["<< /Type /Catalog /Pages 2 0 R >>"]
    kids = " ".join(f"{4 + 2 * number} 0 R" for number in range(len(pages)))
    objects.append(f"<< /Type /Pages /Count {len(pages)} /Kids [{kids}] >>")
    objects.append("<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>")
    for number, page in enumerate(pages):
        shown = "".join(f"({_pdf_text(line)}) '\n" for line in [heading, "", *page])
        content = f"BT /F1 11 Tf 14 TL 60 790 Td\n{shown}ET"
        objects.append(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842]"
            f" /Resources << /Font << /F1 3 0 R >> >> /Contents {5 + 2 * number} 0 R >>"
        )
        objects.append(f"<< /Length {len(content.encode('cp1252', 'replace'))} >>\nstream\n{content}\nendstream")
    out = bytearray(b"%PDF-1.4\n")
    offsets = []
    for number, each in enumerate(objects, start=1):
        offsets.append(len(out))
        out += f"{number} 0 obj\n{each}\nendobj\n".encode("cp1252", "replace")
    start = len(out)
    out += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n".encode()
    out += b"".join(f"{offset:010} 00000 n \n".encode() for offset in offsets)
    out += f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n".encode()
    return bytes(out)


def _pdf_text(line: str) -> str:
    return line.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)")


_WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument"
_MAIN = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"


def docx(paragraphs: list[str]) -> bytes:
    """A Word document with only paragraphs. Not compressed, because compressed bytes depend on the library."""
    body = "".join(f'<w:p><w:r><w:t xml:space="preserve">{escape(each)}</w:t></w:r></w:p>' for each in paragraphs)
    head = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
    files = {
        "[Content_Types].xml": f'{head}<Types xmlns="{_PACKAGE}/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/word/document.xml" ContentType="{_MAIN}"/></Types>',
        "_rels/.rels": f'{head}<Relationships xmlns="{_PACKAGE}/relationships">'
        f'<Relationship Id="rId1" Type="{_OFFICE}" Target="word/document.xml"/></Relationships>',
        "word/document.xml": f'{head}<w:document xmlns:w="{_WORD}"><w:body>{body}</w:body></w:document>',
    }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), content)
    return out.getvalue()


_SILENT_FRAME = b"\xff\xfb\x90\x00" + bytes(413)
"""MPEG-1 layer III, 128 kbit/s, 44.1 kHz."""


def mp3(random: Random, title: str, artist: str, genre: str) -> bytes:
    """Silence with an ID3 tag."""
    frames = b""
    for name, value in ((b"TIT2", title), (b"TPE1", artist), (b"TCON", genre)):
        content = b"\x01" + value.encode("utf-16")
        frames += name + struct.pack(">IH", len(content), 0) + content
    size = len(frames)
    synchsafe = bytes((size >> shift) & 0x7F for shift in (21, 14, 7, 0))
    return b"ID3\x03\x00\x00" + synchsafe + frames + _SILENT_FRAME * random.randint(40, 200)
