"""A small OpenID provider on loopback, which can be made to err in every way that a client must notice."""

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import KeySet, OctKey, RSAKey

CLIENT_ID, CLIENT_SECRET = "twingrid", "a secret of the tests"
KEY = RSAKey.generate_key(2048, {"kid": "one", "use": "sig", "alg": "RS256"})
OTHER_KEY = RSAKey.generate_key(2048, {"kid": "one", "use": "sig", "alg": "RS256"})


@dataclass
class Provider:
    """Who signs in there, what its tokens claim instead of the truth, and what was asked of it."""

    issuer: str = ""
    person: dict[str, Any] = field(default_factory=lambda: {"sub": "s-1", "preferred_username": "li.si"})
    claims: dict[str, Any] = field(default_factory=dict)  # None: left out
    metadata: dict[str, Any] = field(default_factory=dict)
    sign_with: str = "key"  # other, none, secret
    is_broken: bool = False
    asked: list[str] = field(default_factory=list)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)

    def described(self) -> dict[str, Any]:
        """Return the discovery document."""
        paths = {"authorization_endpoint": "/authorize", "token_endpoint": "/token", "jwks_uri": "/jwks"}
        return {"issuer": self.issuer, **{key: self.issuer + path for key, path in paths.items()}, **self.metadata}

    def consent(self, query: dict[str, str]) -> str:
        """Return where a browser is sent back to after the person has signed in."""
        assert (query["response_type"], query["code_challenge_method"]) == ("code", "S256")
        code = secrets.token_urlsafe(8)
        self.codes[code] = query
        answer = {"code": code, "state": query["state"], "iss": self.issuer, "session_state": "x", "foo": "y"}
        return f"{query['redirect_uri']}?{urlencode(answer)}"

    def exchange(self, form: dict[str, str], authorization: str) -> dict[str, Any]:
        """Return the tokens for a code; each code is good once, with its verifier and our secret."""
        begun = self.codes.pop(form.get("code", ""), None)
        basic = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        if begun is None or authorization != f"Basic {basic}" or form["redirect_uri"] != begun["redirect_uri"]:
            return {"error": "invalid_grant"}
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest()).rstrip(b"=")
        if challenge.decode() != begun["code_challenge"]:
            return {"error": "invalid_grant"}
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": CLIENT_ID, "iat": now, "exp": now + 300, "nonce": begun["nonce"]}
        told = {key: value for key, value in {**claims, **self.person, **self.claims}.items() if value is not None}
        return {"access_token": "a", "token_type": "Bearer", "id_token": self.signed(told)}

    def signed(self, claims: dict[str, Any]) -> str:
        """Return an ID token, signed as it should be or not."""
        if self.sign_with == "none":
            parts = [json.dumps(one).encode() for one in ({"alg": "none"}, claims)]
            return ".".join([*(base64.urlsafe_b64encode(one).rstrip(b"=").decode() for one in parts), ""])
        if self.sign_with == "secret":
            return jwt.encode({"alg": "HS256", "kid": "one"}, claims, OctKey.import_key(CLIENT_SECRET), ["HS256"])
        return jwt.encode({"alg": "RS256", "kid": "one"}, claims, KEY if self.sign_with == "key" else OTHER_KEY)


@contextmanager
def running() -> Iterator[Provider]:
    """Yield a provider that listens on a free port of loopback."""
    provider = Provider()

    class Handler(BaseHTTPRequestHandler):
        def answer(self, status: int, body: Any = None, **headers: str) -> None:
            sent = json.dumps(body).encode()
            self.send_response(500 if provider.is_broken else status)
            kind = {"Content-Type": "application/json", "Content-Length": str(len(sent))}
            for name, value in {**kind, **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(sent)

        def do_GET(self) -> None:
            asked = urlsplit(self.path)
            provider.asked.append(asked.path)
            if asked.path == "/authorize":
                query = {key: values[0] for key, values in parse_qs(asked.query).items()}
                self.answer(302, Location=provider.consent(query))
            elif asked.path == "/jwks":
                self.answer(200, KeySet([KEY]).as_dict(private=False))
            else:
                self.answer(200, provider.described())

        def do_POST(self) -> None:
            provider.asked.append(self.path)
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            form = {key: values[0] for key, values in parse_qs(body).items()}
            answer = provider.exchange(form, self.headers.get("Authorization", ""))
            self.answer(400 if "error" in answer else 200, answer)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    provider.issuer = f"http://127.0.0.1:{server.server_port}"
    serving = threading.Thread(target=server.serve_forever, name="openid-provider", daemon=True)
    serving.start()
    yield provider
    server.shutdown()
    server.server_close()
    serving.join()
