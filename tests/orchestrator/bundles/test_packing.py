"""What is packed of a folder: its code as git or the rules tell it, never what leads out, never too much."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from orchestrator.bundles import CHUNK_BYTES, MOST_BYTES, git
from orchestrator.bundles.packing import pack, size_text
from orchestrator.bundles.unpacking import unpack
from orchestrator.errors import BadBundle


def write(folder: Path, files: dict[str, str]) -> None:
    """Files by path."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def in_git(folder: Path, *words: str) -> None:
    """Run git in a folder, as nobody in particular."""
    who = ("-c", "user.name=ada", "-c", "user.email=ada@lab", "-c", "protocol.file.allow=always")
    subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True)


def packed_names(folder: Path) -> list[str]:
    return [file.path for file in pack(str(folder)).manifest.files]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with what stands in every project."""
    write(tmp_path, {"main.py": "import lib", "lib/__init__.py": "", "data.csv": "1,2"})
    write(tmp_path, {"lib/__pycache__/x.pyc": "", "lib/old.pyc": "", ".venv/pyvenv.cfg": "", ".venv/lib/a.py": ""})
    write(tmp_path, {".headgate/key": "", ".mypy_cache/x": "", "home/redis/users.lock": "", "home/redis/data/aof": ""})
    return tmp_path


def test_without_git_all_is_code_but_what_nobody_means(project: Path) -> None:
    assert packed_names(project) == ["data.csv", "lib/__init__.py", "main.py"]


def test_an_ignore_file_leaves_out_more_and_takes_back(project: Path) -> None:
    write(project, {".headgateignore": "# data\n*.csv\n!keep.csv\n/lib/\n", "keep.csv": "", "sub/lib/x.py": ""})
    names = packed_names(project)
    assert {"keep.csv", "main.py", "sub/lib/x.py"} <= set(names)
    assert not {"data.csv", "lib/__init__.py", ".headgateignore"} & set(names)


def test_with_git_it_is_what_git_tracks_and_what_is_new_and_not_ignored(project: Path) -> None:
    write(project, {".gitignore": "*.csv\nhome/\n", "tracked.csv": "", "gone.py": "", "new.py": "", "skipped.py": ""})
    in_git(project, "init", "-q")
    in_git(project, "add", "-f", "main.py", "tracked.csv", "gone.py", "lib", "skipped.py")
    (project / "gone.py").unlink()
    write(project, {".headgateignore": "skipped.py\n"})
    assert packed_names(project) == [".gitignore", "lib/__init__.py", "main.py", "new.py", "tracked.csv"]


def test_a_folder_inside_a_work_tree_is_packed_alone_and_repositories_inside_it_too(tmp_path: Path) -> None:
    write(tmp_path, {"outer.py": "", "flows/main.py": "", "flows/inner/a.py": ""})
    write(tmp_path, {"flows/inner/b.tmp": "", "flows/inner/.gitignore": "b.*\n"})
    in_git(tmp_path, "init", "-q")
    in_git(tmp_path / "flows/inner", "init", "-q")
    assert packed_names(tmp_path / "flows") == ["inner/.gitignore", "inner/a.py", "main.py"]


def test_a_folder_that_git_ignores_as_a_whole_is_no_part_of_its_repository(tmp_path: Path) -> None:
    write(tmp_path, {".gitignore": "scratch/\n", "scratch/main.py": ""})
    in_git(tmp_path, "init", "-q")
    assert packed_names(tmp_path / "scratch") == ["main.py"]


def test_a_repository_that_git_refuses_is_packed_by_the_rules_and_says_so(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / ".git").write_text("gitdir: /nowhere")
    packed = pack(str(project))
    assert "main.py" in {file.path for file in packed.manifest.files}
    assert len(packed.notes) == 1 and "not a git repository: /nowhere" in packed.notes[0]
    monkeypatch.setenv("PATH", "/nowhere")
    assert "git can not be used" in pack(str(project)).notes[0]


def test_variables_of_a_git_hook_do_not_point_git_elsewhere(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    in_git(project, "init", "-q")
    monkeypatch.setenv("GIT_DIR", "/nowhere/.git")
    assert "main.py" in git.names_below(str(project))


def test_links_to_files_inside_are_files_and_others_are_left_out_with_a_note(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    write(root, {"main.py": "code", "lib/a.py": ""})
    write(outside, {"secret": "password"})
    targets = {"in": "main.py", "out": "../outside/secret", "abs": "/etc/passwd", "folder": "lib", "nothing": "nowhere"}
    for name, target in targets.items():
        (root / name).symlink_to(target)
    (root / "loop").symlink_to("loop")
    (root / "up").symlink_to("..")
    os.mkfifo(root / "pipe")
    packed = pack(str(root))
    assert [file.path for file in packed.manifest.files] == ["in", "lib/a.py", "main.py"]
    assert packed.manifest.files[0].chunks == packed.manifest.files[2].chunks
    assert b"password" not in packed.chunks.values()
    said = "\n".join(packed.notes)
    assert len(packed.notes) == 7 and all(
        f"'{name}'" in said for name in (*targets, "loop", "up", "pipe") if name != "in"
    )


def test_names_that_can_not_travel_are_left_out_with_a_note(tmp_path: Path) -> None:
    write(tmp_path, {"main.py": ""})
    for name in (b"line\nbreak", b"latin-\xe9", b"back\\slash"):
        (tmp_path / os.fsdecode(name)).touch()
    packed = pack(str(tmp_path))
    assert [file.path for file in packed.manifest.files] == ["main.py"] and len(packed.notes) == 3
    (tmp_path / "MAIN.py").touch()
    with pytest.raises(BadBundle, match=r"differ only by case"):
        pack(str(tmp_path))


def test_too_much_is_refused_with_what_is_largest_and_how_to_leave_it_out(tmp_path: Path) -> None:
    write(tmp_path, {"main.py": "", "data/small.bin": "x"})
    with (tmp_path / "data/large.bin").open("wb") as file:
        file.truncate(MOST_BYTES)
    with pytest.raises(BadBundle) as caught:
        pack(str(tmp_path))
    assert "got 16.0 MiB in 3 files; the largest are data/large.bin (16.0 MiB), data/small.bin (1 byte)" in str(
        caught.value
    )
    assert "by folder: data/ (16.0 MiB in 2 files)" in str(caught.value)
    assert ".headgateignore" in str(caught.value.hint)


def test_an_unreadable_file_and_an_empty_folder_are_errors(tmp_path: Path) -> None:
    with pytest.raises(BadBundle, match="no file to pack"):
        pack(str(tmp_path))
    with pytest.raises(BadBundle, match="No such file"):
        pack(str(tmp_path / "nowhere"))


def test_the_same_files_are_the_same_bundle_wherever_they_stand_and_whenever_they_were_written(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write(tmp_path / name, {"main.py": "x", "lib/a.py": "y"})
    os.utime(tmp_path / "one/main.py", (0, 0))
    one, two = pack(str(tmp_path / "one")), pack(str(tmp_path / "two"))
    assert one.manifest == two.manifest and len(one.manifest.digest) == 64
    (tmp_path / "two/main.py").chmod(0o755)
    assert pack(str(tmp_path / "two")).manifest.digest != one.manifest.digest


def test_what_is_unpacked_is_what_was_packed(tmp_path: Path) -> None:
    source, into = tmp_path / "source", tmp_path / "into"
    write(source, {"main.py": "x", "lib/deep/a.py": "y"})
    (source / "large.bin").write_bytes(os.urandom(CHUNK_BYTES * 2 + 1))
    (source / "main.py").chmod(0o755)
    packed = pack(str(source))
    into.mkdir()
    unpack(packed.manifest, packed.chunks, into)
    assert pack(str(into)).manifest == packed.manifest
    with pytest.raises(FileExistsError):
        unpack(packed.manifest, packed.chunks, into)


def test_sizes_are_told_as_people_read_them() -> None:
    sizes = (0, 1, 1023, 1024, 34 << 10, 1000 << 10, 16 << 20)
    assert [*map(size_text, sizes)] == ["0 bytes", "1 byte", "1023 bytes", "1.0 KiB", "34 KiB", "1.0 MiB", "16.0 MiB"]
