"""python -m tests.chaos [--short] [--only NAME …] [--database sqlite|postgresql] [--markdown FILE] [--seed N]"""

from __future__ import annotations

import argparse
import random
import signal
import sys
import time
from contextlib import ExitStack
from pathlib import Path

from tests.chaos.databases import Database, PostgreSQL, Sqlite, sqlite_settings
from tests.chaos.disk import Disk
from tests.chaos.link import NETWORK, Host
from tests.chaos.report import Outcome, Skipped, markdown
from tests.chaos.scenarios import SCENARIOS, Scenario
from tests.chaos.stage import Stage, migrate, write_project
from tests.processes import scratch_directory
from tests.services import PrivatePostgres, ServiceMissing, services_required


class Run:
    """One after the other; services are started when the first needs them."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.stack = ExitStack()
        self.project = write_project()
        self.began = time.monotonic()
        self._directory = scratch_directory("vkteams-bot-chaos-databases-")
        self._sqlite_template: Path | None = None
        self._postgres: tuple[PrivatePostgres, str] | None = None

    def outcomes(self) -> list[Outcome]:
        found = []
        with self.stack:
            for scenario in SCENARIOS:
                for database, mode in self._variants(scenario):
                    found.append(self._one(scenario, database, mode))
        return found

    def _variants(self, scenario: Scenario) -> list[tuple[str, str]]:
        options = self.options
        variants = [
            (database, mode)
            for database in scenario.databases
            if options.database in (None, database)
            for mode in (scenario.modes if database == "sqlite" else ("",))
            if not options.short or options.only or database in scenario.short or mode in scenario.short
        ]
        return variants if not options.only or scenario.name in options.only else []

    def _one(self, scenario: Scenario, kind: str, mode: str) -> Outcome:
        outcome = Outcome(scenario.title, {"sqlite": "SQLite", "postgresql": "PostgreSQL"}[kind])
        began = time.monotonic()
        stage = None

        def say(what: str) -> None:
            at = time.monotonic() - self.began
            print(f"{at:5.0f} s  {scenario.name:<9} {outcome.database:<24} {what}", file=sys.stderr, flush=True)

        with ExitStack() as stack:
            try:
                host = stack.enter_context(Host()) if scenario.needs == "host" else None
                disk = stack.enter_context(Disk()) if scenario.needs == "disk" else None
                database = self._database(kind, mode, disk, host, stack)
                outcome.database = database.label
                say("begins")
                stage = Stage(
                    self.project,
                    database,
                    outcome,
                    rng=random.Random(f"{self.options.seed} {scenario.name} {kind} {mode}"),
                    short=self.options.short,
                    say=say,
                    disk=disk,
                    host=host,
                )
                stack.callback(stage.stack.close)
                scenario.run(stage)
            except Skipped as skipped:
                outcome.skipped = str(skipped)
            except ServiceMissing as missing:
                outcome.skipped = str(missing)
                if services_required():
                    outcome.skipped, outcome.broken = "", [str(missing)]
            except Exception as error:  # the table is written whatever one scenario brings about
                outcome.broken.append(str(error).partition("\n")[0] or repr(error))
                say(f"{error}")
                if stage is not None:
                    try:
                        stage.judge(0)
                    except Exception as judging:
                        say(f"it could not be judged: {judging}")
        outcome.took = time.monotonic() - began
        for example in outcome.tally.examples:
            say(example)
        say(f"{outcome.verdict} ({outcome.took:.0f} s)")
        if stage is not None and self.options.logs:
            self._keep_logs(f"{scenario.name}-{kind}-{mode}".replace(" ", "").replace(",", "-"), stage)
        return outcome

    def _keep_logs(self, name: str, stage: Stage) -> None:
        directory = Path(self.options.logs)
        directory.mkdir(parents=True, exist_ok=True)
        (directory / f"{name}.log").write_text("\n\n".join(map(str, stage.processes)))

    def _database(self, kind: str, mode: str, disk: Disk | None, host: Host | None, stack: ExitStack) -> Database:
        if kind == "sqlite":
            if self._sqlite_template is None:
                template = self._directory / "template.sqlite3"
                migrate(self.project, sqlite_settings(template, "as startproject"))
                self._sqlite_template = template
            where = disk.path if disk else scratch_directory("vkteams-bot-chaos-database-")
            return Sqlite(where / "database.sqlite3", self._sqlite_template, mode)
        if host is not None:  # a server that also listens to that host
            server = PrivatePostgres(also_for=NETWORK)
            stack.callback(server.close)
            database = PostgreSQL(server)
            migrate(self.project, database.settings)
            return database
        if self._postgres is None:
            server = PrivatePostgres()
            self.stack.callback(server.close)
            migrated = PostgreSQL(server)
            migrate(self.project, migrated.settings)
            self._postgres = server, migrated.url
        return PostgreSQL(*self._postgres)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--short", action="store_true", help="about a minute and a half, for CI")
    parser.add_argument("--only", action="append", choices=[scenario.name for scenario in SCENARIOS])
    parser.add_argument("--database", choices=("sqlite", "postgresql"))
    parser.add_argument("--markdown", metavar="FILE", help="write the table there, too")
    parser.add_argument("--logs", metavar="DIRECTORY", help="keep what the processes wrote")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # mounts and namespaces are removed on the way out
    print(f"seed {options.seed}", file=sys.stderr)
    run = Run(options)
    outcomes = run.outcomes()
    table = markdown(outcomes)
    print(f"\n{table}\nseed {options.seed}, {time.monotonic() - run.began:.0f} s in all")
    for outcome in outcomes:
        if outcome.skipped:
            print(f"!!! NOT RUN: {outcome.name}, {outcome.database}: {outcome.skipped}", file=sys.stderr)
    if options.markdown:
        Path(options.markdown).write_text(table)
    return 1 if any(outcome.broken for outcome in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
