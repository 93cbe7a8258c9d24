"""Classification networks of torchvision (ResNet, ShuffleNetV2) as backbones; the classifier is left over."""

from collections.abc import Collection

from torch import Tensor

_CLASSIFIER = ("fc.", "conv5.")


def speaks(names: Collection[str]) -> bool:
    return "conv1.weight" in names or "conv1.0.weight" in names


def translate(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name if name.startswith(_CLASSIFIER) else f"backbone.{name}": tensor for name, tensor in tensors.items()}
