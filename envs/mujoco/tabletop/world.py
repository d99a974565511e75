"""The table at work: where every prop is, and what the gripper does to them.

Quasi-static: the gripper goes straight to where it is told, what it holds goes along, what it lets go stands on what is
below. Contact forces are not simulated, so that a state is a function of what was done and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64

from ..engine import mujoco
from .props import CATEGORIES, Colour, Prop, Vector3
from .robots import ROBOT, Robot
from .scene import CAMERAS, write_scene

AWAY: Vector3 = (0.0, 0.0, -60.0)
HOME: Vector3 = (-0.10, 0.32, 0.24)
LOW_M = np.array([-0.32, -0.34, 0.0])
HIGH_M = np.array([0.30, 0.34, 0.32])
GRASP_RADIUS_M, PRESS_MARGIN_M, LIFT_M = 0.035, 0.015, 0.08
OPEN_M, SHUT_M, HOLD_M = 0.075, 0.012, 0.045


@dataclass(frozen=True, kw_only=True)
class Deed:
    """Something the gripper did. kind: press, pick, lift, place, pull. position: where the prop is now.

    `openness` of a pulled drawer: 0 shut, 1 as far as it goes.
    """

    kind: str
    prop: str
    position_m: Vector3
    openness: float = 0.0


class TableWorld:
    """The model, where its props are, and the gripper. Positions are undersides' centres in the table's frame."""

    def __init__(self, props: Sequence[Prop], robot: Robot, *, height_px: int, width_px: int) -> None:
        self.props = {prop.name: prop for prop in props}
        self.model: Any = mujoco.MjModel.from_xml_string(
            write_scene(props, robot, height_px=height_px, width_px=width_px)
        )
        self.data: Any = mujoco.MjData(self.model)
        self._slot = {name: int(self.model.body(name).mocapid[0]) for name in self.props}
        self._robot = robot
        robot.find_in(self.model, self.data)
        self._camera_home = self.model.cam_pos.copy()
        self._colours = self.model.geom_rgba.copy()
        self.instances, self.instance_of_geom = self._instances()
        self.clear()

    def clear(self) -> None:
        """Nothing on the table, everything in its own colour, the gripper at home, cameras where they belong."""
        self.model.geom_rgba[:] = self._colours
        self.model.cam_pos[:] = self._camera_home
        self._place: dict[str, Vector3] = {}
        self._shut_at: dict[str, Vector3] = {}
        for name in self.props:
            self.data.mocap_pos[self._slot[name]] = AWAY
        self.send_home()

    def send_home(self) -> None:
        """The gripper lets go and returns to where episodes begin."""
        self.holding: str | None = None
        self.is_closed = False
        self.tip: Vector3 = HOME
        self._pressing: str | None = None
        self._is_lifted = False
        self._show_gripper()

    def camera_index(self, name: str) -> int:
        return int(self.model.camera(name).id)

    def shift_cameras(self, offset_m: Float64[np.ndarray, "3"]) -> None:
        """Move every camera a little, for as long as the table is not cleared."""
        self.model.cam_pos[:] = self._camera_home + offset_m

    def paint_table(self, colour: Colour) -> None:
        self._paint_geom("table/0", colour)

    def put(self, name: str, position_m: Vector3) -> None:
        """Stand a prop somewhere. A drawer put is a drawer shut there."""
        self._place[name] = self._shut_at[name] = position_m
        self.data.mocap_pos[self._slot[name]] = position_m

    def hide(self, *names: str) -> None:
        for name in names:
            self._place.pop(name, None)
            self.data.mocap_pos[self._slot[name]] = AWAY
            if self.holding == name:
                self.holding = None

    def hide_all(self) -> None:
        self.hide(*self._place.copy())

    def is_here(self, name: str) -> bool:
        return name in self._place

    def position(self, name: str) -> Vector3:
        return self._place[name]

    def paint(self, name: str, colour: Colour) -> None:
        """Give a prop another colour; solids with a colour of their own keep it."""
        for number, solid in enumerate(self.props[name].solids):
            if solid.colour is None:
                self._paint_geom(f"{name}/{number}", colour)

    def openness(self, name: str) -> float:
        """How far a drawer is open: 0 to 1."""
        return (self._shut_at[name][0] - self._place[name][0]) / self.props[name].slide_m

    def set_openness(self, name: str, openness: float) -> None:
        x, y, z = self._shut_at[name]
        place = (x - openness * self.props[name].slide_m, y, z)
        self._place[name] = place
        self.data.mocap_pos[self._slot[name]] = place

    def act(self, target: Float64[np.ndarray, "3"], *, close: bool) -> list[Deed]:
        """Go to `target` (or as near as the robot gets) with what is held, then open or close. Returns what that did."""
        x, y, z = np.clip(target, LOW_M, HIGH_M).tolist()
        goal = self._robot.reach((x, y, z))
        self.tip = self._drag(goal) if self.holding else goal
        deeds = self._pressed()
        if close and not self.is_closed:
            deeds += self._grasp()
        elif not close and self.is_closed:
            deeds += self._let_go()
        elif self.holding:
            deeds += (
                self._pulled(self.holding) if self.props[self.holding].slide_m else self._lifted(self.holding)
            )
        self.is_closed = close
        self._show_gripper()
        return deeds

    def refresh(self) -> None:
        """Poses of everything, for pictures."""
        mujoco.mj_kinematics(self.model, self.data)
        mujoco.mj_camlight(self.model, self.data)

    @property
    def opening_m(self) -> float:
        """Distance between the fingers."""
        if not self.is_closed:
            return OPEN_M
        return HOLD_M if self.holding else SHUT_M

    def grasp_point(self, name: str) -> Vector3:
        """Where the fingertips must be to take hold of a prop."""
        prop = self.props[name]
        assert prop.grasp_m is not None, f"{name} cannot be held"
        x, y, z = np.add(self._place[name], prop.grasp_m).tolist()
        return x, y, z

    def _drag(self, tip: Vector3) -> Vector3:
        assert self.holding is not None
        prop, (hx, hy, hz) = self.props[self.holding], self.grasp_point(self.holding)
        if prop.slide_m:
            shut_x = self._shut_at[prop.name][0]
            offset = hx - self._place[prop.name][0]
            x = float(np.clip(tip[0] - offset, shut_x - prop.slide_m, shut_x))
            self.set_openness(prop.name, (shut_x - x) / prop.slide_m)
            return x + offset, hy, hz
        assert prop.grasp_m is not None
        lowest = prop.grasp_m[2]
        tip = (tip[0], tip[1], max(tip[2], lowest))
        self._move(prop.name, (tip[0], tip[1], tip[2] - lowest))
        return tip

    def _move(self, name: str, position_m: Vector3) -> None:
        self._place[name] = position_m
        self.data.mocap_pos[self._slot[name]] = position_m

    def _pressed(self) -> list[Deed]:
        """A press is the moment at which an empty hand comes down on something else."""
        below = None if self.holding else self._under_tip()
        is_new = below is not None and below != self._pressing
        self._pressing = below
        return [Deed(kind="press", prop=below, position_m=self._place[below])] if below and is_new else []

    def _under_tip(self) -> str | None:
        for name, (x, y, z) in self._place.items():
            prop = self.props[name]
            is_near = np.hypot(self.tip[0] - x, self.tip[1] - y) <= prop.press_radius_m
            if prop.press_radius_m and is_near and self.tip[2] <= z + prop.height_m + PRESS_MARGIN_M:
                return name
        return None

    def _grasp(self) -> list[Deed]:
        graspable = [name for name in self._place if self.props[name].grasp_m is not None]
        for name in graspable:
            if np.linalg.norm(np.subtract(self.grasp_point(name), self.tip)) <= GRASP_RADIUS_M:
                self.holding, self._is_lifted = name, False
                if not self.props[name].slide_m:
                    self.tip = self.grasp_point(name)
                return [Deed(kind="pick", prop=name, position_m=self._place[name])]
        return []

    def _let_go(self) -> list[Deed]:
        if self.holding is None:
            return []
        name, self.holding = self.holding, None
        if self.props[name].slide_m:
            return self._pulled(name)
        x, y, _ = self._place[name]
        self._move(name, (x, y, self._support_m(name, x, y)))
        return [Deed(kind="place", prop=name, position_m=self._place[name])]

    def _pulled(self, name: str) -> list[Deed]:
        return [Deed(kind="pull", prop=name, position_m=self._place[name], openness=self.openness(name))]

    def _lifted(self, name: str) -> list[Deed]:
        """The moment at which a held prop is well above the table."""
        is_high = self._place[name][2] >= LIFT_M
        is_new, self._is_lifted = is_high and not self._is_lifted, is_high
        return [Deed(kind="lift", prop=name, position_m=self._place[name])] if is_new else []

    def _support_m(self, falling: str, x: float, y: float) -> float:
        """Height of what lies below a prop that is let go at (x, y)."""
        under = (
            px[2] + self.props[name].height_m
            for name, px in self._place.items()
            if name != falling
            and self.props[name].category in ("block", "pad")
            and max(abs(px[0] - x), abs(px[1] - y)) < (0.05 if self.props[name].category == "pad" else 0.035)
        )
        return max(under, default=0.0)

    def _show_gripper(self) -> None:
        self._robot.show(self.tip, self.opening_m)

    def _paint_geom(self, geom: str, colour: Colour) -> None:
        self.model.geom_rgba[int(self.model.geom(geom).id), :3] = colour

    def _instances(self) -> tuple[tuple[int, ...], np.ndarray]:
        """Category index of each instance (0 is void), and which instance each geom belongs to."""
        owners = ["void", "table", ROBOT, *self.props]
        kinds = ["void", "table", ROBOT, *(prop.category for prop in self.props.values())]
        of_geom = np.zeros(self.model.ngeom, dtype=np.int32)
        for geom in range(self.model.ngeom):
            of_geom[geom] = owners.index(self.model.geom(geom).name.split("/")[0])
        return tuple(CATEGORIES.index(kind) for kind in kinds), of_geom


CAMERA_NAMES = tuple(CAMERAS)
