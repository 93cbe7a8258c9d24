"""Networks of timm (pytorch-image-models) as four-level backbones; needs the extra `timm`."""

import difflib
from types import ModuleType
from typing import Any, Self

import torch
from torch import Tensor, nn

from queryinst_vis.errors import UserError
from queryinst_vis.models.layers import batch_norm_to_eval
from queryinst_vis.registry import MODELS

_TRIAL_HW = (96, 160)  # multiples of 32, as models pad their images, and nothing that a network is made for


@MODELS.register_module()
class TimmBackbone(nn.Module):
    """The maps at strides 4, 8, 16 and 32 of a network that timm knows by `name`, e.g. "convnext_tiny" or with its weights' tag.

    All of it learns; batch norm always runs in eval mode, as in ResNet. pretrained: timm downloads its weights for the name, or
    takes them from its cache; on the meta device there are none.
    Raises UserError: timm is missing, no such name, no maps at these strides, images of one size only, no weights to be had.
    """

    strides = (4, 8, 16, 32)

    def __init__(self, name: str, *, pretrained: bool = False) -> None:
        super().__init__()
        timm = _import_timm()
        _check_name(timm, name)
        levels, self.channels = _probe(timm, name, self.strides)
        pretrained = pretrained and torch.get_default_device().type != "meta"
        self.net = _create(timm, name, out_indices=levels, pretrained=pretrained)

    @classmethod
    def from_description(cls, name: str, *, pretrained: bool = False) -> Self:
        """What a weights file describes: its tensors are in the file, so nothing is downloaded, whatever it says."""
        return cls(name)

    def train(self, mode: bool = True) -> Self:
        super().train(mode)
        batch_norm_to_eval(self)
        return self

    def forward(self, images: Tensor) -> list[Tensor]:
        return _maps(self.net, images)


def _import_timm() -> ModuleType:
    try:
        import timm
    except ModuleNotFoundError as error:
        if error.name != "timm":
            raise
        raise UserError("TimmBackbone needs timm, which is not installed: pip install queryinst-vis[timm]") from error
    return timm


def _check_name(timm: ModuleType, name: str) -> None:
    """Only names in timm's own list: others may mean a download or a folder ("hf-hub:...", "local-dir:...")."""
    if isinstance(name, str) and timm.is_model(name):
        return
    architecture = str(name).partition(".")[0]
    near = difflib.get_close_matches(architecture, timm.list_models(), n=1, cutoff=0)
    raise UserError(f"timm has no model {name!r}; the nearest is {near[0]!r}")


def _probe(timm: ModuleType, name: str, strides: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Numbers, in timm's count, and channels of the last map at each stride, found out without memory for weights."""
    with torch.device("meta"):
        net = _create(timm, name)
        images = torch.empty(1, 3, *_TRIAL_HW)
    of_stride = {stride: place for place, stride in enumerate(net.feature_info.reduction())}
    if not set(strides) <= set(of_stride):
        raise UserError(
            f"timm's {name} cannot be a backbone: it has maps at stride {_listed(of_stride)}, needed are {_listed(strides)}"
        )
    places = [of_stride[stride] for stride in strides]
    channels = tuple(net.feature_info.channels()[place] for place in places)
    try:
        with torch.no_grad():
            maps = _maps(net.eval(), images)
    except (RuntimeError, AssertionError, ValueError) as error:
        reason = str(error).strip().partition("\n")[0] or "it failed on another"
        raise UserError(f"timm's {name} cannot be a backbone: it takes images of certain sizes only ({reason})") from error
    expected = [(c, *(side // stride for side in _TRIAL_HW)) for c, stride in zip(channels, strides, strict=True)]
    found = [tuple(maps[place].shape[1:]) for place in places]
    if found != expected:
        raise UserError(f"timm's {name} cannot be a backbone: its maps are {found} where it promises {expected}")
    return tuple(net.feature_info.out_indices[place] for place in places), channels


def _create(timm: ModuleType, name: str, *, pretrained: bool = False, **options: Any) -> Any:
    try:
        return timm.create_model(name, features_only=True, pretrained=pretrained, **options)
    except Exception as error:  # of the network, of a hub, of a connection: timm promises no kind
        reason = str(error).strip().partition("\n")[0]
        failed = "has no weights to be had" if pretrained else "cannot be a backbone"
        raise UserError(f"timm's {name} {failed}: {reason or type(error).__name__}") from error


def _maps(net: nn.Module, images: Tensor) -> list[Tensor]:
    """[B, C, h, w] each; some networks give [B, h, w, C], and say so."""
    maps = net(images)
    if getattr(net, "output_fmt", "NCHW") == "NHWC":
        return [x.permute(0, 3, 1, 2).contiguous() for x in maps]
    return list(maps)


def _listed(numbers: Any) -> str:
    return ", ".join(str(number) for number in numbers)
