"""Settings that cannot be meant: each ends the command with one line before the first iteration."""

import warnings
from pathlib import Path

import pytest
from own_data import write_own_data

import queryinst_vis.runner as runner_module
from queryinst_vis.cli.main import main

FOLDER = Path(__file__).resolve().parent
IMAGES, CLIPS = "queryinst_toy", "queryinst_vis_toy"
IMAGE_DATA = [
    "train_dataset.annotations={data}/train.json", "train_dataset.images={data}/train",
    "val_dataset.annotations={data}/val.json", "val_dataset.images={data}/val", "val_metric.annotations={data}/val.json",
]  # fmt: skip
COUNTS = ["0", "-1", "x", "2.5", "True", "None"]
FROM_ZERO = ["-1", "x", "0.5"]
SHARES = ["-0.1", "1.1", "x"]
SWITCHES = ["x", "1"]
PARTS = ["5", "x", "{}"]

OF_IMAGES = {
    **dict.fromkeys(["epochs", "batch_size", "accumulate", "base_batch_size", "val_batch_size", "val_every"], COUNTS),
    **dict.fromkeys(["log_every", "keep_checkpoints"], COUNTS),
    **dict.fromkeys(["num_workers", "seed"], FROM_ZERO),
    **dict.fromkeys(["scale_lr", "group_by_shape", "allow_shape_mismatch"], SWITCHES),
    "iterations": ["0", "-1", "x", "3"],
    "max_epochs": ["0"],
    "checkpoint_every": ["0", "x"],
    "clip_norm": ["0", "-1", "x"],
    "amp": ["fp8", "5"],
    "ema": ["0", "1", "2", "x"],
    "best_metric": ["5", "segm_AP", "coco/segm_ap"],
    "load_from": ["5", "[5]", "nosuch", "/nowhere/weights.pth"],
    "no_decay": ["5", "norm", "[5]", "['']", "['nosuch']"],
    "lr_multipliers": ["5", "{'backbone':-1}", "{'backbone':'x'}", "{'nosuch':1}"],
    "optimizer.lr": ["-1", "x", "None", "1e999"],
    "optimizer.weight_decay": ["-1", "x"],
    "optimizer.betas": ["5", "(0.9,)", "(0.9,2)"],
    "optimizer.amsgrad": SWITCHES,
    "schedule.warmup_iters": ["-1", "x", "10000"],
    "schedule.final": SHARES,
    "schedule.warmup_start": SHARES,
    "info": ["5", "x"],
    **{
        f"model.{name}": COUNTS
        for name in ("num_classes", "num_stages", "embed_dim", "num_heads", "ffn_dim", "dynamic_dim", "max_detections")
    },
    **{f"model.{name}": FROM_ZERO for name in ("num_cls_layers", "num_reg_layers", "num_mask_convs")},
    **{f"model.{name}": SWITCHES for name in ("class_agnostic_masks", "dynamic_masks", "mask_flow", "last_stage_masks")},
    **{f"model.{name}": PARTS for name in ("backbone", "queries", "preprocess", "criterion", "track_head")},
    "model.nms_threshold": SHARES,
    "model.backbone.depth": ["17", "x"],
    "model.backbone.frozen_stages": ["5", "-1", "x"],
    "model.backbone.deformable": ["x", "(True,)", "('x',False,False,False)"],
    "model.queries.num_queries": COUNTS,
    "model.queries.embed_dim": [*COUNTS, "64"],
    "model.queries.grid": SWITCHES,
    "model.preprocess.short": [*COUNTS, "500"],
    "model.preprocess.long": [*COUNTS, "10"],
    "model.preprocess.divisor": COUNTS,
    "model.preprocess.mean": ["5", "x", "(1,2)", "(1,2,'x')"],
    "model.preprocess.std": ["5", "(0,1,1)"],
    "train_dataset.annotations": ["5", "/nowhere.json"],
    "train_dataset.images": ["5", "/nowhere"],
    "train_dataset.classes": ["5", "dog", "[5]", "[]"],
    "train_dataset.training": SWITCHES,
    "train_dataset.annotated_classes": ["5", "person"],
    "train_dataset.transforms": ["5", "[5]", "x"],
    "train_dataset.transforms.0.shorts": ["5", "x", "[]", "[0]", "['x']"],
    "train_dataset.transforms.0.long": ["0", "x"],
    "train_dataset.transforms.1.probability": SHARES,
    "val_metric.iou_types": ["x", "['boxes']"],
    "val_metric.groups": ["5"],
    "val_metric.per_class": SWITCHES,
    "val_metric.prefix": ["5"],
}  # fmt: skip
OF_CLIPS = {
    "model.track_head.in_dim": [*COUNTS, "64"],
    "model.track_head.embed_dim": COUNTS,
    "model.track_head.num_layers": COUNTS,
    "model.track_head.roi_size": ["0", "x"],
    "model.track_head.criterion": PARTS,
    "model.track_head.alone": SWITCHES,
    "best_metric": ["ytvis/HOTAA"],
    "info.tracker": ["nosuch", "5"],
    "info.score_threshold": SHARES,
    "info.similarity": ["nosuch", "cosine"],
    "info.classes": ["5", "x", "[5]"],
    "tracker.score_threshold": SHARES,
    "tracker.patience": ["x", "-1"],
    "train_dataset.num_frames": ["0", "x"],
    "train_dataset.max_distance": ["0", "x"],
    "train_dataset.renamed": ["5"],
    "val_dataset.fps": ["0", "x"],
    "val_metric.min_score": SHARES,
    "val_metric.identity": SWITCHES,
    "val_metric.num_classes_per_track": ["0", "x"],
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Of each config, the settings that name its data."""
    images = write_own_data(tmp_path_factory.mktemp("images") / "data", names=("person", "dog", "clock"))
    clips = tmp_path_factory.mktemp("clips") / "data"
    assert main(["synthesize", str(clips), "--videos", "1", "--frames", "3", "--size", "64x96", "--seed", "1"]) == 0
    known = "classes=('person','dog','clock')"
    return {
        IMAGES: [
            *(setting.format(data=images) for setting in IMAGE_DATA),
            *(f"{part}.{known}" for part in ("train_dataset", "val_dataset", "val_metric")),
            *("model.num_classes=3", "num_workers=0", "schedule.warmup_iters=1"),
        ],
        CLIPS: [f"data_root={clips}"],
    }


@pytest.fixture(autouse=True)
def beginnings(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Grows when a training begins, which does nothing here."""
    begun: list[bool] = []
    monkeypatch.setattr(runner_module.TrainRunner, "train", lambda self: begun.append(True))
    return begun


@pytest.mark.parametrize("config", [IMAGES, CLIPS])
def test_the_settings_are_good_before_one_is_bad(config: str, data: dict, beginnings: list, tmp_path: Path) -> None:
    assert main(["train", str(FOLDER / f"{config}.py"), *data[config], "--work-dir", str(tmp_path)]) == 0
    assert beginnings


@pytest.mark.parametrize(
    ("config", "setting", "value"),
    [
        pytest.param(config, setting, value, id=f"{setting}={value}")
        for config, settings in ((IMAGES, OF_IMAGES), (CLIPS, OF_CLIPS))
        for setting, values in settings.items()
        for value in values
    ],
)
def test_bad_settings_are_one_line_before_the_training(
    config: str, setting: str, value: str, data: dict, beginnings: list, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        code = main(["train", str(FOLDER / f"{config}.py"), *data[config], f"{setting}={value}", "--work-dir", str(tmp_path)])
    assert (code, beginnings) == (2, [])
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert len(line) < 400


def test_parts_of_a_model_that_do_not_fit_are_named(data: dict, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for config, setting, told in (
        (CLIPS, "model.track_head.in_dim=64", "track_head.in_dim=64: must be the model's embed_dim=32"),
        (IMAGES, "model.queries.embed_dim=16", "queries.embed_dim=16: must be the model's embed_dim=32"),
        (IMAGES, "model.num_heads=3", "num_heads=3: must divide embed_dim=32"),
        (IMAGES, "model.preprocess.long=10", "long=10: must be at least short=96"),
        (CLIPS, "best_metric=ytvis/HOTAA", "gives no number of that name; the nearest is 'ytvis/HOTA'"),
        (CLIPS, "info.tracker=nosuch", "no tracker is called 'nosuch'"),
    ):
        assert main(["train", str(FOLDER / f"{config}.py"), *data[config], setting, "--work-dir", str(tmp_path)]) == 2
        assert told in capsys.readouterr().err
