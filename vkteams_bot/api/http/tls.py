"""Which certificates are trusted."""

from __future__ import annotations

import functools
import os
import ssl
from pathlib import Path
from typing import TypeAlias

import certifi
import truststore

from vkteams_bot.exceptions import ConfigurationError

Verify: TypeAlias = bool | str | os.PathLike[str] | ssl.SSLContext

REMEDY = (
    "If the installation uses a private or national certificate authority, add its root certificate to the system's "
    'trust store, or set VERIFY to the path of a PEM file that holds it ("VERIFY": "/etc/ssl/company-ca.pem")'
)


def ssl_context(verify: Verify) -> ssl.SSLContext:
    """True: the system's trust store and certifi; a path: that CA bundle on top; False: no check at all.

    Raises ConfigurationError when the bundle cannot be read.
    """
    if isinstance(verify, ssl.SSLContext):
        return verify
    return _built(verify if isinstance(verify, bool) else os.fspath(verify))


@functools.lru_cache(maxsize=16)  # building one costs some 20 ms
def _built(verify: bool | str) -> ssl.SSLContext:
    if verify is False:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    context = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(certifi.where())
    if isinstance(verify, str):
        bundle = Path(verify)
        try:
            if bundle.is_dir():
                context.load_verify_locations(capath=verify)
            else:
                context.load_verify_locations(cafile=verify)
        except (OSError, ssl.SSLError) as error:
            raise ConfigurationError(f"VERIFY: cannot read the CA bundle {verify}: {error}") from error
    return context


def certificate_problem(error: BaseException) -> ssl.SSLCertVerificationError | None:
    """The refused certificate behind a connection error, if that is the cause."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return cause
        cause = cause.__cause__ or cause.__context__
    return None
