"""A finished submission against the videos it is for."""

from pathlib import Path
from typing import Any, BinaryIO, Protocol

from queryinst_vis.data.json_tables import Rows
from queryinst_vis.evaluation.ytvis_results import ARCHIVED
from queryinst_vis.submission.archive import open_results
from queryinst_vis.submission.json_list import JsonError, JsonList, NotAListError
from queryinst_vis.submission.report import Problem, Report
from queryinst_vis.submission.rules import Rules


def check_submission(path: str | Path, content: dict[str, Rows], *, num_examples: int = 5) -> Report:
    """All that a server would refuse or score wrongly in a zip, in the memory of a few entries.

    content: of the videos' file, as `read_ytvis` gives it. num_examples: problems of each kind that are kept in full.
    OSError when the file cannot be read at all.
    """
    report = Report(num_examples=num_examples)
    rules = Rules(content["videos"], [category["id"] for category in content["categories"]], report)
    with open_results(Path(path), report, ARCHIVED) as stream:
        if stream is not None:
            check_entries(stream, rules, report)
    report.facts |= {"num_videos": len(content["videos"]), "num_entries": rules.num_entries, "num_masks": rules.num_masks}
    return report


class EntryRules(Protocol):
    """What says of one entry after the other what is wrong with it, and at the end what is wrong with all of them."""

    num_entries: int

    def check(self, entry: Any, *, has_constants: bool = False) -> None: ...

    def finish(self) -> None: ...


def check_entries(stream: BinaryIO, rules: EntryRules, report: Report) -> None:
    """Check a JSON list; what is wrong with the JSON itself goes into `report`."""
    try:
        for entry, has_constants in JsonList(stream):
            rules.check(entry, has_constants=has_constants)
    except NotAListError as error:
        report.add(Problem("not_a_list", str(error)))
    except JsonError as error:
        report.add(Problem("not_json", f"{error} (after {rules.num_entries} entries)"))
    else:
        rules.finish()
