"""The scripted expert: solves a task with privileged knowledge of what was hidden. For demos, and as an upper bound."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32

from .episode import STEP_M, Episode
from .task import KeyPose
from .world import HIGH_M, HOME, LOW_M

ARRIVED_M = 1e-3
TRAVEL_HEIGHT_M = 0.16
"""Above all that stands on the table: nothing is touched on the way."""
REST = KeyPose(position_m=HOME)
STAY = np.array([0.0, 0.0, 0.0, -1.0], dtype=np.float32)


class ScriptedExpert:
    """Gives the next action of an episode, in the control that it uses. Make one for each episode, after its reset."""

    def __init__(self, episode: Episode) -> None:
        self._episode = episode
        self._plan = list(episode.task.cue_poses(episode.layout, episode.hidden))
        self._has_replanned = False

    def act(self) -> Float32[np.ndarray, "4"]:
        """The action for the present step."""
        episode = self._episode
        if episode.phase == "gate":
            return key_pose_action(REST) if episode.config.control == "key_pose" else STAY.copy()
        if episode.phase == "choice" and not self._has_replanned:
            self._plan = list(episode.task.choice_poses(episode.layout, episode.hidden))
            self._has_replanned = True
        pose = self._plan[0] if self._plan else REST
        if episode.config.control == "key_pose":
            self._plan = self._plan[1:]
            return key_pose_action(pose)
        return self._step_towards(pose)

    def _step_towards(self, pose: KeyPose) -> Float32[np.ndarray, "4"]:
        table = self._episode.table
        x, y, z = pose.position_m
        holds_drawer = table.holding is not None and table.props[table.holding].slide_m > 0.0
        is_above = bool(np.hypot(x - table.tip[0], y - table.tip[1]) <= ARRIVED_M)
        height = z if is_above or holds_drawer else max(z, TRAVEL_HEIGHT_M)
        offset = np.subtract((x, y, height), table.tip)
        is_last_step = height == z and bool((np.abs(offset) <= STEP_M).all())
        if is_last_step:
            self._plan = self._plan[1:]
        close = pose.close if is_last_step else table.is_closed
        return np.array([*np.clip(offset / STEP_M, -1.0, 1.0), 1.0 if close else -1.0], dtype=np.float32)


def key_pose_action(pose: KeyPose) -> Float32[np.ndarray, "4"]:
    """A key pose as an action of the "key_pose" control: position scaled to [-1, 1], then the grip (above 0: closed)."""
    scaled = (np.asarray(pose.position_m) - LOW_M) / (HIGH_M - LOW_M) * 2.0 - 1.0
    return np.array([*scaled, 1.0 if pose.close else -1.0], dtype=np.float32)
