"""How mmdetection trains QueryInst: AdamW for 16 images a step, the backbone at a tenth of the rate, gradients clipped at 0.1."""

from torch.optim import AdamW

from queryinst_vis.training.schedule import MultiStep

optimizer = dict(type=AdamW, lr=1e-4, weight_decay=1e-4)
lr_multipliers = dict(backbone=0.1)
clip_norm = 0.1
batch_size = 16
epochs = 12
schedule = dict(type=MultiStep, milestones=[8, 11], warmup_iters=1000)
