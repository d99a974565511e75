"""A memory as a scene graph, and objects of somebody else's scene graph as a memory's first knowledge."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from embodied_mem.errors import InvalidMessage
from embodied_mem.geometry import Box
from embodied_mem.serve.scene_graph import (
    AGENT_PARTITION,
    BUILDINGS,
    OBJECTS,
    PLACES,
    ROOMS,
    GraphEdge,
    GraphNode,
    SceneGraph,
    edge,
    symbol,
)

if TYPE_CHECKING:
    from embodied_mem.messages import Entity, Glimpse, Room
    from embodied_mem.robot_memory import RobotMemory

AGENT_STEP_NS = 1_000_000_000
UPRIGHT = {"w": 1.0, "x": 0.0, "y": 0.0, "z": 0.0}
NO_FEATURE = {"rows": 0, "cols": 0, "data": None}


def graph_of(memory: RobotMemory) -> SceneGraph:
    """Everything that is believed to be there now: objects, rooms, one place for each room, the robots' way.

    Objects hang on their room's place; what lies on or in something is joined with it (edge kind 'on' or 'in').
    Labels are numbered in `metadata["labels"]`.
    """
    entities = [entity for entity in memory.entities() if entity.is_present]
    rooms = memory.questions.rooms().value or ()
    labels = sorted({entity.label for entity in entities})
    objects = {entity.entity_id: symbol("O", _number(entity.entity_id)) for entity in entities}
    nodes = [_object_node(entity, objects[entity.entity_id], labels) for entity in entities]
    edges: list[GraphEdge] = []
    for index, room in enumerate(rooms):
        nodes += [_room_node(room, index), _place_node(room, index)]
        edges.append(edge(symbol("R", index), symbol("p", index), kind="part of"))
        inside = [one for one in room.contents if one in objects]
        edges += [edge(symbol("p", index), objects[one], kind="in") for one in inside]
    edges += _neighbor_edges(rooms)
    if rooms:
        nodes.append(_building_node(rooms))
        edges += [edge(symbol("B", 0), symbol("R", index), kind="part of") for index in range(len(rooms))]
    edges += _support_edges(memory, entities, objects)
    with memory.questions.reading() as (view, _):
        way = _thinned(view.journey.between())
    nodes += [_agent_node(glimpse, index) for index, glimpse in enumerate(way)]
    edges += [edge(symbol("a", k), symbol("a", k + 1), kind="then") for k in range(len(way) - 1)]
    return SceneGraph(nodes=tuple(nodes), edges=tuple(edges), metadata={"labels": labels})


def import_objects(memory: RobotMemory, graph: SceneGraph, *, stamp_ns: int, robot: str = "import") -> int:
    """Make the graph's objects entities of `memory`, seen by `robot` at `stamp_ns`; how many there were.

    An object is called by `metadata["labels"]` where the graph has it, else by its name, else 'object 5' after its
    semantic label. Objects without a box are left out.
    """
    instances = [
        _instance(node, box, graph)
        for node in graph.nodes
        if node.layer == OBJECTS and not node.partition and (box := _box_of(node)) is not None
    ]
    if not instances:
        raise InvalidMessage(
            "the scene graph has no objects with a bounding box; there is nothing to import."
        )
    memory.adopt(instances, stamp_ns=stamp_ns, robot=robot)
    return len(instances)


def _object_node(entity: Entity, node_id: int, labels: list[str]) -> GraphNode:
    box = entity.placement.box
    attributes = {
        **_semantic("ObjectNodeAttributes", f"{entity.color} {entity.label} {entity.entity_id}".strip(), entity.placement.position_world_m),
        "bounding_box": _dsg_box(box),
        "semantic_label": labels.index(entity.label),
        "last_update_time_ns": entity.last_seen_ns,
        "mesh_connections": [], "registered": True, "world_R_object": UPRIGHT,
        "metadata": {
            "entity_id": entity.entity_id, "label": entity.label, "color": entity.color, "presence": entity.presence,
            "first_seen_ns": entity.first_seen_ns,
        },
    }  # fmt: skip
    return GraphNode(node_id=node_id, layer=OBJECTS, attributes=attributes)


def _room_node(room: Room, index: int) -> GraphNode:
    x, y = (float(c) for c in room.area.center)
    attributes = {
        **_semantic("RoomNodeAttributes", room.category or room.room_id, (x, y, room.floor_z_m + 1.2)),
        "semantic_class_probabilities": {},
        "metadata": {
            "room_id": room.room_id,
            "category": room.category,
            "size_m2": room.area.size_m2,
            "floor": room.floor,
        },
    }
    return GraphNode(node_id=symbol("R", index), layer=ROOMS, attributes=attributes)


def _place_node(room: Room, index: int) -> GraphNode:
    x, y = (float(c) for c in room.area.center)
    attributes = {
        **_semantic("PlaceNodeAttributes", f"{room.room_id} middle", (x, y, room.floor_z_m)),
        "distance": float(np.sqrt(room.area.size_m2)) / 2, "num_basis_points": 0, "pcl_mesh_connections": [],
        "mesh_vertex_labels": [], "deformation_connections": [],
    }  # fmt: skip
    return GraphNode(node_id=symbol("p", index), layer=PLACES, attributes=attributes)


def _building_node(rooms: tuple[Room, ...]) -> GraphNode:
    x, y = np.mean([room.area.center for room in rooms], axis=0).tolist()
    return GraphNode(
        node_id=symbol("B", 0), layer=BUILDINGS,
        attributes=_semantic("SemanticNodeAttributes", "home", (x, y, 2.5)),
    )  # fmt: skip


def _agent_node(glimpse: Glimpse, index: int) -> GraphNode:
    x, y, z, w = glimpse.quaternion_xyzw
    attributes: dict[str, Any] = {
        "type": "AgentNodeAttributes", "position": list(glimpse.position_world_m),
        "world_R_body": {"w": w, "x": x, "y": y, "z": z}, "timestamp": glimpse.stamp_ns,
        "external_key": symbol("a", index), "dbow_ids": None, "dbow_values": None, "is_active": False,
        "last_update_time_ns": glimpse.stamp_ns, "metadata": {"source": glimpse.source},
    }  # fmt: skip
    return GraphNode(
        node_id=symbol("a", index), layer=OBJECTS, partition=AGENT_PARTITION, attributes=attributes
    )


def _semantic(kind: str, name: str, position: tuple[float, float, float]) -> dict[str, Any]:
    return {
        "type": kind, "name": name, "position": list(position), "is_active": False, "last_update_time_ns": 0,
        "bounding_box": {"type": "INVALID", "dimensions": [0.0, 0.0, 0.0], "world_P_center": [0.0, 0.0, 0.0], "world_R_center": UPRIGHT},
        "color": {"r": 128, "g": 128, "b": 128, "a": 255}, "semantic_label": 0, "semantic_feature": NO_FEATURE,
    }  # fmt: skip


def _dsg_box(box: Box) -> dict[str, Any]:
    return {
        "type": "AABB", "dimensions": box.size.tolist(), "world_P_center": box.center.tolist(),
        "world_R_center": UPRIGHT,
    }  # fmt: skip


def _neighbor_edges(rooms: tuple[Room, ...]) -> list[GraphEdge]:
    index = {room.room_id: number for number, room in enumerate(rooms)}
    pairs = {
        (min(index[room.room_id], index[other]), max(index[room.room_id], index[other]))
        for room in rooms
        for other in room.neighbors
        if other in index
    }
    found: list[GraphEdge] = []
    for a, b in sorted(pairs):
        found += [edge(symbol(letter, a), symbol(letter, b), kind="passage") for letter in "Rp"]
    return found


def _support_edges(memory: RobotMemory, entities: list[Entity], objects: dict[str, int]) -> list[GraphEdge]:
    found: list[GraphEdge] = []
    for entity in entities:
        if entity.support in objects:
            relations = memory.questions.relation(entity.entity_id, b=entity.support).value or ()
            kind = next((r.kind for r in relations if r.kind in ("on", "in", "under")), "on")
            found.append(edge(objects[entity.entity_id], objects[entity.support], kind=kind))
    return found


def _thinned(glimpses: list[Glimpse]) -> list[Glimpse]:
    kept: list[Glimpse] = []
    for glimpse in glimpses:
        if not kept or glimpse.stamp_ns - kept[-1].stamp_ns >= AGENT_STEP_NS:
            kept.append(glimpse)
    return kept


def _number(entity_id: str) -> int:
    return int(entity_id[1:])


def _box_of(node: GraphNode) -> Box | None:
    box = node.attributes.get("bounding_box") or {}
    if box.get("type", "INVALID") == "INVALID":
        return None
    if "dimensions" not in box:
        return Box(min_m=tuple(box["min"]), max_m=tuple(box["max"]))
    center, half = np.array(box["world_P_center"]), np.array(box["dimensions"]) / 2
    return Box(min_m=tuple((center - half).tolist()), max_m=tuple((center + half).tolist()))


def _instance(node: GraphNode, box: Box, graph: SceneGraph) -> Any:
    from embodied_mem.messages import ObservedInstance
    from embodied_mem.perception.colors import colorless_vector

    grid = np.stack(np.meshgrid(*[np.linspace(0.0, 1.0, 8)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    surface = grid[((grid == 0.0) | (grid == 1.0)).any(axis=1)]
    return ObservedInstance(
        label=_label_of(node, graph), score=1.0, box=box, num_pixels=1000, distance_m=1.0, is_cut=False,
        points_world=(np.array(box.min_m) + surface * box.size).astype(np.float32),
        appearance=colorless_vector(), color_rgb=(float("nan"),) * 3,
    )  # fmt: skip


def _label_of(node: GraphNode, graph: SceneGraph) -> str:
    number = int(node.attributes.get("semantic_label", 0))
    labels = graph.metadata.get("labels") or []
    own = (node.attributes.get("metadata") or {}).get("label")
    if own:
        return str(own)
    if number < len(labels):
        return str(labels[number])
    name = str(node.attributes.get("name") or "")
    return name if name and "(" not in name else f"object {number}"
