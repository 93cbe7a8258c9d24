"""QueryInst-VIS with ResNet-50: 10 queries at 640 x 360 pixels, a track head on queries, for the setting `classes`.

Published are the numbers of queries and epochs, the size, the training on COCO before it and the kind of head (arXiv 2105.01928,
section 4.3; hustvl/QueryInst issue 11); the rates are those of QueryInst on COCO. Of its 100 queries 10 are chosen.
"""

from queryinst_vis.models import LearnedQueries, ModelInfo, Preprocess, QueryInst, ResNet, TrackCrossEntropy, TrackHead
from queryinst_vis.trackers import MaskTrackTracker

model = dict(
    type=QueryInst,
    backbone=dict(type=ResNet, depth=50),
    queries=dict(type=LearnedQueries, num_queries=10, embed_dim=256),
    num_classes="{num_classes}",
    max_detections=10,
    preprocess=dict(type=Preprocess, short=360, long=640),
    track_head=dict(type=TrackHead, in_dim=256, embed_dim=1024, criterion=dict(type=TrackCrossEntropy)),
)
info = dict(type=ModelInfo, score_threshold=0.3, similarity="dot", tracker="masktrack")
tracker = dict(type=MaskTrackTracker, score_threshold=0.05)  # for average precision, weak tracks count too
load_from = "queryinst_r50_36e_coco"
allow_shape_mismatch = True
