"""The ID token: what it says is believed only when it is proved. Pure but for the settings.

Checked are the signature by the provider's published keys, issuer, audience, expiry, and the nonce that was sent
with this one sign-in (OpenID Connect Core 1.0, 3.1.3.7).
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jwt
from allauth.socialaccount.providers.base import ProviderException
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from accounts.models import PERSON_NAME_LENGTH
from accounts.texts import NotStorable, lower_case, storable

SUBJECT_LENGTH, EMAIL_LENGTH = 191, 254  # of the columns
CLOCKS_DIFFER = 60  # seconds between the provider's clock and ours
# only signatures whose key the provider keeps for itself: for HS256 our own secret would do, for none nothing
KEY_TYPES = {"RS": "RSA", "PS": "RSA", "ES": "EC", "Ed": "OKP"}
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")


class NotBelieved(ProviderException):  # type: ignore[misc]  # allauth has no types
    """What came back does not prove who it is. The text is for the log and never holds a part of a token."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who somebody is, as the provider says and we believe. `roles` are those of the claim, whatever it holds."""

    issuer: str
    subject: str
    email: str
    email_is_verified: bool
    name: str
    roles: tuple[str, ...]


def believe(token: object, keys: Mapping[str, Any], *, issuer: str, nonce: str) -> dict[str, Any]:
    """The claims of an ID token that `issuer` has signed by one of `keys`, for us, now, and for this sign-in."""
    if not isinstance(token, str):
        raise NotBelieved("no ID token")
    try:
        header = jwt.get_unverified_header(token)
        claims = _signed(token, _fitting(keys, header), header["alg"], issuer)
    except (jwt.PyJWTError, ValueError, TypeError, OverflowError) as error:
        raise NotBelieved(type(error).__name__) from error
    if claims.get("azp", settings.OIDC_CLIENT_ID) != settings.OIDC_CLIENT_ID:
        raise NotBelieved("made for another program")
    if isinstance(claims["aud"], list) and len(claims["aud"]) > 1 and "azp" not in claims:
        raise NotBelieved("made for several programs")
    said = str(claims.get("nonce")).encode("utf-8", "replace")
    if not nonce or not hmac.compare_digest(said, nonce.encode()):
        raise NotBelieved("another nonce")
    if not claims["sub"] or _kept(claims["sub"], SUBJECT_LENGTH) != claims["sub"]:
        raise NotBelieved("an unusable subject")
    return claims


def _fitting(keys: Mapping[str, Any], header: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The published keys with which the token may be signed, if it is signed in a way we take."""
    alg, kid = header.get("alg"), header.get("kid")
    if alg not in ALGORITHMS:
        raise NotBelieved("an algorithm that is not taken")
    published = keys.get("keys")
    return [
        key
        for key in (published if isinstance(published, list) else [])
        if isinstance(key, dict)
        and key.get("kty") == KEY_TYPES[alg[:2]]
        and key.get("use", "sig") == "sig"
        and key.get("alg", alg) == alg
        and (kid is None or key.get("kid") == kid)
    ]


def _signed(token: str, keys: list[dict[str, Any]], alg: str, issuer: str) -> dict[str, Any]:
    for key in keys:
        try:
            return jwt.decode(
                token,
                jwt.PyJWK(key, algorithm=alg).key,
                algorithms=[alg],
                issuer=issuer,
                audience=settings.OIDC_CLIENT_ID,
                leeway=CLOCKS_DIFFER,
                options={"require": ["iss", "aud", "exp", "iat", "sub"]},
            )
        except jwt.InvalidSignatureError:
            continue
    raise NotBelieved("signed by none of the provider's keys")


def identify(claims: Mapping[str, Any], more: Mapping[str, Any]) -> Identity:
    """What matters of the token's claims; what is not there is taken from `more`, the provider's answer to asking.

    E-mail and whether it is verified belong together, so both come from the same place.
    """
    mail = claims if "email" in claims else more
    verified = mail.get("email_verified")
    claimed = claims.get(settings.OIDC_ROLES_CLAIM, more.get(settings.OIDC_ROLES_CLAIM))
    roles = [claimed] if isinstance(claimed, str) else claimed if isinstance(claimed, list) else []
    return Identity(
        issuer=settings.OIDC_ISSUER,
        subject=claims["sub"],
        email=_email(mail.get("email")),
        email_is_verified=verified is True or verified == "true",  # some write it as a text
        name=_kept(claims.get("name", more.get("name")), PERSON_NAME_LENGTH),
        roles=tuple(role for role in roles if isinstance(role, str)),
    )


def _kept(value: object, longest: int) -> str:
    """A text that can be stored, or none."""
    try:
        return storable(value.strip(), longest=longest) if isinstance(value, str) else ""
    except NotStorable:
        return ""


def _email(value: object) -> str:
    """As people are invited: in lower case. None when it is no address."""
    try:
        email = lower_case(_kept(value, EMAIL_LENGTH))
        validate_email(email)
    except (NotStorable, ValidationError):
        return ""
    return email
