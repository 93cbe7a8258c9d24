"""A program: mmdetection 3.3.0's Swin, from its wheel alone, on what a test gives it. Nothing of it is installed.

    python mmdet_swin.py FOLDER

FOLDER holds the unpacked wheel and in.pt (options, state_dict, images by name); it leaves out.pt (maps by name).
"""

import importlib
import sys
import types
from pathlib import Path

import torch


def hollow_package(name: str, folder: Path, **content: object) -> types.ModuleType:
    """A package whose modules can be imported without running its __init__, which wants compiled operators."""
    package = types.ModuleType(name)
    package.__path__ = [str(folder.joinpath(*name.split(".")))]
    vars(package).update(content)
    sys.modules[name] = package
    return package


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    for name in ("mmdet", "mmdet.models", "mmdet.models.backbones", "mmdet.models.layers.transformer"):
        hollow_package(name, folder)
    hollow_package("mmdet.utils", folder, OptConfigType=object, OptMultiConfig=object)
    layers = hollow_package("mmdet.models.layers", folder)
    parts = importlib.import_module("mmdet.models.layers.transformer.utils")
    layers.PatchEmbed, layers.PatchMerging = parts.PatchEmbed, parts.PatchMerging
    given = torch.load(folder / "in.pt")
    model = importlib.import_module("mmdet.models.backbones.swin").SwinTransformer(**given["options"])
    model.load_state_dict(given["state_dict"])
    model.eval()
    with torch.no_grad():
        torch.save({name: model(images) for name, images in given["images"].items()}, folder / "out.pt")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
