"""What pytest shows, in runs of its own."""

import os
import textwrap

import pytest


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch):
    """Run a file of tests against the bot of tests/testing/bot.py."""
    monkeypatch.setenv("PYTHONPATH", os.getcwd())
    monkeypatch.delenv("TEST_DATABASE_URL", raising=False)

    def run(source: str, *arguments: str) -> pytest.RunResult:
        header = "import pytest\nfrom tests.testing.bot import router\n"
        header += "pytestmark = pytest.mark.vkteams(routers=[router])\n"
        pytester.makepyfile(header + textwrap.dedent(source))
        options = ("-p", "no:randomly", "-p", "no:xdist", "--ds=tests.settings", "--strict-markers", "-q")
        return pytester.runpytest_subprocess(*options, *arguments, timeout=60)

    return run


def test_a_failed_comparison_shows_the_conversation(run):
    result = run(
        """
        def test_it(chat):
            alice = chat.user("alice@corp")
            alice.sends("/name")
            alice.clicks("Cancel")
            assert alice.sees == "Bye"
        """
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "E       AssertionError: assert 'Never mind.' == 'Bye'",
            "*The conversation:*",
            "*alice@corp: /name",
            "*bot: Your name?",
            "*[[]Cancel]*",
            "*alice@corp presses [[]Cancel]",
            "*bot edits: Never mind.",
        ]
    )


@pytest.mark.parametrize(("options", "is_whole"), [([], False), (["-vvv"], True)])
def test_of_a_long_conversation_the_end_is_shown(run, monkeypatch, options, is_whole):
    for name in ("CI", "BUILD_NUMBER"):
        monkeypatch.delenv(name, raising=False)
    result = run(
        """
        def test_it(chat):
            alice = chat.user("alice@corp")
            for number in range(10):
                alice.sends(f"{number}: {'long ' * 100}")
            alice.sends("/start")
            assert alice.sees == "Bye " * 100
        """,
        *options,
    )
    shown = [line.removeprefix("E").strip() for line in result.stdout.lines if line.startswith("E ")]
    assert shown[-2:] == ["alice@corp: /start", "bot: Hello!"]
    assert any(line.startswith("alice@corp: 9: long") for line in shown)
    assert any(line.startswith("alice@corp: 0: long") for line in shown) is is_whole
    assert ("..." in shown) is not is_whole


def test_a_failed_handler_shows_its_traceback_and_the_line_of_the_test(run):
    result = run(
        """
        def test_it(chat):
            chat.user("alice@corp").sends("/fail")
        """
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            '*raise ValueError("on purpose")',
            "E       ValueError: on purpose",
            '>       chat.user("alice@corp").sends("/fail")',
            "E       vkteams_bot.testing.failures.HandlerFailed: tests.testing.bot:fail raised ValueError: on purpose",
            "E         alice@corp: /fail",
        ]
    )
    assert "def checked" not in result.stdout.str()


def test_coroutines_run_and_may_fail(run):
    result = run(
        """
        async def test_good(chat):
            alice = chat.user("alice@corp")
            await alice.sends("/start")
            assert alice.sees == "Hello!"

        async def test_bad(chat):
            alice = chat.user("alice@corp")
            await alice.sends("/start")
            assert alice.sees == "Bye"

        async def test_forgetful(chat):
            chat.user("alice@corp").sends("/start")

        class TestClass:
            async def test_method(self, chat, tmp_path):
                await chat.user("alice@corp").sends("/start")
        """
    )
    result.assert_outcomes(passed=3, failed=1, errors=1)
    result.stdout.fnmatch_lines(["*a coroutine did not await this: alice@corp sends '/start'*"])


def test_a_coroutine_that_another_plugin_claims_is_left_to_it(run):
    result = run(
        """
        @pytest.fixture
        def anyio_backend():
            return "asyncio"

        @pytest.mark.anyio
        async def test_it(chat):
            with pytest.raises(RuntimeError, match="does not run in the thread of the test"):
                await chat.user("alice@corp").sends("/start")
        """
    )
    result.assert_outcomes(passed=1)


def test_a_coroutine_with_a_chat_of_its_own_is_none_of_ours(run):
    result = run(
        """
        @pytest.fixture
        def chat():
            return "small talk"

        async def test_it(chat):
            pass
        """,
        "-W",
        "default",
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*async def functions are not natively supported*"])


def test_the_marker_gives_the_arguments(run):
    result = run(
        """
        from vkteams_bot.exceptions import ConfigurationError

        @pytest.mark.vkteams(behaviour={"private_methods": False})
        def test_it(chat):
            assert not chat.world.behaviour.private_methods

        @pytest.mark.vkteams(alias="nobody")
        def test_alias(chat):
            pass
        """
    )
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*has no bot 'nobody'*"])


def test_it_is_loaded_before_django_and_harmless_without(pytester: pytest.Pytester):
    pytester.makepyfile("def test_it():\n    import sys\n    assert 'vkteams_bot.models' not in sys.modules\n")
    result = pytester.runpytest_subprocess("-p", "no:django", "-p", "no:randomly", "-q", timeout=60)
    result.assert_outcomes(passed=1)
