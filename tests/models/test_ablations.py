"""What the paper's tables 4 to 6 compare: each option does what it says, and nothing else."""

import pytest
import torch
from torch import nn

from queryinst_vis.masks import BitMasks
from queryinst_vis.models import LearnedQueries, Preprocess, QueryInst, ResNet
from queryinst_vis.models.mask_heads import MaskHead, MaskHeads
from queryinst_vis.models.queries import choose_queries
from queryinst_vis.structures import ImageBatch, Instances, Targets

SIZES = {"num_stages": 3, "embed_dim": 32, "num_heads": 4, "ffn_dim": 64, "dynamic_dim": 8, "num_mask_convs": 2}
IMAGES = torch.rand(1, 3, 64, 96, generator=torch.Generator().manual_seed(0))


def small_model(*, separate_mask_embeds: bool = False, **options: bool) -> QueryInst:
    torch.manual_seed(0)
    queries = LearnedQueries(6, 32, separate_mask_embeds=separate_mask_embeds)
    model = QueryInst(ResNet(18), queries, num_classes=4, preprocess=Preprocess(64, 96), **SIZES, max_detections=6, **options)
    return model.eval()


@torch.inference_mode()
def detect(model: QueryInst) -> Instances:
    batch = ImageBatch(IMAGES, [(64, 96)], [(64, 96)])
    return model.postprocess(model(IMAGES, torch.tensor([[64.0, 96.0]])), batch)[0]


def shifted(part: nn.Module | nn.Parameter) -> None:
    """Change the parameters."""
    parameters = [part] if isinstance(part, nn.Parameter) else part.parameters()
    with torch.no_grad():
        for parameter in parameters:
            parameter.add_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(9)), alpha=0.5)


def change(model: QueryInst, part: nn.Module | nn.Parameter) -> tuple[bool, bool]:
    """Whether boxes, and whether masks are others after a change of the part."""
    before = detect(model)
    shifted(part)
    after = detect(model)
    return not torch.equal(before.boxes, after.boxes), not torch.equal(before.masks.probabilities, after.masks.probabilities)


def test_without_dynamic_convolution_masks_read_no_query():
    head = MaskHead(3, embed_dim=8, num_convs=1, roi_size=4, dynamic=False).eval()
    assert not any("interaction" in name for name in head.state_dict())
    roi_features, labels = torch.rand(2, 8, 4, 4), torch.tensor([0, 2])
    one, other = (head(torch.rand(2, 8), roi_features, labels) for _ in range(2))
    assert torch.equal(one, other)


@pytest.mark.parametrize("dynamic", [True, False])
def test_flow_goes_through_all_earlier_heads(dynamic: bool):
    heads = MaskHeads.of_stages(
        3, 2, dynamic=dynamic, flow=True, last_only=False, embed_dim=8, dynamic_dim=2, num_convs=1, roi_size=4
    ).eval()
    assert [head.flow is not None for head in heads] == [False, True, True]
    queries, roi_features = torch.rand(3, 1, 5, 8), torch.rand(5, 8, 4, 4)
    memory = None
    for stage in queries:
        memory = heads.remember(stage, memory)
    assert memory.shape == (1, 5, 3, 8)

    x = heads[0].convs(heads[0].interaction(queries[0, 0], roi_features) if dynamic else roi_features)
    for head, embeds in zip(heads[1:], queries[1:, 0], strict=True):
        x = roi_features + head.flow(x).relu()
        x = head.convs(head.interaction(embeds, x) if dynamic else x)
    expected = heads[2].upsample(x).relu()
    torch.testing.assert_close(heads.features(-1, memory[0], roi_features), expected)
    torch.testing.assert_close(heads.features(2, memory[0], roi_features), expected)


def test_flow_makes_the_first_head_count():
    model = small_model(mask_flow=True)
    assert change(model, model.mask_heads[0].convs[0][0]) == (False, True)
    model = small_model()
    assert change(model, model.mask_heads[0].convs[0][0]) == (False, False)


def test_only_the_last_stage_learns_masks():
    model = small_model(last_stage_masks=True).train()
    masks = torch.zeros(1, 64, 96, dtype=torch.bool)
    masks[0, 10:40, 20:70] = True
    targets = Targets(torch.tensor([[20.0, 10, 70, 40]]), torch.tensor([1]), BitMasks(masks))
    losses = model.loss(ImageBatch(IMAGES, [(64, 96)], [(64, 96)]), [targets])
    assert [name for name in losses if "mask" in name] == ["stage2.loss_mask"]
    assert len(model.mask_heads) == 1
    whole = small_model()
    whole.load_state_dict(
        {name.replace("mask_heads.0.", "mask_heads.2."): tensor for name, tensor in model.state_dict().items()}, strict=False
    )
    assert torch.equal(detect(model.eval()).masks.probabilities, detect(whole).masks.probabilities)


def test_flow_needs_the_heads_of_all_stages():
    with pytest.raises(ValueError, match="mask_flow goes through heads of all stages"):
        small_model(mask_flow=True, last_stage_masks=True)


@pytest.mark.parametrize("separate_mask_embeds", [False, True])
def test_an_attention_of_their_own_serves_masks_alone(separate_mask_embeds: bool):
    model = small_model(separate_mask_attention=True, separate_mask_embeds=separate_mask_embeds)
    assert change(model, model.stages[-1].mask_attention) == (False, True)
    first = (False, separate_mask_embeds)  # queries of their own go on from stage to stage
    assert change(model, model.stages[0].mask_attention) == first
    assert change(model, model.stages[-1].attention)[0]


@pytest.mark.parametrize("separate_mask_attention", [False, True])
def test_queries_of_their_own_serve_masks_alone(separate_mask_attention: bool):
    model = small_model(separate_mask_attention=separate_mask_attention, separate_mask_embeds=True)
    assert change(model, model.queries.mask_embeds) == (False, True)


def test_the_tables_of_queries_stay_together():
    """100 queries start a model of fewer."""
    torch.manual_seed(0)
    tables = {"boxes": torch.rand(20, 4), "embeds": torch.randn(20, 32), "mask_embeds": torch.randn(20, 32)}
    expected = choose_queries(tables["boxes"], tables["embeds"], 6)
    fitted = dict(tables)
    assert LearnedQueries(6, 32, separate_mask_embeds=True).fit_weights(fitted).startswith("6 of the 20 initial queries")
    assert all(torch.equal(fitted[name], tables[name][expected]) for name in tables)
