"""How many exchanges a test makes in a second, in a database in memory. Peers have no test kit."""

from collections.abc import Sequence

from harness.contenders import Library
from harness.sections import Measured, Round, Settings, in_rounds, run_program
from harness.services import Services


def testkit(services: Services, settings: Settings, libraries: Sequence[Library]) -> Measured:
    def measure(library: Library, exchanges: int) -> dict[str, Round]:
        result: dict[str, Round] = run_program(library.program("testkit", [str(exchanges)]))
        return result

    return in_rounds(services, "testkit", libraries, [300 if settings.quick else 2000], settings.rounds, measure)
