"""The simulator's side: the one file that imports habitat_sim. It runs inside our process, or in one of its own (`server`).

It is Python 3.9 and imports numpy, habitat_sim (0.3.x; 0.2.2 through the few lines marked so) and the standard library
only. Positions here are in Habitat's axes (y up), quaternions (x, y, z, w), angles in radians; everything that goes in or
comes out is plain or a numpy array.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

UP = np.array([0.0, 1.0, 0.0])
START_TRIES = 200
UUIDS = {"rgb": "COLOR", "depth": "DEPTH", "segmentation": "SEMANTIC"}


class HabitatWorld:
    """One scene, one agent with a head, and what may be put into the scene."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        os.environ.setdefault("MAGNUM_LOG", "quiet")
        os.environ.setdefault("HABITAT_SIM_LOG", "quiet")
        import habitat_sim
        import habitat_sim.utils.common

        self._hsim = habitat_sim
        self._settings = settings
        self._sim = habitat_sim.Simulator(self._configuration())
        self._objects: dict[int, Any] = {}
        self._followers: dict[float, Any] = {}
        self._make_navmesh()
        self._position = np.zeros(3)
        self._turn = self._pan = self._tilt = 0.0
        self._collided = False

    # -- making it ------------------------------------------------------------------------------------------------

    def _configuration(self) -> Any:
        hsim, settings = self._hsim, self._settings
        backend = hsim.SimulatorConfiguration()
        backend.gpu_device_id = settings["gpu_device_id"]  # -1: without CUDA
        backend.scene_id = settings["scene"]
        if settings["scene_dataset"]:
            backend.scene_dataset_config_file = settings["scene_dataset"]
        backend.enable_physics = True  # 0.2.2 manages added objects only with physics on
        backend.allow_sliding = settings["allow_sliding"]
        agent = hsim.agent.AgentConfiguration()
        agent.height, agent.radius = settings["agent_height_m"], settings["agent_radius_m"]
        agent.sensor_specifications = [self._camera(name) for name in self._rendered()]
        act, amount = hsim.agent.ActionSpec, hsim.agent.ActuationSpec
        agent.action_space = {
            "move_forward": act("move_forward", amount(amount=settings["forward_m"])),
            "turn_left": act("turn_left", amount(amount=settings["turn_deg"])),
            "turn_right": act("turn_right", amount(amount=settings["turn_deg"])),
        }
        return hsim.Configuration(backend, [agent])

    def _rendered(self) -> list[str]:
        return ["depth"] + [name for name in self._settings["sensors"] if name != "depth"]

    def _camera(self, name: str) -> Any:
        settings = self._settings
        spec = self._hsim.CameraSensorSpec()
        spec.uuid = name
        spec.sensor_type = getattr(self._hsim.SensorType, UUIDS[name])
        spec.sensor_subtype = self._hsim.SensorSubType.PINHOLE
        spec.resolution = [int(side) for side in settings["image_size"]]
        spec.hfov = float(settings["hfov_deg"])
        spec.position = np.array([0.0, settings["camera_height_m"], 0.0], dtype=np.float32)
        spec.orientation = np.array([0.0, 0.0, 0.0], dtype=np.float32)
        if name != "rgb":
            spec.channels = 1
        return spec

    def _make_navmesh(self) -> None:
        pathfinder = self._sim.pathfinder
        if pathfinder.is_loaded:
            return
        wanted = self._hsim.NavMeshSettings()
        wanted.set_defaults()
        wanted.agent_height = self._settings["agent_height_m"]
        wanted.agent_radius = self._settings["agent_radius_m"]
        if not self._sim.recompute_navmesh(pathfinder, wanted):
            raise RuntimeError(
                "no navigation mesh could be made of scene {!r}".format(self._settings["scene"])
            )

    # -- what the scene says of itself ----------------------------------------------------------------------------

    def describe(self) -> dict[str, Any]:
        """Instances with their category and region, regions with theirs, and the simulator's version."""
        scene = self._sim.semantic_scene
        instances: list[dict[str, Any]] = []
        regions: list[dict[str, Any]] = []
        for thing in [] if scene is None else scene.objects:
            if thing is None:
                continue
            region = getattr(thing, "region", None)
            instances.append(
                {
                    "semantic_id": int(thing.semantic_id),
                    "name": str(thing.id),
                    "category": _name_of(thing.category),
                    "region": "" if region is None else str(region.id),
                }
            )
        for region in [] if scene is None else scene.regions:
            if region is not None:
                regions.append({"name": str(region.id), "category": _name_of(region.category)})
        low, high = (_vector(corner) for corner in self._sim.pathfinder.get_bounds())
        return {
            "version": str(getattr(self._hsim, "__version__", "")),
            "instances": instances,
            "regions": regions,
            "navigable_low": low,
            "navigable_high": high,
        }

    # -- the agent ------------------------------------------------------------------------------------------------

    def reset(self, seed: int, start: Any = None) -> dict[str, Any]:
        """Take away what was added and put the agent to `start` ({position, quaternion}), or where `seed` says."""
        for object_id in list(self._objects):
            self.remove_object(object_id)
        self._followers.clear()
        self._sim.seed(int(seed))
        self._pan, self._tilt = 0.0, -math.radians(self._settings["camera_tilt_deg"])
        if start is None:
            self._position = self._drawn_start()
            self._turn = float(np.random.default_rng(int(seed)).uniform(-math.pi, math.pi))
        else:
            self._position = np.asarray(start["position"], dtype=np.float64)
            self._turn = _turn_of(start["quaternion"])
        self._collided = False
        return self._look()

    def _drawn_start(self) -> np.ndarray:
        pathfinder, settings = self._sim.pathfinder, self._settings
        low, high = settings["start_height_m"]
        for _ in range(START_TRIES):
            point = np.asarray(pathfinder.get_random_navigable_point(), dtype=np.float64)
            if not np.isfinite(point).all() or not low <= point[1] <= high:
                continue
            if pathfinder.island_radius(_point(point)) >= settings["min_island_radius_m"]:
                return point  # ceilings and shelves are islands too: small ones, or at other heights
        raise RuntimeError(
            "no start was found in {} tries: no floor between {} and {} m has an island of {} m. Widen "
            "start_height_m or lower min_island_radius_m.".format(
                START_TRIES, low, high, settings["min_island_radius_m"]
            )
        )

    def act(self, action: str) -> dict[str, Any]:
        """One of Habitat's own actions by name: 'stop' does nothing."""
        settings = self._settings
        step = math.radians(settings["turn_deg"])
        nod = math.radians(settings["tilt_deg"])
        self._collided = False
        if action == "move_forward":
            self._advance(settings["forward_m"])
        elif action in ("turn_left", "turn_right"):
            self._turn += step if action == "turn_left" else -step
        elif action in ("look_up", "look_down"):
            self._tilt += -nod if action == "look_up" else nod
        elif action != "stop":
            raise ValueError(f"no action is called {action!r}")
        return self._look()

    def drive(
        self, speed: float, turn_rate: float, pan_rate: float, tilt_rate: float, dt: float
    ) -> dict[str, Any]:
        """Velocities for `dt` seconds: m/s ahead, rad/s to the left, the head to the left and down."""
        self._collided = False
        self._turn += turn_rate * dt / 2
        self._advance(speed * dt)
        self._turn += turn_rate * dt / 2
        self._pan = min(max(self._pan + pan_rate * dt, -2.6), 2.6)
        self._tilt = min(max(self._tilt + tilt_rate * dt, -1.2), 1.2)
        return self._look()

    def _advance(self, distance: float) -> None:
        if not distance:
            return
        ahead = np.array([-math.sin(self._turn), 0.0, -math.cos(self._turn)])
        wanted = self._position + distance * ahead
        pathfinder = self._sim.pathfinder
        slides = self._settings["allow_sliding"]
        move = pathfinder.try_step if slides else pathfinder.try_step_no_sliding
        reached = np.asarray(move(_point(self._position), _point(wanted)), dtype=np.float64)
        self._collided = bool(np.linalg.norm((reached - wanted)[[0, 2]]) > 1e-3)
        self._position = reached

    def _look(self) -> dict[str, Any]:
        """Put the agent and its head where they are and render."""
        agent = self._sim.get_agent(0)
        body = _about_y(self._turn)
        head = _product(_about_y(self._turn + self._pan), _about_x(-self._tilt))
        eye = self._position + UP * self._settings["camera_height_m"]
        state = agent.get_state()
        state.position, state.rotation = _point(self._position), body
        pose = self._hsim.agent.SixDOFPose
        state.sensor_states = {name: pose(_point(eye), list(head)) for name in self._rendered()}
        agent.set_state(state, infer_sensor_states=False)
        images = self._sim.get_sensor_observations()
        camera = agent.get_state().sensor_states["depth"]
        seen = {
            "depth": np.array(images["depth"], dtype=np.float32),
            "camera_position": _vector(camera.position),
            "camera_quaternion": _quaternion(camera.rotation),
            "position": [float(x) for x in self._position],
            "turn": self._turn,
            "pan": self._pan,
            "tilt": self._tilt,
            "collided": self._collided,
        }
        if "rgb" in images:
            seen["rgb"] = np.array(images["rgb"][..., :3], dtype=np.uint8)
        if "segmentation" in images:
            seen["semantic"] = np.array(images["segmentation"], dtype=np.int64)
        return seen

    # -- ways -----------------------------------------------------------------------------------------------------

    def navigable_point(self, near: Any = None) -> Any:
        """A random point of the floor, or the nearest one to `near`; None when there is none."""
        pathfinder = self._sim.pathfinder
        found = (
            pathfinder.get_random_navigable_point() if near is None else pathfinder.snap_point(_point(near))
        )
        point = _vector(found)
        return point if np.isfinite(point).all() else None

    def path(self, goals: Any) -> Any:
        """The shortest way to any of `goals`: its corners and length; (empty, inf) when there is none."""
        search = self._hsim.MultiGoalShortestPath()
        search.requested_start = _point(self._position)
        search.requested_ends = [_point(goal) for goal in goals]
        if not self._sim.pathfinder.find_path(search):
            return [], math.inf
        return [_vector(point) for point in search.points], float(search.geodesic_distance)

    def next_action(self, goal: Any, radius: float) -> Any:
        """What Habitat's own greedy follower does next towards `goal`: the name of an action, 'stop' when there."""
        if (
            radius not in self._followers
        ):  # one that is kept notices that it turns to and fro, and stops doing so
            self._followers[radius] = self._sim.make_greedy_follower(
                0,
                radius,
                stop_key="stop",
                forward_key="move_forward",
                left_key="turn_left",
                right_key="turn_right",
            )
        try:
            return self._followers[radius].next_action_along(_point(goal))
        except self._hsim.errors.GreedyFollowerError:
            return None

    # -- what may be added ----------------------------------------------------------------------------------------

    def add_object(self, path: str, position: Any, quaternion: Any, semantic_id: int) -> int:
        """Put the object of a *.object_config.json into the scene, as something that only we move; its number."""
        templates = self._sim.get_object_template_manager()
        loaded = templates.load_configs(path)
        if not loaded:
            raise ValueError(f"{path!r} is no object configuration")
        template = templates.get_template_by_id(loaded[0])
        thing = self._sim.get_rigid_object_manager().add_object_by_template_handle(template.handle)
        if thing is None:
            raise ValueError(f"{path!r} could not be put into the scene")
        thing.motion_type = self._hsim.physics.MotionType.KINEMATIC
        thing.semantic_id = int(semantic_id)
        number = int(thing.object_id)
        self._objects[number] = thing
        self.move_object(number, position, quaternion)
        return number

    def move_object(self, object_id: int, position: Any, quaternion: Any) -> None:
        """Put an added object elsewhere."""
        thing, common = self._objects[object_id], self._hsim.utils.common
        thing.translation = _point(position)
        thing.rotation = common.quat_to_magnum(
            common.quat_from_coeffs(np.asarray(quaternion, dtype=np.float64))
        )

    def remove_object(self, object_id: int) -> None:
        """Take an added object out of the scene."""
        del self._objects[object_id]
        self._sim.get_rigid_object_manager().remove_object_by_id(object_id)

    def close(self) -> None:
        """Give the simulator back."""
        self._objects.clear()
        self._sim.close()


# -- vectors and rotations (0.2.2 gives ndarrays, 0.3.x magnum vectors: both are taken apart here) ---------------------


def _point(values: Any) -> np.ndarray:
    return np.asarray(values, dtype=np.float32)


def _vector(values: Any) -> list[float]:
    return [float(x) for x in np.asarray(values, dtype=np.float64).ravel()]


def _quaternion(rotation: Any) -> list[float]:
    """(x, y, z, w) of a numpy-quaternion, or of four numbers in that order."""
    if hasattr(rotation, "w"):
        return [float(rotation.x), float(rotation.y), float(rotation.z), float(rotation.w)]
    return [float(x) for x in rotation]


def _name_of(category: Any) -> str:
    return "" if category is None else str(category.name())


def _about_y(angle: float) -> list[float]:
    return [0.0, math.sin(angle / 2), 0.0, math.cos(angle / 2)]


def _about_x(angle: float) -> list[float]:
    return [math.sin(angle / 2), 0.0, 0.0, math.cos(angle / 2)]


def _product(a: Sequence[float], b: Sequence[float]) -> list[float]:
    ax, ay, az, aw = a
    bx, by, bz, bw = b
    return [
        aw * bx + ax * bw + ay * bz - az * by,
        aw * by - ax * bz + ay * bw + az * bx,
        aw * bz + ax * by - ay * bx + az * bw,
        aw * bw - ax * bx - ay * by - az * bz,
    ]


def _turn_of(quaternion: Sequence[float]) -> float:
    """The turn about y of a quaternion (x, y, z, w), from where -z comes to lie."""
    x, y, z, w = quaternion
    return math.atan2(2 * (x * z + y * w), 1 - 2 * (x * x + y * y))
