"""How long things take: an image model part by part, and a video from file to file."""

from queryinst_vis.benchmark.network import NetworkTimes, time_network
from queryinst_vis.benchmark.timing import Spread, machine, peak_memory
from queryinst_vis.benchmark.video import VideoTimes, time_video

__all__ = ["NetworkTimes", "Spread", "VideoTimes", "machine", "peak_memory", "time_network", "time_video"]
