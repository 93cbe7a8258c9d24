"""Video instance segmentation: from a video file to tracked instances.

    import queryinst_vis as qv

    model = qv.load_model()
    with qv.open_video("in.mp4") as video:
        tracker = qv.build_tracker(model.info.tracker, score_threshold=model.info.score_threshold)
        for frame, instances in qv.track_video(video, model, tracker):
            print(frame.time, instances.track_ids.tolist(), instances.boxes.tolist())

Names below are imported when they are first used, so that `import queryinst_vis` costs nothing.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "Frame": "structures",
    "Instances": "structures",
    "Trails": "visualization",
    "VideoInfo": "structures",
    "VideoWriter": "video",
    "accelerate": "acceleration",
    "build_tracker": "trackers",
    "draw_instances": "visualization",
    "load_model": "checkpoint",
    "open_video": "video",
    "save_weights": "checkpoint",
    "segment_frames": "pipeline",
    "track_video": "pipeline",
}

__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
