"""The state of a home while it is lived in: the robot, the person, every object, every drawer and door.

Kinematic: bodies are set, never pushed. All poses are in the world frame, metres and radians.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float64

from .engine import mujoco
from .furniture import MovingPart
from .home import Home
from .mjcf import HAND_OFFSET_M, HEAD, ROBOT_RADIUS_M, HomeModel, joint_name
from .parts import Rectangle, Vector3, distance_to_nearest, rectangle_array, wrap_angle
from .plan import OUTSIDE, Doorway, Receptacle
from .stocking import MovableObject, Spot

ROBOT, PERSON = "robot", "person"
PERSON_RADIUS_M = 0.22
PAN_LIMIT_RAD = 2.6
TILT_LIMITS_RAD = (-0.6, 1.2)
PERSON_HAND_M: Vector3 = (0.32, 0.0, 1.00)
OUT_OF_THE_WORLD: Vector3 = (0.0, 0.0, -10.0)


@dataclass(kw_only=True)
class RobotState:
    x: float
    y: float
    yaw_rad: float
    speed_m_s: float = 0.0
    turn_rad_s: float = 0.0
    pan_rad: float = 0.0
    tilt_rad: float = 0.0
    holding: str | None = None


@dataclass(kw_only=True)
class PersonState:
    """Outside the home the person is nowhere to be seen."""

    x: float = 0.0
    y: float = 0.0
    yaw_rad: float = 0.0
    is_inside: bool = False
    holding: str | None = None


@dataclass(kw_only=True)
class ObjectState:
    """Where a thing is. Exactly one of: on or in `receptacle`, held by `carrier`, or out of the home."""

    position_world: Vector3
    yaw_rad: float
    receptacle: str | None
    carrier: str | None = None
    is_gone: bool = False


@dataclass(frozen=True, kw_only=True)
class Joint:
    """A drawer or door: what moves, and where its fully open position is."""

    name: str
    category: str
    travel: float
    qpos: int
    position_world: Vector3
    radius_m: float


class HouseholdWorld:
    """One home, its compiled model and everything in it that can move."""

    def __init__(self, home: Home, written: HomeModel) -> None:
        self.home, self.plan = home, home.plan
        self.instances = written.instances
        self.model: Any = mujoco.MjModel.from_xml_string(written.xml)
        self.data: Any = mujoco.MjData(self.model)
        self.instance_of_geom = np.array(
            [written.geom_instance[self.model.geom(g).name] for g in range(self.model.ngeom)], dtype=np.int32
        )
        self.things: dict[str, MovableObject] = {o.id: o for o in home.objects}
        self.objects: dict[str, ObjectState] = {
            o.id: ObjectState(position_world=o.position_world, yaw_rad=o.yaw_rad, receptacle=o.receptacle)
            for o in home.objects
        }
        x, y, yaw = self.plan.start
        self.robot = RobotState(x=x, y=y, yaw_rad=yaw)
        self.person = PersonState()
        self.joints: dict[str, Joint] = {joint.name: joint for joint in self._all_joints()}
        self.opened: dict[str, float] = {
            name: 1.0 if joint.category == "door" and self._is_inner_door(name) else 0.0
            for name, joint in self.joints.items()
        }
        self._mocap = {name: int(self.model.body(name).mocapid[0]) for name in (*self.things, PERSON)}
        self._robot_qpos = [self._qpos(f"robot {name}") for name in ("x", "y", "yaw", "pan", "tilt")]
        self._receptacles: dict[str, Receptacle] = {r.name: r for r in self.plan.receptacles}
        self.head_camera: int = self.model.camera(HEAD).id
        self._still = rectangle_array(
            [w.bounds for w in self.plan.walls] + [f.footprint() for f in self.plan.furniture]
        )
        self.refresh()

    def refresh(self) -> None:
        """Brings the model in line with the state; camera poses are true afterwards."""
        r = self.robot
        for address, value in zip(
            self._robot_qpos, (r.x, r.y, r.yaw_rad, r.pan_rad, r.tilt_rad), strict=True
        ):
            self.data.qpos[address] = value
        for name, joint in self.joints.items():
            self.data.qpos[joint.qpos] = self.opened[name] * joint.travel
        for name in self.things:
            position, yaw = self.object_pose(name)
            self._set_mocap(name, position, yaw)
        p = self.person
        self._set_mocap(PERSON, (p.x, p.y, 0.0) if p.is_inside else OUT_OF_THE_WORLD, p.yaw_rad)
        mujoco.mj_kinematics(self.model, self.data)
        mujoco.mj_camlight(self.model, self.data)

    def T_world_camera(self, camera: str = HEAD) -> Float64[np.ndarray, "4 4"]:
        """Pose of one of the robot's cameras, OpenCV axes."""
        T, index = np.eye(4), self.model.camera(camera).id
        T[:3, :3] = self.data.cam_xmat[index].reshape(3, 3) @ np.diag([1.0, -1.0, -1.0])
        T[:3, 3] = self.data.cam_xpos[index]
        return T

    # Poses and places

    def object_pose(self, name: str) -> tuple[Vector3, float]:
        """Centre of the bounding box and yaw of an object now, wherever it is carried or slid."""
        state = self.objects[name]
        if state.is_gone:
            return OUT_OF_THE_WORLD, 0.0
        if state.carrier == ROBOT:
            return _ahead(self.robot.x, self.robot.y, self.robot.yaw_rad, HAND_OFFSET_M), self.robot.yaw_rad
        if state.carrier == PERSON:
            return _ahead(
                self.person.x, self.person.y, self.person.yaw_rad, PERSON_HAND_M
            ), self.person.yaw_rad
        shift = self.drawer_shift(state.receptacle)
        x, y, z = state.position_world
        return (x + shift[0], y + shift[1], z), state.yaw_rad

    def drawer_shift(self, receptacle: str | None) -> tuple[float, float]:
        """How far the drawer `receptacle` is pulled out now; nothing for other receptacles."""
        if receptacle is None or self._receptacles[receptacle].drawer is None:
            return (0.0, 0.0)
        drawer = self._receptacles[receptacle]
        out = drawer.travel_m * self.opened[str(drawer.drawer)]
        return (drawer.front[0] * out, drawer.front[1] * out)

    def room_of_object(self, name: str) -> str:
        if self.objects[name].is_gone:
            return OUTSIDE
        (x, y, _), _ = self.object_pose(name)
        return self.plan.room_of(x, y)

    def robot_room(self) -> str:
        return self.plan.room_of(self.robot.x, self.robot.y)

    def is_within_reach_inside(self, name: str) -> bool:
        """False for a thing in a closed drawer."""
        receptacle = self.objects[name].receptacle
        if receptacle is None or self._receptacles[receptacle].drawer is None:
            return True
        return self.opened[receptacle] > 0.5

    # What moves things

    def drive(self, speed_m_s: float, turn_rad_s: float, dt_s: float) -> None:
        """Moves the base by one step; it slides to a halt at walls, furniture, doors and the person."""
        r = self.robot
        r.yaw_rad = wrap_angle(r.yaw_rad + turn_rad_s * dt_s)
        reach = self._free_share(speed_m_s * dt_s)
        step = speed_m_s * dt_s * reach
        r.x += step * math.cos(r.yaw_rad)
        r.y += step * math.sin(r.yaw_rad)
        r.speed_m_s, r.turn_rad_s = speed_m_s * reach, turn_rad_s

    def _free_share(self, step_m: float) -> float:
        """The largest share of a straight step (in tenths) after which the base still touches nothing."""
        r = self.robot
        solid = self.solid_now()
        shares = np.linspace(1.0, 0.0, 11)
        heading = np.array([math.cos(r.yaw_rad), math.sin(r.yaw_rad)])
        points = np.array([r.x, r.y]) + shares[:, None] * step_m * heading
        distance = distance_to_nearest(points, solid)
        here = distance[-1]
        free = (distance >= ROBOT_RADIUS_M) | (distance >= here)  # never stuck: moving away is always allowed
        return float(shares[int(np.argmax(free))])

    def solid_now(self) -> Float64[np.ndarray, "n 4"]:
        """Floor rectangles that the base cannot enter now: walls, furniture, doors, open drawers, the person."""
        moving = [door.leaf(self.opened[door.name]) for door in self.plan.doorways]
        moving += [
            self.plan.drawer_sweep(r, self.opened[r.drawer])
            for r in self.plan.receptacles
            if r.drawer is not None and self.opened[r.drawer] > 0.0
        ]
        if self.person.is_inside:
            moving.append(
                Rectangle.around(self.person.x, self.person.y, 2 * PERSON_RADIUS_M, 2 * PERSON_RADIUS_M)
            )
        return np.concatenate([self._still, rectangle_array(moving)])

    def turn_head(self, pan_rate_rad_s: float, tilt_rate_rad_s: float, dt_s: float) -> None:
        r = self.robot
        r.pan_rad = float(np.clip(r.pan_rad + pan_rate_rad_s * dt_s, -PAN_LIMIT_RAD, PAN_LIMIT_RAD))
        r.tilt_rad = float(np.clip(r.tilt_rad + tilt_rate_rad_s * dt_s, *TILT_LIMITS_RAD))

    def take(self, name: str, carrier: str) -> None:
        state = self.objects[name]
        state.receptacle, state.carrier = None, carrier
        self._holder(carrier).holding = name

    def put(self, name: str, carrier: str, spot: Spot) -> None:
        """Puts a held thing down. In a drawer, the spot is given for the drawer's present position."""
        shift = self.drawer_shift(spot.receptacle)
        x, y, z = spot.position_world
        self.objects[name] = ObjectState(
            position_world=(x - shift[0], y - shift[1], z), yaw_rad=spot.yaw_rad, receptacle=spot.receptacle
        )
        self._holder(carrier).holding = None

    def carry_out(self, name: str) -> None:
        """The person leaves the home with it."""
        self.objects[name] = ObjectState(
            position_world=OUT_OF_THE_WORLD, yaw_rad=0.0, receptacle=None, is_gone=True
        )
        self.person.holding = None

    def standing_objects(self) -> list[MovableObject]:
        """Everything that stands on or in a receptacle, as movable objects in their present places."""
        return [
            replace(
                self.things[n], position_world=s.position_world, yaw_rad=s.yaw_rad, receptacle=s.receptacle
            )
            for n, s in self.objects.items()
            if s.receptacle is not None
        ]

    # Building

    def _holder(self, carrier: str) -> RobotState | PersonState:
        return self.robot if carrier == ROBOT else self.person

    def _is_inner_door(self, name: str) -> bool:
        return any(d.name == name and OUTSIDE not in d.rooms for d in self.plan.doorways)

    def _qpos(self, joint: str) -> int:
        return int(self.model.jnt_qposadr[self.model.joint(joint).id])

    def _all_joints(self) -> list[Joint]:
        joints = [self._door_joint(door) for door in self.plan.doorways]
        for piece in self.plan.furniture:
            for part in piece.model.moving:
                joints.append(
                    self._furniture_joint(joint_name(piece, part), piece.point_world(_middle(part)), part)
                )
        return joints

    def _door_joint(self, door: Doorway) -> Joint:
        travel = door.open_yaw_rad - door.closed_yaw_rad
        position = (*door.centre_m, 1.0)
        return Joint(
            name=door.name,
            category="door",
            travel=travel,
            qpos=self._qpos(door.name),
            position_world=position,
            radius_m=0.5,
        )

    def _furniture_joint(self, name: str, position: Vector3, part: MovingPart) -> Joint:
        category = "drawer" if part.kind == "drawer" else "cupboard door"
        return Joint(
            name=name,
            category=category,
            travel=part.travel,
            qpos=self._qpos(name),
            position_world=position,
            radius_m=0.3,
        )

    def _set_mocap(self, name: str, position: Vector3, yaw_rad: float) -> None:
        index = self._mocap[name]
        self.data.mocap_pos[index] = position
        self.data.mocap_quat[index] = (math.cos(yaw_rad / 2), 0.0, 0.0, math.sin(yaw_rad / 2))


def _middle(part: MovingPart) -> Vector3:
    front = part.parts[0]
    return front.offset_m


def _ahead(x: float, y: float, yaw_rad: float, offset_m: Vector3) -> Vector3:
    c, s = math.cos(yaw_rad), math.sin(yaw_rad)
    return (x + c * offset_m[0] - s * offset_m[1], y + s * offset_m[0] + c * offset_m[1], offset_m[2])
