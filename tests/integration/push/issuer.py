"""An OIDC issuer on loopback: a key, its public half, and new ID tokens for refresh tokens."""

from __future__ import annotations

import base64
import json
import ssl
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

CLIENT = "push"


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Issuer:
    """Serves what OpenID Connect Discovery 1.0 asks for, and a token endpoint (RFC 6749, section 6)."""

    def __init__(self, folder: Path) -> None:
        self.certificate = folder / "issuer.crt"
        usage = "keyUsage=critical,keyCertSign,digitalSignature"
        subprocess.run(
            [
                *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
                *("-days", "2", "-subj", "/CN=issuer", "-addext", "subjectAltName=IP:127.0.0.1", "-addext", usage),
                *("-keyout", str(folder / "issuer.key"), "-out", str(self.certificate)),
            ],
            check=True,
            capture_output=True,
        )
        self.refreshed: list[str] = []
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer(issuer._configuration() if "openid-configuration" in self.path else issuer._keys())

            def do_POST(self) -> None:
                issuer.refreshed.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
                self._answer(
                    {
                        "access_token": "unused",
                        "token_type": "Bearer",
                        "id_token": issuer.token(600),
                        "refresh_token": "next",
                    }
                )

            def _answer(self, content: dict[str, Any]) -> None:
                body = json.dumps(content).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_arguments: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, folder / "issuer.key")
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self.url = f"https://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def token(self, seconds: float) -> str:
        """An ID token that expires after so many seconds."""
        claims = {"iss": self.url, "aud": CLIENT, "sub": "anna", "exp": int(time.time() + seconds)}
        parts = [_text(json.dumps(part).encode()) for part in ({"alg": "RS256", "kid": "1"}, claims)]
        signed = ".".join(parts)
        signature = self._key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{signed}.{_text(signature)}"

    def _configuration(self) -> dict[str, Any]:
        return {
            "issuer": self.url,
            "jwks_uri": f"{self.url}/keys",
            "token_endpoint": f"{self.url}/token",
            "authorization_endpoint": f"{self.url}/auth",
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
        }

    def _keys(self) -> dict[str, Any]:
        numbers = self._key.public_key().public_numbers()
        modulus = numbers.n.to_bytes((numbers.n.bit_length() + 7) // 8, "big")
        key = {"kty": "RSA", "alg": "RS256", "use": "sig", "kid": "1", "n": _text(modulus), "e": _text(b"\x01\x00\x01")}
        return {"keys": [key]}
