"""Questions."""

from __future__ import annotations

from typing import Any, get_args

from embodied_mem.errors import InvalidQuery, did_you_mean
from embodied_mem.geometry import Box
from embodied_mem.messages import Interval, Query, QuestionKind, Region
from embodied_mem.ros.conversions.basics import optional_ns, point, time_from_ns, xyz_of
from embodied_mem_interfaces.srv import Query as QuerySrv


def query_from_request(request: Any) -> Query:
    """The question of a service request.

    Raises:
        InvalidQuery: an unknown kind or region, or an attribute that is not name=value.
    """
    kinds = get_args(QuestionKind)
    if request.kind not in kinds:
        raise InvalidQuery(
            f"no question of kind {request.kind!r}; ask one of {list(kinds)}.{did_you_mean(request.kind, kinds)}"
        )
    start_ns, end_ns = optional_ns(request.interval_start), optional_ns(request.interval_end)
    return Query(
        kind=request.kind,
        entity=request.entity or None,
        label=request.label or None,
        attributes=dict(_attribute(text) for text in request.attributes),
        region=_region_from_request(request),
        interval=None if start_ns is None and end_ns is None else Interval(from_ns=start_ns, to_ns=end_ns),
        as_of_ns=optional_ns(request.as_of),
        known_at_ns=optional_ns(request.known_at),
        k=request.k or 10,
    )


def _attribute(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise InvalidQuery(f"attribute {text!r} must read name=value, such as color=red.")
    return name.strip(), value.strip()


def _region_from_request(request: Any) -> Region | None:
    if request.region == QuerySrv.Request.ANYWHERE:
        return None
    if request.region == QuerySrv.Request.BOX:
        return Region(box=Box(min_m=xyz_of(request.box_min), max_m=xyz_of(request.box_max)))
    if request.region == QuerySrv.Request.SPHERE:
        return Region(center_world_m=xyz_of(request.center), radius_m=float(request.radius))
    raise InvalidQuery(f"region is {request.region}; it must be ANYWHERE (0), BOX (1) or SPHERE (2).")


def query_to_request(query: Query) -> Any:
    """The service request that asks `query`."""
    request = QuerySrv.Request(
        kind=query.kind,
        entity=query.entity or "",
        label=query.label or "",
        attributes=[f"{name}={value}" for name, value in query.attributes.items()],
        as_of=time_from_ns(query.as_of_ns),
        known_at=time_from_ns(query.known_at_ns),
        k=query.k,
    )
    if query.interval is not None:
        request.interval_start = time_from_ns(query.interval.from_ns)
        request.interval_end = time_from_ns(query.interval.to_ns)
    if query.region is not None and query.region.box is not None:
        request.region = QuerySrv.Request.BOX
        request.box_min, request.box_max = point(query.region.box.min_m), point(query.region.box.max_m)
    elif query.region is not None and query.region.center_world_m is not None:
        request.region = QuerySrv.Request.SPHERE
        request.center, request.radius = (
            point(query.region.center_world_m),
            float(query.region.radius_m or 0.0),
        )
    return request


# -- answers --------------------------------------------------------------------------------------------------
