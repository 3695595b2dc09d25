"""Which certificates are trusted, and what is said when one is not: against a real server with a private authority."""

import asyncio
import ssl
import subprocess

import pytest
import trustme

from tests.api.fakes import API_URL, TOKEN, answer
from tests.api.serving import HttpServer
from vkteams_bot.api import Bot
from vkteams_bot.api.http import tls
from vkteams_bot.api.http.tls import REMEDY, ssl_context
from vkteams_bot.exceptions import ConfigurationError, TLSError


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture(scope="module")
def bundle(authority, tmp_path_factory):
    path = tmp_path_factory.mktemp("ca") / "company-ca.pem"
    authority.cert_pem.write_to_path(path)
    return path


@pytest.fixture(scope="module")
def server(authority):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    with HttpServer(context) as server:
        server.answer = answer(userId="747432131")
        yield server


def get_me(url, face, **options):
    bot = Bot(TOKEN, url, timeout=10, **options)

    async def main():
        async with bot:
            return await bot.get_me()

    try:
        return asyncio.run(main()) if face == "async" else bot.get_me().send()
    finally:
        bot.close()


@pytest.mark.parametrize("kind", ["path", "text", "context", "off"])
def test_server_of_a_private_authority_is_trusted_when_told(kind, server, bundle, face):
    verify = {
        "path": bundle,
        "text": str(bundle),
        "context": ssl.create_default_context(cafile=bundle),
        "off": False,
    }[kind]
    assert get_me(server.url, face, verify=verify).user_id == "747432131"


def test_otherwise_it_is_refused_with_the_remedy(server, face):
    before = len(server.requests)
    with pytest.raises(TLSError, match="certificate verify failed") as raised:
        get_me(server.url, face)
    assert REMEDY in str(raised.value)
    assert len(server.requests) == before


def test_certificate_of_another_host_is_refused(authority, bundle, face):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("elsewhere.example").configure_cert(context)
    with HttpServer(context) as server:
        with pytest.raises(TLSError, match="not valid for"):
            get_me(server.url, face, verify=bundle)
        assert server.requests == []


def test_default_checks_certificate_and_name():
    context = ssl_context(True)
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert ssl_context(True) is context


def test_bundle_comes_on_top_of_the_public_authorities(server, bundle, tmp_path, monkeypatch, face):
    public = trustme.CA()
    public.cert_pem.write_to_path(tmp_path / "public.pem")
    monkeypatch.setattr("certifi.where", lambda: str(tmp_path / "public.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    public.issue_cert("127.0.0.1").configure_cert(context)
    tls._built.cache_clear()
    try:
        with HttpServer(context) as public_server:
            public_server.answer = answer(userId="1")
            assert get_me(public_server.url, face).user_id == "1"
            assert get_me(public_server.url, face, verify=bundle).user_id == "1"
            assert get_me(server.url, face, verify=bundle).user_id == "747432131"
    finally:
        tls._built.cache_clear()


def test_contexts_are_built_once(bundle):
    assert ssl_context(bundle) is ssl_context(str(bundle))
    assert ssl_context(bundle) is not ssl_context(True)
    assert ssl_context(bundle).verify_mode is ssl.CERT_REQUIRED


def test_directory_of_certificates(authority, tmp_path, server, face):
    authority.cert_pem.write_to_path(tmp_path / "company.pem")
    # OpenSSL looks files up by the hash of the subject.
    digest = subprocess.run(
        ["openssl", "x509", "-hash", "-noout", "-in", tmp_path / "company.pem"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    (tmp_path / "company.pem").rename(tmp_path / f"{digest}.0")
    assert get_me(server.url, face, verify=tmp_path).user_id == "747432131"


def test_false_checks_nothing():
    context = ssl_context(False)
    assert context.verify_mode is ssl.CERT_NONE
    assert not context.check_hostname
    assert ssl_context(True).verify_mode is ssl.CERT_REQUIRED


def test_ready_context_is_used_as_it_is():
    context = ssl.create_default_context()
    assert ssl_context(context) is context


@pytest.mark.parametrize("content", [None, "", "not a certificate", "-----BEGIN CERTIFICATE-----\nxx\n"])
def test_bundle_that_cannot_be_read_is_a_wrong_setting_at_once(content, tmp_path):
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ConfigurationError, match=f"VERIFY: cannot read the CA bundle {path}"):
        ssl_context(path)
    with pytest.raises(ConfigurationError, match="VERIFY"):
        Bot(TOKEN, API_URL, verify=path)
