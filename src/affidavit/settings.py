"""Every setting of the server, read from `AFFIDAVIT_*` in the environment.

Only the entry points (app, worker, cli) read this; what lies below gets plain values. `.env.example`
lists the same names and defaults, and a test holds the two together.
"""

from __future__ import annotations

import ipaddress
import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from cryptography.x509 import load_pem_x509_certificates
from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from affidavit.bundle.checkpoint import is_origin
from affidavit.engine.spec import AUTO_MODEL, MODEL_PATTERN, NO_MODEL

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
PositiveInt = Annotated[int, Field(gt=0)]
PositiveSeconds = Annotated[float, Field(gt=0)]

_POSTGRES_SCHEMES = ("postgresql+asyncpg", "postgresql", "postgres")


def from_environment(**given: Any) -> Settings:
    """Read the settings, or end the program with the name of each variable that is missing or wrong.

    What is given by name comes before the environment.
    """
    try:
        return Settings(**given)
    except ValidationError as invalid:
        raise SystemExit("\n".join(["These settings must be mended:", *_complaints(invalid)])) from None


def _complaints(invalid: ValidationError) -> list[str]:
    prefix = Settings.model_config["env_prefix"]
    return [
        f"  {(prefix + str(error['loc'][0])).upper() if error['loc'] else 'Together'}: "
        f"{error['msg'].removeprefix('Value error, ')}"
        for error in invalid.errors()
    ]


def environment_names() -> frozenset[str]:
    """Return the name of every variable that `Settings` reads."""
    prefix = Settings.model_config["env_prefix"]
    return frozenset(f"{prefix}{name}".upper() for name in Settings.model_fields)


def usable_cpus() -> int:
    """Count the CPUs that this process may run on, not those that the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Settings(BaseSettings):
    """The server's settings. Those without a default must be given; `affidavit up` makes them."""

    model_config = SettingsConfigDict(
        env_prefix="AFFIDAVIT_", env_ignore_empty=True, frozen=True, extra="forbid", hide_input_in_errors=True
    )

    # Where the state lives.
    database_url: str = Field(
        repr=False,
        description="Postgres 15 or newer: postgresql://user:password@host:5432/name. With "
        "AFFIDAVIT_DATABASE_OWNER_URL set this is the login of API and workers, which owns nothing, and "
        "`affidavit migrate` makes it if it is missing.",
    )
    database_owner_url: str | None = Field(
        default=None,
        repr=False,
        description="Postgres as the owner of the schema, for `affidavit migrate` alone. "
        "Empty: AFFIDAVIT_DATABASE_URL.",
    )
    redis_url: str = Field(
        repr=False,
        description="Redis or Valkey, the doorbell of the workers: redis://:password@host:6379/0.",
    )
    secret_key: SecretStr = Field(
        min_length=32,
        description="Encrypts the secrets that must be read again (passwords of documents, webhook "
        "secrets). At least 32 characters, the same for every process: `openssl rand -hex 32`.",
    )
    data_dir: Path = Field(
        default=Path("var"),
        description="Folder for what this machine keeps: blobs, scratch files, and with "
        "`affidavit up` the databases.",
    )
    blob_url: str = Field(
        default="",
        validate_default=True,
        description="Where documents and results are stored: file:///folder shared by API and "
        "workers, or s3://bucket/prefix with the s3 extra. Empty: blobs/ in AFFIDAVIT_DATA_DIR.",
    )
    signing_key_dir: Path = Field(
        default_factory=Path,
        validate_default=True,
        description="Folder of the private keys that sign bundles, 0001.pem and so on: the highest number "
        "signs, and the first one is made where there is none. API and workers of one machine share it; it "
        "belongs to them alone, and not into the backups of the database. Empty: keys/ in "
        "AFFIDAVIT_DATA_DIR.",
    )
    log_origin: str = Field(
        default="",
        description="Name of this installation's log of bundles, as files.example.com/v1/log: best the "
        "address under which /v1/log is reached, without https://. It is taken once, when the log begins, "
        "and stays. Empty: made of the host in AFFIDAVIT_PUBLIC_URL and something random.",
    )
    timestamp_url: str = Field(
        default="",
        description="A timestamp authority after RFC 3161, as http://timestamp.example.com: it is sent the "
        "hash of each new bundle's signature. Needs the timestamp extra. Empty: no timestamps.",
    )
    timestamp_ca_file: Path | None = Field(
        default=None,
        description="PEM file with the root certificates of AFFIDAVIT_TIMESTAMP_URL: a token that they do "
        "not vouch for is not kept. Empty: the roots that browsers trust.",
    )
    timestamp_timeout_seconds: PositiveSeconds = Field(
        default=20, description="Longest answer of AFFIDAVIT_TIMESTAMP_URL; it is asked again later."
    )
    min_free_disk_bytes: PositiveInt = Field(
        default=500_000_000,
        description="/readyz fails below this much free space in AFFIDAVIT_DATA_DIR: five uploads "
        "of the largest size.",
    )
    database_pool_size: PositiveInt = Field(
        default=10,
        description="Most database connections that one process opens. Processes times this must stay "
        "below max_connections of Postgres (100 as shipped).",
    )

    # The HTTP server.
    host: str = Field(
        default="127.0.0.1",
        description="Address to listen on. Loopback unless said otherwise: there is no TLS here.",
    )
    port: int = Field(default=8000, ge=0, le=65535, description="Port to listen on.")
    public_url: str = Field(
        default="",
        validate_default=True,
        description="The address under which callers reach the API; links are built from it. "
        "Empty: http://HOST:PORT.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The least severe messages that are logged."
    )
    log_format: Literal["json", "console"] = Field(
        default="json", description="json for machines, console for people."
    )

    metrics_host: str = Field(
        default="127.0.0.1",
        description="Address on which every API and worker process serves its own /metrics and /livez, "
        "apart from callers of the API. Keep it off networks that are not yours.",
    )
    metrics_port: Annotated[int, Field(ge=0, le=65535)] | None = Field(
        default=None,
        description="Port of /metrics. Empty: not served. With `affidavit up` the API has it, and the "
        "workers those that follow.",
    )
    otel_endpoint: str = Field(
        default="",
        description="OTLP/HTTP collector that traces are sent to, as http://127.0.0.1:4318; needs the otel "
        "extra. The standard OTEL_* variables work too. Empty, and none of those set: no traces.",
    )

    # Workers, tasks and leases.
    worker_slots: PositiveInt = Field(
        default_factory=usable_cpus,
        description="Tasks that one worker process runs at once. Empty: one for each CPU.",
    )
    sandbox_user: str = Field(
        default="nobody",
        description="User name or number that opens documents when the worker runs as root; "
        "otherwise they are opened as the worker's own user.",
    )
    sandbox_address_space_bytes: PositiveInt = Field(
        default=4 * 1024**3,
        description="Address space of the process that opens a document. Neural OCR maps 2 GiB.",
    )
    sandbox_disk_bytes: PositiveInt = Field(
        default=2 * 1024**3,
        description="What the process that opens a document may leave on the disk, looked at four times "
        "a second. No single file is larger than 512 MiB.",
    )
    sandbox_files: PositiveInt = Field(
        default=10_000, description="Files that the process that opens a document may make."
    )
    sandbox: Literal["auto", "bwrap", "none"] = Field(
        default="auto",
        description="Whether the engine's process gets a root and namespaces of its own from bubblewrap: "
        "auto where that works, bwrap always or the worker does not start, none never.",
    )
    strict: bool = Field(
        default=False,
        description="Whether API and worker refuse to start where a wall around the documents is "
        "missing or does not hold; `affidavit doctor --strict` tells which.",
    )
    task_total_seconds: PositiveSeconds = Field(
        default=900, description="Longest run of one task, a batch of pages: then it is killed."
    )
    task_no_progress_seconds: PositiveSeconds = Field(
        default=120,
        description="Longest silence of one task before it is killed as hung. The slowest single "
        "page at the pixel limit takes about half of it.",
    )
    lease_seconds: PositiveSeconds = Field(
        default=20, description="A worker that is silent for so long has lost its task: four beats."
    )
    heartbeat_seconds: PositiveSeconds = Field(
        default=5, description="How often a worker renews its leases and learns of cancellations."
    )
    reap_seconds: PositiveSeconds = Field(
        default=2, description="How often lost tasks are looked for and given back to the queue."
    )
    poll_seconds: PositiveSeconds = Field(
        default=0.5, description="How often an idle worker looks for tasks when no bell rang."
    )
    batch_pages: PositiveInt = Field(
        default=8, description="Pages that one task reads; a crash costs at most these."
    )
    drain_seconds: PositiveSeconds = Field(
        default=10,
        description="How long a stopping worker waits for its tasks before it gives them back; below the "
        "30 s that orchestrators commonly grant after SIGTERM.",
    )
    max_failures: PositiveInt = Field(
        default=3, description="Retryable errors of a task before its job fails."
    )
    max_crashes: PositiveInt = Field(
        default=3, description="Workers that a task may kill before its job fails as poison."
    )
    job_deadline_base_seconds: PositiveSeconds = Field(
        default=3600, description="A job that is not done after this plus the share of its pages fails."
    )
    job_deadline_page_seconds: PositiveSeconds = Field(
        default=30, description="What each page adds to the deadline of its job."
    )

    max_deadline_seconds: PositiveInt = Field(
        default=86_400,
        description="Longest deadline that a submission may ask for, counted from its acceptance: one day.",
    )

    # Limits of one request and one document.
    max_upload_bytes: PositiveInt = Field(
        default=100_000_000, description="Largest document, counted while it streams in."
    )
    max_pages: PositiveInt = Field(default=2000, description="Most pages read in one job.")
    max_pixels: PositiveInt = Field(
        default=50_000_000, description="Most pixels of one page image: A2 at 300 dpi fits."
    )
    max_side_pixels: PositiveInt = Field(
        default=20_000, description="Longest side of one page image, in pixels."
    )
    max_output_bytes: PositiveInt = Field(
        default=200_000_000, description="Largest result of one job, before compression."
    )
    max_batch_items: PositiveInt = Field(default=1000, description="Most items in one batch submission.")
    body_timeout_seconds: PositiveSeconds = Field(
        default=300,
        description="Longest time to send one request body: 100 MB at 3 Mbit/s. uvicorn has no such limit.",
    )
    sync_wait_seconds: PositiveSeconds = Field(
        default=30,
        description="Longest wait of a synchronous call or a long poll before it answers 202 or the "
        "unfinished job; below the 60 s after which common proxies hang up.",
    )
    poll_limit_per_second: PositiveSeconds = Field(
        default=10,
        description="Status requests for one job in a second before 429; the hint asks for one.",
    )

    rate_limit_per_second: PositiveInt = Field(
        default=1000,
        description="Requests of one key in a second before 429, in each process. It bounds accidents; "
        "the queue is bounded by pages.",
    )
    public_rate_limit_per_second: PositiveInt = Field(
        default=20,
        description="Requests without a key (signing keys, receipts) from one address in a second before "
        "429, in each process. Behind a proxy set FORWARDED_ALLOW_IPS to its address, or all callers share "
        "one.",
    )
    max_queued_pages: PositiveInt = Field(
        default=20_000,
        description="Pages that one environment may have waiting before 429: hours of work for a small "
        "machine.",
    )
    max_queue_seconds: PositiveSeconds = Field(
        default=1800,
        description="When a job has waited so long for its start, its environment is told 503; below the "
        "deadline of a job, or what is accepted would be too late.",
    )
    bytes_per_page: PositiveInt = Field(
        default=50_000,
        description="By which the pages of a document are estimated until it is open: of a digital PDF.",
    )
    max_concurrent_uploads: PositiveInt = Field(
        default=64, description="Bodies above 64 KiB that one process takes in at once before 503."
    )
    body_min_bytes_per_second: PositiveInt = Field(
        default=50_000,
        description="A body that comes slower than this, after ten seconds of grace, is given up.",
    )
    max_streams_per_key: PositiveInt = Field(
        default=100, description="Event streams that one key may have open in one process before 429."
    )
    max_streams: PositiveInt = Field(
        default=2000, description="Event streams that one process keeps open before 503; each is a socket."
    )
    stream_heartbeat_seconds: PositiveSeconds = Field(
        default=15,
        description="How often a silent event stream shows that it lives; below the 30 s after which "
        "impatient proxies hang up.",
    )

    # How long things are kept.
    result_ttl_hours: PositiveSeconds = Field(
        default=168, description="A result answers 410 so long after its job completed: one week."
    )
    result_purge_seconds: PositiveSeconds = Field(
        default=60, description="How often expired results and unreferenced blobs are removed."
    )
    file_ttl_days: Annotated[int, Field(ge=0)] = Field(
        default=0, description="Uploaded files are deleted so long after their upload. 0: never."
    )
    job_ttl_days: Annotated[int, Field(ge=0)] = Field(
        default=365,
        description="The row of a job that holds nothing any more, its events included, goes so long after "
        "its end. 0: never.",
    )
    bundle_ttl_days: Annotated[int, Field(ge=0)] = Field(
        default=365,
        description="Bundles of evidence are deleted so long after they were sealed, unless under legal "
        "hold; a signed tombstone stays. 0: never.",
    )
    scrub_days: Annotated[int, Field(ge=0)] = Field(
        default=30,
        description="Every stored blob is read and its hash compared within so many days. 0: never.",
    )
    scrub_bytes_per_second: PositiveInt = Field(
        default=20_000_000, description="What the scrub reads at most, over all workers."
    )
    checkpoint_ttl_hours: PositiveSeconds = Field(
        default=168, description="Pages that were read are reused by later jobs for so long."
    )
    idempotency_ttl_days: PositiveInt = Field(
        default=30, description="An Idempotency-Key is honoured for so long, or as long as its job."
    )

    # A language model, for those who want one.
    model_url: str = Field(
        default="",
        description="An OpenAI-compatible API, as http://127.0.0.1:11434/v1: text of documents is sent to "
        "it, and redirects are not followed. A private address is fine. Empty: no model.",
    )
    model_key: SecretStr | None = Field(
        default=None, description="Sent to AFFIDAVIT_MODEL_URL as a bearer token. Empty: none."
    )
    model_names: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="Models that callers may ask for, as small:latest,large:latest. The first one is asked "
        "unless they say otherwise.",
    )
    model_timeout_seconds: PositiveSeconds = Field(
        default=120, description="Longest time of one request to the model, its whole reply included."
    )
    model_tries: PositiveInt = Field(
        default=4,
        description="How often one request is tried where the server is busy, silent or breaks off.",
    )
    model_total_seconds: PositiveSeconds = Field(
        default=900, description="Longest time for all that one job asks the model, retries included."
    )
    model_concurrency: PositiveInt = Field(
        default=4, description="Requests to the model that one worker process has open at once."
    )
    model_stream: bool = Field(
        default=False,
        description="Whether replies are asked for in pieces: a server that falls silent is noticed sooner.",
    )
    model_context_tokens: Annotated[int, Field(ge=1024)] = Field(
        default=8192,
        description="What one request may hold, its reply included; longer documents are sent in chunks.",
    )
    model_reply_tokens: Annotated[int, Field(ge=64)] = Field(
        default=2048, description="Longest reply to one request."
    )
    model_job_requests: PositiveInt = Field(
        default=64, description="Most requests to the model for one job, second tries not counted."
    )
    model_job_tokens: PositiveInt = Field(
        default=500_000,
        description="Most tokens that one job may send and get, estimated before each request and counted "
        "after it as the server says.",
    )
    model_input_price: Annotated[float, Field(ge=0)] = Field(
        default=0, description="What a million tokens sent cost, in any currency. 0: nothing."
    )
    model_output_price: Annotated[float, Field(ge=0)] = Field(
        default=0, description="What a million tokens of replies cost, in the same currency. 0: nothing."
    )
    model_job_cost: Annotated[float, Field(ge=0)] = Field(
        default=0, description="Most that one job may cost, in the same currency. 0: no limit."
    )

    # Fetching of URL sources.
    fetch_allowed_networks: Annotated[tuple[Network, ...], NoDecode] = Field(
        default=(),
        description="Private networks that URL sources may point into, as 10.1.0.0/16,fd00::/8. "
        "Empty: public addresses only.",
    )
    fetch_allow_http: bool = Field(
        default=False, description="Whether URL sources may use http, which anyone on the way can alter."
    )
    fetch_timeout_seconds: PositiveSeconds = Field(
        default=60, description="Longest download of a URL source, redirects included."
    )
    fetch_max_redirects: Annotated[int, Field(ge=0)] = Field(
        default=3, description="Redirects that a URL source may take; each one is judged anew."
    )

    # Webhooks.
    webhook_allowed_networks: Annotated[tuple[Network, ...], NoDecode] = Field(
        default=(),
        description="Private networks that webhooks may be sent into, as 10.1.0.0/16,fd00::/8. "
        "Empty: public addresses only.",
    )
    webhook_allow_http: bool = Field(
        default=False, description="Whether webhooks may use http, which anyone on the way can read."
    )
    webhook_timeout_seconds: PositiveSeconds = Field(
        default=20,
        description="Longest time of one attempt, from looking up the name to the end of the answer.",
    )
    webhook_concurrency: PositiveInt = Field(
        default=64, description="Webhooks that one worker process sends at once."
    )
    webhook_endpoint_concurrency: PositiveInt = Field(
        default=8,
        description="Webhooks that are sent to one endpoint at once, by all workers together: a slow "
        "endpoint holds no more slots than these.",
    )
    webhook_poll_seconds: PositiveSeconds = Field(
        default=0.25, description="How often an idle worker looks for webhooks that are due."
    )
    webhook_schedule_scale: PositiveSeconds = Field(
        default=1,
        description="Multiplies the delays between attempts, 75 hours in all, and the pauses of the circuit "
        "breaker. Below 1 for tests only.",
    )
    webhook_disable_after_hours: PositiveSeconds = Field(
        default=120, description="An endpoint that fails for so long without one success is disabled."
    )
    webhook_retention_days: PositiveInt = Field(
        default=30, description="The log of deliveries is kept, and can be redelivered, for so long."
    )
    webhook_max_endpoints: PositiveInt = Field(
        default=100, description="Most webhook endpoints of one environment."
    )

    @field_validator("database_url", "database_owner_url")
    @classmethod
    def _name_the_driver(cls, url: str | None) -> str | None:
        if url is None:
            return None
        scheme, found, rest = url.partition("://")
        if not found or scheme not in _POSTGRES_SCHEMES:
            raise ValueError("must look like postgresql://user:password@host:5432/name")
        return f"{_POSTGRES_SCHEMES[0]}://{rest}"

    @field_validator("redis_url")
    @classmethod
    def _is_redis(cls, url: str) -> str:
        if urlsplit(url).scheme not in {"redis", "rediss", "unix"}:
            raise ValueError("must look like redis://:password@host:6379/0")
        return url

    @field_validator("blob_url")
    @classmethod
    def _is_storage(cls, url: str, info: ValidationInfo) -> str:
        if not url:
            data_dir: Path = info.data.get("data_dir", Path("var"))
            return (data_dir.absolute() / "blobs").as_uri()
        if urlsplit(url).scheme not in {"file", "s3"}:
            raise ValueError("must look like file:///folder or s3://bucket/prefix")
        return url

    @field_validator("signing_key_dir")
    @classmethod
    def _is_key_folder(cls, folder: Path, info: ValidationInfo) -> Path:
        data_dir: Path = info.data.get("data_dir", Path("var"))
        return data_dir / "keys" if folder == Path() else folder

    @field_validator("log_origin")
    @classmethod
    def _is_log_origin(cls, name: str) -> str:
        if name and not is_origin(name):
            raise ValueError("must be a name without spaces and plus, as files.example.com/v1/log")
        return name

    @field_validator("otel_endpoint", "timestamp_url")
    @classmethod
    def _is_http(cls, url: str) -> str:
        if url and urlsplit(url).scheme not in {"http", "https"}:
            raise ValueError("must start with http:// or https://")
        return url.rstrip("/")

    @field_validator("public_url")
    @classmethod
    def _without_slash(cls, url: str, info: ValidationInfo) -> str:
        if not url:
            return f"http://{info.data.get('host')}:{info.data.get('port')}"
        if urlsplit(url).scheme not in {"http", "https"}:
            raise ValueError("must start with http:// or https://")
        return url.rstrip("/")

    @field_validator("model_url")
    @classmethod
    def _is_model_api(cls, url: str) -> str:
        found = urlsplit(url)
        if url and (found.scheme not in {"http", "https"} or not found.hostname or found.username):
            raise ValueError(
                "must look like http://host:port/v1, without a user; the key has its own setting"
            )
        return url.rstrip("/")

    @field_validator("model_names")
    @classmethod
    def _are_model_names(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if any(len(name) > 200 or re.fullmatch(MODEL_PATTERN, name) is None for name in names):
            raise ValueError("must be names of models, separated by commas")
        if set(names) & {AUTO_MODEL, NO_MODEL}:
            raise ValueError(f"no model may be called {AUTO_MODEL} or {NO_MODEL}")
        return names

    @field_validator("fetch_allowed_networks", "webhook_allowed_networks", "model_names", mode="before")
    @classmethod
    def _split_list(cls, value: Any) -> Any:
        if isinstance(value, str):
            return [part.strip() for part in value.split(",") if part.strip()]
        return value

    @field_validator("timestamp_ca_file")
    @classmethod
    def _holds_certificates(cls, file: Path | None) -> Path | None:
        try:
            if file is not None:
                load_pem_x509_certificates(file.read_bytes())
        except (OSError, ValueError):
            raise ValueError("must be a file of certificates in PEM that this process can read") from None
        return file

    @model_validator(mode="after")
    def _jobs_outlive_keys(self) -> Self:
        if self.job_ttl_days and self.job_ttl_days < 2 * self.idempotency_ttl_days:
            raise ValueError(
                "AFFIDAVIT_JOB_TTL_DAYS must be 0 or at least twice AFFIDAVIT_IDEMPOTENCY_TTL_DAYS: a key "
                "that is still known must find its job"
            )
        return self

    @model_validator(mode="after")
    def _model_is_whole(self) -> Self:
        if bool(self.model_url) != bool(self.model_names):
            raise ValueError("AFFIDAVIT_MODEL_URL and AFFIDAVIT_MODEL_NAMES are given together, or neither")
        if 2 * self.model_reply_tokens > self.model_context_tokens:
            raise ValueError(
                "AFFIDAVIT_MODEL_CONTEXT_TOKENS must be at least twice AFFIDAVIT_MODEL_REPLY_TOKENS"
            )
        return self

    @model_validator(mode="after")
    def _lease_outlasts_beats(self) -> Self:
        if self.heartbeat_seconds * 2 > self.lease_seconds:
            raise ValueError("AFFIDAVIT_LEASE_SECONDS must be at least two AFFIDAVIT_HEARTBEAT_SECONDS")
        return self
