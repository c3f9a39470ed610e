"""Who may do what, and what was done: the domain `access`."""

from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, LargeBinary, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import Text

from .base import Base, Code, Id, Instant, Json, Texts, one_of

ROLES = (
    "viewer", "dispatcher", "planner", "approver", "duty_officer", "analyst",
    "system_admin", "security_admin", "audit_admin",
)  # fmt: skip
DOMAINS = ("areas", "duty", "incidents", "roads", "access")


class Principal(Base):
    """A person or a system that may ask."""

    __tablename__ = "principal"
    id: Mapped[Id]
    name: Mapped[Code] = mapped_column(unique=True)
    title: Mapped[Texts]
    is_demo: Mapped[bool] = mapped_column(server_default=text("false"))
    disabled_at: Mapped[Instant | None]
    oidc_name: Mapped[str | None] = mapped_column(unique=True)  # as the provider calls who may sign in as this one
    oidc_subject: Mapped[str | None] = mapped_column(unique=True)  # issuer and subject of who first did
    login_named_by: Mapped[int | None] = mapped_column(ForeignKey("principal.id"))  # none: on the machine itself


class RoleGrant(Base):
    """A role of a principal, within a unit's subtree, for layers and fields."""

    __tablename__ = "role_grant"
    __table_args__ = (one_of("role", *ROLES), Index("ix_role_grant_principal_id", "principal_id"))
    id: Mapped[Id]
    uuid: Mapped[UUID] = mapped_column(unique=True, server_default=text("gen_random_uuid()"))
    principal_id: Mapped[int] = mapped_column(ForeignKey("principal.id"))
    role: Mapped[str]
    unit_id: Mapped[int | None] = mapped_column(ForeignKey("unit.id"))  # none: the whole deployment
    layers: Mapped[list[str] | None] = mapped_column(ARRAY(Text))  # none: all
    fields: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")
    granted_at: Mapped[Instant]
    granted_by: Mapped[int | None] = mapped_column(ForeignKey("principal.id"))
    revoked_at: Mapped[Instant | None]


class GisLogin(Base):
    """A login of the database that reads the views `gis_*`, and the principal that it stands for."""

    __tablename__ = "gis_login"
    name: Mapped[Code] = mapped_column(primary_key=True)
    principal_id: Mapped[int] = mapped_column(ForeignKey("principal.id"))


class Token(Base):
    """A bearer token, stored as its SHA-256."""

    __tablename__ = "token"
    __table_args__ = (CheckConstraint("octet_length(sha256) = 32", name="sha256_length"),)
    id: Mapped[Id]
    uuid: Mapped[UUID] = mapped_column(unique=True, server_default=text("gen_random_uuid()"))
    principal_id: Mapped[int] = mapped_column(ForeignKey("principal.id"))
    sha256: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    label: Mapped[str]
    created_at: Mapped[Instant]
    expires_at: Mapped[Instant]
    revoked_at: Mapped[Instant | None]
    issued_by: Mapped[int | None] = mapped_column(ForeignKey("principal.id"))  # none: on the machine itself


class BrowserSession(Base):
    """Somebody who signed in with a browser, stored as the SHA-256 of its cookie; gone when it is ended."""

    __tablename__ = "session"
    __table_args__ = (
        CheckConstraint("octet_length(sha256) = 32", name="sha256_length"),
        Index("ix_session_principal_id", "principal_id"),
        Index("ix_session_expires_at", "expires_at"),
    )
    id: Mapped[Id]
    principal_id: Mapped[int] = mapped_column(ForeignKey("principal.id"))
    token_id: Mapped[int | None] = mapped_column(ForeignKey("token.id"))  # none: an OpenID provider's word
    sha256: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    created_at: Mapped[Instant]
    used_at: Mapped[Instant]
    expires_at: Mapped[Instant]
    user_agent: Mapped[str]


class SignInFlow(Base):
    """A sign-in with an OpenID provider that is under way, by the SHA-256 of its state; gone once it is used."""

    __tablename__ = "sign_in_flow"
    state_sha256: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    nonce: Mapped[str]
    verifier: Mapped[str]
    then: Mapped[str]  # path to go on to
    expires_at: Mapped[Instant]


class Audit(Base):
    """What was done by whom: append-only, each row holding the hash of the one before; written by `record_audit`."""

    __tablename__ = "audit"
    __table_args__ = (
        Index("ix_audit_at_id", "at", "id"),
        *(Index(f"ix_audit_{name}_at_id", name, "at", "id") for name in ("actor", "action", "object")),
    )
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)  # without gaps
    at: Mapped[Instant]  # when it happened; a showing of phones is chained a little later
    actor: Mapped[Code]
    action: Mapped[Code]
    object: Mapped[Code]
    detail: Mapped[Json]
    previous_hash: Mapped[bytes] = mapped_column(LargeBinary)
    hash: Mapped[bytes] = mapped_column(LargeBinary)


class AuditHead(Base):
    """The newest row of the audit, held apart from it so that its end cannot be cut off unseen."""

    __tablename__ = "audit_head"
    __table_args__ = (CheckConstraint("id = 1", name="only_row"),)
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    chain: Mapped[UUID]  # of this database alone: the hash that the first row follows is made of it
    number: Mapped[int]
    hash: Mapped[bytes] = mapped_column(LargeBinary)


class AuditSpool(Base):
    """A file of showings that has been taken in, and may still be on the disk."""

    __tablename__ = "audit_spool"
    file: Mapped[UUID] = mapped_column(primary_key=True)


class DatasetVersion(Base):
    """One committed change of a domain: its number and the instant stamped on the rows it wrote."""

    __tablename__ = "dataset_version"
    __table_args__ = (UniqueConstraint("domain", "recorded_at"), one_of("domain", *DOMAINS))
    domain: Mapped[str] = mapped_column(primary_key=True)
    n: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    recorded_at: Mapped[Instant]
