"""Images that belong together."""

from hypothesis import given
from hypothesis import strategies as st

from embodied_mem.errors import StampRunsBackwards
from embodied_mem.sensing.sync import ImageSynchronizer, NoPartner, StampFarAhead

MS = 1_000_000


def stamps(matched):
    return [one.stamp_ns for one in matched.sets]


@given(order=st.permutations([("depth", 1), ("rgb", 1), ("segmentation", 1)]))
def test_a_set_is_complete_whatever_comes_last(order):
    sync = ImageSynchronizer(["depth", "rgb", "segmentation"], slop_ns=MS)
    found = [sync.add(stream, stamp, stream) for stream, stamp in order]
    assert [len(one.sets) for one in found] == [0, 0, 1]
    assert found[-1].sets[0].images == {"depth": "depth", "rgb": "rgb", "segmentation": "segmentation"}


def test_the_nearest_partner_is_taken_not_the_first():
    sync = ImageSynchronizer(["depth", "rgb"], slop_ns=20 * MS)
    sync.add("rgb", 85 * MS, "early")
    assert not sync.add("depth", 100 * MS, "d").sets
    assert sync.add("rgb", 103 * MS, "near").sets[0].images["rgb"] == "near"


def test_a_depth_image_without_a_near_partner_is_refused_with_the_distance():
    sync = ImageSynchronizer(["depth", "rgb"], slop_ns=5 * MS)
    sync.add("depth", 100 * MS, "d")
    (refusal,) = sync.add("rgb", 150 * MS, "far").refused
    assert isinstance(refusal, NoPartner)
    assert "0.050 s" in str(refusal)
    assert "slop_s" in str(refusal)


def test_a_stream_that_never_comes_is_named_once_the_wait_is_over():
    sync = ImageSynchronizer(["depth", "rgb"], slop_ns=5 * MS, capacity=3)
    refused = [error for stamp in range(6) for error in sync.add("depth", stamp, "d").refused]
    assert len(refused) == 3
    assert "no rgb image has come" in str(refused[0])


def test_stamps_from_the_past_are_refused_with_the_last_one():
    sync = ImageSynchronizer(["depth"], slop_ns=MS)
    assert stamps(sync.add("depth", 100, "d")) == [100]
    for stamp in (100, 99):
        (refusal,) = sync.add("depth", stamp, "d").refused
        assert isinstance(refusal, StampRunsBackwards)
        assert "100" in str(refusal)
    sync.clear()
    assert stamps(sync.add("depth", 50, "d")) == [50]


@given(delays=st.lists(st.integers(0, 30), min_size=1, max_size=25))
def test_sets_come_out_in_order_and_none_is_lost(delays):
    """Colour arrives up to 30 images late; every depth image still finds its own."""
    arrivals = [(index, "depth", index) for index in range(len(delays))]
    arrivals += [(index + delay, "rgb", index) for index, delay in enumerate(delays)]
    sync = ImageSynchronizer(["depth", "rgb"], slop_ns=0, capacity=60)
    colour = sorted(number for _, stream, number in arrivals if stream == "rgb")
    out = []
    for _, stream, number in sorted(arrivals):
        stamp = colour.pop(0) if stream == "rgb" else number  # one topic keeps its order
        out += sync.add(stream, stamp, (stream, stamp)).sets
    assert [one.stamp_ns for one in out] == list(range(len(delays)))
    assert all(one.images["rgb"][1] == one.stamp_ns for one in out)


def test_one_stamp_far_in_the_future_does_not_shut_out_what_follows():
    sync = ImageSynchronizer(["depth", "rgb"], slop_ns=MS)
    sync.add("depth", 100 * MS, "d")
    assert stamps(sync.add("rgb", 100 * MS, "c")) == [100 * MS]
    assert not sync.add("depth", 10**15, "wrong").sets
    found = sync.add("depth", 200 * MS, "d")
    (refusal,) = found.refused
    assert isinstance(refusal, StampFarAhead)
    assert "in the future" in str(refusal)
    sync.add("rgb", 10**15, "wrong too")
    sync.add("rgb", 300 * MS, "c")
    assert stamps(sync.add("depth", 300 * MS, "d")) == [300 * MS]


def test_one_stamp_from_the_past_costs_no_image_that_waits():
    sync = ImageSynchronizer(["depth", "rgb"], slop_ns=MS)
    sync.add("depth", 5000 * MS, "d")
    sync.add("rgb", 5000 * MS, "c")
    sync.add("depth", 8000 * MS, "d")
    for stream in ("depth", "rgb"):
        assert not sync.add(stream, 1, "wrong").sets
    assert stamps(sync.add("rgb", 8000 * MS, "c")) == [8000 * MS]


def test_a_set_that_was_of_no_use_does_not_shut_out_older_images():
    sync = ImageSynchronizer(["depth"], slop_ns=MS)
    assert stamps(sync.add("depth", 100, "d")) == [100]
    assert stamps(sync.add("depth", 10**15, "wrong")) == [10**15]
    assert isinstance(sync.add("depth", 200, "d").refused[0], StampRunsBackwards)
    sync.go_back_to(100)
    assert stamps(sync.add("depth", 300, "d")) == [300]
