"""An OpenID provider: where to send a browser that signs in, and what the provider's answer is worth.

OpenID Connect Core 1.0, code flow with PKCE (RFC 7636), state and nonce. Nothing but the host that the setting names
is asked, and it is followed nowhere else.
"""

import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from authlib.common.errors import AuthlibBaseError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from requests import RequestException

from spatial.errors import Busy, SetupError, Unauthenticated

WELL_KNOWN = "/.well-known/openid-configuration"
SCOPE = "openid profile email"
# with a key of the provider's own: never none, and never our secret
ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"]
TIMEOUT_S = (3, 7)  # to be connected, to be answered
CLOCKS_APART_S = 60
MOST_AT_ONCE = 8  # a provider that does not answer must not keep all threads waiting
_turns = threading.BoundedSemaphore(MOST_AT_ONCE)


@dataclass(frozen=True)
class Provider:
    """What the settings say of a provider, and of us as its client."""

    issuer: str
    client_id: str
    client_secret: str | None
    claim: str  # which of its claims names a principal
    ca_file: Path | None


@dataclass(frozen=True)
class Flow:
    """The secrets of one sign-in, from leaving for the provider until coming back."""

    state: str
    nonce: str
    verifier: str


@dataclass(frozen=True)
class Identity:
    """Whom the provider says it is: for ever, and by the name it gives them at present."""

    subject: str
    name: str


def begin(provider: Provider, return_to: str) -> tuple[str, Flow]:
    """Return where to send the browser, and the secrets to know its return by; `Busy` when the provider is away."""
    flow = Flow(*(secrets.token_urlsafe(48) for _ in range(3)))
    client = _client(provider, return_to)
    with _turn():
        endpoint = _metadata(client, provider)["authorization_endpoint"]
    url, _ = client.create_authorization_url(endpoint, state=flow.state, nonce=flow.nonce, code_verifier=flow.verifier)
    return url, flow


def finish(provider: Provider, flow: Flow, code: str, return_to: str, *, now: datetime) -> Identity:
    """Exchange the code for a token and return whom it names; `Unauthenticated` when any part of it is not right."""
    client = _client(provider, return_to)
    with _turn():
        metadata = _metadata(client, provider)
        try:
            answer = client.fetch_token(
                _there(provider, metadata["token_endpoint"]),
                grant_type="authorization_code",
                code=code,
                code_verifier=flow.verifier,
                allow_redirects=False,
            )
            keys = _get(client, _there(provider, metadata["jwks_uri"]))
            claims = _claims(provider, flow, answer, keys, now)
        except RequestException as error:
            raise Busy("provider-away") from error
        except (AuthlibBaseError, JoseError, KeyError, TypeError, ValueError) as error:
            raise Unauthenticated("provider-refused") from error
    return _identity(provider, claims)


def _claims(provider: Provider, flow: Flow, answer: Any, keys: Any, now: datetime) -> dict[str, Any]:
    """Return what an ID token claims, once its signature, issuer, audience, times and nonce are right."""
    token = jwt.decode(answer["id_token"], KeySet.import_key_set(keys), algorithms=ALGORITHMS)
    expected = {
        "iss": {"essential": True, "value": provider.issuer},
        "aud": {"essential": True, "value": provider.client_id},
    }
    known = {"nonce": flow.nonce, "client_id": provider.client_id, "access_token": answer.get("access_token")}
    claims = CodeIDToken(token.claims, token.header, expected, known)
    claims.validate(now=int(now.timestamp()), leeway=CLOCKS_APART_S)
    return dict(claims)


@contextmanager
def _turn() -> Iterator[None]:
    """Wait a moment for a turn to ask the provider, or raise `Busy`."""
    if not _turns.acquire(timeout=1):
        raise Busy("provider-away")
    try:
        yield
    finally:
        _turns.release()


def _identity(provider: Provider, claims: dict[str, Any]) -> Identity:
    name = claims.get(provider.claim)
    is_proven = provider.claim != "email" or claims.get("email_verified") is True
    if not isinstance(name, str) or not name or not is_proven:
        raise Unauthenticated("provider-names-nobody", claim=provider.claim)
    return Identity(f"{provider.issuer}#{claims['sub']}", name)


def _client(provider: Provider, return_to: str) -> Any:
    client = OAuth2Session(
        provider.client_id,
        provider.client_secret,
        scope=SCOPE,
        redirect_uri=return_to,
        code_challenge_method="S256",
        default_timeout=TIMEOUT_S,
    )
    client.trust_env = False  # a proxy or a .netrc of the environment is no setting of ours
    client.verify = str(provider.ca_file) if provider.ca_file else True
    return client


def _metadata(client: Any, provider: Provider) -> dict[str, Any]:
    """Return what the provider says of itself; asked anew at each sign-in, so that its keys may change at any time."""
    try:
        found: dict[str, Any] = _get(client, provider.issuer.rstrip("/") + WELL_KNOWN)
        named = [found[key] for key in ("issuer", "authorization_endpoint", "token_endpoint", "jwks_uri")]
    except (RequestException, KeyError, TypeError, ValueError) as error:
        raise Busy("provider-away") from error
    if named[0] != provider.issuer or not all(isinstance(one, str) for one in named):
        raise SetupError("provider-is-another", issuer=provider.issuer)
    return found


def _get(client: Any, url: str) -> Any:
    reply = client.get(url, withhold_token=True, allow_redirects=False)
    if reply.status_code != 200:
        raise RequestException(f"status {reply.status_code}")
    return reply.json()


def _there(provider: Provider, url: str) -> str:
    """Return an address of the provider; one on another host than the setting names is not asked."""
    if urlsplit(url)[:2] != urlsplit(provider.issuer)[:2]:
        raise SetupError("provider-leads-elsewhere", url=url)
    return url
