"""Files of every kind, including hostile ones: each gets tags or a reason, and other files are not affected."""

import errno
import io
import os
import random
import struct
import threading
import time
import wave
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import docx
import pytest
from PIL import Image, ImageDraw

from disgrafs import mount as mount_module
from disgrafs.graph.model import Work
from disgrafs.mount import Mount, NotMountedError
from disgrafs.taggers import kind, lite0, read, table
from disgrafs.taggers.kind import Kind, kind_of
from disgrafs.taggers.read import Fault, Outcome, tag_file
from disgrafs.taggers.table import OTHER, TABLE, Registered, tagger_for
from disgrafs.taggers.tagger import MOST_LABELS, Content, Findings, Tagger, normalised
from disgrafs.tests.folder import Folder

WHALE = "The blue whale is a marine mammal. A blue whale eats krill, and krill is small. Whales sing in the ocean. " * 5
GERMAN = (
    "Der Blauwal ist ein Säugetier und das größte Tier der Erde. Der Blauwal frisst Krill, und er singt im Meer. " * 5
)
CHINESE = (
    "分布式文件系统把文件存储在多台服务器上。文件系统的元数据由数据库管理，研究人员在北京大学研究分布式文件系统。" * 3
)
NOISE = random.Random(2).randbytes(5000)
AIFF = b"FORM\0\0\0\x16AIFFNAME\0\0\0\x0aBlue Song\0"
MIDI = b"MThd\0\0\0\6\0\1\0\1\0\x60MTrk\0\0\0\x0c\0\xff\x03\4Song\0\xff\x2f\0"
CODE = (
    '''import os

class WhaleCounter:
    """Counts whales."""

    def count_whales(self, ocean):
        return sum(1 for whale in ocean.whales if whale.is_blue)
'''
    * 4
)


def pdf(pages: int, text: str = "blue whale krill ocean") -> bytes:
    """A PDF of its own, with as many pages as wanted."""
    words = " ".join(f"({text}) Tj 0 -14 Td" for _ in range(5))
    stream = f"BT /F1 12 Tf 20 700 Td {words} ET".encode()
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Count %d /Kids [%s] >>" % (pages, b" ".join(b"%d 0 R" % (5 + i) for i in range(pages))),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream),
    ]
    page = (
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R "
        b"/Resources << /Font << /F1 3 0 R >> >> >>"
    )
    objects += [page] * pages
    out = bytearray(b"%PDF-1.4\n")
    places = []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table_at = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    out += b"trailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, table_at)
    return bytes(out)


def word(text: str) -> bytes:
    document = docx.Document()
    document.add_paragraph(text)
    document.core_properties.title = "On Whales"
    buffer = io.BytesIO()
    document.save(buffer)
    return buffer.getvalue()


def zip_bomb(mebibytes: int) -> bytes:
    """A Word document whose text unpacks to as much as wanted, of a thousandth of the size."""
    packed = io.BytesIO(word("x"))
    buffer = io.BytesIO()
    with zipfile.ZipFile(packed) as old, zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as new:
        for part in old.infolist():
            content = old.read(part)
            if part.filename == "word/document.xml":
                content = content.replace(b"<w:t>x</w:t>", b"<w:t>" + b"a" * (mebibytes * 2**20) + b"</w:t>")
            new.writestr(part.filename, content)
    return buffer.getvalue()


def picture(kind: str = "PNG", size: tuple[int, int] = (320, 240)) -> bytes:
    image = Image.new("RGB", size, (30, 60, 200))
    ImageDraw.Draw(image).ellipse((40, 40, 200, 200), fill=(240, 240, 240))
    exif = Image.Exif()
    exif[0x010F], exif[0x0110] = "Acme", "Box 3"
    buffer = io.BytesIO()
    image.save(buffer, kind, **({"exif": exif} if kind == "JPEG" else {}))
    return buffer.getvalue()


def huge_png(width: int, height: int) -> bytes:
    """A PNG that says that it is huge."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 1000))
        + chunk(b"IEND", b"")
    )


def sound() -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(8000)
        out.writeframes(b"\0\0" * 16000)
    return buffer.getvalue()


def asf(title: str, artist: str) -> bytes:
    """The header of a Windows Media file."""
    texts = [text.encode("utf-16-le") + b"\0\0" for text in (title, artist, "", "", "")]
    content = struct.pack("<5H", *map(len, texts)) + b"".join(texts)
    described = bytes.fromhex("3326b2758e66cf11a6d900aa0062ce6c") + struct.pack("<Q", len(content) + 24) + content
    guid = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
    return guid + struct.pack("<QIBB", len(described) + 30, 1, 1, 2) + described


def song() -> bytes:
    def frame(name: bytes, text: str) -> bytes:
        body = b"\x03" + text.encode()
        return name + struct.pack(">I", len(body)) + b"\0\0" + body

    frames = frame(b"TIT2", "Blue Song") + frame(b"TPE1", "The Whales") + frame(b"TCON", "Ocean")
    size = len(frames)
    head = bytes([size >> 21 & 127, size >> 14 & 127, size >> 7 & 127, size & 127])
    return b"ID3\x03\0\0" + head + frames + b"\xff\xfb\x90\x64" + b"\0" * 413


@pytest.fixture
def tag(tmp_path: Path) -> Iterator[Callable[[str | bytes], Outcome]]:
    with Folder(tmp_path) as mount:

        def tag_content(content: str | bytes, name: str = "file") -> Outcome:
            file = tmp_path / name
            file.write_bytes(content.encode() if isinstance(content, str) else content)
            return tag_file(mount, Work(file.stat().st_ino, 1, name))

        yield tag_content


def labels(outcome: Outcome) -> list[str]:
    assert outcome.tagged, outcome.reason
    return [tag.label for tag in outcome.tagged.tags]


@pytest.mark.parametrize(
    ("content", "by", "media_type", "some"),
    [
        (WHALE, "text", "text/plain", {"blue whale"}),
        (GERMAN, "text", "text/plain", {"blauwal"}),
        (CHINESE, "text", "text/plain", {"分布式文件系统"}),
        ("x", "text", "text/plain", {"text"}),
        (b"\xff\xfe" + "whale song".encode("utf-16-le"), "text", "text/plain", {"text"}),
        ("caf\xe9 cr\xe8me \xe9t\xe9".encode("latin-1"), "text", "text/plain", {"text"}),
        (CODE, "source", "text/x-python", {"python", "source code", "whale"}),
        (pdf(2), "pdf", "application/pdf", {"pdf", "krill"}),
        (word(WHALE), "word", "application/vnd.openxmlformats-officedocument.wordprocessingml.document", {"on whales"}),
        (picture(), "picture", "image/png", {"image"}),
        (picture("JPEG"), "picture", "image/jpeg", {"image", "acme", "box 3"}),
        (picture("GIF"), "picture", "image/gif", {"image"}),
        (picture("WEBP"), "picture", "image/webp", {"image"}),
        (sound(), "media", "audio/x-wav", {"audio"}),
        (song(), "media", "audio/mpeg", {"blue song", "the whales", "ocean"}),
        (MIDI, "media", "audio/midi", {"audio", "midi"}),
        (
            b"RIFF\x70\x11\x01\0AVI LIST" + random.Random(2).randbytes(5000),
            "media",
            "video/x-msvideo",
            {"video", "avi"},
        ),
        (
            b"\x1aE\xdf\xa3\xa3B\x82\x88matroska" + random.Random(3).randbytes(5000),
            "media",
            "video/x-matroska",
            {"video", "mkv"},
        ),
        (b"", "other", "inode/x-empty", {"empty"}),
        (random.Random(1).randbytes(5000), "other", "application/octet-stream", {"unknown"}),
    ],
)
def test_each_kind_is_recognised_by_its_content(
    tag: Callable[[str | bytes], Outcome], content: str | bytes, by: str, media_type: str, some: set[str]
) -> None:
    outcome = tag(content)
    found = labels(outcome)
    assert outcome.tagged
    assert (outcome.by, outcome.tagged.kind) == (by, media_type)
    assert some <= set(found), found
    assert len(found) <= MOST_LABELS


def test_the_language_of_a_text_is_detected(tag: Callable[[str | bytes], Outcome]) -> None:
    facts = [tag(content).tagged for content in (WHALE, GERMAN, CHINESE, "x y z")]
    assert [found and found.facts["language"] for found in facts] == ["en", "de", "zh", "en"]


@pytest.mark.parametrize(
    ("content", "fault", "reason"),
    [
        (picture()[:300], Fault.CONTENT, "truncated"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 64, Fault.CONTENT, "cannot identify"),
        (b"%PDF-1.7\nnot really", Fault.CONTENT, "PDFium"),
        (zip_bomb(80), Fault.CONTENT, "larger than 64 MiB"),
        (b"ID3\x03\0\0\x7f\x7f\x7f\x7f" + b"\xff" * 200, None, ""),
    ],
)
def test_a_broken_file_has_its_fault_and_reason(
    tag: Callable[[str | bytes], Outcome], content: bytes, fault: Fault | None, reason: str
) -> None:
    outcome = tag(content)
    assert outcome.fault == fault
    assert reason.lower() in outcome.reason.lower()


def test_huge_files_are_tagged_within_the_limits(tag: Callable[[str | bytes], Outcome], tmp_path: Path) -> None:
    outcome = tag(pdf(10_000))
    assert outcome.tagged
    assert outcome.tagged.facts["pages"] == "10000"
    outcome = tag(huge_png(60_000, 60_000))
    assert outcome.tagged
    assert outcome.tagged.note == "it has more than 50 million pixels"
    # 64 MB of text and of comments before the picture.
    png, jpeg = picture(), picture("JPEG")
    text = b"tEXt" + b"a\0" + b"x" * (64 * 2**20)
    end_of_header = 33
    chunk = struct.pack(">I", len(text) - 4) + text + struct.pack(">I", zlib.crc32(text))
    assert "image" in labels(tag(png[:end_of_header] + chunk + png[end_of_header:]))
    comments = (b"\xff\xfe\xff\xff" + bytes(65533)) * 1024
    assert "acme" in labels(tag(jpeg[:2] + comments + jpeg[2:]))
    sparse = tmp_path / "sparse"
    with sparse.open("wb") as file:
        file.write(WHALE.encode())
        file.truncate(2 * 2**30)
    with Folder(tmp_path) as mount:
        outcome = tag_file(mount, Work(sparse.stat().st_ino, 1, "sparse"))
    assert outcome.tagged
    assert outcome.tagged.size == 2 * 2**30


def test_only_the_intended_file_is_read(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("do not read")
    folder = tmp_path / "volume"
    folder.mkdir()
    (folder / "link").symlink_to(secret)
    os.mkfifo(folder / "pipe")
    (folder / "dir").mkdir()
    (folder / "other").write_text("another file has its name")
    with Folder(folder) as mount:
        for name in ("link", "pipe", "dir", "other", "missing", "dir/missing", "other/missing"):
            place = folder / name
            inode = place.lstat().st_ino if name in {"link", "pipe", "dir"} else 1
            outcome = tag_file(mount, Work(inode, 1, name))
            assert outcome.tagged is None, name
            assert outcome.fault in {Fault.MOVED, Fault.UNREADABLE}, (name, outcome.reason)


class Hungry(Tagger):
    """A tagger that is hungry."""

    def tag(self, content: Content) -> Findings:
        return Findings([(str(len(bytearray(2 * 2**30))), 1.0)])


class Slow(Tagger):
    """A tagger that is slow."""

    def tag(self, content: Content) -> Findings:
        while True:
            sum(range(1000))


class Writing(Tagger):
    """A tagger that is writing."""

    def tag(self, content: Content) -> Findings:
        with Path(f"/proc/self/fd/{content.file.fileno()}").open("ab") as file:
            file.write(b"more")
        return Findings([("x" * 500, 2.0), (" Ünï\0\n ", -1.0), ("\u200b", 1.0), ("X" * 500, 0.5)])


def use(monkeypatch: pytest.MonkeyPatch, tagger: type[Tagger], seconds: int = 20) -> None:
    entry = Registered("hostile", 3, "nowhere:Nothing", seconds=seconds)
    monkeypatch.setattr(read, "tagger_for", lambda _: entry)
    made = tagger()
    monkeypatch.setattr(read, "load", lambda _: made)


def test_memory_and_time_have_limits(tag: Callable[[str | bytes], Outcome], monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, Hungry)
    outcome = tag(WHALE)
    assert (outcome.fault, outcome.reason) == (Fault.LIMIT, "it needs more than 256 MiB of memory")
    use(monkeypatch, Slow, seconds=1)
    outcome = tag(WHALE)
    assert (outcome.fault, outcome.reason, outcome.by) == (
        Fault.LIMIT,
        "it takes more than 1 s of computing",
        "hostile",
    )
    monkeypatch.undo()
    # What was limited for one file is not for the next.
    assert bytearray(600 * 2**20)
    assert "blue whale" in labels(tag(WHALE))


def test_a_file_that_changes_meanwhile_is_not_finished(
    tag: Callable[[str | bytes], Outcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, Writing)
    outcome = tag(WHALE)
    assert labels(outcome) == ["x" * 64, "ünï"]
    assert outcome.tagged
    assert not outcome.tagged.settled


def test_the_files_of_a_call_are_read_together_and_those_whose_data_is_lost_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["fine", "lost", "not yet there", "memory is short", "lost too", "fine too"]
    for name in names:
        (tmp_path / name).write_text(WHALE)
    works = [Work((tmp_path / name).stat().st_ino, 1, name) for name in names]
    first = {work.inode: work.path for work in works}
    together, really_read, descriptors = threading.Barrier(len(works)), os.pread, []

    def reading(descriptor: int, size: int, offset: int) -> bytes:
        path = first.pop(os.fstat(descriptor).st_ino, "")
        if path:
            descriptors.append(descriptor)
            together.wait(30)
        if path.startswith("lost"):
            time.sleep(0.6)
        if path.startswith(("lost", "not")):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        if path.startswith("memory"):
            raise MemoryError
        return really_read(descriptor, size, offset)

    monkeypatch.setattr(read, "Mount", lambda point: Folder(Path(point)))
    monkeypatch.setattr(os, "pread", reading)
    monkeypatch.setattr(read, "SLOW_SECONDS", 0.5)
    outcomes = read.tag_files(str(tmp_path), [*works, Work(1, 1, "missing")])
    lost = Fault.UNREADABLE
    assert [outcome.fault for outcome in outcomes] == [None, lost, lost, None, lost, None, Fault.MOVED]
    assert [outcome.slow for outcome in outcomes] == [False, True, False, False, True, False, False]
    assert all(outcome.read for outcome in outcomes if outcome.fault is lost)
    for descriptor in descriptors:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(descriptor)
    assert read.tag_files(str(tmp_path), []) == []


def test_a_daemon_that_is_gone_is_not_the_fault_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_text(WHALE)
    gone = OSError(errno.ENOTCONN, "Transport endpoint is not connected")

    def opening(*_: object, **__: object) -> int:
        raise gone

    with Folder(tmp_path) as mount:
        monkeypatch.setattr(read, "_open", opening)
        with pytest.raises(NotMountedError, match="not connected"):
            tag_file(mount, Work((tmp_path / "a").stat().st_ino, 1, "a"))
    monkeypatch.setattr(mount_module, "is_juicefs", lambda _: True)
    monkeypatch.setattr(os, "open", opening)
    with pytest.raises(NotMountedError, match="not connected"):
        Mount(str(tmp_path))


def test_the_table_has_different_taggers_that_load() -> None:
    names = [entry.name for entry in (*TABLE, OTHER)]
    assert len(names) == len(set(names))
    for entry in (*TABLE, OTHER):
        assert isinstance(table.load(entry), Tagger)
    assert tagger_for(Kind("markdown", "text/markdown", "text")).name == "text"
    assert tagger_for(Kind("rust", "text/x-rust", "code")).name == "source"
    assert tagger_for(Kind("elf", "application/x-elf", "executable")) is OTHER


def test_no_bytes_break_the_classifier(tmp_path: Path) -> None:
    chance = random.Random(7)
    for size in (1, 2, 3, 7, 100, 8192):
        for make in (chance.randbytes, lambda n: ("é" * n).encode()[:n], lambda n: b"{" * n, lambda n: b"\xff" * n):
            content = make(size)
            kind = kind_of(io_file(tmp_path, content), len(content))
            assert kind.name
            assert kind.media_type


def test_a_word_document_is_recognised_without_the_classifier(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    classifier = kind._classifier()
    asked = 0

    def counted() -> object:
        nonlocal asked
        asked += 1
        return classifier

    monkeypatch.setattr(kind, "_classifier", counted)
    document = word(WHALE)
    assert kind_of(io_file(tmp_path, document), len(document)).name == "docx"
    assert asked == 0
    # For an archive that contains a document, uncompressed, the classifier is asked.
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("letter.docx", document)
    kind_of(io_file(tmp_path, buffer.getvalue()), len(buffer.getvalue()))
    assert asked == 1


def test_the_classifier_uses_one_thread() -> None:
    # With a thread for each CPU, they spin while they wait for each other: the CPU time doubles.
    options = kind._classifier()._onnx_session.get_session_options()
    assert (options.intra_op_num_threads, options.inter_op_num_threads) == (1, 1)


def io_file(folder: Path, content: bytes) -> io.BufferedReader:
    (folder / "any").write_bytes(content)
    return (folder / "any").open("rb")


def test_labels_are_normalised_and_equal_ones_merged() -> None:
    assert normalised([("Straße", 0.5), ("STRASSE", 0.7), ("ｆｕｌｌ", 0.1), ("  ", 1.0)]) == [
        ("strasse", 0.7),
        ("full", 0.1),
    ]


def test_the_image_model_matches_its_weights() -> None:
    import onnxruntime

    session = onnxruntime.InferenceSession(lite0.model(), providers=["CPUExecutionProvider"])
    import numpy as np

    (likely,) = session.run(None, {"pixels": np.full((1, 3, 224, 224), 127, np.float32)})
    assert likely.shape == (1, 1000)
    assert abs(float(likely.sum()) - 1) < 1e-3
    # Nothing is on a grey picture, so nothing is likely: with one tensor in another order, something is.
    assert float(likely.max()) < 0.2
