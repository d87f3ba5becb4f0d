"""The ledger's tables. Facts are append-only; campaigns and operations have state, with an event for each change.

JSON columns hold plain values; times are ISO 8601 UTC text, so that SQLite and PostgreSQL sort them alike.
"""

from __future__ import annotations

from sqlalchemy import JSON, Column, Float, ForeignKey, Index, Integer, LargeBinary, MetaData, String, Table, Text, UniqueConstraint

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

zones = Table(
    "zones",
    metadata,
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("created", String(40), nullable=False),
    Column("search_start", String(10), nullable=False),
    Column("validation_start", String(10), nullable=False),
    Column("lockbox_start", String(10), nullable=False),
)

campaigns = Table(
    "campaigns",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("created", String(40), nullable=False),
    Column("status", String(24), nullable=False),
    Column("stop_requested", Integer, nullable=False, default=0),
    Column("config", JSON, nullable=False),
    Column("protocol", JSON, nullable=False),
    Column("protocol_hash", String(64), nullable=False),
    Column("zones_version", Integer, ForeignKey("zones.version"), nullable=False),
    Column("data", JSON, nullable=False),
    Column("code_version", String(64), nullable=False),
    Column("seconds", Float, nullable=False, default=0.0),
    Column("error", JSON),
)

campaign_events = Table(
    "campaign_events",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("campaign_id", String(40), ForeignKey("campaigns.id"), nullable=False),
    Column("time", String(40), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("body", JSON, nullable=False),
    Index("ix_campaign_events_campaign_id_seq", "campaign_id", "seq"),
)

campaign_facts = Table(
    "campaign_facts",
    metadata,
    Column("campaign_id", String(40), ForeignKey("campaigns.id"), primary_key=True),
    Column("name", String(48), primary_key=True),
    Column("time", String(40), nullable=False),
    Column("body", JSON, nullable=False),
)

experiments = Table(
    "experiments",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("ordinal", Integer, nullable=False),
    Column("campaign_id", String(40), ForeignKey("campaigns.id")),
    Column("generation", Integer, nullable=False),
    Column("slot", Integer, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("created", String(40), nullable=False),
    Column("designer", String(24), nullable=False),
    Column("actor", String(64), nullable=False),
    Column("name", String(120), nullable=False),
    Column("hypothesis", Text, nullable=False),
    Column("fingerprint", String(64)),
    Column("registration", String(64)),
    Column("instruments", JSON, nullable=False),
    Column("document", JSON),
    Column("draft", JSON),
    Column("parameters", JSON),
    Column("issues", JSON, nullable=False),
    Column("structure", JSON),
    UniqueConstraint("campaign_id", "generation", "slot", "attempt"),
    Index("ix_experiments_fingerprint", "fingerprint"),
    Index("ix_experiments_ordinal", "ordinal"),
)

results = Table(
    "results",
    metadata,
    Column("experiment_id", String(40), ForeignKey("experiments.id"), primary_key=True),
    Column("stage", String(16), primary_key=True),
    Column("created", String(40), nullable=False),
    Column("operation_id", String(40)),
    Column("status", String(16), nullable=False),
    Column("body", JSON, nullable=False),
)

assessments = Table(
    "assessments",
    metadata,
    Column("experiment_id", String(40), ForeignKey("experiments.id"), primary_key=True),
    Column("stage", String(16), primary_key=True),
    Column("created", String(40), nullable=False),
    Column("verdict", String(16), nullable=False),
    Column("reasons", JSON, nullable=False),
    Column("figures", JSON, nullable=False),
)

looks = Table(
    "looks",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("zone", String(16), nullable=False),
    Column("zones_version", Integer, ForeignKey("zones.version"), nullable=False),
    Column("campaign_id", String(40), ForeignKey("campaigns.id")),
    Column("experiment_id", String(40), ForeignKey("experiments.id")),
    Column("fingerprint", String(64)),
    Column("created", String(40), nullable=False),
    Column("actor", String(64), nullable=False),
    Index("ix_looks_zone_zones_version", "zone", "zones_version"),
)

look_results = Table(
    "look_results",
    metadata,
    Column("look_id", String(40), ForeignKey("looks.id"), primary_key=True),
    Column("created", String(40), nullable=False),
    Column("body", JSON, nullable=False),
)

lessons = Table(
    "lessons",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("campaign_id", String(40), ForeignKey("campaigns.id"), primary_key=True),
    Column("generation", Integer, primary_key=True, autoincrement=False),
    Column("position", Integer, nullable=False),
    Column("created", String(40), nullable=False),
    Column("text", Text, nullable=False),
    Column("evidence", JSON, nullable=False),
    Column("window_start", String(10), nullable=False),
    Column("window_end", String(10), nullable=False),
)

operations = Table(
    "operations",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("key", String(64), nullable=False, unique=True),
    Column("kind", String(24), nullable=False),
    Column("status", String(16), nullable=False),
    Column("owner", String(64)),
    Column("epoch", Integer, nullable=False, default=0),
    Column("lease_until", Float),
    Column("attempts", Integer, nullable=False, default=0),
    Column("created", String(40), nullable=False),
    Column("updated", String(40), nullable=False),
    Column("campaign_id", String(40)),
    Column("summary", JSON, nullable=False),
    Column("result", JSON),
    Column("error", JSON),
)

operation_events = Table(
    "operation_events",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("operation_id", String(40), ForeignKey("operations.id"), nullable=False),
    Column("time", String(40), nullable=False),
    Column("kind", String(24), nullable=False),
    Column("body", JSON, nullable=False),
    Index("ix_operation_events_operation_id_seq", "operation_id", "seq"),
)

llm_calls = Table(
    "llm_calls",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("campaign_id", String(40)),
    Column("time", String(40), nullable=False),
    Column("body", JSON, nullable=False),
)

tool_calls = Table(
    "tool_calls",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("time", String(40), nullable=False),
    Column("actor", String(64), nullable=False),
    Column("tool", String(48), nullable=False),
    Column("arguments", JSON, nullable=False),
    Column("outcome", String(32), nullable=False),
    Column("seconds", Float, nullable=False),
)

memories = Table(
    "memories",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("ref", String(40), nullable=False),
    Column("text", Text, nullable=False),
    Column("window_start", String(10), nullable=False),
    Column("window_end", String(10), nullable=False),
    Column("created", String(40), nullable=False),
    Column("embedder", String(64)),
    Column("vector", LargeBinary),
    Column("indexed", Integer, nullable=False, default=0),
)
