"""The certificate that a server shows: who issued it, until when it holds, and what helps when it is not trusted."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.utils.translation import gettext as _

from vkteams_bot.doctor.findings import Finding, fail, ok, warn

EXPIRES_SOON = timedelta(days=21)
NATIONAL_AUTHORITY = "Russian Trusted"
NATIONAL_ROOT_URL = "https://www.gosuslugi.ru/crt"

# OpenSSL's numbers (X509_V_ERR_*, and of X509_V_FLAG_* one that Python has no name for).
EXPIRED = 10
UNKNOWN_AUTHORITY = {2, 18, 19, 20, 21}
WRONG_HOST = {62, 64}
NO_CHECK_TIME = 0x200000

Connect = Callable[[], socket.socket]


@dataclass(frozen=True, slots=True)
class Certificate:
    """`issuer` as people know it; `expires` is None when that cannot be read."""

    issuer: str
    expires: datetime | None


def judge(connect: Connect, host: str, context: ssl.SSLContext) -> Finding:
    """Shake hands as a bot would. Raises OSError when the connection breaks for another reason than the certificate."""
    try:
        with context.wrap_socket(connect(), server_hostname=host) as connection:
            version = connection.version()
    except ssl.SSLCertVerificationError as error:
        return _refused(error, shown_certificate(connect, host))
    certificate = shown_certificate(connect, host)
    if certificate is None:
        return ok(_("%(version)s, the certificate is trusted") % {"version": version})
    left = certificate.expires - datetime.now(UTC) if certificate.expires is not None else None
    facts = {"version": version, "issuer": certificate.issuer, "date": _date(certificate)}
    detail = _("%(version)s, issued by %(issuer)s, valid until %(date)s") % facts
    if left is not None and left < EXPIRES_SOON:
        return warn(detail, _("Have the certificate renewed. Days left: %(days)d.") % {"days": left.days})
    return ok(detail)


def shown_certificate(connect: Connect, host: str) -> Certificate | None:
    """Whatever certificate the server shows, trusted or not; None when it shows none that can be read.

    Python reads the fields of trusted certificates only. So the second handshake trusts just the one that the first
    has brought.
    """
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        with context.wrap_socket(connect(), server_hostname=host) as connection:
            encoded = connection.getpeercert(binary_form=True)
        if encoded is None:
            return None
        context.verify_mode = ssl.CERT_REQUIRED
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | NO_CHECK_TIME
        context.load_verify_locations(cadata=encoded)
        with context.wrap_socket(connect(), server_hostname=host) as connection:
            fields: dict[str, Any] = connection.getpeercert() or {}
    except (OSError, ValueError):
        return None
    names = dict(pair for part in fields.get("issuer", ()) for pair in part)
    issuer = names.get("commonName") or names.get("organizationName") or "?"
    until = fields.get("notAfter")
    expires = datetime.fromtimestamp(ssl.cert_time_to_seconds(until), UTC) if until else None
    return Certificate(issuer, expires)


def _refused(error: ssl.SSLCertVerificationError, certificate: Certificate | None) -> Finding:
    code = error.verify_code
    issuer = certificate.issuer if certificate is not None else "?"
    detail = _("the certificate is refused: %(reason)s (issued by %(issuer)s)") % {
        "reason": error.verify_message or error,
        "issuer": issuer,
    }
    if code == EXPIRED:
        return fail(detail, _("Have the certificate renewed, or set this machine's clock."))
    if code in WRONG_HOST:
        return fail(detail, _("API_URL must name the host as the certificate does."))
    if NATIONAL_AUTHORITY in issuer:
        return fail(detail, _national_remedy())
    if code in UNKNOWN_AUTHORITY:
        return fail(detail, _private_remedy())
    return fail(detail, _("Ask the administrator of the installation."))


def _national_remedy() -> str:
    return _(
        "The certificate comes from the Russian national authority (Ministry of Digital Development). Fetch its root "
        'certificate "Russian Trusted Root CA" from %(url)s, save it as PEM and set "VERIFY": '
        '"/etc/ssl/russian-trusted-ca.pem", or add it to the system\'s trust store.'
    ) % {"url": NATIONAL_ROOT_URL}


def _private_remedy() -> str:
    return _(
        "If the installation uses a private authority, ask its administrator for the root certificate, save it as PEM "
        'and set "VERIFY": "/etc/ssl/company-ca.pem". If others trust the server, it may fail to send an '
        "intermediate certificate: that is for its administrator to mend."
    )


def _date(certificate: Certificate) -> str:
    return certificate.expires.date().isoformat() if certificate.expires is not None else "?"
