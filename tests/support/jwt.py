"""JSON Web Tokens of another issuer, signed by python3-cryptography and hmac: not by the server's code."""
import base64
import hashlib
import hmac
import json
import time

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(value, width=None):
    return base64url(value.to_bytes(width or (value.bit_length() + 7) // 8, "big"))


class Key:
    """A key that signs: `jwk` is its public half (of HS256, the secret), `pem` likewise."""

    def __init__(self, algorithm, kid=None, secret=b"0123456789abcdef0123456789abcdef"):
        self.algorithm, self.kid = algorithm, kid
        self.secret = secret
        self.private = {"HS256": lambda: None, "RS256": lambda: rsa.generate_private_key(65537, 2048),
                        "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
                        "EdDSA": ed25519.Ed25519PrivateKey.generate}[algorithm]()

    @property
    def pem(self):
        return self.private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)

    @property
    def jwk(self):
        jwk = {"kid": self.kid} if self.kid else {}
        if self.algorithm == "HS256":
            return {**jwk, "kty": "oct", "k": base64url(self.secret)}
        public = self.private.public_key()
        if self.algorithm == "EdDSA":
            raw = public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
            return {**jwk, "kty": "OKP", "crv": "Ed25519", "x": base64url(raw)}
        numbers = public.public_numbers()
        if self.algorithm == "RS256":
            return {**jwk, "kty": "RSA", "n": number(numbers.n), "e": number(numbers.e)}
        return {**jwk, "kty": "EC", "crv": "P-256", "x": number(numbers.x, 32), "y": number(numbers.y, 32)}

    def sign(self, text):
        if self.algorithm == "HS256":
            return hmac.new(self.secret, text, hashlib.sha256).digest()
        if self.algorithm == "RS256":
            return self.private.sign(text, padding.PKCS1v15(), hashes.SHA256())
        if self.algorithm == "EdDSA":
            return self.private.sign(text)
        r, s = utils.decode_dss_signature(self.private.sign(text, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    def token(self, claims=None, header=None, seconds=3600, scope=("watch",), jobs=("*",), **more):
        """A token with the claims that the server looks for by default; None leaves one out."""
        claims = {"sub": "ann", "exp": int(time.time()) + seconds,
                  "joblight": {"scope": list(scope), "jobs": list(jobs)}, **(claims or {}), **more}
        header = {"alg": self.algorithm, "typ": "JWT", "kid": self.kid, **(header or {})}
        return self.encode(without_none(header), without_none(claims))

    def encode(self, header, claims):
        text = ".".join(base64url(json.dumps(part).encode()) for part in (header, claims)).encode()
        return f"{text.decode()}.{base64url(self.sign(text))}"


def without_none(members):
    return {name: value for name, value in members.items() if value is not None}


def write_jwks(path, *keys):
    """Replaces the file at once, as an operator should."""
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps({"keys": [key.jwk for key in keys]}))
    fresh.rename(path)
    return path


def parts_of(token):
    """(header, claims) of a token; nothing is verified."""
    return tuple(json.loads(base64.urlsafe_b64decode(part + "==")) for part in token.split(".")[:2])
