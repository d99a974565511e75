"""`EmbodiedMem/TrackPerson-v0`: somebody is shown, then three people walk off in different directions; follow the right one.

Action: one number. 0 stay, 1 forward, 2 and 3 turn left and right, 4 and 5 forward while turning. A step is half a second.
The one who is followed is the nearest person within 3 m, at most 45 degrees aside and in line of sight. Success: that is
the right one when time is up; `info["following_rate"]` is the share of steps at which it was, `info["collision"]` whether the robot ran
into anything: EVT-Bench's three figures. At the end `info["tracking"]` is the episode's record as its scorer reads it.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
from gymnasium import spaces

from ..home import Home, free_space, generate_home
from ..mjcf import ROBOT_RADIUS_M, write_mjcf
from ..navigation import is_blocked
from ..parts import rectangle_array, wrap_angle
from ..sensing import HeadCamera
from ..tabletop.interference import SCENE_STEPS
from ..world import PERSON_RADIUS_M, HouseholdWorld
from .base import FOVY_DEG, HomeTaskEnv, Observation
from .config import make_config
from .people import CLOTHES_COLOURS, NUM_PEOPLE, Walks, draw_walks, robot_start, stand, with_people

NUM_ROOMS, NUM_STEPS, CUE_STEPS = 5, 70, 2
STEP_S, SPEED_M_S, TURN_RAD_S = 0.5, 0.9, 1.2
NEAR_M, ASIDE_RAD, KEEP_M = 3.0, math.radians(45.0), 1.2
REACHED_M = 0.25
MOTIONS = ((0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (0.0, -1.0), (1.0, 1.0), (1.0, -1.0))
"""(share of speed, share of turn) of each action."""
CHANCE = 1 / NUM_PEOPLE
CHANCE_BECAUSE = (
    "who is followed depends on nothing that was hidden, and is one of three equally likely people at most"
)
HEAD_TILT_RAD = 0.05
INSTRUCTION = "Follow the person who was shown first."


class TrackPersonEnv(HomeTaskEnv):
    """Tracking with two distractors, walls and doors in between. Options are those of `MobileConfig`, as keywords."""

    def __init__(self, *, render_mode: str | None = None, **options: Any) -> None:
        config = make_config({"step_ns": int(STEP_S * 1e9), **options})
        super().__init__(config, render_mode=render_mode, longest_instruction=100)
        self.action_space = spaces.Discrete(len(MOTIONS))

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """A new episode; `options={"hidden": k}` sets who is to be followed and leaves all else as the seed has it."""
        super().reset(seed=seed)
        self._begin(NUM_PEOPLE, options)
        self.num_following, self.has_collided = 0, False
        self._stopped_at: tuple[float, float] | None = None
        self._send_home()
        self._scenes: list[int] = self._streams.nuisance.integers(
            NUM_PEOPLE, size=self.config.interference
        ).tolist()
        self._show(self.hidden)
        self._reseed(self._streams.cue_images)
        return self._observe(), self._info()

    def step(self, action: int) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Half a second. Reward 1.0 at the end when the right person is followed then, else 0.0."""
        self._tick()
        if self.phase == "choice":
            self._move(int(action))
        elif self.phase == "cue" and self._since >= CUE_STEPS:
            self._enter("gate")
            self._show(None)
            self._reseed(self._streams.choice_images)
        elif self.phase == "gate" and self._since >= self.config.delay:
            self._advance_gate((self._since - self.config.delay) // SCENE_STEPS)
        is_over = self.phase == "over"
        return self._observe(), float(is_over and self.is_right), is_over, False, self._info()

    @property
    def is_right(self) -> bool:
        """Whether the right person is followed now."""
        return self.followed() == self.hidden

    def followed(self) -> int | None:
        """Who is followed now: the nearest person who is near, ahead and in sight; None for nobody."""
        robot, people = self.world.robot, self.walks.poses[min(self._since, NUM_STEPS - 1)]
        near = []
        for index, (x, y, _) in enumerate(people):
            distance_m = math.hypot(x - robot.x, y - robot.y)
            aside = abs(wrap_angle(math.atan2(y - robot.y, x - robot.x) - robot.yaw_rad))
            sees = self.in_sight((robot.x, robot.y), (float(x), float(y)))
            if distance_m <= NEAR_M and aside <= ASIDE_RAD and sees:
                near.append((distance_m, index))
        return min(near)[1] if near else None

    def expert_action(self) -> int:
        """What the expert does now: it knows where the right person is, and the way there."""
        if self.phase != "choice":
            return 0
        x, y, _ = self.walks.poses[min(self._since, NUM_STEPS - 1), self.hidden]
        return self.action_towards((float(x), float(y)))

    def action_towards(self, there: tuple[float, float], keep_m: float = KEEP_M) -> int:
        """What brings the robot nearer to a place by the free way, and makes it stand `keep_m` before it, facing it. It
        knows the home's floor plan.
        """
        robot = self.world.robot
        here = (robot.x, robot.y)
        is_near = self.in_sight(here, there) and math.dist(here, there) < keep_m
        towards = there if is_near else self._next_on(self._space.route(here, self.reachable(there)), there)
        turn = wrap_angle(math.atan2(towards[1] - robot.y, towards[0] - robot.x) - robot.yaw_rad)
        if abs(turn) > TURN_RAD_S * STEP_S / 2:
            return (2 if turn > 0 else 3) if is_near or abs(turn) > 0.8 else (4 if turn > 0 else 5)
        return 0 if is_near or self._is_in_the_way() else 1

    def reachable(self, there: tuple[float, float]) -> tuple[float, float]:
        """The place nearest to `there` that the robot can get to."""
        return self._space.point_of(self._space.nearest_free(*there, self._reachable))

    def in_sight(self, a: tuple[float, float], b: tuple[float, float]) -> bool:
        """Whether no wall is between two places."""
        return not is_blocked(a, b, self._walls)

    def _next_on(self, route: list[tuple[float, float]], there: tuple[float, float]) -> tuple[float, float]:
        """The way-point to go to. Those that are reached are left out, unless the robot was stopped here: then it has to get
        clear of what it touches first.
        """
        here = (self.world.robot.x, self.world.robot.y)
        reached_m = 0.0 if here == self._stopped_at else REACHED_M
        return next((point for point in route if math.dist(point, here) > reached_m), there)

    def _is_in_the_way(self) -> bool:
        """Whether somebody who still has to walk on stands or comes right before the robot: waiting for others is in vain."""
        robot, people = self.world.robot, self.walks.poses[min(self._since + 1, NUM_STEPS - 1), :, :2]
        goes_on = (people != self.walks.poses[-1, :, :2]).any(axis=1)
        away = people[goes_on] - (robot.x, robot.y)
        aside = [abs(wrap_angle(math.atan2(y, x) - robot.yaw_rad)) for x, y in away.tolist()]
        return any(
            a < math.radians(50.0) and math.hypot(*d) < 1.0 for a, d in zip(aside, away.tolist(), strict=True)
        )

    def _move(self, action: int) -> None:
        robot, (speed, turn) = self.world.robot, MOTIONS[action]
        self.world.drive(speed * SPEED_M_S, turn * TURN_RAD_S, STEP_S)
        is_stopped = speed > 0.0 and abs(robot.speed_m_s) < 0.5 * SPEED_M_S
        if is_stopped:
            self._stopped_at = (robot.x, robot.y)
        self._walk(self._since)
        people = self.walks.poses[min(self._since, NUM_STEPS - 1), :, :2]
        gap_m = float(np.hypot(people[:, 0] - robot.x, people[:, 1] - robot.y).min())
        self.has_collided |= is_stopped or gap_m < ROBOT_RADIUS_M + PERSON_RADIUS_M
        self.num_following += self.is_right
        if self._since >= NUM_STEPS:
            self.phase = "over"

    def _enter(self, phase: str) -> None:
        self.phase, self._since = phase, 0
        self._send_home()

    def _send_home(self) -> None:
        robot, (x, y, yaw) = self.world.robot, robot_start(self.world.home)
        robot.x, robot.y, robot.yaw_rad, robot.pan_rad, robot.tilt_rad = x, y, yaw, 0.0, HEAD_TILT_RAD
        robot.speed_m_s = robot.turn_rad_s = 0.0

    def _advance_gate(self, scene: int) -> None:
        if scene < len(self._scenes):
            self._show(self._scenes[scene])
        else:
            self._enter("choice")
            self._walk(0)

    def _show(self, who: int | None) -> None:
        """Only one of the people, or nobody."""
        for index in range(NUM_PEOPLE):
            stand(self.world, index, self.walks.shown_at if index == who else None)

    def _walk(self, step: int) -> None:
        for index, (x, y, yaw) in enumerate(self.walks.poses[min(step, NUM_STEPS - 1)].tolist()):
            stand(self.world, index, (x, y, yaw))

    def _make_home(self, seed: tuple[int, ...]) -> HeadCamera:
        home, self.walks = draw_episode(seed)
        height, width = self.config.image_size
        written = write_mjcf(home, fovy_deg=FOVY_DEG, offscreen_px=(height, width))
        self.world = HouseholdWorld(home, with_people(written))
        self._space = free_space(home.plan)
        x, y, _ = robot_start(home)
        self._reachable = self._space.reachable_from(x, y)
        self._walls = rectangle_array(home.plan.sight_blockers())
        return self._camera_in(self.world)

    def _observe(self) -> Observation:
        r = self.world.robot
        return self._seen(self.world, (r.x, r.y, r.yaw_rad, r.speed_m_s, r.turn_rad_s), INSTRUCTION)

    def _info(self) -> dict[str, Any]:
        is_over = self.phase == "over"
        info: dict[str, Any] = {
            "stamp_ns": self.stamp_ns, "events": [],
            "success": is_over and self.is_right, "failure": self._failure() if is_over else "",
            "following_rate": self.num_following / NUM_STEPS if is_over else 0.0,
            "collision": float(self.has_collided) if is_over else 0.0,
        }  # fmt: skip
        if is_over:
            info["tracking"] = {
                "success": float(self.is_right), "following_step": float(self.num_following),
                "total_step": float(NUM_STEPS), "collision": float(self.has_collided),
            }  # fmt: skip
        if self.config.truth_in_info:
            info["truth"] = {
                "hidden": self.hidden,
                "colour": list(CLOTHES_COLOURS)[self.hidden],
                "phase": self.phase,
            }
        return info

    def _failure(self) -> str:
        if self.is_right:
            return ""
        return "no_commit" if self.followed() is None else "recall"


@functools.lru_cache(maxsize=4)
def draw_episode(seed: tuple[int, ...]) -> tuple[Home, Walks]:
    """A home and who walks where in it."""
    rng = np.random.default_rng(seed)
    home = generate_home(rng, NUM_ROOMS)
    return home, draw_walks(home, rng, NUM_STEPS, STEP_S)
