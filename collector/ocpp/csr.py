"""Certificate signing requests of stations: what is wrong with one (OCPP 1.6 security whitepaper A02; 2.0.1 part 2
A02). Pure."""

from __future__ import annotations

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

_BEGIN, _END = "-----BEGIN CERTIFICATE REQUEST-----", "-----END CERTIFICATE REQUEST-----"
_LEAST_RSA_BITS = 2048  # OCPP 2.0.1 part 2 A00.FR.302
_LEAST_EC_BITS = 256  # above the 224 of A00.FR.303: curves that are still made and understood


def read_csr(text: str) -> x509.CertificateSigningRequest:
    """A request in PEM; one without its first and last line is understood. Raises ValueError."""
    if _BEGIN not in text:
        text = f"{_BEGIN}\n{text.strip()}\n{_END}\n"
    try:
        return x509.load_pem_x509_csr(text.encode("ascii"))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ValueError("the request cannot be read") from error


def refusal(text: str, name: str) -> str | None:
    """Why this request is not signed for who is called `name`; None when it may be."""
    try:
        request = read_csr(text)
        if not request.is_signature_valid:
            return "its signature is not that of its key"
        weakness = _weakness(request)
        common = [part.value for part in request.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    except (ValueError, TypeError, UnsupportedAlgorithm, InvalidSignature) as error:
        return str(error) or "the request cannot be read"
    if weakness:
        return weakness
    return None if common == [name] else f"its common name is not {name}"


def _weakness(request: x509.CertificateSigningRequest) -> str | None:
    key = request.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        return None if key.key_size >= _LEAST_RSA_BITS else f"an RSA key needs {_LEAST_RSA_BITS} bits"
    if isinstance(key, ec.EllipticCurvePublicKey):
        return None if key.key_size >= _LEAST_EC_BITS else f"an elliptic-curve key needs {_LEAST_EC_BITS} bits"
    return "its key is neither RSA nor of an elliptic curve"
