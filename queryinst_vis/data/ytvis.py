"""YouTube-VIS and every data set in the same JSON: clips to train on, whole videos to test on."""

from queryinst_vis.data.videos import VideoSample, YtvisVideos

__all__ = ["VideoSample", "YtvisVideos"]
