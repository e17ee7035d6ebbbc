"""Long computations in a child process: warm, cancellable, and never in the way of who asked for them.

    runner = JobRunner()
    job = runner.start("LiverPlannerLib.tasks:plan", {"image": "image.nrrd"}, folder, on_finished=show)
    while job.running:      # in Slicer: a QTimer
        runner.poll()

One worker process is kept, with what it has imported and loaded; see `worker` for what a task is. Nothing here needs
Qt, and importing it imports nothing heavy.
"""

from PreopReviewLib.jobs.failure import JobBusy, JobError
from PreopReviewLib.jobs.python import find_python
from PreopReviewLib.jobs.runner import Job, JobRunner

__all__ = ["Job", "JobBusy", "JobError", "JobRunner", "find_python"]
