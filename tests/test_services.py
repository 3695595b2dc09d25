import asyncio
import os
import sys

import psycopg
import pytest
import redis
from django.contrib.auth import get_user_model

from tests import services
from tests.processes import ROOT, free_port

DRIVER = (sys.executable, "-m", "tests.services", "postgres", "--")


@pytest.mark.process
class TestPostgres:
    def test_every_database_is_new(self, postgres_server):
        first, second = postgres_server.new_database(), postgres_server.new_database()

        with psycopg.connect(first) as connection:
            connection.execute("CREATE TABLE orders (id int)")
        with psycopg.connect(second) as connection:
            assert connection.execute("SELECT to_regclass('orders')").fetchone() == (None,)

    def test_an_outage_breaks_connections_and_keeps_what_was_committed(self, private_postgres):
        url = private_postgres.new_database()
        with psycopg.connect(url) as connection:
            connection.execute("CREATE TABLE orders (id int)")
            connection.commit()
            private_postgres.stop()
            with pytest.raises(psycopg.OperationalError):
                connection.execute("SELECT 1")
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(url, connect_timeout=5)

        private_postgres.start()

        with psycopg.connect(url) as connection:
            assert connection.execute("SELECT count(*) FROM orders").fetchone() == (0,)

    def test_an_outside_server_is_left_as_it_was(self, private_postgres):
        outside = services.Postgres(private_postgres.url)
        url = outside.new_database()

        outside.close()

        assert private_postgres.running
        with pytest.raises(psycopg.OperationalError, match="does not exist"):
            psycopg.connect(url)

    def test_the_driver_gives_a_database_and_the_exit_code(self, private_postgres, start):
        driver = start(
            *DRIVER,
            *(sys.executable, "-c", "import os, sys; print(os.environ['TEST_DATABASE_URL']); sys.exit(5)"),
            env={"TEST_POSTGRES_URL": private_postgres.url},
        )

        assert driver.wait_for_line("^postgresql://").string != private_postgres.url
        assert driver.wait() == 5

    @pytest.mark.parametrize(("required", "code"), [(None, 0), ("1", 1)])
    def test_the_driver_is_loud_when_there_is_none(self, start, tmp_path, required, code):
        driver = start(
            *(sys.executable, "-c"),
            "import sys; from tests import services; services.glob.glob = lambda pattern: []; "
            "sys.exit(services.main(['postgres', '--', 'false']))",
            env={"TEST_POSTGRES_URL": None, "PATH": os.fspath(tmp_path), "REQUIRE_SERVICES": required},
        )

        driver.wait_for_line("^NOT RUN: PostgreSQL tests: install postgresql or set TEST_POSTGRES_URL$")
        assert driver.wait() == code


@pytest.mark.redis
@pytest.mark.process
class TestRedis:
    def test_answers(self, redis_url):
        with redis.Redis.from_url(redis_url) as client:
            assert client.ping()

    def test_an_outage_loses_everything_but_the_address(self, private_redis):
        with redis.Redis.from_url(private_redis.url, retry=None) as client:
            client.set("key", "value")
            private_redis.stop()
            with pytest.raises(redis.ConnectionError):
                client.get("key")

            private_redis.start()

            assert client.get("key") is None


class TestMissingServices:
    @pytest.fixture
    def inner(self, pytester, monkeypatch):
        """A run of its own whose one test needs a service that is not there."""
        monkeypatch.delenv("REQUIRE_SERVICES", raising=False)
        monkeypatch.setenv("PYTHONPATH", os.fspath(ROOT))
        pytester.makeconftest(
            """
            import pytest
            from tests import conftest
            from tests.conftest import pytest_terminal_summary
            from tests.services import ServiceMissing

            def missing():
                raise ServiceMissing("NOT RUN: sundials")

            @pytest.fixture
            def sundial():
                return conftest.need(missing)
            """
        )
        pytester.makepyfile("def test_time(sundial): pass")
        return lambda: pytester.runpytest_subprocess("-p", "no:randomly", "-p", "no:django")

    def test_skip_is_loud(self, inner):
        result = inner()

        result.assert_outcomes(skipped=1)
        result.stdout.fnmatch_lines(["*service missing*", "NOT RUN: sundials"])

    def test_fail_where_services_are_required(self, inner, monkeypatch):
        monkeypatch.setenv("REQUIRE_SERVICES", "1")

        result = inner()

        result.assert_outcomes(errors=1)
        result.stdout.fnmatch_lines(["*NOT RUN: sundials (REQUIRE_SERVICES is set)*"])


@pytest.mark.browser
class TestBrowser:
    @pytest.fixture
    def after_the_browser(self):
        yield
        asyncio.run(asyncio.sleep(0))

    def test_runs_scripts(self, page):
        page.set_content("<p id=p>…</p><script>p.textContent = 6 * 7</script>")

        assert page.text_content("#p") == "42"

    def test_leaves_no_event_loop_to_the_next_test(self, after_the_browser, page):
        assert page.url == "about:blank"

    @pytest.mark.django_db
    def test_works_beside_the_orm(self, page):
        assert not get_user_model().objects.exists()


def test_a_free_port_can_be_named(start):
    port = free_port()
    server = start(sys.executable, "-m", "http.server", "--bind", "127.0.0.1", str(port))

    assert server.wait_for_line(r"Serving HTTP on").string.count(str(port))
