"""The track head's losses against numbers worked out elsewhere, and its way through the model."""

import math

import pytest
import torch

from queryinst_vis.errors import UserError
from queryinst_vis.masks import BitMasks
from queryinst_vis.models import LearnedQueries, Preprocess, QueryInst, ResNet
from queryinst_vis.models.matching import Match
from queryinst_vis.models.track_head import (
    TrackContrast,
    TrackCrossEntropy,
    TrackHead,
    TrackQueries,
    cross_entropy_with_new,
    positions,
)
from queryinst_vis.structures import Targets

HEADS = {
    "queries": lambda **options: TrackHead(64, 32, **options),
    "rois": lambda **options: TrackHead(64, 32, roi_size=7, **options),
    "contrast": lambda **options: TrackHead(64, 32, criterion=TrackContrast(), **options),
}


def queries(embeds, ids) -> TrackQueries:
    return TrackQueries(torch.tensor(embeds, dtype=torch.float32).reshape(len(ids), -1), torch.tensor(ids))


def test_cross_entropy_of_the_reference_code():
    """Values computed with MaskTrack R-CNN's formula: elements .065884, .020581, 2.652009, the fourth row is no positive."""
    logits = torch.tensor([[3.0, -1.0], [-2.0, 4.0], [2.5, 0.0]])
    loss = cross_entropy_with_new(logits, torch.tensor([1, 2, 0]))
    assert loss.item() == pytest.approx(0.912825, abs=1e-6)


def test_cross_entropy_of_frames_gives_the_same():
    basis = torch.eye(2)
    key = queries([[3.0, -1.0], [-2.0, 4.0], [2.5, 0.0], [-0.5, -1.0]], [7, 9, 4, 0])  # the last is background
    reference = TrackQueries(torch.cat([basis, basis]), torch.tensor([7, 9, 0, -1]))
    assert TrackCrossEntropy()(key, reference).item() == pytest.approx(0.912825, abs=1e-6)


def test_a_frame_with_one_object_counts():
    """The reference code skips it."""
    loss = TrackCrossEntropy()(queries([[2.0]], [5]), queries([[1.0]], [5]))
    assert loss.item() == pytest.approx(math.log(1 + math.exp(-2)))


@pytest.mark.parametrize("criterion", [TrackCrossEntropy(), TrackContrast()])
@pytest.mark.parametrize("counts", [(0, 0), (2, 0), (0, 2)])
def test_frames_without_objects_have_no_loss_but_a_gradient(criterion, counts):
    key, reference = (TrackQueries(torch.randn(count, 4, requires_grad=True), torch.arange(1, count + 1)) for count in counts)
    loss = criterion(key, reference)
    assert loss.item() == 0
    loss.backward()


def test_positions_count_from_one():
    same = torch.tensor([[False, True, True], [False, False, False], [True, False, False]])
    assert positions(same).tolist() == [2, 0, 1]


def test_contrast_is_the_sum_over_pairs():
    key = queries([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]], [1, 2, 0])
    reference = queries([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0], [-1.0, 0.0]], [1, 1, 0, -1])
    cosine = (key.embeds @ reference.embeds.T) / 0.1
    there = math.log(1 + sum(math.exp(cosine[0, 2] - cosine[0, same]) for same in (0, 1)))
    back = [math.log(1 + sum(math.exp(cosine[other, row] - cosine[0, row]) for other in (1, 2))) for row in (0, 1)]
    loss = TrackContrast()(key, reference)
    assert loss.item() == pytest.approx((there + sum(back) / 2) / 2, rel=1e-4)


def test_contrast_labels_queries_around_an_object():
    objects = Targets(torch.tensor([[0.0, 0, 10, 10]]), torch.tensor([0]), track_ids=torch.tensor([3]))
    boxes = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 8], [0, 0, 10, 5], [0, 0, 10, 2]])
    match = Match(torch.tensor([2]), torch.tensor([0]))
    assert TrackContrast().label(boxes, match, objects).tolist() == [3, 3, 3, 0]
    assert TrackCrossEntropy().label(boxes, match, objects).tolist() == [0, 0, 3, 0]
    match = Match(torch.tensor([0]), torch.tensor([0]))
    assert TrackContrast().label(boxes, match, objects).tolist() == [3, 3, -1, 0]


def small_model(head: TrackHead | None) -> QueryInst:
    torch.manual_seed(0)
    return QueryInst(
        ResNet(18),
        LearnedQueries(12, 64),
        num_classes=3,
        num_stages=2,
        embed_dim=64,
        ffn_dim=64,
        dynamic_dim=16,
        preprocess=Preprocess(short=64, long=96),
        track_head=head,
    )


def clips() -> tuple[list[torch.Tensor], list[Targets]]:
    """Two clips of a key frame and a reference frame; the second clip has an object that is new."""
    images = [torch.randint(0, 256, (3, 64, 96), generator=torch.Generator().manual_seed(i), dtype=torch.uint8) for i in range(4)]
    boxes = torch.tensor([[5.0, 5, 40, 40], [50, 10, 90, 60]])
    masks = torch.zeros(2, 64, 96, dtype=torch.bool)
    masks[0, 5:40, 5:40] = masks[1, 10:60, 50:90] = True
    labels = torch.tensor([0, 2])
    rows = [([0, 1], [1, 2]), ([1, 0], [2, 1]), ([0, 1], [4, 5]), ([0], [4])]
    return images, [Targets(boxes[r], labels[r], BitMasks(masks[r]), track_ids=torch.tensor(ids)) for r, ids in rows]


@pytest.mark.parametrize("kind", HEADS)
def test_learns_to_tell_two_objects_apart(kind):
    model = small_model(HEADS[kind]()).train()
    images, targets = clips()
    optimizer = torch.optim.AdamW(model.track_head.parameters(), lr=0.01)
    losses = []
    for _ in range(25):
        torch.manual_seed(0)
        loss = model.clip_loss(model.preprocess.collate(images), targets, clip_length=2)["loss_track"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


@pytest.mark.parametrize("kind", HEADS)
def test_every_parameter_gets_a_gradient(kind):
    model = small_model(HEADS[kind]())
    images, targets = clips()
    sum(
        value
        for name, value in model.clip_loss(model.preprocess.collate(images), targets, clip_length=2).items()
        if "loss" in name
    ).backward()
    missing = [name for name, parameter in model.named_parameters() if parameter.requires_grad and parameter.grad is None]
    assert not missing


@pytest.mark.parametrize("kind", HEADS)
def test_image_losses_of_clips_are_those_of_their_key_frames(kind):
    images, targets = clips()
    model, plain = small_model(HEADS[kind]()).eval(), small_model(None).eval()
    plain.load_state_dict(model.state_dict(), strict=False)
    of_clips = model.clip_loss(model.preprocess.collate(images), targets, clip_length=2)
    of_keys = plain.loss(plain.preprocess.collate(images[::2]), targets[::2])
    assert of_clips.keys() - of_keys.keys() == {"loss_track"}
    for name, value in of_keys.items():
        assert of_clips[name].item() == pytest.approx(value.item(), rel=1e-4), name


def test_alone_only_the_head_learns():
    model = small_model(HEADS["queries"](alone=True))
    images, targets = clips()
    losses = model.clip_loss(model.preprocess.collate(images), targets, clip_length=2)
    assert set(losses) == {"loss_track"}
    assert {name.split(".")[0] for name, p in model.named_parameters() if p.requires_grad} == {"track_head"}


@pytest.mark.parametrize("kind", HEADS)
def test_detections_carry_the_heads_embeddings(kind):
    model, plain = small_model(HEADS[kind]()).eval(), small_model(None).eval()
    plain.load_state_dict(model.state_dict(), strict=False)
    image = clips()[0][0].permute(1, 2, 0).numpy()
    (found,), (expected,) = model.predict([image]), plain.predict([image])
    assert found.embeds.shape == (len(found), 32)
    assert torch.equal(found.boxes, expected.boxes)
    if kind != "rois":
        with torch.inference_mode():
            torch.testing.assert_close(found.embeds, model.track_head(expected.embeds))
    assert model.info.similarity == ("cosine" if kind == "contrast" else "dot")


def test_clips_and_track_heads_belong_together():
    images, targets = clips()
    model, plain = small_model(HEADS["queries"]()), small_model(None)
    batch = model.preprocess.collate(images)
    with pytest.raises(UserError, match="needs clips"):
        model.loss(batch, targets)
    with pytest.raises(UserError, match="no track_head"):
        plain.clip_loss(batch, targets, clip_length=2)
