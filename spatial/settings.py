"""Every setting, in one class: environment variables `TWINGRID_*`, each described in the README."""

import ipaddress
import re
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Field, SecretStr, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

PLAIN_LOOPBACK = {("http", "127.0.0.1"), ("http", "::1"), ("http", "localhost")}
ROOT = Path(__file__).resolve().parent.parent
ORIGIN = re.compile(r"https?://(\[[0-9a-f:]+\]|[a-z0-9.-]+)(:\d+)?")


def _by_commas(text: Any) -> Any:
    return [part.strip() for part in text.split(",") if part.strip()] if isinstance(text, str) else text


def _by_layer(text: Any) -> Any:
    if not isinstance(text, str):
        return text
    pairs = [part.partition("=") for part in _by_commas(text)]
    if not all(name.strip() and number.strip().isdecimal() for name, _, number in pairs):
        raise PydanticCustomError("not-by-layer", "not layer=number, with commas between them")
    return {name.strip(): int(number) for name, _, number in pairs}


Count = Annotated[int, Field(ge=0)]
Several = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_by_commas)]  # written with commas between them
VERSION = "0.1.0"


class Settings(BaseSettings):
    """What an operator may set; the defaults are a demo on this machine."""

    model_config = SettingsConfigDict(env_prefix="TWINGRID_", frozen=True)

    host: str = Field("127.0.0.1", description="address the service listens on")
    port: int = Field(8000, ge=0, le=65535, description="port the service listens on")
    data_dir: Path = Field(ROOT / ".data", description="folder of the embedded PostGIS and of all other files")
    database_url: str | None = Field(None, description="an external PostgreSQL ≥ 14 with PostGIS ≥ 3.3")
    wal_archive: Path | None = Field(None, description="folder that keeps the embedded PostGIS's log of changes")
    size: Literal["none", "town", "city"] = Field("town", description="demo data loaded by `up`; none starts empty")
    seed: int = Field(1, ge=0, description="seed of the generated demo data")
    token: SecretStr | None = Field(None, description="bearer token of the principal as whom the command line asks")
    timezone: str = Field("Asia/Shanghai", description="IANA zone of the deployment")
    language: Literal["zh-CN", "en"] = Field("zh-CN", description="language where a request names none")
    base_map_url: str | None = Field(None, description="tile URL of a base map; none by default")
    output_gcj02: bool = Field(default=False, description="allow answers and exports in GCJ-02 and BD-09")
    local_grids: Path | None = Field(None, description="TOML file that names local grids, for --source-crs and --crs")
    repair_limit: float = Field(
        0.001, ge=0, le=1, description="largest share of a shape's area an import may change while repairing it"
    )
    sliver_width_m: float = Field(
        2.0, ge=0, le=100, description="mean width in metres below which what two grids share is drawing, not meant"
    )
    sliver_area_m2: float = Field(1.0, ge=0, le=10_000, description="area in m² below which it is drawing, too")
    gap_area_m2: float = Field(
        1.0, ge=0, le=10_000, description="area in m² below which a gap or an overlap within a layer is a mere sliver"
    )
    most_dwellings: Annotated[dict[str, Count], NoDecode, BeforeValidator(_by_layer)] = Field(
        {"governance": 500}, description="most dwellings of a grid, by layer: governance=500,micro=100; empty: any"
    )
    incident_retention_days: int = Field(
        0, ge=0, le=36_500, description="days after which incidents are deleted; 0 keeps them"
    )
    statement_timeout_s: int = Field(30, ge=1, description="longest a query of a request may run")
    upload_limit_mb: int = Field(2048, ge=1, description="largest form with a file that is taken in, in MiB")
    processes: int = Field(1, ge=1, le=64, description="processes that serve the port together")
    requests_at_once: int = Field(20, ge=1, le=40, description="requests that are worked on at once; others wait")
    rate_per_minute: int = Field(
        1200, ge=0, description="requests of each principal, and of each address of whoever is none; 0 is no limit"
    )
    trusted_proxies: Several = Field((), description="addresses or networks whose X-Forwarded-For and -Proto count")
    cors_origins: Several = Field((), description="origins whose pages may ask with a token; none by default")
    log_format: Literal["json", "text"] | None = Field(
        None, description="lines of the log; by default text on a terminal, else json"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="least grave line of the log")
    otlp_endpoint: str | None = Field(
        None, pattern="^https?://[^/?#]+", description="base URL of an OpenTelemetry collector that traces are sent to"
    )

    session_hours: float = Field(12, gt=0, le=720, description="hours after which one signs in again")
    session_idle_hours: float = Field(2, gt=0, le=720, description="hours without use after which one signs in again")
    oidc_issuer: str | None = Field(None, description="address of the OpenID provider that people sign in with")
    oidc_client_id: str | None = Field(None, validate_default=True, description="our name with that provider")
    oidc_client_secret: SecretStr | None = Field(None, description="our secret with that provider; none: PKCE alone")
    oidc_claim: str = Field("preferred_username", min_length=1, description="claim of the provider that names people")
    oidc_ca_file: Path | None = Field(None, description="PEM file of the authority that vouches for the provider")

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (KeyError, OSError, ValueError):
            raise PydanticCustomError("unknown-zone", "no such time zone") from None
        return name

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, networks: tuple[str, ...]) -> tuple[str, ...]:
        try:
            for one in networks:
                ipaddress.ip_network(one)
        except ValueError:
            raise PydanticCustomError("not-a-network", "not an address or network") from None
        return networks

    @field_validator("cors_origins")
    @classmethod
    def _whole_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        if not all(ORIGIN.fullmatch(one) for one in origins):
            raise PydanticCustomError("not-an-origin", "not the origin of a page")
        return origins

    @field_validator("oidc_issuer")
    @classmethod
    def _safe_issuer(cls, url: str | None) -> str | None:
        parts = urlsplit(url or "https://none")
        if not parts.hostname or (parts.scheme != "https" and (parts.scheme, parts.hostname) not in PLAIN_LOOPBACK):
            raise PydanticCustomError("issuer-not-https", "no https address")
        return url

    @field_validator("oidc_client_id")
    @classmethod
    def _client_of_issuer(cls, name: str | None, info: ValidationInfo) -> str | None:
        if info.data.get("oidc_issuer") and not name:
            raise PydanticCustomError("client-id-missing", "no client id")
        return name

    @property
    def zone(self) -> ZoneInfo:
        """The deployment's time zone."""
        return ZoneInfo(self.timezone)

    @property
    def session_lasts(self) -> timedelta:
        """How long somebody stays signed in."""
        return timedelta(hours=self.session_hours)

    @property
    def session_idle(self) -> timedelta:
        """How long somebody stays signed in who does nothing."""
        return timedelta(hours=self.session_idle_hours)

    @property
    def is_loopback(self) -> bool:
        """Whether the service can be reached from this machine only."""
        return self.host in {"127.0.0.1", "::1", "localhost"}


@lru_cache(maxsize=1)
def settings() -> Settings:
    """Return the settings, read once per process."""
    return Settings()
