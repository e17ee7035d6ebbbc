"""Jobs in a real worker process: results, progress, errors, and the worker kept between them."""

from __future__ import annotations

import time

import numpy as np
import pytest

from PreopReviewLib import jobs


def test_a_result_comes_back_and_the_worker_is_kept(runner, folder):
    first = runner.wait(runner.start("job_samples:echo", {"a": [1, 2.5, None]}, folder), 30)
    second = runner.wait(runner.start("job_samples:echo", {}, folder), 30)
    assert first.state == second.state == "finished"
    assert first.result["parameters"] == {"a": [1, 2.5, None]}
    assert first.result["folder"] == str(folder)
    assert second.result["pid"] == first.result["pid"] == runner.worker_pid
    assert second.result["calls"] == 2, "modules stay imported"


def test_callbacks_come_from_poll_and_only_once(runner, folder):
    seen = []
    job = runner.start(
        "job_samples:echo", {}, folder, on_finished=lambda r: seen.append(r["calls"]), on_failed=seen.append
    )
    time.sleep(1.0)
    assert seen == []
    runner.wait(job, 30)
    runner.poll()
    assert seen == [1]


def test_the_next_job_can_be_started_from_a_callback(runner, folder):
    ended = []

    def again(_: dict) -> None:
        ended.append(runner.start("job_samples:echo", {}, folder))

    runner.wait(runner.start("job_samples:echo", {}, folder, on_finished=again), 30)
    assert runner.wait(ended[0], 30).state == "finished"


def test_progress_goes_forward_and_ends_with_the_last_word(runner, folder):
    seen = []
    job = runner.start(
        "job_samples:count",
        {"steps": 2000, "pause": 0.0005},
        folder,
        on_progress=lambda f, w: seen.append((f, w)),
        on_finished=lambda r: seen.append("end"),
    )
    runner.wait(job, 60)
    assert seen[-1] == "end"
    fractions = [f for f, _ in seen[:-1]]
    assert fractions == sorted(fractions)
    assert seen[-2] == (1999 / 2000, "step 1999")
    assert 3 <= len(fractions) < 200, "throttled"


def test_the_words_shown_during_a_long_silence_are_the_latest(runner, folder):
    seen = []
    job = runner.start(
        "job_samples:words_then_silence", {"seconds": 1.0}, folder, on_progress=lambda f, w: seen.append((w, job.state))
    )
    end = time.monotonic() + 20
    while ("computing", "running") not in seen and time.monotonic() < end:
        runner.poll()
    assert job.running
    runner.wait(job, 30)


def test_a_second_job_is_refused_while_one_runs(runner, folder):
    job = runner.start("job_samples:count", {"steps": 20, "pause": 0.05}, folder)
    with pytest.raises(jobs.JobBusy, match="already running"):
        runner.start("job_samples:echo", {}, folder)
    assert runner.wait(job, 30).state == "finished"


def test_a_foreseen_error_keeps_its_words_and_exit_code(runner, folder):
    seen = []
    job = runner.wait(runner.start("job_samples:find_nothing", {}, folder, on_failed=seen.append), 30)
    assert job.state == "failed"
    (error,) = seen
    assert (error.problem, error.remedy) == ("No liver was found in Zoë’s image", "Check the modality")
    assert (error.exit_code, error.kind) == (3, "NothingFound")


def test_an_unforeseen_error_tells_where_its_trace_is(runner, folder):
    error = runner.wait(runner.start("job_samples:fail", {}, folder), 30).error
    assert "ValueError: operands could not be broadcast" in error.problem
    assert str(error.log) in error.remedy
    assert "in fail" in error.log.read_text()
    assert runner.wait(runner.start("job_samples:echo", {}, folder), 30).result["calls"] == 1


@pytest.mark.parametrize(
    ("device", "words"), [("cpu", "This computer ran out of memory"), ("cuda", "The graphics card ran out of memory")]
)
def test_lack_of_memory_is_said_plainly_and_the_worker_lives(runner, folder, device, words):
    error = runner.wait(runner.start("job_samples:lack_memory", {"device": device}, folder), 30).error
    assert words in error.problem
    assert error.exit_code == 40
    assert runner.wait(runner.start("job_samples:echo", {}, folder), 30).state == "finished"


def test_after_an_error_of_the_graphics_card_the_next_job_has_a_new_process(runner, folder):
    pid = runner.wait(runner.start("job_samples:echo", {}, folder), 30).result["pid"]
    error = runner.wait(runner.start("job_samples:break_card", {}, folder), 30).error
    assert "graphics card reported an error" in error.problem
    again = runner.wait(runner.start("job_samples:echo", {}, folder), 30)
    assert again.result["pid"] != pid


def test_a_task_that_exits_politely_has_only_failed(runner, folder):
    error = runner.wait(runner.start("job_samples:leave", {"politely": True}, folder), 30).error
    assert "SystemExit" in error.problem
    assert runner.worker_pid is not None


@pytest.mark.parametrize("task", ["no_such_module:plan", "job_samples:no_such_task", "job_samples"])
def test_an_unknown_task_fails(runner, folder, task):
    job = runner.wait(runner.start(task, {}, folder), 30)
    assert job.state == "failed"
    assert job.error.problem


def test_a_missing_package_is_named(runner, folder):
    error = runner.wait(runner.start("no_such_module:plan", {}, folder), 30).error
    assert "no_such_module" in error.problem
    assert "packages" in error.remedy


def test_a_result_that_is_no_plain_data_is_the_tasks_failure(runner, folder):
    error = runner.wait(runner.start("job_samples:return_nonsense", {}, folder), 30).error
    assert "object cannot be sent" in error.problem


def test_parameters_that_are_no_plain_data_are_refused_at_once(runner, folder):
    with pytest.raises(TypeError, match="object cannot be sent"):
        runner.start("job_samples:echo", {"a": object()}, folder)
    assert runner.wait(runner.start("job_samples:echo", {"a": np.float32(0.5)}, folder), 30).result["parameters"] == {
        "a": 0.5
    }


def test_what_a_task_prints_goes_to_the_log_and_harms_nothing(runner, folder):
    job = runner.wait(runner.start("job_samples:noisy", {}, folder), 30)
    assert job.result == {"ok": True}
    again = runner.wait(runner.start("job_samples:fail", {}, folder), 30)
    assert "from a child" in again.error.log.read_text(errors="replace")


def test_words_of_all_the_world_and_big_messages_pass_both_ways(runner, folder):
    words = {"Größe": "肝臓 \x1e\n\r\0 \u2028 𝛑", "big": "é" * 3_000_000}
    job = runner.start("job_samples:echo", words, folder)
    assert runner.wait(job, 60).result["parameters"] == words


def test_polling_never_waits_for_the_worker(runner, folder):
    job, polls = runner.start("job_samples:count", {"steps": 3000, "pause": 0.0005}, folder), 0
    while job.running:
        runner.poll()
        polls += 1
        time.sleep(0.002)
    assert polls > 20  # the task takes 1.5 s at least
    assert job.state == "finished"


def test_temporary_files_of_a_task_go_with_it(runner, folder):
    job = runner.wait(runner.start("job_samples:temporary", {}, folder), 30)
    assert job.result["name"].startswith(str(folder))
    assert list(folder.iterdir()) == []


def test_changed_settings_take_a_new_worker_and_nothing_else_does(runner, folder, monkeypatch):
    first = runner.wait(runner.start("job_samples:echo", {}, folder), 30).result["pid"]
    monkeypatch.setenv("SOME_OTHER_MODULE", "1")
    assert runner.wait(runner.start("job_samples:echo", {}, folder), 30).result["pid"] == first
    monkeypatch.setenv("PREOP_MODELS", "/elsewhere")
    second = runner.wait(runner.start("job_samples:echo", {}, folder), 30).result["pid"]
    assert second != first
    first = second
    runner.extra_environment["OMP_NUM_THREADS"] = "1"
    assert runner.wait(runner.start("job_samples:echo", {}, folder), 30).result["pid"] != first
