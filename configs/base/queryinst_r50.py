"""QueryInst with ResNet-50, FPN, six stages and 100 learned queries, for the setting `classes`."""

from queryinst_vis.models import LearnedQueries, ModelInfo, Preprocess, QueryInst, ResNet

model = dict(
    type=QueryInst,
    backbone=dict(type=ResNet, depth=50),
    queries=dict(type=LearnedQueries, num_queries=100, embed_dim=256),
    num_classes="{num_classes}",
    max_detections=100,
    preprocess=dict(type=Preprocess, short=800, long=1333),
)
info = dict(type=ModelInfo, score_threshold=0.3, similarity="cosine", tracker="query_match")
load_from = "resnet50"
