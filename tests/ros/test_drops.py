"""Counting drops and warning seldom; the worker's queue."""

import threading

from embodied_mem.errors import InvalidPose, UnsupportedEncoding
from embodied_mem.ros.drops import DropLog
from embodied_mem.ros.worker import MemoryWorker


def test_every_drop_is_counted_and_each_cause_warns_once_a_second():
    now_s, warnings = [0.0], []
    drops = DropLog(warnings.append, clock=lambda: now_s[0])
    for _ in range(10):
        drops.drop("depth image", UnsupportedEncoding("bad encoding"))
        drops.drop("odometry", InvalidPose("NaN"), is_frame=False)
        now_s[0] += 0.15
    assert drops.counts() == {"depth image: UnsupportedEncoding": 10, "odometry: InvalidPose": 10}
    assert drops.num_frames == 10
    assert len([text for text in warnings if "bad encoding" in text]) == 2
    assert "6 more like it" in warnings[-1]


def test_tasks_run_in_order_and_jobs_are_never_dropped():
    done, gate, overtaken = [], threading.Event(), []
    worker = MemoryWorker(queue_size=2, on_overtaken=overtaken.append)
    worker.put_frame(lambda: gate.wait(10))
    while worker.num_waiting != 1 or worker._entries:
        pass
    for number in range(4):
        worker.put_frame(lambda number=number: done.append(number))
    worker.put_job(lambda: done.append("job"))
    gate.set()
    worker.stop()
    assert done == [2, 3, "job"]
    assert len(overtaken) == 2
    assert "queue_size" in str(overtaken[0])
