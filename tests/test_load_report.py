"""The text of a report."""

from queryinst_vis.load_report import LoadReport, summary


def test_report_of_a_full_match_is_one_line():
    report = LoadReport("a.pth", "mmdetection", matched=("a.weight", "b.weight"), missing=(), left_over=(), mismatched={})
    assert str(report) == "a.pth (mmdetection names): 2 of the model's 2 tensors matched"
    assert report.is_complete


def test_report_names_each_kind_once():
    shapes = {f"stages.{s}.fc_cls.weight": ((80, 256), (5, 256)) for s in range(6)}
    report = LoadReport(
        "a.pth", "mmdetection", matched=("a.weight",), missing=("b.weight",), left_over=("c.0.d",), mismatched=shapes
    )
    assert str(report).splitlines() == [
        "a.pth (mmdetection names): 1 of the model's 8 tensors matched",
        "  missing (1): b.weight",
        "  left over (1): c.*.d",
        "  of another shape (6): stages.*.fc_cls.weight [80, 256] instead of [5, 256]",
    ]
    assert not report.is_complete


def test_long_lists_are_cut():
    assert summary(f"{letter}.weight" for letter in "abcdefgh").endswith("f.weight and 2 more kinds")
    assert summary([]) == ""
