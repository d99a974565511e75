"""What a robot's sensors give: a camera, one posed RGB-D view, what a detector saw in it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int32, UInt8

from embodied_mem.errors import InvalidMessage
from embodied_mem.geometry import check_rigid

MAX_IMAGE_SIDE_PX = 16384


def _freeze(array: np.ndarray) -> np.ndarray:
    view = array.view()
    view.flags.writeable = False
    return view


def check_array(name: str, array: object, dtype: type, shape: tuple[int, ...], remedy: str) -> np.ndarray:
    """`array` as a read-only view, or InvalidMessage naming its shape and dtype, the ones allowed and the remedy."""
    if not isinstance(array, np.ndarray):
        raise InvalidMessage(f"{name} is a {type(array).__name__}; it must be a numpy array. {remedy}")
    if array.dtype != np.dtype(dtype) or array.shape != shape:
        raise InvalidMessage(
            f"{name} is {array.dtype} of shape {array.shape}; it must be {np.dtype(dtype)} of shape {shape}. {remedy}"
        )
    return _freeze(array)


def check_stamp(name: str, stamp_ns: object) -> int:
    """`stamp_ns` as an int, or InvalidMessage when it is not a non-negative whole number of nanoseconds."""
    if (
        isinstance(stamp_ns, bool)
        or not isinstance(stamp_ns, (int, np.integer))
        or not 0 <= int(stamp_ns) < 2**63
    ):
        raise InvalidMessage(
            f"{name} is {stamp_ns!r}; it must be a whole number of nanoseconds in 0..2**63-1. "
            "Convert seconds with round(seconds * 1e9)."
        )
    return int(stamp_ns)


@dataclass(frozen=True, kw_only=True)
class PinholeCamera:
    """Intrinsics in pixels; integer pixel coordinates are pixel centres (OpenCV, ROS CameraInfo).

    `distortion` is OpenCV's plumb_bob order (k1, k2, p1, p2, k3, ...); a camera with non-zero distortion
    must be rectified before its depth is lifted (`perception` refuses it otherwise).
    """

    fx: float
    fy: float
    cx: float
    cy: float
    width_px: int
    height_px: int
    distortion: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        numbers = np.array([self.fx, self.fy, self.cx, self.cy, *self.distortion], dtype=np.float64)
        if not np.isfinite(numbers).all() or self.fx <= 0 or self.fy <= 0:
            raise InvalidMessage(
                f"PinholeCamera(fx={self.fx}, fy={self.fy}, cx={self.cx}, cy={self.cy}, "
                f"distortion={self.distortion}): all must be finite, fx and fy above 0. "
                "An all-zero CameraInfo means an uncalibrated camera: calibrate it or set the intrinsics."
            )
        if not (0 < self.width_px <= MAX_IMAGE_SIDE_PX and 0 < self.height_px <= MAX_IMAGE_SIDE_PX):
            raise InvalidMessage(
                f"PinholeCamera is {self.width_px} x {self.height_px} pixels; each side must be in "
                f"1..{MAX_IMAGE_SIDE_PX}. Check width and height of the camera info."
            )

    @classmethod
    def from_matrix(cls, K: Float64[np.ndarray, "3 3"], *, width_px: int, height_px: int) -> PinholeCamera:
        """A camera from the usual 3x3 matrix."""
        return cls(
            fx=float(K[0, 0]), fy=float(K[1, 1]), cx=float(K[0, 2]), cy=float(K[1, 2]),
            width_px=width_px, height_px=height_px,
        )  # fmt: skip

    @property
    def matrix(self) -> Float64[np.ndarray, "3 3"]:
        return np.array([[self.fx, 0.0, self.cx], [0.0, self.fy, self.cy], [0.0, 0.0, 1.0]])

    @property
    def is_distorted(self) -> bool:
        return any(k != 0.0 for k in self.distortion)


@dataclass(frozen=True, kw_only=True)
class Detection:
    """One thing that a detector named in a frame.

    Exactly one of `instance` (its id in `Frame.segmentation`), `mask` (bool, image size) or `box_px`
    (u_min, v_min, u_max, v_max) says where it is. Ids mean nothing beyond their frame.
    `score` is in 0..1; `embedding` is any vector of the detector's own, compared by cosine.
    """

    label: str
    score: float = 1.0
    instance: int | None = None
    mask: Bool[np.ndarray, "h w"] | None = None
    box_px: tuple[float, float, float, float] | None = None
    embedding: Float32[np.ndarray, "d"] | None = None

    def __post_init__(self) -> None:
        if not self.label:
            raise InvalidMessage(
                "Detection.label is empty; it must be a word such as 'mug'. Drop unlabelled ones."
            )
        if not 0.0 <= self.score <= 1.0:
            raise InvalidMessage(
                f"Detection.score of {self.label!r} is {self.score}; it must be in 0..1. Convert logits."
            )
        given = [n for n in ("instance", "mask", "box_px") if getattr(self, n) is not None]
        if len(given) != 1:
            raise InvalidMessage(
                f"Detection {self.label!r} has {given or 'nothing'} to say where it is; give exactly one of "
                "instance, mask, box_px."
            )
        if self.mask is not None and (self.mask.dtype != np.bool_ or self.mask.ndim != 2):
            raise InvalidMessage(
                f"Detection.mask of {self.label!r} is {self.mask.dtype} of shape {self.mask.shape}; it must be bool "
                "(h, w) of the image's size. Threshold soft masks first."
            )
        if self.box_px is not None:
            self._check_box(self.box_px)
        if self.embedding is not None and (self.embedding.ndim != 1 or not np.isfinite(self.embedding).all()):
            raise InvalidMessage(
                f"Detection.embedding of {self.label!r} has shape {self.embedding.shape} or holds NaN; it must be a "
                "finite vector. Leave it out if the model gave none."
            )

    def _check_box(self, box_px: tuple[float, float, float, float]) -> None:
        u_min, v_min, u_max, v_max = box_px
        if not (np.isfinite(box_px).all() and u_min < u_max and v_min < v_max):
            raise InvalidMessage(
                f"Detection.box_px of {self.label!r} is {box_px}; it must be finite (u_min, v_min, u_max, v_max) with "
                "min < max. Convert from (x, y, width, height) if that is what the detector gives."
            )


@dataclass(frozen=True, kw_only=True)
class Frame:
    """One posed RGB-D view. Camera axes: x right, y down, z forward (OpenCV); world is z-up.

    `depth_m` is planar (along the optical axis) and 0.0 where nothing was measured. `stamp_ns` is when it
    was seen, `received_ns` when the memory got it (defaults to `stamp_ns`; shells fill it in).
    `depth_sigma_m` is how uncertain each depth is, where an estimator says so; without it the map's noise model holds.
    `features` are an image encoder's, one vector for each field of a grid laid over the image (zeros: none there); a map
    with a codebook keeps them.
    `segmentation` ids mean nothing beyond this frame. Arrays are kept as read-only views, not copied:
    do not change them afterwards.

    Raises:
        InvalidMessage: wrong shape or dtype, NaN or negative depth, masks of another size.
        InvalidPose: `T_world_camera` is not rigid.
    """

    stamp_ns: int
    camera: PinholeCamera
    T_world_camera: Float64[np.ndarray, "4 4"]
    depth_m: Float32[np.ndarray, "h w"]
    rgb: UInt8[np.ndarray, "h w 3"] | None = None
    segmentation: Int32[np.ndarray, "h w"] | None = None
    detections: tuple[Detection, ...] = ()
    robot: str = "robot"
    sensor: str = "camera"
    received_ns: int | None = None
    depth_sigma_m: Float32[np.ndarray, "h w"] | None = None
    features: Float32[np.ndarray, "fh fw d"] | None = None

    def __post_init__(self) -> None:
        put = object.__setattr__
        put(self, "stamp_ns", check_stamp("Frame.stamp_ns", self.stamp_ns))
        received_ns = self.stamp_ns if self.received_ns is None else self.received_ns
        put(self, "received_ns", check_stamp("Frame.received_ns", received_ns))
        put(self, "T_world_camera", check_rigid(self.T_world_camera, "Frame.T_world_camera"))
        size = (self.camera.height_px, self.camera.width_px)
        remedy = f"The camera is {size[1]} x {size[0]} pixels (width x height): convert or resize to that."
        put(self, "depth_m", check_array("Frame.depth_m", self.depth_m, np.float32, size, remedy))
        self._check_depth()
        if self.rgb is not None:
            put(self, "rgb", check_array("Frame.rgb", self.rgb, np.uint8, (*size, 3), remedy))
        if self.depth_sigma_m is not None:
            sigma_m = check_array("Frame.depth_sigma_m", self.depth_sigma_m, np.float32, size, remedy)
            put(self, "depth_sigma_m", sigma_m)
            if not (float(sigma_m.min()) >= 0.0 and np.isfinite(float(sigma_m.max()))):
                raise InvalidMessage(
                    "Frame.depth_sigma_m holds NaN, infinity or negative values; it must be >= 0 metres. Set depth_m to 0 "
                    "where depth is unknown, and any sigma there."
                )
        if self.segmentation is not None:
            ids = check_array("Frame.segmentation", self.segmentation, np.int32, size, remedy)
            put(self, "segmentation", ids)
        if self.features is not None:
            put(self, "features", _check_features(self.features))
        put(self, "detections", tuple(self.detections))
        for detection in self.detections:
            self._check_detection(detection, size)

    def _check_depth(self) -> None:
        # min() of an array with a NaN is NaN, so one pass finds NaN and negatives, another infinity.
        low, high = float(self.depth_m.min()), float(self.depth_m.max())
        if not (low >= 0.0 and np.isfinite(high)):
            bad = int((~np.isfinite(self.depth_m) | (self.depth_m < 0)).sum())
            raise InvalidMessage(
                f"Frame.depth_m has {bad} pixels that are NaN, infinite or negative; it must be >= 0 metres with 0 for "
                "no return. Use np.nan_to_num(depth, nan=0, posinf=0, neginf=0)."
            )

    def _check_detection(self, detection: Detection, size: tuple[int, int]) -> None:
        if detection.mask is not None and detection.mask.shape != size:
            raise InvalidMessage(
                f"the mask of detection {detection.label!r} has shape {detection.mask.shape}; the image is {size}. "
                "Resize the mask (nearest neighbour) to the image."
            )
        if detection.instance is not None and self.segmentation is None:
            raise InvalidMessage(
                f"detection {detection.label!r} names instance {detection.instance} but the frame has no segmentation. "
                "Pass Frame.segmentation, or a mask or box_px with the detection."
            )

    @property
    def known_ns(self) -> int:
        """When the memory learned of it; the source of `known_from`."""
        return self.stamp_ns if self.received_ns is None else self.received_ns


def _check_features(features: np.ndarray) -> np.ndarray:
    is_grid = features.ndim == 3 and features.size > 0 and features.dtype == np.float32
    if not is_grid or not np.isfinite(features).all():
        raise InvalidMessage(
            f"Frame.features is {features.dtype} of shape {features.shape} or holds NaN; it must be finite float32 (rows, "
            "columns, numbers). Move channels last, and use zeros where there is no feature."
        )
    return _freeze(features)
