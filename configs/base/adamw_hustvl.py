"""How the authors of QueryInst train it: one rate for all parameters, gradients clipped at 1 (github.com/hustvl/QueryInst, MIT).

They now advise the rates of mmdetection (issue 35 there), which are the default of all other configs.
"""

from torch.optim import AdamW

optimizer = dict(type=AdamW, lr=2.5e-5, weight_decay=1e-4)
lr_multipliers = dict()
clip_norm = 1.0
