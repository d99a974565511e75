"""Where something in motion is by now: a Kalman filter of nearly constant velocity, fed by where it was seen.

After Bar-Shalom, Li and Kirubarajan (2001), section 6.2.2: acceleration is white noise. The axes are alike and independent, so
that one covariance does for all three.
"""

from __future__ import annotations

from dataclasses import dataclass

Vector3 = tuple[float, float, float]

SPECTRAL_DENSITY = 1.0
"""Of the acceleration, m^2/s^3: somebody who walks turns round within a second."""
SEEN_M = 0.05
"""Standard deviation of the middle of a view: another part of it shows each time."""
LIKELY_MPS = 1.0
"""Standard deviation of the speed of what just began to move, along each axis."""
FORESEEN_S = 2.0
"""Nobody knows where somebody goes for longer than this: what is expected stays there, and the next view begins anew."""


@dataclass(frozen=True, kw_only=True)
class Motion:
    """Position (m) and velocity (m/s) in world at `stamp_ns`. `variance` is that of the position, the covariance of both, and
    that of the velocity, along each axis.
    """

    stamp_ns: int
    position_world_m: Vector3
    velocity_world_mps: Vector3 = (0.0, 0.0, 0.0)
    variance: Vector3 = (SEEN_M**2, 0.0, LIKELY_MPS**2)

    def at(self, stamp_ns: int) -> Motion:
        """What is expected at a stamp; the same for an earlier one."""
        elapsed_s = min(max(0.0, (stamp_ns - self.stamp_ns) * 1e-9), FORESEEN_S)
        place, both, speed = self.variance
        place += 2 * elapsed_s * both + elapsed_s**2 * speed + SPECTRAL_DENSITY * elapsed_s**3 / 3
        both += elapsed_s * speed + SPECTRAL_DENSITY * elapsed_s**2 / 2
        x, y, z = (
            p + elapsed_s * v for p, v in zip(self.position_world_m, self.velocity_world_mps, strict=True)
        )
        return Motion(
            stamp_ns=max(stamp_ns, self.stamp_ns), position_world_m=(x, y, z),
            velocity_world_mps=self.velocity_world_mps,
            variance=(place, both, speed + SPECTRAL_DENSITY * elapsed_s),
        )  # fmt: skip

    def seen(self, position_world_m: Vector3, stamp_ns: int) -> Motion:
        """With one more view, of this middle."""
        if stamp_ns - self.stamp_ns > FORESEEN_S * 1e9:
            return Motion(stamp_ns=stamp_ns, position_world_m=position_world_m)
        expected = self.at(stamp_ns)
        place, both, speed = expected.variance
        gain, speed_gain = place / (place + SEEN_M**2), both / (place + SEEN_M**2)
        off = [seen - p for seen, p in zip(position_world_m, expected.position_world_m, strict=True)]
        x, y, z = (p + gain * o for p, o in zip(expected.position_world_m, off, strict=True))
        vx, vy, vz = (v + speed_gain * o for v, o in zip(self.velocity_world_mps, off, strict=True))
        return Motion(
            stamp_ns=expected.stamp_ns, position_world_m=(x, y, z), velocity_world_mps=(vx, vy, vz),
            variance=((1 - gain) * place, (1 - gain) * both, speed - speed_gain * both),
        )  # fmt: skip
