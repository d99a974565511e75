"""Every parameter of `memory_node`, with its default. ROS parameters are declared by walking these dataclasses."""

from __future__ import annotations

from dataclasses import dataclass, field

from embodied_mem.errors import ConfigError
from embodied_mem.robot_memory import RobotMemoryConfig
from embodied_mem.sensing.input_config import InputConfig


@dataclass(frozen=True, kw_only=True)
class OutputConfig:
    """How often what is published, in Hz; 0 turns it off."""

    entities_hz: float = 2.0
    markers_hz: float = 1.0
    cloud_hz: float = 0.5
    cloud_min_occupancy: float = 0.5
    """Gaussians below this probability are not in the cloud."""

    def __post_init__(self) -> None:
        for name in ("entities_hz", "markers_hz", "cloud_hz"):
            if not 0 <= getattr(self, name) <= 100:
                raise ConfigError(f"output.{name} is {getattr(self, name)}; it must be in 0..100.")


@dataclass(frozen=True, kw_only=True)
class MemoryNodeConfig:
    """All of `memory_node`. `path` is the memory's folder; empty keeps it in RAM."""

    path: str = ""
    autostart: bool = True
    """Configure and activate without a lifecycle manager."""
    save_on_exit: bool = True
    input: InputConfig = field(default_factory=InputConfig)
    output: OutputConfig = field(default_factory=OutputConfig)
    memory: RobotMemoryConfig = field(default_factory=RobotMemoryConfig)
