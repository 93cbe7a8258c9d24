"""Small models that run in milliseconds."""

import pytest
import torch

from queryinst_vis.models import DenseQueries, LearnedQueries, Preprocess, QueryInst, ResNet, ShuffleNetV2

SIZES = {"num_stages": 2, "embed_dim": 32, "num_heads": 4, "ffn_dim": 64, "dynamic_dim": 8, "num_mask_convs": 1}
PREPROCESS = Preprocess(64, 96)


def _learned() -> QueryInst:
    return QueryInst(ResNet(18), LearnedQueries(8, 32), num_classes=4, **SIZES, preprocess=PREPROCESS, max_detections=8)


def _dense() -> QueryInst:
    queries = DenseQueries(8, 32, num_classes=4, num_candidates=30)
    backbone = ShuffleNetV2(frozen=True)
    return QueryInst(
        backbone, queries, num_classes=4, **SIZES, class_agnostic_masks=True, preprocess=PREPROCESS, max_detections=8
    )


@pytest.fixture(params=[_learned, _dense], ids=["learned", "dense"])
def model(request: pytest.FixtureRequest) -> QueryInst:
    """Each kind of queries, with fixed random weights, in eval mode."""
    torch.manual_seed(0)
    return request.param().eval()


@pytest.fixture
def learned_model() -> QueryInst:
    torch.manual_seed(0)
    return _learned().eval()


@pytest.fixture
def dense_model() -> QueryInst:
    torch.manual_seed(0)
    return _dense().eval()
