"""A check that fails spares those that build on it, and no others."""

from vkteams_bot.doctor.findings import Check, Status, examine, fail, ok, skipped, warn


def test_what_builds_on_a_failed_check_is_skipped():
    looked = []

    def look(name, finding):
        def run():
            looked.append(name)
            return finding

        return run

    results = list(
        examine(
            [
                Check("a", look("a", warn("hm", "look"))),
                Check("b", look("b", fail("no", "mend")), ("a",)),
                Check("c", look("c", ok("yes")), ("a", "b")),
                Check("d", look("d", ok("yes")), ("c",)),
                Check("e", look("e", skipped("not needed"))),
                Check("f", look("f", ok("yes")), ("e",)),
            ]
        )
    )
    assert [(result.name, result.finding.status) for result in results] == [
        ("a", Status.WARN),
        ("b", Status.FAIL),
        ("c", Status.SKIPPED),
        ("d", Status.SKIPPED),
        ("e", Status.SKIPPED),
        ("f", Status.OK),
    ]
    assert looked == ["a", "b", "e", "f"]
    assert [result.finding.detail for result in results[2:4]] == ["needs b", "needs c"]


def test_results_come_one_by_one():
    looked = []

    def look():
        looked.append("once")
        return ok("yes")

    results = examine([Check("a", look), Check("b", look)])
    assert next(results).name == "a"
    assert looked == ["once"]
