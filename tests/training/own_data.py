"""A folder as docs/finetuning.md asks for it, generated: bright rectangles, tall, wide and square ones, on dark pictures."""

import json
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

SHAPES = {"bolt": (20, 50), "nut": (50, 20), "washer": (36, 36)}  # width, height
HEIGHT, WIDTH = 96, 128


def write_own_data(
    folder: Path, *, num_images: int = 6, names: Sequence[str] = tuple(SHAPES), num_empty: int = 1, crowd: int = 0
) -> Path:
    """`train.json` with `train/` and `val.json` with `val/`. num_empty: pictures without objects; crowd: objects of picture 0."""
    for split, seed in (("train", 0), ("val", 1)):
        rng = np.random.default_rng(seed)
        (folder / split).mkdir(parents=True)
        images, annotations = [], []
        for number in range(num_images):
            picture = np.full((HEIGHT, WIDTH, 3), 40, np.uint8)
            count = 0 if number >= num_images - num_empty else 2
            for _ in range(crowd if crowd and number == 0 else count):
                category = int(rng.integers(len(names)))
                width, height = list(SHAPES.values())[category % len(SHAPES)]
                x, y = int(rng.integers(WIDTH - width)), int(rng.integers(HEIGHT - height))
                picture[y : y + height, x : x + width] = rng.integers(150, 255, 3)
                polygon = [x, y, x + width, y, x + width, y + height, x, y + height]
                annotations.append(
                    {
                        "id": len(annotations) + 1,
                        "image_id": number + 1,
                        "category_id": category + 1,
                        "bbox": [x, y, width, height],
                        "area": width * height,
                        "iscrowd": 0,
                        "segmentation": [polygon],
                    }
                )
            images.append({"id": number + 1, "file_name": f"{number}.png", "height": HEIGHT, "width": WIDTH})
            cv2.imwrite(str(folder / split / f"{number}.png"), picture)
        categories = [{"id": index + 1, "name": name} for index, name in enumerate(names)]
        content = {"images": images, "annotations": annotations, "categories": categories}
        (folder / f"{split}.json").write_text(json.dumps(content))
    return folder
