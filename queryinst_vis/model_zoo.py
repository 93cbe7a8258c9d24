"""Names of weights that a person may type: the embedded default, published QueryInst models, ImageNet backbones."""

import difflib
from importlib import resources
from pathlib import Path

from queryinst_vis.download import download
from queryinst_vis.safe_load import CheckpointError

DEFAULT = "default"

_MMDETECTION = "https://download.openmmlab.com/mmdetection/v2.0/queryinst"
_TORCHVISION = "https://download.pytorch.org/models"
_OPENMMLAB = "https://download.openmmlab.com/pretrain/third_party"

# mmdetection's COCO models, each under the name of the config that builds its architecture.
PUBLISHED = {
    "queryinst_r50_12e_coco": f"{_MMDETECTION}/queryinst_r50_fpn_1x_coco/queryinst_r50_fpn_1x_coco_20210907_084916-5a8f1998.pth",
    "queryinst_r50_36e_coco": f"{_MMDETECTION}/queryinst_r50_fpn_mstrain_480-800_3x_coco/"
    "queryinst_r50_fpn_mstrain_480-800_3x_coco_20210901_103643-7837af86.pth",
    "queryinst_r50_300q_crop_36e_coco": f"{_MMDETECTION}/queryinst_r50_fpn_300_proposals_crop_mstrain_480-800_3x_coco/"
    "queryinst_r50_fpn_300_proposals_crop_mstrain_480-800_3x_coco_20210904_101802-85cffbd8.pth",
    "queryinst_r101_36e_coco": f"{_MMDETECTION}/queryinst_r101_fpn_mstrain_480-800_3x_coco/"
    "queryinst_r101_fpn_mstrain_480-800_3x_coco_20210904_104048-91f9995b.pth",
    "queryinst_r101_300q_crop_36e_coco": f"{_MMDETECTION}/queryinst_r101_fpn_300_proposals_crop_mstrain_480-800_3x_coco/"
    "queryinst_r101_fpn_300_proposals_crop_mstrain_480-800_3x_coco_20210904_153621-76cce59f.pth",
}

# ImageNet classifiers that the reference recipes start from: torchvision's (the first version of their weights), and for ResNeXt
# those of mmdetection's recipes, as torchvision has no 32x4d, and its 64x4d comes from another training.
BACKBONES = {
    "resnet18": f"{_TORCHVISION}/resnet18-f37072fd.pth",
    "resnet34": f"{_TORCHVISION}/resnet34-b627a593.pth",
    "resnet50": f"{_TORCHVISION}/resnet50-0676ba61.pth",
    "resnet101": f"{_TORCHVISION}/resnet101-63fe2227.pth",
    "resnet152": f"{_TORCHVISION}/resnet152-394f9c45.pth",
    "resnext101_32x4d": f"{_OPENMMLAB}/resnext101_32x4d-a5af3160.pth",
    "resnext101_64x4d": f"{_OPENMMLAB}/resnext101_64x4d-ee2c6f71.pth",
    "resnext101_64x4d_torchvision": f"{_TORCHVISION}/resnext101_64x4d-173b62eb.pth",
    "swin_t": f"{_TORCHVISION}/swin_t-704ceda3.pth",
    "swin_s": f"{_TORCHVISION}/swin_s-5e29d889.pth",
    "swin_b": f"{_TORCHVISION}/swin_b-68c6b09e.pth",
}


def weights_path(name_or_path: str | Path) -> Path:
    """The file that a name or a path means; a published one is downloaded into the cache. A name goes before a file of that name.

    Raises CheckpointError for what is neither, DownloadError when a download fails.
    """
    name = str(name_or_path)
    if name == DEFAULT:
        return _embedded_weights()
    if url := (PUBLISHED | BACKBONES).get(name):
        return download(url)
    path = Path(name_or_path).expanduser()
    looks_like_path = path.suffix in (".pth", ".pt", ".safetensors") or len(path.parts) > 1
    if name and (path.exists() or looks_like_path):
        return path
    raise CheckpointError(f"no weights named {name!r} and no such file; {_suggestion(name)}")


def _embedded_weights() -> Path:
    folder = Path(str(resources.files("queryinst_vis"))) / "weights"
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise CheckpointError(f"no default model in {folder}; give a file or one of: {', '.join(PUBLISHED)}")
    return files[0]


def _suggestion(name: str) -> str:
    names = [DEFAULT, *PUBLISHED, *BACKBONES]
    nearest = difflib.get_close_matches(name, names, n=1)
    return f"did you mean {nearest[0]}?" if nearest else f"names are: {', '.join(names)}"
