"""The way to the server, over real sockets: each thing that can be wrong is named, with its remedy."""

import datetime
import socket
import ssl

import httpx
import pytest
import trustme

from tests.api.serving import HttpServer
from tests.doctor.proxying import proxied
from tests.processes import free_port
from vkteams_bot.doctor.certificates import NATIONAL_ROOT_URL, shown_certificate
from vkteams_bot.doctor.findings import Status
from vkteams_bot.doctor.network import FOREIGN_VARIABLES, Route

PASSWORD = "pass-word"


@pytest.fixture(autouse=True)
def _no_proxy_of_this_machine(monkeypatch):
    for name in FOREIGN_VARIABLES:
        monkeypatch.delenv(name, raising=False)


def route(url, proxy=None, verify=True):
    return Route(httpx.URL(url), httpx.URL(proxy) if proxy else None, verify)


@pytest.fixture(scope="module")
def authority():
    return trustme.CA(organization_name="Private CA")


@pytest.fixture(scope="module")
def bundle(authority, tmp_path_factory):
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return path


def server_of(authority, *names, **options):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*(names or ("127.0.0.1",)), **options).configure_cert(context)
    return HttpServer(context)


def test_names():
    assert route("https://127.0.0.1/bot/v1").name().status is Status.OK
    assert route("https://localhost/bot/v1").name().detail.startswith("localhost is ")
    lost = route("https://nowhere.invalid/bot/v1").name()
    assert lost.status is Status.FAIL
    assert "nowhere.invalid" in lost.detail
    assert "API_URL" in lost.remedy


def test_with_a_proxy_its_name_and_port_count():
    finding = route("https://nowhere.invalid/bot/v1", f"http://me:{PASSWORD}@gone.invalid:3128").name()
    assert finding.status is Status.FAIL
    assert "gone.invalid" in finding.detail
    assert "PROXY" in finding.remedy
    assert PASSWORD not in finding.detail + finding.remedy


def test_connection(monkeypatch):
    with HttpServer() as server:
        assert route(server.url).connection().status is Status.OK
    closed = route(f"https://127.0.0.1:{free_port()}/bot/v1").connection()
    assert closed.status is Status.FAIL
    assert "refused" in closed.detail
    assert "HTTPS_PROXY" not in closed.remedy
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    assert "HTTPS_PROXY" in route(f"https://127.0.0.1:{free_port()}/bot/v1").connection().remedy


def test_a_tunnel_and_tls_through_it(authority, bundle):
    with server_of(authority) as server, proxied() as proxy:
        way = route(server.url, f"http://me:{PASSWORD}@{proxy.where}", bundle)
        assert way.connection().status is Status.OK
        tunnel = way.tunnel()
        assert tunnel.status is Status.OK
        assert way.tls().status is Status.OK
    assert PASSWORD not in tunnel.detail
    assert all(head.startswith(f"CONNECT 127.0.0.1:{way.port} ") for head in proxy.heads)
    assert "Proxy-Authorization: Basic " in proxy.heads[0]


@pytest.mark.parametrize(
    ("refusal", "remedy"), [("407 Who are you", "user:password@"), ("403 Forbidden", "allow CONNECT to 127.0.0.1:")]
)
def test_a_proxy_that_refuses(refusal, remedy):
    with proxied() as proxy:
        proxy.refusal = refusal
        finding = route("https://127.0.0.1/bot/v1", f"http://me:{PASSWORD}@{proxy.where}").tunnel()
    assert finding.status is Status.FAIL
    assert refusal in finding.detail
    assert remedy in finding.remedy
    assert PASSWORD not in finding.detail + finding.remedy


def test_a_dead_proxy():
    finding = route("https://127.0.0.1/bot/v1", f"http://me:{PASSWORD}@127.0.0.1:{free_port()}").connection()
    assert finding.status is Status.FAIL
    assert "PROXY" in finding.remedy
    assert PASSWORD not in finding.detail + finding.remedy


def test_a_proxy_for_plain_http_is_no_tunnel():
    assert route("http://127.0.0.1:1/bot/v1", "http://127.0.0.1:2").tunnel().status is Status.SKIPPED
    assert route("https://127.0.0.1:1/bot/v1").tunnel().status is Status.SKIPPED


def test_a_trusted_certificate(authority, bundle):
    with server_of(authority) as server:
        finding = route(server.url, verify=bundle).tls()
    assert finding.status is Status.OK
    assert "issued by Private CA" in finding.detail


def test_a_private_authority_is_named_with_the_remedy(authority):
    with server_of(authority) as server:
        finding = route(server.url).tls()
    assert finding.status is Status.FAIL
    assert "issued by Private CA" in finding.detail
    assert '"VERIFY": "/etc/ssl/company-ca.pem"' in finding.remedy


def test_the_national_authority_is_known():
    with server_of(trustme.CA(organization_name="Russian Trusted Sub CA")) as server:
        finding = route(server.url).tls()
    assert finding.status is Status.FAIL
    assert NATIONAL_ROOT_URL in finding.remedy
    assert '"VERIFY"' in finding.remedy


def test_a_certificate_of_another_host(authority, bundle):
    with server_of(authority, "elsewhere.example") as server:
        finding = route(server.url, verify=bundle).tls()
    assert finding.status is Status.FAIL
    assert "API_URL" in finding.remedy


@pytest.mark.parametrize(("days", "status"), [(-1, Status.FAIL), (5, Status.WARN), (60, Status.OK)])
def test_expiry(days, status, authority, bundle):
    until = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=days, hours=1)
    with server_of(authority, not_after=until) as server:
        finding = route(server.url, verify=bundle).tls()
    assert finding.status is status
    assert ("renewed" in finding.remedy) == (status is not Status.OK)
    assert "issued by Private CA" in finding.detail


def test_no_check_is_a_warning(authority):
    with server_of(authority) as server:
        finding = route(server.url, verify=False).tls()
    assert finding.status is Status.WARN
    assert "VERIFY is False" in finding.remedy


def test_a_port_without_tls():
    with HttpServer() as server:
        finding = route(server.url.replace("http:", "https:")).tls()
    assert finding.status is Status.FAIL
    assert "TLS" in finding.remedy


def test_plain_http_gives_the_token_away():
    assert route("http://127.0.0.1/bot/v1").tls().status is Status.SKIPPED
    assert route("http://localhost/bot/v1").tls().status is Status.SKIPPED
    assert route("http://bots.example/bot/v1").tls().status is Status.WARN


def test_no_certificate_to_show():
    with HttpServer() as server:
        port = httpx.URL(server.url).port
        assert shown_certificate(lambda: socket.create_connection(("127.0.0.1", port)), "127.0.0.1") is None
