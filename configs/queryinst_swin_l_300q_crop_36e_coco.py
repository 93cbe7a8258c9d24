"""QueryInst Swin-L, 300 queries, 36 epochs with random crops (no results are published).

Starts from Microsoft's weights for ImageNet-22k (github.com/microsoft/Swin-Transformer), which you put in DATA_ROOT/backbones/.
model.backbone.checkpointing=True saves memory.
"""

from mmengine.config import read_base

with read_base():
    from .queryinst_r50_300q_crop_36e_coco import *

from queryinst_vis.models import Swin

model.backbone = dict(type=Swin, embed_dim=192, depths=(2, 2, 18, 2), num_heads=(6, 12, 24, 48), drop_path=0.3)
load_from = "{data_root}/backbones/swin_large_patch4_window7_224_22k.pth"
no_decay = ["norm", "relative_position_bias_table"]
