"""A video from end to end as one unit of work: here, in processes of its own, or on Ray; stopped, killed and gone on with."""

from queryinst_vis.jobs.job import Job, JobReport, Watcher, run_job

__all__ = ["Job", "JobReport", "Watcher", "run_job"]
