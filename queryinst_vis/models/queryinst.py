"""QueryInst ("Instances as Queries", ICCV 2021): stages of object queries with dynamic convolutions for boxes and for masks.

As in mmdetection 3.3 to rounding; `queries` decides what the queries start from. Training runs a mask head at every stage on the
matched queries; inference runs only the last one, on the detections that are kept. With a track head it is QueryInst-VIS: what it
gives are embeddings made for comparing frames, and it learns from clips.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from queryinst_vis.errors import UserError
from queryinst_vis.limits import Count, CountFromZero, Share
from queryinst_vis.models.base import ImageModel, Preprocess
from queryinst_vis.models.criterion import QueryCriterion, crop_masks, padded_masks, without_crowd
from queryinst_vis.models.detections import Detections
from queryinst_vis.models.fpn import FPN
from queryinst_vis.models.mask_heads import MaskHeads
from queryinst_vis.models.matching import Match
from queryinst_vis.models.queries import InitialQueries, LearnedQueries
from queryinst_vis.models.query_stage import QueryStage, StageStart
from queryinst_vis.models.roi_gather import roi_pooling
from queryinst_vis.models.track_head import TrackHead, TrackQueries
from queryinst_vis.ops.boxes import decode_deltas
from queryinst_vis.ops.nms import nms_mask
from queryinst_vis.registry import MODELS
from queryinst_vis.structures import ImageBatch, Instances, Targets


class QueryState(NamedTuple):
    """Queries after a stage: logits [B, Q, C]; boxes [B, Q, 4] xyxy in input pixels; embeds [B, Q, D];
    mask_embeds: what mask heads read of them (see MaskHeads.remember)."""

    logits: Tensor
    boxes: Tensor
    embeds: Tensor
    mask_embeds: Tensor

    def of(self, images: slice) -> "QueryState":
        """The same of some images of the batch."""
        return QueryState(*(part[images] for part in self))


class QueryInstOutputs(NamedTuple):
    """The last stage's queries and the pyramid [B, D, h, w] x levels that the mask head reads."""

    state: QueryState
    pyramid: list[Tensor]


class BestPairs(NamedTuple):
    """Query x class pairs of a batch, K of each image, best first: query, label int64 [B, K]; score [B, K]; keep: bool [B, K],
    those that count, the others are there because shapes are known beforehand."""

    query: Tensor
    label: Tensor
    score: Tensor
    keep: Tensor


@MODELS.register_module()
class QueryInst(ImageModel):
    """Image model of S stages over Q queries of D channels.

    backbone: gives maps with `channels` and `strides`. queries: module that gives InitialQueries, e.g. LearnedQueries.
    class_agnostic_masks: one mask per query instead of one per class. max_detections: best query x class pairs kept (the
    reference keeps as many as it has queries). nms_threshold: box IoU above which the weaker of two detections of a class goes
    (the reference has none). track_head: makes the embeddings of instances; without one they are the last stage's queries.

    What the paper's tables 4 to 6 compare: dynamic_masks=False, mask heads without dynamic convolution; mask_flow, HTC's, from
    head to head; last_stage_masks, only the last stage learns masks; separate_mask_attention, and for queries of their own
    LearnedQueries(separate_mask_embeds=True).
    """

    def __init__(
        self,
        backbone: nn.Module,
        queries: nn.Module,
        *,
        num_classes: Count,
        num_stages: Count = 6,
        embed_dim: Count = 256,
        num_heads: Count = 8,
        ffn_dim: Count = 2048,
        dynamic_dim: Count = 64,
        num_cls_layers: CountFromZero = 1,
        num_reg_layers: CountFromZero = 3,
        num_mask_convs: CountFromZero = 4,
        class_agnostic_masks: bool = False,
        dynamic_masks: bool = True,
        mask_flow: bool = False,
        last_stage_masks: bool = False,
        separate_mask_attention: bool = False,
        max_detections: Count = 100,
        nms_threshold: Share | None = None,
        preprocess: Preprocess | None = None,
        criterion: QueryCriterion | None = None,
        track_head: TrackHead | None = None,
    ) -> None:
        super().__init__(preprocess=preprocess or Preprocess())
        _check_parts(backbone, queries, track_head, num_classes=num_classes, embed_dim=embed_dim, num_heads=num_heads)
        self.num_classes, self.max_detections, self.nms_threshold = num_classes, max_detections, nms_threshold
        self.criterion = criterion or QueryCriterion()
        self.backbone, self.strides = backbone, tuple(backbone.strides)
        self.fpn = FPN(backbone.channels, embed_dim)
        self.queries = queries
        self.stages = nn.ModuleList(
            QueryStage(
                num_classes,
                embed_dim=embed_dim,
                num_heads=num_heads,
                ffn_dim=ffn_dim,
                dynamic_dim=dynamic_dim,
                num_cls_layers=num_cls_layers,
                num_reg_layers=num_reg_layers,
                starts_at_input=getattr(queries, "has_priors", False),
                separate_mask_attention=separate_mask_attention,
            )
            for _ in range(num_stages)
        )
        self.mask_heads = MaskHeads.of_stages(
            num_stages,
            1 if class_agnostic_masks else num_classes,
            dynamic=dynamic_masks,
            flow=mask_flow,
            last_only=last_stage_masks,
            embed_dim=embed_dim,
            dynamic_dim=dynamic_dim,
            num_convs=num_mask_convs,
        )
        if track_head is not None:
            self.requires_grad_(not track_head.alone)
            self.info.similarity = track_head.criterion.similarity
        self.track_head = track_head

    def lower_precision(self, dtype: torch.dtype) -> None:
        """Of the mask heads. Boxes change from stage to stage by what the stages compute, and errors of it grow."""
        for head in self.mask_heads:
            head.lower_precision(dtype)  # type: ignore[operator]

    def compute_constants(self) -> None:
        """What the first stage makes of learned queries before it looks at an image."""
        if isinstance(self.queries, LearnedQueries):
            tables = self.queries.embeds, self.queries.mask_embeds
            start = self.stages[0].start(*(None if table is None else table[None] for table in tables))
            for name, part in start._asdict().items():
                self.register_buffer(f"known_{name}", part, persistent=False)

    @property
    def known_start(self) -> StageStart | None:
        """What `compute_constants` found."""
        parts = [getattr(self, f"known_{name}", None) for name in StageStart._fields]
        return None if parts[0] is None else StageStart(*parts)

    def forward(self, images: Tensor, image_hw: Tensor) -> QueryInstOutputs:
        pyramid, initial = self._start(images, image_hw)
        *_, last = self._run_stages(pyramid, initial)
        return QueryInstOutputs(last, pyramid)

    def _start(self, images: Tensor, image_hw: Tensor) -> tuple[list[Tensor], InitialQueries]:
        """The pyramid, and what goes into the first stage."""
        features = self.backbone(images)
        return self.fpn(features), self.queries(images, features, image_hw)

    def _run_stages(self, pyramid: list[Tensor], initial: InitialQueries) -> Iterator[QueryState]:
        """The queries after each stage, which is run when it is asked for."""
        boxes, embeds, prior_logits, mask_queries = initial
        mask_embeds = None
        pool = roi_pooling(pyramid, self.strides)
        image_index = torch.arange(boxes.shape[0], device=boxes.device)[:, None].expand(-1, boxes.shape[1]).flatten()
        start = None if self.known_start is None else self.known_start.of_batch(len(boxes))
        for stage in self.stages:
            roi_features = pool(boxes.flatten(0, 1), image_index, stage.roi_size)
            out = stage(embeds, roi_features, mask_queries, start)
            start = None
            boxes = decode_deltas(boxes, out.deltas.to(boxes.dtype))
            embeds = out.queries
            logits = out.logits if prior_logits is None else prior_logits + out.logits
            mask_embeds = self.mask_heads.remember(out.mask_queries, mask_embeds)
            yield QueryState(logits, boxes, embeds, mask_embeds)
            boxes = boxes.detach()
            mask_queries = None if mask_queries is None else out.mask_queries

    # Inference

    def postprocess(self, outputs: QueryInstOutputs, batch: ImageBatch, *, min_score: float = 0.0) -> list[Instances]:
        pairs = self.best_pairs(outputs.state, min_score)
        image, rank = pairs.keep.nonzero(as_tuple=True)
        query, label, score = (field[image, rank] for field in pairs[:3])
        return self.read(outputs, image, query, label, score).cpu().instances(batch)

    def detect(self, images: Tensor, image_hw: Tensor, min_score: Tensor) -> tuple[Tensor, ...]:
        outputs = self(images, image_hw)
        pairs = self.best_pairs(outputs.state, min_score)
        image = torch.arange(len(images), device=images.device)[:, None].expand_as(pairs.query).flatten()
        query, label, score, keep = (field.flatten() for field in pairs)
        return *self.read(outputs, image, query, label, score, each_once=False), keep

    def best_pairs(self, state: QueryState, min_score: float | Tensor) -> BestPairs:
        """The best query x class pairs of each image; those count that score `min_score` and survive NMS."""
        scores = state.logits.float().sigmoid()
        flat = scores.flatten(1)
        top, pair = flat.topk(min(self.max_detections, flat.shape[1]), dim=1)  # [B, K]
        query, label = pair // scores.shape[2], pair % scores.shape[2]
        keep = top >= min_score
        if self.nms_threshold is not None:
            boxes = state.boxes.float().gather(1, query[..., None].expand(-1, -1, 4))
            apart = (boxes.amax((1, 2)) + 1)[:, None] * label  # classes far from each other, as torchvision has it
            keep = keep & nms_mask(boxes + apart[..., None], self.nms_threshold)
        return BestPairs(query, label, top, keep)

    def read(
        self, outputs: QueryInstOutputs, image: Tensor, query: Tensor, label: Tensor, score: Tensor, *, each_once: bool = True
    ) -> Detections:
        """All that there is to say of R detections; the arguments are fields of Detections.

        each_once: the mask features of a query that was chosen twice are computed once.
        """
        state, pyramid = outputs
        masks = self._masks_of_each(outputs, image, query, label) if each_once else self._masks(outputs, image, query, label)
        return Detections(
            image,
            query,
            label,
            score,
            state.boxes[image, query].float(),
            state.logits[image, query].float().sigmoid(),
            self._embeds_of(pyramid, state, image, query).float(),
            masks,
        )

    def _masks_of_each(self, outputs: QueryInstOutputs, image: Tensor, query: Tensor, label: Tensor) -> Tensor:
        """As `_masks`, of no rows, too. A query picked twice is computed once."""
        head, num_queries = self.mask_heads[-1], outputs.state.boxes.shape[1]
        if not len(image):
            return outputs.state.boxes.new_zeros((0, head.mask_size, head.mask_size)).float()
        unique, inverse = torch.unique(image * num_queries + query, return_inverse=True)
        features = self._mask_features(outputs, unique // num_queries, unique % num_queries)
        return head.class_logits(features[inverse], label).float().sigmoid()

    def _masks(self, outputs: QueryInstOutputs, image: Tensor, query: Tensor, label: Tensor) -> Tensor:
        """Mask probabilities [R, m, m] of some queries, each of a class."""
        return self.mask_heads[-1].class_logits(self._mask_features(outputs, image, query), label).float().sigmoid()

    def _mask_features(self, outputs: QueryInstOutputs, image: Tensor, query: Tensor) -> Tensor:
        """What masks are read from, [R, D, m, m]."""
        state = outputs.state
        pool = roi_pooling(outputs.pyramid, self.strides)
        roi_features = pool(state.boxes[image, query], image, self.mask_heads[-1].roi_size)
        return self.mask_heads.features(-1, state.mask_embeds[image, query], roi_features)

    def _embeds_of(self, pyramid: list[Tensor], state: QueryState, image: Tensor, query: Tensor) -> Tensor:
        """Embeddings [R, E] of some queries, by which frames are compared. image, query: int64 [R]."""
        if self.track_head is None:
            return state.embeds[image, query]
        if self.track_head.roi_size is None:
            return self.track_head(state.embeds[image, query])
        return self._embeds_of_boxes(pyramid, state.boxes[image, query], image)

    def _embeds_of_boxes(self, pyramid: list[Tensor], boxes: Tensor, image: Tensor) -> Tensor:
        """[R, E] of boxes [R, 4], for a track head that reads RoI features."""
        return self.track_head(roi_pooling(pyramid, self.strides)(boxes, image, self.track_head.roi_size))  # type: ignore[misc, union-attr, arg-type]

    # Training

    def loss(self, batch: ImageBatch, targets: Sequence[Targets]) -> dict[str, Tensor]:
        """Losses of each stage. Raises UserError when there is a track head: it learns from clips."""
        if self.track_head is not None:
            raise UserError("the training data are single images, but the model's track_head needs clips")
        pyramid, initial = self._start(batch.tensor, batch.tensor.new_tensor(batch.sizes))
        return self._image_losses(pyramid, self._run_stages(pyramid, initial), batch, targets)

    def clip_loss(self, batch: ImageBatch, targets: Sequence[Targets], *, clip_length: int) -> dict[str, Tensor]:
        """Losses of each stage, of key frames, and `loss_track`. Raises UserError when there is no track head."""
        head = self.track_head
        if head is None:
            raise UserError("the training data are clips, but the model has no track_head")
        keys = slice(None, None, clip_length)
        run = keys if head.roi_size else slice(None)  # of reference frames, RoI features need the pyramid alone
        pyramid, initial = self._start(batch.tensor, batch.tensor.new_tensor(batch.sizes))
        states = list(self._run_stages([level[run] for level in pyramid], initial.of(run)))
        losses = {}
        if not head.alone:
            key_states = states if run == keys else [state.of(keys) for state in states]
            losses = self._image_losses([level[keys] for level in pyramid], key_states, batch.of(keys), targets[keys])
        return losses | {"loss_track": self._track_loss(pyramid, states[-1], batch, without_crowd(targets), clip_length)}

    def _image_losses(
        self,
        pyramid: list[Tensor],
        states: Iterable[QueryState],
        batch: ImageBatch,
        targets: Sequence[Targets],
    ) -> dict[str, Tensor]:
        """Of every stage: classes, boxes and masks."""
        image_hw = batch.tensor.new_tensor(batch.sizes)
        canvas_hw = (batch.tensor.shape[-2], batch.tensor.shape[-1])
        objects = without_crowd(targets)
        masks = [padded_masks(t, canvas_hw) for t in objects]
        pool = roi_pooling(pyramid, self.strides)
        losses = {}
        for index, state in enumerate(states):
            boxes = state.boxes.float()
            matches = self.criterion.match(state.logits.detach(), boxes.detach(), objects, image_hw)
            stage = self.criterion.class_and_box_losses(state.logits, boxes, matches, objects, targets, image_hw)
            head_index = index - len(self.stages) + len(self.mask_heads)
            if head_index >= 0:
                stage["loss_mask"] = self._mask_loss(head_index, pool, state, matches, objects, masks)
            losses |= {f"stage{index}.{name}": value for name, value in stage.items()}
        return losses

    def _mask_loss(
        self,
        head_index: int,
        pool: Callable[[Tensor, Tensor, int], Tensor],
        state: QueryState,
        matches: Sequence[Match],
        objects: Sequence[Targets],
        masks: Sequence[Tensor | None],
    ) -> Tensor:
        """Loss of the queries matched with objects that have masks; with none, zero times all that a mask is made of."""
        head = self.mask_heads[head_index]
        image, query, label, mask_targets = [], [], [], []
        for i, (match, t, canvas) in enumerate(zip(matches, objects, masks, strict=True)):
            with_mask = t.has_mask[match.objects]
            if canvas is None or not with_mask.any():
                continue
            queries, rows = match.queries[with_mask], match.objects[with_mask]
            image.append(torch.full_like(queries, i))
            query.append(queries)
            label.append(t.labels[rows])
            mask_targets.append(crop_masks(canvas, rows, state.boxes[i, queries].detach().float(), head.mask_size))
        if not image:
            unused = sum(0.0 * tensor.sum() for tensor in (*head.parameters(), state.mask_embeds))
            return unused + self.criterion.mask_loss(state.boxes.new_zeros((0, 1, 1)), state.boxes.new_zeros((0, 1, 1)))
        image, query = torch.cat(image), torch.cat(query)
        roi_features = pool(state.boxes[image, query].detach(), image, head.roi_size)
        features = self.mask_heads.features(head_index, state.mask_embeds[image, query], roi_features)
        return self.criterion.mask_loss(head.class_logits(features, torch.cat(label)), torch.cat(mask_targets))

    def _track_loss(
        self, pyramid: list[Tensor], state: QueryState, batch: ImageBatch, objects: Sequence[Targets], clip_length: int
    ) -> Tensor:
        """Mean over pairs of a key frame and a reference frame. state: the last stage's, of the frames it was run on."""
        head = self.track_head
        assert head is not None
        image_hw = batch.tensor.new_tensor(batch.sizes)
        compare = self._boxes_to_compare if head.roi_size else self._queries_to_compare
        frames = compare(pyramid, state, objects, image_hw, clip_length)
        pairs = [(key, key + other) for key in range(0, len(frames), clip_length) for other in range(1, clip_length)]
        return torch.stack([head.criterion(frames[key], frames[other]) for key, other in pairs]).mean()

    def _queries_to_compare(
        self, pyramid: list[Tensor], state: QueryState, objects: Sequence[Targets], image_hw: Tensor, clip_length: int
    ) -> list[TrackQueries]:
        """All queries of every frame."""
        boxes = state.boxes.detach().float()
        matches = self.criterion.match(state.logits.detach(), boxes, objects, image_hw)
        embeds, label = self.track_head(state.embeds), self.track_head.criterion.label  # type: ignore[misc, union-attr]
        return [TrackQueries(*row) for row in zip(embeds, map(label, boxes, matches, objects), strict=True)]

    def _boxes_to_compare(
        self, pyramid: list[Tensor], state: QueryState, objects: Sequence[Targets], image_hw: Tensor, clip_length: int
    ) -> list[TrackQueries]:
        """Of key frames the boxes of matched queries, of reference frames those of the annotations."""
        key_boxes = state.boxes.detach().float()
        matches = self.criterion.match(state.logits.detach(), key_boxes, objects[::clip_length], image_hw[::clip_length])
        boxes, ids = [t.boxes for t in objects], [t.track_ids for t in objects]
        for i, match in enumerate(matches):
            boxes[i * clip_length] = key_boxes[i, match.queries]
            ids[i * clip_length] = objects[i * clip_length].track_ids[match.objects]  # type: ignore[index]
        counts = [len(rows) for rows in boxes]
        frames = torch.arange(len(boxes), device=key_boxes.device)
        image = frames.repeat_interleave(torch.tensor(counts, device=key_boxes.device), output_size=sum(counts))
        embeds = self._embeds_of_boxes(pyramid, torch.cat(boxes).to(state.boxes.dtype), image)
        return [TrackQueries(*row) for row in zip(embeds.split(counts), ids, strict=True)]  # type: ignore[arg-type]


def _check_parts(
    backbone: nn.Module, queries: nn.Module, track_head: TrackHead | None, *, num_classes: int, embed_dim: int, num_heads: int
) -> None:
    """ValueError: the parts of a model were made for different numbers of channels or classes."""
    if embed_dim % num_heads:
        raise ValueError(f"num_heads={num_heads}: must divide embed_dim={embed_dim}")
    if getattr(queries, "embed_dim", embed_dim) != embed_dim:
        raise ValueError(f"queries.embed_dim={queries.embed_dim}: must be the model's embed_dim={embed_dim}")
    if track_head is not None and track_head.in_dim != embed_dim:
        raise ValueError(f"track_head.in_dim={track_head.in_dim}: must be the model's embed_dim={embed_dim}")
    if getattr(queries, "num_prior_classes", num_classes) != num_classes:
        raise ValueError(f"num_classes={num_classes}: must be that of the queries' detector, {queries.num_prior_classes}")
    in_channels, channels = getattr(queries, "in_channels", ()), tuple((getattr(queries, "backbone", None) or backbone).channels)
    if in_channels != channels[len(channels) - len(in_channels) :]:
        raise ValueError(f"queries.in_channels={in_channels}: must be the last of the backbone's channels {channels}")
