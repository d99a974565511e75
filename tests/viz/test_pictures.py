import numpy as np

from embodied_mem.geometry import Box, look_at
from embodied_mem.layers.occupancy import STABLE, MapSnapshot
from embodied_mem.messages import Change, PinholeCamera, Placement
from embodied_mem.viz.maps import floor_height_m, plan_colors, top_down_map
from embodied_mem.viz.views import BACKGROUND, draw_view, overview

RED, BLUE, GRAY = (200, 20, 20), (20, 20, 200), (120, 120, 120)


def snapshot(
    *things: tuple[tuple[float, float, float], tuple[int, int, int]], occupancy: float = 0.9
) -> MapSnapshot:
    """A map of single Gaussians, 8 cm cells."""
    num = len(things)
    round_2cm = np.tile(np.array([4e-4, 0, 0, 4e-4, 0, 4e-4], dtype=np.float32), (num, 1))
    return MapSnapshot(
        means_world=np.array([place for place, _ in things], dtype=np.float32).reshape(num, 3),
        covariances_m2=round_2cm,
        occupancy=np.full(num, occupancy, dtype=np.float32),
        state=np.full(num, STABLE, dtype=np.int8),
        color_rgb=np.array([color for _, color in things], dtype=np.uint8).reshape(num, 3),
        label_index=np.full(num, -1, dtype=np.int16),
        label_share=np.zeros(num, dtype=np.float32),
        first_seen_ns=np.zeros(num, dtype=np.int64),
        last_seen_ns=np.zeros(num, dtype=np.int64),
        labels=(),
        cell_m=0.08,
    )


def floor(
    color: tuple[int, int, int] = GRAY,
) -> list[tuple[tuple[float, float, float], tuple[int, int, int]]]:
    axis = np.arange(-1.0, 1.0, 0.08)
    return [((float(x), float(y), 0.02), color) for x in axis for y in axis]


def test_the_plan_shows_what_is_highest_below_head_room() -> None:
    table, lamp = ((0.3, -0.5, 0.75), RED), ((0.3, -0.5, 2.4), BLUE)
    colors, low, _ = plan_colors(snapshot(*floor(), table, lamp))
    red = np.argwhere((np.abs(colors - np.array(RED) / 255) < 1e-6).all(axis=2))
    assert len(red) == 1  # neither faded like the floor nor covered by the lamp
    np.testing.assert_allclose(low + (red[0, ::-1] + 0.5) * 0.08, [0.3, -0.5], atol=0.05)


def test_the_floor_is_the_lowest_level_surface_not_the_lowest_point() -> None:
    points = np.array([place for place, _ in [*floor(), ((0.0, 0.0, -0.7), GRAY)]])
    assert abs(floor_height_m(points) - 0.02) < 0.05


def test_an_empty_map_gives_empty_pictures() -> None:
    empty = snapshot()
    assert top_down_map(empty, width_px=300).shape[1] == 300
    assert (overview(empty, width_px=64, height_px=48) == BACKGROUND).all()


def test_moves_and_paths_leave_their_mark_on_the_map() -> None:
    def place(x: float) -> Placement:
        return Placement(
            position_world_m=(x, 0.0, 0.5), box=Box(min_m=(x, 0, 0.4), max_m=(x + 0.1, 0.1, 0.5))
        )

    move = Change(
        kind="move",
        entity_id="e1",
        label="mug",
        before=place(-0.5),
        after=place(0.5),
        after_ns=1,
        before_ns=2,
    )
    plain = top_down_map(snapshot(*floor()), width_px=400)
    moved = top_down_map(snapshot(*floor()), moves=[move], width_px=400)
    walked = top_down_map(
        snapshot(*floor()), path_world=np.array([[-0.8, -0.8, 1], [0.8, 0.8, 1.0]]), width_px=400
    )
    assert (plain != moved).any(axis=2).sum() > 200
    assert (plain != walked).any(axis=2).sum() > 200


def camera() -> PinholeCamera:
    return PinholeCamera(fx=60.0, fy=60.0, cx=31.5, cy=23.5, width_px=64, height_px=48)


def test_what_is_nearer_hides_what_is_behind() -> None:
    T = look_at(np.zeros(3), np.array([1.0, 0.0, 0.0]))
    image = draw_view(snapshot(((1.0, 0.0, 0.0), RED), ((1.5, 0.0, 0.0), BLUE)), T, camera())
    np.testing.assert_allclose(
        image[23:25, 31:33].reshape(-1, 3), np.tile(RED, (4, 1)), atol=20
    )  # shading darkens a little


def test_a_gaussian_appears_where_the_camera_sees_it() -> None:
    T = look_at(np.zeros(3), np.array([1.0, 0.0, 0.0]))
    image = draw_view(snapshot(((2.0, 0.4, 0.2), RED)), T, camera())
    rows, columns = np.nonzero((image != BACKGROUND).any(axis=2))
    assert abs(columns.mean() - (31.5 - 0.4 / 2 * 60)) < 1.0  # world +y is image left
    assert abs(rows.mean() - (23.5 - 0.2 / 2 * 60)) < 1.0


def test_what_is_thought_free_is_not_drawn_in_the_overview() -> None:
    assert (overview(snapshot(*floor(RED), occupancy=0.2), width_px=64, height_px=48) == BACKGROUND).all()


def test_the_overview_holds_the_whole_place() -> None:
    image = overview(snapshot(*floor(RED)), width_px=640, height_px=480)
    is_drawn = (image != BACKGROUND).any(axis=2)
    assert is_drawn.mean() > 0.2
    border = np.concatenate([is_drawn[0], is_drawn[-1], is_drawn[:, 0], is_drawn[:, -1]])
    assert not border.any()
