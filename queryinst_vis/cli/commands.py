"""What the commands are called, what they are for, and how each is used: what help and completion are made of."""

GROUPS = {
    "use a model": {
        "track": "segment and track the objects of a video",
        "track-videos": "track many videos, with several processes, and go on where that was stopped",
        "segment": "segment the objects of pictures",
        "convert-tracks": "results of tracking in another format; the spool of a run that was killed",
    },
    "train and measure": {
        "train": "train a model",
        "test": "measure a model on a data set",
        "evaluate": "measure results on YouTube-VIS annotations",
        "compare": "compare trackers on the same detections",
        "clips": "measure tracking on sparsely annotated clips",
        "analyze": "count the parameters, multiply-adds and memory of a model",
        "benchmark": "time a model part by part, or a video from file to file",
        "submit": "make a submission for a YouTube-VIS server",
        "check-submission": "find what a server would refuse",
    },
    "weights": {
        "export": "write weights to hand on",
        "export-model": "a model as an ONNX or torch.export file, for other programs",
        "convert": "weights of other code bases to ours and back",
    },
    "data sets": {
        "browse": "draw augmented samples of a data set",
        "check-dataset": "find what is missing or broken in a data set",
        "stats": "count what is in annotated videos",
        "split": "cut a validation set from annotated videos",
        "synthesize": "generate annotated videos of moving shapes",
        "pseudo-clips": "make annotated videos of annotated images",
        "convert-mots": "MOTS text files to YouTube-VIS JSON and back",
        "convert-cityscapes": "Cityscapes' own annotations to COCO JSON",
    },
    "this program": {
        "completion": "a script by which a shell completes commands, options and their values",
    },
}
COMMANDS = {name: text for group in GROUPS.values() for name, text in group.items()}

# What follows the command, and what that does.
EXAMPLES = {
    "track": {
        "in.mp4": "writes in_tracked.mp4",
        "in.mp4 --no-video --json tracks.json --classes person dog": "numbers only",
        "0 --show --no-video": "watch the first webcam",
        "rtsp://192.168.1.20/live --no-video --jsonl - --events": "a line of JSON per frame, for another program",
        "long.mp4 --resume": "the same command goes on after a stop or kill",
    },
    "track-videos": {
        "videos/ --output tracked --workers 4": "again: passes over what is done",
        "list.txt --output tracked --no-video --results json csv": "",
    },
    "segment": {
        "photo.jpg": "writes photo_segmented.jpg and photo_segmented.json",
        "photos/ --output drawn --classes person": "",
    },
    "convert-tracks": {
        "tracks.json tracks.csv": "by the suffix",
        "tracks.json coco.json --to coco": "",
        "tracks.json.spool tracks.json": "what a killed run had found",
    },
    "train": {
        "queryinst_r50_12e_coco data_root=/data/coco batch_size=8": "",
        "queryinst_r50_12e_coco data_root=/data/coco --resume": "",
    },
    "test": {"queryinst_r50_12e_coco best.safetensors data_root=/data/coco": ""},
    "evaluate": {"instances_val.json results.json --per-class": ""},
    "compare": {
        "instances_val.json --images frames/": "",
        "instances_val.json --simulate hard --trackers iou,masktrack": "",
    },
    "benchmark": {
        "default": "the model inside",
        "default --video in.mp4 --max-frames 100": "from file to file",
    },
    "submit": {
        "queryinst_vis_r50_12e_ytvis2019 best.safetensors --videos valid.json --images JPEGImages": "",
    },
    "export": {"work_dirs/mine/best.safetensors mine.safetensors --half": ""},
    "export-model": {
        "default default.onnx": "then: track in.mp4 --model default.onnx",
        "mine.safetensors mine.pt2 --size 384 640 --batch dynamic": "",
    },
    "convert": {"checkpoint.pth mine.safetensors --to ours --config queryinst_r50_12e_coco": ""},
    "check-dataset": {
        "/data/coco --dataset coco": "",
        "--annotations train.json --images frames/ --full": "",
    },
    "synthesize": {"shapes/ --videos 10 --difficulty hard": ""},
    "completion": {
        "bash > ~/.local/share/bash-completion/completions/queryinst-vis": "from the next shell on",
        'zsh > "${fpath[1]}/_queryinst-vis"': "",
        "fish > ~/.config/fish/completions/queryinst-vis.fish": "",
    },
}
