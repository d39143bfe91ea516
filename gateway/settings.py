"""Settings: read once, from the environment (`GATEWAY_…`), a folder of secrets or a TOML file, and passed on.

`GATEWAY_SECRETS_DIR` names a folder with one file for each secret (`gateway_database_url`, …), `GATEWAY_CONFIG` the
TOML file. The environment wins over the secrets, and these over the file.
"""

import errno
import os
import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, LiteralString, Self

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SecretsSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from gateway.fault_points import read_faults
from gateway.working_time import WorkingTime, read_working_time

MEBIBYTE = 1 << 20
_ORIGIN = re.compile(r"https?://[^/\s,*]+")
_HTTP = re.compile(r"https?://[^/\s]+(/\S*)?")
_PORTS = re.compile(r"(\d{1,5})-(\d{1,5})")
PREFIX = "GATEWAY_"
# Of the environment alone: where the file is, and what the tests go by.
_NO_SETTINGS = frozenset(
    {"GATEWAY_CONFIG", "GATEWAY_SECRETS_DIR", "GATEWAY_SAMPLES", "GATEWAY_LONG_TESTS", "GATEWAY_FONTS"}
)
# Never printed, never in a backup; in production they come from GATEWAY_SECRETS_DIR.
SECRETS = frozenset(
    {
        "database_url", "object_store", "broker_url", "demo_password", "metrics_token", "node_secret", "backup_store",
        "backup_passphrase", "pkcs11_pin", "timestamp_url",
    }
)  # fmt: skip


class Settings(BaseSettings):
    """Everything that differs from one installation to the next."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore")

    data_dir: Path = Path("gateway-data")
    database_url: str | None = None
    object_store: str | None = None
    broker_url: str | None = None
    bind: str = "127.0.0.1"
    node: str = "local"
    node_url: str | None = Field(default=None, description="where the other nodes read this node's segments")
    node_secret: str | None = Field(
        default=None,
        min_length=16,
        description="shared by all nodes; without it no segment is served or asked for",
    )

    http_port: int = 8080
    ingest_http_port: int = Field(default=8081, description="health of `gateway ingest`")
    dicom_port: int = 11112
    dicom_tls_port: int = Field(default=2762, description="listens once there is a certificate")
    dicom_require_tls: bool = Field(default=False, description="the plain port takes exceptions only")
    dicom_ae_title: str = "GATEWAY"
    dicom_check_called_ae_title: bool = False
    dicom_max_associations: int = 500
    dicom_max_associations_per_peer: int = 100
    dicom_accept_unknown_storage: bool = True
    dicom_idle_timeout_s: float = 300.0

    mllp_port: int = Field(default=2575, description="HL7 over MLLP; 0: off")
    mllp_tls_port: int = Field(default=2576, description="listens once there is a certificate; 0: off")
    astm_port: int = Field(default=12000, description="LIS1-A over TCP, also of serial servers; 0: off")
    astm_tls_port: int = Field(default=12001, description="listens once there is a certificate; 0: off")
    lab_require_tls: bool = Field(default=False, description="plain lines take exceptions only")
    lab_max_connections: int = Field(default=12_000, description="of each of these ports")
    lab_max_connections_per_peer: int = Field(default=1024, description="of one address")
    lab_idle_timeout_s: float = Field(
        default=0, ge=0, description="HL7 connections that are silent so long are closed; 0: never"
    )

    tls_certificate: Path | None = Field(default=None, description="of this gateway, with its chain (PEM)")
    tls_key: Path | None = None
    tls_client_ca: Path | None = Field(default=None, description="who certifies devices (PEM)")
    tls_revocation_list: Path | None = Field(default=None, description="of the client CA (PEM or DER)")

    pkcs11_module: Path | None = Field(
        default=None, description="the token's library; people's keys may lie on it"
    )
    pkcs11_label: str | None = Field(default=None, description="the token's label")
    pkcs11_pin: str | None = Field(default=None, description="of the token's user")
    timestamp_url: str | None = Field(
        default=None,
        description="http(s)://[USER:PASSWORD@]HOST/PATH of a time-stamping authority (RFC 3161)",
    )
    timestamp_timeout_s: float = Field(default=10.0, gt=0)
    signing_roots: Path | None = Field(
        default=None, description="who certifies people on tokens, time stamps and seals (PEM)"
    )
    sm2_certificate: Path | None = Field(
        default=None, description="of the seal over every report, with its chain (PEM)"
    )
    sm2_key: Path | None = None

    journal_bytes: int = Field(default=64 * 1024 * MEBIBYTE, description="unfiled bytes before A700")
    cache_bytes: int = Field(default=16 * 1024 * MEBIBYTE, description="filed segments kept for reading")
    read_cache_bytes: int = Field(
        default=4 * 1024 * MEBIBYTE,
        description="what can be made again, kept for reading: cache/ in the data dir",
    )
    pack_bytes: int = Field(default=48 * MEBIBYTE, description="a pack is closed when it reaches this size")
    file_after_s: float = Field(default=20.0, description="a record is filed at the latest after this time")

    disk_low_bytes: int = Field(default=5 * 1024 * MEBIBYTE, description="IT is told of less free space")
    working_hours: str = "08:00-17:30"
    working_days: str = Field(default="12345", description="ISO 8601 weekdays, Monday is 1")
    silent_after_h: float = Field(default=8.0, gt=0, description="working hours without a word of a township")

    drop_dir: Path | None = Field(
        default=None, description="the folder to which carts write; drop/ in the data dir"
    )
    drop_quiet_s: float = Field(
        default=3.0, gt=0, description="a file is whole when it lay so long unchanged"
    )
    drop_incomplete_s: float = Field(
        default=300.0, gt=0, description="so long a header waits for the files that it names"
    )
    ftp_port: int | None = Field(default=None, description="FTP for carts; off without it")
    ftp_allow_plain: bool = Field(
        default=False, description="without TLS too, for carts that cannot do it; on loopback always"
    )
    ftp_passive_ports: str | None = Field(
        default=None, description="for data connections: 30000-30009; any free port without it"
    )
    ftp_address: str | None = Field(
        default=None, description="what carts are told to connect to, where it is not ours (NAT, containers)"
    )
    drop_done_days: int = Field(default=30, ge=1, description="so long what was taken stays in done/")

    quiet_period_s: float = 5.0
    unreleased_quiet_period_s: float = 60.0
    upload_limit_bytes: int = 2048 * MEBIBYTE
    stow_limit_bytes: int = Field(default=16 * 1024 * MEBIBYTE, description="one store request of STOW-RS")
    print_community_mark: bool = False

    public_url: str | None = Field(default=None, description="what the QR code on a report points to")
    viewer_dir: Path = Path(__file__).resolve().parent.parent / "viewer" / "dist"
    secure_cookies: bool = False
    trusted_proxies: str | None = Field(
        default=None, description="addresses or networks, comma-separated, whose X-Forwarded-For is believed"
    )
    cors_origins: str | None = Field(
        default=None,
        description="origins, comma-separated, whose pages may read DICOMweb with a bearer token",
    )
    demo_password: str | None = None
    ingest_workers: int = Field(default=1, ge=1, description="listener processes that accept from one socket")
    web_workers: int = Field(default=1, ge=1, description="web processes that accept from one socket")
    faults: str = Field(
        default="", description="for tests: what goes wrong where, see gateway/fault_points.py"
    )

    metrics_token: str | None = Field(
        default=None, description="bearer token for /metrics that needs no database; for Prometheus"
    )
    backup_store: str | None = Field(default=None, description="where `gateway backup` writes unless told")
    backup_passphrase: str | None = Field(
        default=None, description="what the keys in a backup are sealed with"
    )
    backup_max_age_h: float = Field(default=26.0, gt=0, description="IT is told of an older last backup")

    @field_validator("object_store", "backup_store")
    @classmethod
    def _check_object_store(cls, stated: str | None) -> str | None:
        if stated and "://" in stated and not stated.startswith(("s3+http://", "s3+https://")):
            raise ValueError("a folder or s3+http(s)://KEY:SECRET@HOST:PORT/BUCKET is expected")
        return stated

    @field_validator("faults")
    @classmethod
    def _check_faults(cls, stated: str) -> str:
        read_faults(stated)
        return stated

    @field_validator("cors_origins")
    @classmethod
    def _check_origins(cls, stated: str | None) -> str | None:
        if stated and not all(_ORIGIN.fullmatch(one.strip()) for one in stated.split(",")):
            raise ValueError("origins are expected, comma-separated: https://viewer.example")
        return stated

    @model_validator(mode="after")
    def _check_ftp(self) -> Self:
        _ = self.ftp_passive_range
        if self.ftp_port is not None and self.tls_certificate is None and not self.ftp_plain_allowed:
            raise ValueError(
                f"{PREFIX}FTP_PORT needs {PREFIX}TLS_CERTIFICATE, or {PREFIX}FTP_ALLOW_PLAIN for carts without TLS"
            )
        return self

    @model_validator(mode="after")
    def _check_working_time(self) -> Self:
        read_working_time(self.working_hours, self.working_days)
        return self

    @field_validator("timestamp_url")
    @classmethod
    def _check_timestamp_url(cls, stated: str | None) -> str | None:
        if stated and not _HTTP.fullmatch(stated):
            raise ValueError("http(s)://[USER:PASSWORD@]HOST[:PORT]/PATH is expected")
        return stated

    @model_validator(mode="after")
    def _check_needs(self) -> Self:
        needs = (("tls_certificate", "tls_key"), ("tls_key", "tls_certificate"),
                 ("tls_client_ca", "tls_certificate"), ("tls_revocation_list", "tls_client_ca"),
                 ("dicom_require_tls", "tls_certificate"), ("lab_require_tls", "tls_certificate"),
                 ("pkcs11_module", "pkcs11_label"), ("pkcs11_module", "pkcs11_pin"), ("pkcs11_module", "signing_roots"),
                 ("pkcs11_label", "pkcs11_module"), ("pkcs11_pin", "pkcs11_module"),
                 ("timestamp_url", "signing_roots"), ("sm2_certificate", "sm2_key"), ("sm2_key", "sm2_certificate"),
                 ("sm2_certificate", "signing_roots"))  # fmt: skip
        for name, needed in needs:
            if getattr(self, name) and getattr(self, needed) is None:
                raise ValueError(f"{PREFIX}{name.upper()} needs {PREFIX}{needed.upper()}")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        folder, file = os.environ.get("GATEWAY_SECRETS_DIR"), os.environ.get("GATEWAY_CONFIG")
        secrets = (_KnownSecrets(settings_cls, Path(folder)),) if folder else ()
        toml = (_KnownToml(settings_cls, Path(file)),) if file else ()
        return (init_settings, env_settings, *secrets, *toml)

    @cached_property
    def database(self) -> str:
        """The SQLAlchemy URL: SQLite in the data dir unless told otherwise."""
        url = self.database_url or f"sqlite:///{self.data_dir.resolve() / 'gateway.sqlite3'}"
        return url.replace("postgresql://", "postgresql+psycopg://", 1)

    @property
    def objects(self) -> str:
        return self.object_store or str(self.data_dir.resolve() / "objects")

    @property
    def journal_dir(self) -> Path:
        return self.data_dir / "journal"

    @property
    def cache_dir(self) -> Path:
        """What can be made again at any time."""
        return self.data_dir / "cache"

    @property
    def ftp_plain_allowed(self) -> bool:
        return self.ftp_allow_plain or self.bind in {"127.0.0.1", "::1", "localhost"}

    @property
    def ftp_passive_range(self) -> range | None:
        if self.ftp_passive_ports is None:
            return None
        found = _PORTS.fullmatch(self.ftp_passive_ports.strip())
        first, last = (int(found[1]), int(found[2])) if found else (0, 0)
        if not 1024 <= first <= last <= 65535:
            raise ValueError("two ports are expected: 30000-30009")
        return range(first, last + 1)

    @property
    def drop_folder(self) -> Path:
        return (self.drop_dir or self.data_dir / "drop").resolve()

    @property
    def taking_dir(self) -> Path:
        """Where a file lies while it is looked into."""
        return self.data_dir / "taking"

    @property
    def directory_snapshot(self) -> Path:
        """What the listeners know of devices while the database is away."""
        return self.data_dir / "directory.json"

    @cached_property
    def working_time(self) -> WorkingTime:
        return read_working_time(self.working_hours, self.working_days)

    def without_secrets(self) -> dict[str, Any]:
        """What may be shown or kept anywhere, as JSON and TOML can say it."""
        return self.model_dump(mode="json", exclude_none=True, exclude=set(SECRETS))

    @property
    def base_url(self) -> str:
        return (self.public_url or f"http://127.0.0.1:{self.http_port}").rstrip("/")

    def environment(self) -> dict[str, str]:
        """These settings as the environment of a child process."""
        values: dict[str, Any] = self.model_dump(exclude_none=True)
        return {f"{PREFIX}{name.upper()}": str(value) for name, value in values.items()}


def unknown_variables(environment: Mapping[str, str]) -> list[str]:
    """The variables that look like settings and are none: misspelt perhaps, or of another version."""
    known = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields} | _NO_SETTINGS
    return sorted(
        name for name in environment if name.upper().startswith(PREFIX) and name.upper() not in known
    )


class _KnownToml(TomlConfigSettingsSource):
    """The file, of which every key must be a setting: nobody sees a misspelt one otherwise."""

    def __call__(self) -> dict[str, Any]:
        found = super().__call__()
        unknown = [name for name in self.toml_data if name not in self.settings_cls.model_fields]
        if unknown:
            raise ValidationError.from_exception_data("Settings", [_unknown(name) for name in unknown])
        return found


class _KnownSecrets(SecretsSettingsSource):
    """The folder, of which every file that is meant for us must be a setting and say something."""

    def __call__(self) -> dict[str, Any]:
        folder = Path(str(self.secrets_dir))
        if not folder.is_dir():
            raise FileNotFoundError(errno.ENOENT, "GATEWAY_SECRETS_DIR is not a folder", str(folder))
        found = super().__call__()
        meant = {name.lower() for path in folder.iterdir() if (name := path.name).upper().startswith(PREFIX)}
        known = {f"{PREFIX}{name}".lower(): name for name in self.settings_cls.model_fields}
        wrong = [_unknown(name, "GATEWAY_SECRETS_DIR") for name in sorted(meant - set(known))]
        wrong += [_empty(name) for name in sorted(meant & set(known)) if not found.get(known[name])]
        if wrong:
            raise ValidationError.from_exception_data("Settings", wrong)
        return found


def _unknown(name: str, where: LiteralString = "GATEWAY_CONFIG") -> InitErrorDetails:
    error = PydanticCustomError("unknown_setting", "there is no such setting in {where}", {"where": where})
    return InitErrorDetails(type=error, loc=(name,), input=None)


def _empty(name: str) -> InitErrorDetails:
    error = PydanticCustomError("empty_secret", "the file of this secret is empty")
    return InitErrorDetails(type=error, loc=(name,), input=None)
