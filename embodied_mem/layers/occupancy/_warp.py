"""The one place that imports Warp: quietly, with settings that suit kernels which are never differentiated."""

from __future__ import annotations

from embodied_mem.errors import ConfigError, MissingExtra

try:
    import warp as wp
except ImportError as error:
    raise MissingExtra(
        "the occupancy layer needs warp-lang, which is not installed; run `pip install warp-lang`"
    ) from error

# Without this, importing prints the device list to stdout, which belongs to the program that uses us.
wp.config.log_level = wp.LOG_ERROR
wp.config.enable_backward = False
wp.init()

__all__ = ["check_device", "wp"]


def check_device(name: str) -> str:
    """`name` when kernels can run there.

    Raises:
        ConfigError: there is no such device here.
    """
    known = [str(device) for device in wp.get_devices()]
    if name == "cuda" and any(device.startswith("cuda") for device in known):
        return name
    if name not in known:
        raise ConfigError(
            f"occupancy.device is {name!r}; this machine has {known}. Use 'cpu', or install a CUDA driver."
        )
    return name
