"""Every setting, typed and documented, read from `CLICKLEDGER_*` variables, a `.env` file, or the defaults.

`load_settings` is called once by each process and reports every bad value at once. Where no server is named, the
addresses of the embedded engines are taken from the data directory of a running `clickledger up`.
"""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Annotated, Any, Literal

import orjson
from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

ENGINES_FILE = "engines.json"
"""Written into the data directory by `clickledger up`: the addresses of its engines, readable by its owner only."""

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
CommaList = Annotated[tuple[str, ...], NoDecode]


class BadSettings(Exception):
    """One or more settings are wrong; the message lists each with its variable."""


class Settings(BaseSettings):
    """The settings of every process. Names in the environment carry the prefix `CLICKLEDGER_`."""

    model_config = SettingsConfigDict(
        env_prefix="CLICKLEDGER_", env_file=".env", extra="ignore", frozen=True, env_ignore_empty=True
    )

    database_url: str | None = Field(
        None,
        description="PostgreSQL to use instead of the embedded one, `postgresql://user:password@host:5432/database`.",
    )
    redis_url: str | None = Field(
        None,
        description="Redis or Valkey to use instead of the embedded one, `redis://host:6379/0`, `rediss://…` for TLS, `redis://host:6379?cluster=true` for a cluster.",
    )
    data_dir: Path = Field(
        Path(".clickledger"),
        description="Where the embedded engines, the spool, the link snapshot and the leases live.",
    )
    host: str = Field("127.0.0.1", description="Address the door and the API listen on.")
    port: int = Field(8080, ge=1, le=65535, description="Port of the door.")
    api_port: int = Field(8081, ge=1, le=65535, description="Port of the API.")
    metrics_port: int = Field(
        9108,
        ge=0,
        le=65535,
        description="Port of the Prometheus metrics, on the loopback address; 0 switches them off.",
    )
    public_url: str | None = Field(
        None,
        description="How visitors reach the door, `https://go.example.com`; used to print and return whole short links. Default: host and port.",
    )
    workers: int = Field(1, ge=1, le=64, description="Door processes sharing the port.")
    stream_shards: int = Field(
        2,
        ge=1,
        le=64,
        description="Click streams in Redis. Raising it is safe at any time; before lowering it, let the streams drain.",
    )
    capture_budget_ms: int = Field(
        50,
        ge=1,
        le=10_000,
        description="Longest a redirect waits for Redis before its click goes to the spool.",
    )
    spool_mb_max: int = Field(
        1024,
        ge=1,
        description="Spool size at which the door refuses clicks it cannot keep (503); an error is logged from 80 % on, and `clickledger_spool_bytes` tells the size.",
    )
    link_cache_max: int = Field(100_000, ge=100, description="Links a door process keeps in memory.")
    trusted_proxies: CommaList = Field(
        (),
        description="Comma-separated addresses or networks whose `Forwarded` / `X-Forwarded-For` header is believed.",
    )
    consent_mode: Literal["off"] = Field(
        "off", description="Whether a visitor must consent before being tracked. Only `off` in this version."
    )
    ip_privacy: Literal["truncate", "full", "none"] = Field(
        "truncate",
        description="How addresses are stored: cut to /24 and /48, whole, or not at all. The country is derived first.",
    )
    geoip_db: Path | None = Field(
        None, description="A GeoIP2/GeoLite2 country or city database to use instead of the one that ships."
    )
    cookie_name: str = Field(
        "clk_id",
        pattern=r"^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,64}$",
        description="Name of the attribution cookie.",
    )
    cookie_domain: str | None = Field(
        None,
        pattern=r"^\.?[A-Za-z0-9.-]{1,253}$",
        description="`Domain` of the attribution cookie; none by default.",
    )
    code_case: Literal["sensitive", "insensitive"] = Field(
        "sensitive", description="Whether `/Sale` and `/sale` are different codes."
    )
    fallback_url: str | None = Field(
        None,
        description="Where visitors of expired, capped or paused links go when the link names no fallback of its own.",
    )
    landing_url: str | None = Field(None, description="Where `/` of the door redirects to; 404 by default.")
    allowed_schemes: CommaList = Field(
        ("http", "https"), description="Comma-separated URL schemes a destination may have."
    )
    referrer_policy: str = Field(
        "no-referrer-when-downgrade", pattern=r"^[a-z-]{1,64}$", description="`Referrer-Policy` of redirects."
    )
    prefetch: Literal["refuse", "redirect"] = Field(
        "refuse", description="Prefetches get a 503 that browsers do not keep, or a 302 without cookie."
    )
    front_end: Literal["fast", "asgi"] = Field(
        "fast",
        description="What answers the common request: a protocol class of the door's own, or its ASGI application. Both answer with the same bytes.",
    )
    flush_rows_max: int = Field(20_000, ge=1, le=200_000, description="Clicks in one flush at most.")
    flush_age_ms_max: int = Field(
        250, ge=1, le=60_000, description="Longest a click waits for its flush to fill."
    )
    api_requests_per_minute: int = Field(
        6_000,
        ge=1,
        description="Requests of one API key a minute, in each API process; more are answered 429 with `Retry-After`.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least severe log line that is written."
    )

    @field_validator("trusted_proxies", "allowed_schemes", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return (
            tuple(item.strip() for item in value.split(",") if item.strip())
            if isinstance(value, str)
            else value
        )

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for item in value:
            ipaddress.ip_network(item, strict=False)
        return value

    @field_validator("fallback_url", "landing_url", "public_url")
    @classmethod
    def _web_address(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("http://", "https://")):
            raise ValueError("must begin with http:// or https://")
        return value

    @property
    def trusted_networks(self) -> tuple[Network, ...]:
        """`trusted_proxies`, parsed."""
        return tuple(ipaddress.ip_network(item, strict=False) for item in self.trusted_proxies)

    @property
    def door_url(self) -> str:
        """What a short link begins with, without a trailing slash."""
        if self.public_url is not None:
            return self.public_url.rstrip("/")
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"


def load_settings(**overrides: Any) -> Settings:
    """The settings, with `overrides` (None values ignored) on top, engine addresses filled in where known.

    Raises BadSettings listing every wrong value.
    """
    given = {name: value for name, value in overrides.items() if value is not None}
    try:
        settings = Settings(**given)
    except ValidationError as error:
        raise BadSettings("\n".join(_complaint(fault) for fault in error.errors())) from error
    return settings.model_copy(update=_embedded_addresses(settings))


def _complaint(fault: Any) -> str:
    name = "CLICKLEDGER_" + "_".join(str(part) for part in fault["loc"]).upper()
    return f"{name}: {fault['msg']} (got {fault['input']!r})"


def _embedded_addresses(settings: Settings) -> dict[str, str]:
    """The addresses a running `clickledger up` left in the data directory, for those not set."""
    try:
        engines = orjson.loads((settings.data_dir / ENGINES_FILE).read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return {}
    wanted = ("database_url", "redis_url")
    return {name: engines[name] for name in wanted if getattr(settings, name) is None and name in engines}
