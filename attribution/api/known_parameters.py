"""Refuses query parameters that an endpoint does not have: a mistyped filter must not be answered with everything."""

from __future__ import annotations

from fastapi import Request

from attribution.api.tenancy import Asking
from attribution.faults import Fault, Refused


async def known_parameters(_asking: Asking, request: Request) -> None:
    """A dependency of routes that filter. Raises Refused naming each unknown parameter; who has no key is told first."""
    operation = request.app.openapi()["paths"][request.scope["route"].path_format][request.method.lower()]
    known = {parameter["name"] for parameter in operation["parameters"] if parameter["in"] == "query"}
    faults = [
        Fault(name, "is no parameter of this endpoint") for name in request.query_params if name not in known
    ]
    if faults:
        raise Refused(faults)
