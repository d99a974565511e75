"""A 3D scene graph as data, and its three file formats: spark_dsg JSON, plain JSON, GraphML.

spark_dsg (MIT-SPARK/Spark-DSG, used by Hydra and Khronos) numbers nodes with a letter in the top byte and keeps them in
layers: 2 objects, 2 with partition 'a' agents, 3 places, 4 rooms, 5 buildings. Files of its encodings 1.0 and 1.1 are
read; 1.1 is written. Attributes that we do not use pass through unchanged.
"""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from embodied_mem.errors import UnsupportedEncoding

OBJECTS, PLACES, ROOMS, BUILDINGS = 2, 3, 4, 5
LAYER_NAMES = {OBJECTS: "OBJECTS", PLACES: "PLACES", ROOMS: "ROOMS", BUILDINGS: "BUILDINGS"}
AGENT_PARTITION = ord("a")
DSG_VERSION = {"major": 1, "minor": 1, "patch": 3}
GRAPHML = "http://graphml.graphdrawing.org/xmlns"


@dataclass(frozen=True, kw_only=True)
class GraphNode:
    """`attributes` are as spark_dsg writes them: position (world, metres), name, type and more."""

    node_id: int
    layer: int
    partition: int = 0
    attributes: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Its name, or its number as spark_dsg shows it: 'O(3)'."""
        letter, index = chr(self.node_id >> 56), self.node_id & ((1 << 56) - 1)
        return str(self.attributes.get("name") or f"{letter}({index})")

    @property
    def position_world_m(self) -> tuple[float, float, float]:
        x, y, z = self.attributes.get("position", (0.0, 0.0, 0.0))
        return float(x), float(y), float(z)


@dataclass(frozen=True, kw_only=True)
class GraphEdge:
    """`info` is as spark_dsg writes it: weight and more."""

    source: int
    target: int
    info: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class SceneGraph:
    """Nodes, edges, and metadata of the whole."""

    nodes: tuple[GraphNode, ...]
    edges: tuple[GraphEdge, ...]
    metadata: dict[str, Any] = field(default_factory=dict)


def symbol(letter: str, index: int) -> int:
    """The number of a node: spark_dsg's NodeSymbol."""
    return (ord(letter) << 56) | index


def edge(source: int, target: int, *, kind: str = "", weight: float = 1.0) -> GraphEdge:
    """An edge as spark_dsg writes it; `kind` goes into its metadata."""
    metadata = {"kind": kind} if kind else {}
    info = {"type": "EdgeAttributes", "weight": weight, "weighted": weight != 1.0, "metadata": metadata}
    return GraphEdge(source=source, target=target, info=info)


def read_dsg(path: Path) -> SceneGraph:
    """A graph from spark_dsg's JSON.

    Raises:
        UnsupportedEncoding: it is not one.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        nodes = tuple(_node_from(record) for record in document["nodes"])
        edges = tuple(
            GraphEdge(source=int(e["source"]), target=int(e["target"]), info=dict(e["info"]))
            for e in document["edges"]
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UnsupportedEncoding(
            f"{path} is no scene graph in spark_dsg's JSON ({type(error).__name__}: {error}); it must have 'nodes' and "
            "'edges'. Save it with DynamicSceneGraph.save(path, include_mesh=False), suffix .json."
        ) from error
    return SceneGraph(nodes=nodes, edges=edges, metadata=dict(document.get("metadata") or {}))


def write_dsg(graph: SceneGraph, path: Path) -> None:
    """The graph as spark_dsg's JSON, encoding 1.1."""
    keys = sorted({(node.layer, node.partition) for node in graph.nodes} | {(key, 0) for key in LAYER_NAMES})
    names = {name: {"layer": layer, "partition": 0} for layer, name in LAYER_NAMES.items()}
    document = {
        "SPARK_DSG_header": {"project_name": "main", "version": DSG_VERSION},
        "directed": False,
        "multigraph": False,
        "layer_keys": [{"layer": layer, "partition": partition} for layer, partition in keys],
        "layer_names": {**names, "AGENTS": {"layer": OBJECTS, "partition": 0}},
        "metadata": graph.metadata,
        "nodes": [
            {
                "id": n.node_id,
                "layer": n.layer,
                "partition": n.partition,
                "attributes": _upgraded(n.attributes),
            }
            for n in graph.nodes
        ],
        "edges": [
            {"source": e.source, "target": e.target, "info": {"metadata": {}, **e.info}} for e in graph.edges
        ],
    }
    path.write_text(json.dumps(document), encoding="utf-8")


def write_json(graph: SceneGraph, path: Path) -> None:
    """The graph in plain words: name, kind, layer and position of each node, and which pairs are joined."""
    document = {
        "nodes": [
            {
                "id": str(n.node_id), "name": n.name, "layer": _layer_name(n), "position_world_m": n.position_world_m,
                "attributes": n.attributes,
            }
            for n in graph.nodes
        ],
        "edges": [{"source": str(e.source), "target": str(e.target), **e.info} for e in graph.edges],
        "metadata": graph.metadata,
    }  # fmt: skip
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def write_graphml(graph: SceneGraph, path: Path) -> None:
    """The graph as GraphML, for Gephi, yEd, networkx: name, layer and position of nodes, kind and weight of edges."""
    ET.register_namespace("", GRAPHML)
    root = ET.Element(f"{{{GRAPHML}}}graphml")
    for name, owner, kind in (
        ("name", "node", "string"), ("layer", "node", "string"), ("x", "node", "double"), ("y", "node", "double"),
        ("z", "node", "double"), ("kind", "edge", "string"), ("weight", "edge", "double"),
    ):  # fmt: skip
        ET.SubElement(
            root, f"{{{GRAPHML}}}key", {"id": name, "for": owner, "attr.name": name, "attr.type": kind}
        )
    drawn = ET.SubElement(root, f"{{{GRAPHML}}}graph", edgedefault="undirected")
    for node in graph.nodes:
        element = ET.SubElement(drawn, f"{{{GRAPHML}}}node", id=str(node.node_id))
        x, y, z = node.position_world_m
        for key, value in (("name", node.name), ("layer", _layer_name(node)), ("x", x), ("y", y), ("z", z)):
            ET.SubElement(element, f"{{{GRAPHML}}}data", key=key).text = str(value)
    for joined in graph.edges:
        element = ET.SubElement(
            drawn, f"{{{GRAPHML}}}edge", source=str(joined.source), target=str(joined.target)
        )
        kind = str((joined.info.get("metadata") or {}).get("kind", ""))
        for key, value in (("kind", kind), ("weight", float(joined.info.get("weight", 1.0)))):
            ET.SubElement(element, f"{{{GRAPHML}}}data", key=key).text = str(value)
    ET.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)


def _node_from(record: dict[str, Any]) -> GraphNode:
    # Encoding 1.0 names an agent's partition 'prefix', and keeps its stamp beside the attributes.
    attributes = dict(record["attributes"])
    if "timestamp" in record:
        attributes.setdefault("timestamp", record["timestamp"])
    return GraphNode(
        node_id=int(record["id"]), layer=int(record["layer"]), attributes=attributes,
        partition=int(record.get("partition", record.get("prefix", 0))),
    )  # fmt: skip


def _upgraded(attributes: dict[str, Any]) -> dict[str, Any]:
    """Attributes of encoding 1.0 as 1.1 has them: colours with names, boxes by their size."""
    upgraded = {"is_predicted": False, "metadata": {}, **attributes}
    color = upgraded.get("color")
    if isinstance(color, list):
        upgraded["color"] = {"r": color[0], "g": color[1], "b": color[2], "a": 255}
    box = upgraded.get("bounding_box")
    if isinstance(box, dict) and "dimensions" not in box:
        size = [high - low for low, high in zip(box["min"], box["max"], strict=True)]
        upgraded["bounding_box"] = {
            "type": box["type"], "dimensions": size, "world_P_center": box["world_P_center"],
            "world_R_center": box["world_R_center"],
        }  # fmt: skip
    if "position" in upgraded and upgraded.get("type") != "AgentNodeAttributes":
        upgraded.setdefault("semantic_feature", {"rows": 0, "cols": 0, "data": None})
    defaults = NEW_IN_1_1.get(str(upgraded.get("type")), {})
    return {**defaults, **upgraded}


NEW_IN_1_1: dict[str, dict[str, Any]] = {
    "PlaceNodeAttributes": {
        "active_frontier": False, "anti_frontier": False, "frontier_scale": [0.0, 0.0, 0.0], "need_cleanup": False,
        "num_frontier_voxels": 0, "orientation": {"w": 1.0, "x": 0.0, "y": 0.0, "z": 0.0}, "real_place": True,
    },
    "RoomNodeAttributes": {"semantic_class_probabilities": {}},
    "AgentNodeAttributes": {"timestamp": 0},
}  # fmt: skip


def _layer_name(node: GraphNode) -> str:
    return "AGENTS" if node.partition else LAYER_NAMES.get(node.layer, str(node.layer))
