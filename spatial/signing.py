"""Signatures of this installation: one Ed25519 key below the data folder, made at its first use."""

import base64
import binascii
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from spatial.errors import SetupError, invalid
from spatial.files import make_private, sync

KEY_FILE = "signing-key.pem"
Key = Ed25519PrivateKey
PublicKey = Ed25519PublicKey


def signing_key(data_dir: Path) -> Key:
    """Return the installation's key; where there is none it is made, once, readable by its owner alone."""
    path = data_dir / KEY_FILE
    if not path.exists():
        _make_key(path)
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError):
        raise SetupError("signing-key-unreadable", path=str(path)) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise SetupError("signing-key-unreadable", path=str(path))
    return key


def _make_key(path: Path) -> None:
    """Write a new key aside and give it its name, unless another process was faster."""
    pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    try:
        with os.fdopen(make_private(aside), "ab") as file:
            file.write(pem)
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            path.hardlink_to(aside)  # a rename would take the place of the other's key
        sync(path.parent)
    finally:
        aside.unlink(missing_ok=True)


def public_pem(key: Key) -> bytes:
    """Return the public half of a key, as PEM."""
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def read_public_key(path: Path) -> PublicKey:
    """Read the public half of an Ed25519 key from a PEM file, or raise an `InputError`."""
    try:
        key = load_pem_public_key(path.read_bytes())
    except OSError:
        raise invalid("key", "file-missing", file=str(path)) from None
    except ValueError:
        raise invalid("key", "no-public-key", file=path.name) from None
    if not isinstance(key, Ed25519PublicKey):
        raise invalid("key", "no-public-key", file=path.name)
    return key


def signed(told: Mapping[str, Any], key: Key) -> bytes:
    """Return one line of JSON that ends in the signature of all the rest of it, as it stands with its keys sorted."""
    signature = base64.b64encode(key.sign(_body(told))).decode()
    return orjson.dumps({**told, "signature": signature}) + b"\n"


def verified(line: bytes, key: PublicKey) -> dict[str, Any] | None:
    """Return what a signed line says; None where it was not signed so by this key."""
    try:
        told = orjson.loads(line)
        signature = base64.b64decode(told.pop("signature"), validate=True)
        key.verify(signature, _body(told))
    except (ValueError, TypeError, KeyError, AttributeError, binascii.Error, InvalidSignature):
        return None
    return dict(told)


def _body(told: Mapping[str, Any]) -> bytes:
    return orjson.dumps(told, option=orjson.OPT_SORT_KEYS)
