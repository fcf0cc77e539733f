"""Every path of a run lies in its folder, and the reader's own data are found or not."""

import errno

import pytest

from dml_lib import paths


def test_a_run_is_named_by_its_profile():
    run = paths.Run("fast")
    assert run.root == paths.ROOT / "_run" / "fast" and (paths.ROOT / "dml_lib").is_dir()
    assert run.root != paths.Run("standard").root


def test_a_folder_is_taken_from_the_repository_or_as_it_is(tmp_path):
    assert paths.Run("fast", "some/run").root == paths.ROOT / "some" / "run"
    assert paths.Run("fast", str(tmp_path)).root == tmp_path


def test_files_of_a_run_are_distinct_and_inside_it(tmp_path):
    run = paths.Run("fast", str(tmp_path))
    files = [run.store, run.book, run.result("evaluate"), run.result("sonify"), run.skipped, run.table]
    files += [f(s, r) for f in (run.weights, run.embedding, run.checkpoint) for s in ("pitch", "instrument") for r in ("ours", "paper")]
    assert len(set(files)) == len(files) and all(tmp_path in f.parents for f in files)
    assert run.result("evaluate").name == "evaluate.json"


def test_only_what_a_run_made_is_emptied(tmp_path):
    folder = paths.emptied(tmp_path / "run" / "book")
    (folder / "page.html").touch()
    assert [file.name for file in paths.emptied(folder).iterdir()] == [paths.MADE]
    (tmp_path / "book").mkdir()
    (tmp_path / "book" / "thesis.txt").write_text("mine")
    for place in (tmp_path / "book", tmp_path / "book" / "thesis.txt"):
        with pytest.raises(ValueError, match="expected nothing at .*book.*found other files"):
            paths.emptied(place)
    assert (tmp_path / "book" / "thesis.txt").read_text() == "mine"


def test_user_data_is_a_folder_that_exists_or_none(tmp_path, monkeypatch):
    monkeypatch.setenv("DML_DATA", str(tmp_path))
    assert paths.user_data() == tmp_path
    monkeypatch.setenv("DML_DATA", str(tmp_path / "absent"))
    assert paths.user_data() is None
    monkeypatch.delenv("DML_DATA")
    assert paths.user_data() is None


def test_a_run_cannot_be_changed():
    with pytest.raises(AttributeError):
        paths.Run("fast").profile = "paper"


def test_page_files_lie_where_pages_link_them():
    assert paths.Run("fast").page_file("map") == paths.ROOT / "_run" / "fast" / "book" / "assets" / "map"


def test_what_the_system_refuses_is_no_damage(tmp_path):
    def refused(file):
        raise OSError(errno.EMFILE, "too many open files")

    with pytest.raises(OSError, match="too many open files"):
        paths.whole(refused, tmp_path, "a whole file", "delete it")
    with pytest.raises(paths.Damaged, match=r"is not a whole file \('values'\): delete it"):
        paths.whole(lambda file: {}["values"], tmp_path, "a whole file", "delete it")


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path):
    file = tmp_path / "new" / "a.txt"
    paths.replace_file(file, lambda part: part.write_text("one"))
    with pytest.raises(ZeroDivisionError):
        paths.replace_file(file, lambda part: part.write_text("two") // 0)
    assert file.read_text() == "one" and [path.name for path in file.parent.iterdir()] == ["a.txt"]
