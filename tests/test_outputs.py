"""Folders that appear when they are complete."""

import pytest

from queryinst_vis.errors import UserError
from queryinst_vis.outputs import check_folder, check_new_file, new_folder


def _fill(path, text, *, overwrite=False):
    with new_folder(path, overwrite=overwrite, known_by="index.json") as folder:
        assert folder.name == "out.part"
        (folder / "index.json").write_text(text)


def _names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_folder_gets_its_name_when_it_is_complete(tmp_path):
    out = tmp_path / "out"
    _fill(out, "first")
    assert (out / "index.json").read_text() == "first"
    with pytest.raises(UserError, match="exists; --overwrite replaces it"):
        _fill(out, "second")
    _fill(out, "second", overwrite=True)
    assert (out / "index.json").read_text() == "second"
    assert _names(tmp_path) == ["out"]


def test_an_error_leaves_what_was_there(tmp_path):
    _fill(tmp_path / "out", "first")
    with pytest.raises(RuntimeError), new_folder(tmp_path / "out", overwrite=True, known_by="index.json"):
        raise RuntimeError
    assert (tmp_path / "out" / "index.json").read_text() == "first"
    assert _names(tmp_path) == ["out"]


def test_what_a_killed_run_left_goes(tmp_path):
    (tmp_path / "out.part").mkdir()
    (tmp_path / "out.part" / "half").touch()
    (tmp_path / "out").mkdir()  # empty: may be filled
    _fill(tmp_path / "out", "whole")
    assert _names(tmp_path / "out") == ["index.json"]
    assert _names(tmp_path) == ["out"]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: path.touch(), "is no folder"),
        (lambda path: (path.mkdir(), (path / "thesis.tex").touch()), "holds other things"),
        (lambda path: path.symlink_to(path.parent), "is a link"),
    ],
)
def test_other_things_are_never_replaced(tmp_path, make, message):
    make(tmp_path / "out")
    before = _names(tmp_path)
    with pytest.raises(UserError, match=message):
        _fill(tmp_path / "out", "", overwrite=True)
    assert _names(tmp_path) == before


def test_the_parent_must_exist(tmp_path):
    with pytest.raises(UserError, match="there is no folder"):
        _fill(tmp_path / "missing" / "out", "")


def test_an_input_is_no_output(tmp_path):
    """The JSON of `evaluate` and `stats` once replaced the annotations it was made of."""
    (tmp_path / "in.json").write_text("[]")
    (tmp_path / "link.json").symlink_to("in.json")
    for name in ("in.json", "link.json"):
        with pytest.raises(UserError, match="is an input; name another output"):
            check_new_file(tmp_path / name, overwrite=True, inputs=[tmp_path / "other.json", tmp_path / "in.json"])
    check_new_file(tmp_path / "new.json", overwrite=True, inputs=[tmp_path / "in.json"])


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="is a file, expected a folder"):
        check_folder(tmp_path / "file")
    check_folder(tmp_path)
    check_folder(tmp_path / "new")
