"""The roadmap's file: safe reading, staging, placing by exchange, and the tricks of a hostile directory."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import threading
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

import pytest

from coffee_maker.adapters import roadmap_file, unread
from coffee_maker.adapters.roadmap_file import RoadmapFile
from coffee_maker.core.errors import RoadmapMissing, RoadmapUnusable
from coffee_maker.utils.mounts import Mount


def digest(content: bytes) -> str:
    return sha256(content).hexdigest()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "ROADMAP.md"
    path.write_bytes(b"one\r\n")
    return path


@pytest.fixture
def file(path: Path) -> RoadmapFile:
    return RoadmapFile(str(path), patience=0.05, gap=0.0)


@pytest.fixture(params=["exchange", "rename"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways of placing; a system without the exchange cannot be had here, so it is switched off."""
    if request.param == "rename":
        monkeypatch.setattr(roadmap_file, "_exchange", lambda *_: False)
    return str(request.param)


def test_stage_and_place_replace_the_content_and_leave_nothing_behind(file: RoadmapFile, path: Path, way: str) -> None:
    staged = file.stage(b"two")
    assert path.read_bytes() == b"one\r\n"
    assert file.staged(staged) == b"two"
    assert file.strays() == (staged,)
    assert file.place(staged, digest(b"one\r\n")) is None
    assert path.read_bytes() == b"two"
    assert os.listdir(path.parent) == ["ROADMAP.md"]


def test_a_save_between_reading_and_placing_is_handed_back(file: RoadmapFile, path: Path, way: str) -> None:
    staged = file.stage(b"ours")
    path.write_bytes(b"theirs")
    taken = file.place(staged, digest(b"one\r\n"))
    assert taken is not None
    assert taken.content == b"theirs"
    assert taken.placed is (way == "exchange")
    assert path.read_bytes() == (b"ours" if taken.placed else b"theirs")
    assert file.staged(staged) == (b"theirs" if taken.placed else b"ours")
    file.discard(staged)
    assert file.strays() == ()


def test_a_writer_that_has_the_file_open_is_waited_for(path: Path) -> None:
    file = RoadmapFile(str(path), patience=30)
    staged = file.stage(b"ours")
    writer = os.open(path, os.O_WRONLY | os.O_TRUNC)
    os.write(writer, b"half")

    def finish() -> None:
        # Placing has exchanged the names as soon as the staged one holds the writer's half.
        while (path.parent / staged).read_bytes() != b"half":
            pass
        os.write(writer, b" and whole")
        os.close(writer)

    thread = threading.Thread(target=finish)
    thread.start()
    taken = file.place(staged, digest(b"one\r\n"))
    thread.join()
    assert taken is not None
    assert taken.content == b"half and whole"


def writes_while_it_is_waited_for(
    path: Path, monkeypatch: pytest.MonkeyPatch, chunks: list[bytes], between: float
) -> None:
    """A program that begins to write the file anew; as long as somebody waits, a further chunk every `between` seconds
    of a clock of its own, and when there is none left it closes the file."""
    writer = os.open(path, os.O_WRONLY | os.O_TRUNC)
    now = [0.0]

    def wait(_: float) -> None:
        now[0] += between
        if chunks:
            os.write(writer, chunks.pop(0))
        else:
            with suppress(OSError):
                os.close(writer)

    monkeypatch.setattr(roadmap_file.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(roadmap_file.time, "sleep", wait)


def test_a_slow_writer_is_waited_for_as_long_as_it_writes(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = RoadmapFile(str(path), patience=2.0)
    writes_while_it_is_waited_for(path, monkeypatch, [b"half", b" and", b" whole"], between=1.5)
    assert file.read() == b"half and whole"


def test_a_writer_that_does_not_come_to_an_end_is_told_of(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = RoadmapFile(str(path), patience=2.0)
    writes_while_it_is_waited_for(path, monkeypatch, [b"x"] * 99, between=1.5)
    with pytest.raises(RoadmapUnusable, match="still writing"):
        file.read()


def test_a_program_that_only_keeps_the_file_open_is_in_nobodys_way(file: RoadmapFile, path: Path) -> None:
    with path.open("ab"):
        assert file.read() == b"one\r\n"


def placed(file: RoadmapFile, content: bytes) -> None:
    assert file.place(file.stage(content), digest(Path(file.path).read_bytes())) is None


def test_whether_anybody_has_read_what_was_placed(file: RoadmapFile, path: Path) -> None:
    assert not file.unread(), "it was not placed by us"
    placed(file, b"two")
    assert file.unread()
    assert file.read() == b"two"
    assert file.unread(), "our own reading leaves no trace"
    path.write_bytes(b"three")
    assert file.unread(), "nor does writing over it"
    path.read_bytes()
    assert not file.unread()
    placed(file, b"four")
    file.now_read()
    assert not file.unread()
    placed(file, b"five")
    path.rename(path.with_suffix(".old"))
    path.write_bytes(b"six")
    assert not file.unread(), "another file"
    placed(file, b"seven")
    times = path.stat().st_atime_ns, path.stat().st_mtime_ns
    kept = shutil.copy2(path, path.with_suffix(".copy"))
    os.utime(kept, ns=times)  # as a program that saves the times does
    os.replace(kept, path)
    assert not file.unread(), "a copy with the same times"
    path.unlink()
    assert not file.unread()


def test_taking_note_of_a_reading_follows_nothing_that_was_put_in_the_place(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"s")
    os.utime(secret, ns=(1, secret.stat().st_mtime_ns))
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(secret)
    fd = os.open(tmp_path, os.O_RDONLY)
    for name in ("pipe", "link", "nothing", "."):
        unread.clear(fd, name)  # neither waits for a writer of the pipe nor fails
    os.close(fd)
    assert secret.stat().st_atime_ns == 1


def test_what_was_taken_out_tells_as_well_whether_it_had_been_read(file: RoadmapFile, path: Path) -> None:
    for seen in (False, True):
        placed(file, b"two")
        staged = file.stage(b"ours")
        if seen:
            path.read_bytes()
        path.write_bytes(b"theirs")
        assert file.place(staged, digest(b"two")) is not None
        assert file.unread(staged) is not seen
        file.discard(staged)


def test_a_file_system_that_does_not_note_readings_proves_nothing(
    file: RoadmapFile, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    placed(file, b"two")
    assert file.unread()
    with monkeypatch.context() as patch:
        patch.setattr(unread, "mount_of", lambda _: Mount(1, "/", "nfs4"))
        assert not file.unread()
        patch.setattr(unread, "mount_of", lambda _: None)
        assert not file.unread()
    real = os.fstatvfs(0)
    flags = real.f_flag | 1024
    monkeypatch.setattr(unread.os, "fstatvfs", lambda _: os.statvfs_result((*real[:8], flags, *real[9:])))
    assert not file.unread()


def test_what_a_writer_keeps_open_is_set_aside_until_it_is_closed(file: RoadmapFile, path: Path, way: str) -> None:
    staged = file.stage(b"ours")
    with path.open("ab") as writer:
        assert file.place(staged, digest(b"one\r\n")) is None
        (held,) = file.held()
        assert file.late(held) is None
        writer.write(b"late")
    assert path.read_bytes() == b"ours"
    assert file.strays() == ()
    assert file.late(held) == b"one\r\nlate"
    file.discard(held)
    assert os.listdir(path.parent) == ["ROADMAP.md"]


def test_what_a_crash_left_and_a_writer_keeps_open_is_set_aside(file: RoadmapFile, path: Path) -> None:
    staged = file.stage(b"old")
    with (path.parent / staged).open("ab"):
        assert file.staged(staged) is None
    (held,) = file.held()
    assert file.late(held) == b"old"
    assert file.strays() == ()


def test_a_reader_is_not_killed_when_a_writer_breaks_its_lease(path: Path) -> None:
    """The lease's signal must be one that is ignored by default."""
    path.write_bytes(b"x" * 3_000_000)
    code = (
        "import sys\nfrom contextlib import suppress\nfrom coffee_maker.adapters.roadmap_file import RoadmapFile\n"
        "from coffee_maker.core.errors import RoadmapUnusable\n"
        "print('ready', flush=True)\nfile = RoadmapFile(sys.argv[1], patience=0.001)\n"
        "for _ in range(300):\n    with suppress(RoadmapUnusable): file.read()\nprint('done')"
    )
    child = subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    while child.poll() is None:
        with path.open("r+b") as writer:
            writer.write(b"y")
    assert child.stdout.read() == "done\n"
    assert child.wait() == 0


def test_mode_and_attributes_are_kept(file: RoadmapFile, path: Path, way: str) -> None:
    path.chmod(0o640)
    with suppress(OSError):  # a file system without attributes has none to keep
        os.setxattr(path, "user.note", b"mine")
    attributes = os.listxattr(path)
    file.place(file.stage(b"two"), digest(b"one\r\n"))
    assert path.stat().st_mode & 0o7777 == 0o640
    assert os.listxattr(path) == attributes


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to make a file of another owner")
def test_owner_is_kept(file: RoadmapFile, path: Path, way: str) -> None:
    os.chown(path, 12345, 54321)
    file.place(file.stage(b"two"), digest(b"one\r\n"))
    assert (path.stat().st_uid, path.stat().st_gid) == (12345, 54321)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to act as another user")
def test_a_foreign_owner_or_directory_is_refused_with_the_cure(path: Path) -> None:
    code = (
        "import os, sys\n"
        "from coffee_maker.adapters.roadmap_file import RoadmapFile\n"
        "from coffee_maker.core.errors import Refusal\n"
        "os.setgid(23456); os.setuid(23456)\n"
        "try: RoadmapFile(sys.argv[1]).stage(b'x')\nexcept Refusal as error: print(error.message, '|', error.hint)"
    )

    def attempt() -> str:
        return subprocess.run([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True).stdout

    for directory in path.parents[:4]:
        if directory.stat().st_mode & 0o777 == 0o700:  # the test runner's own, closed to others
            directory.chmod(0o755)
    path.chmod(0o666)
    assert "could not write beside it: no permission" in attempt()
    path.parent.chmod(0o777)
    assert "belongs to user 0" in attempt()
    assert "--user" in attempt()
    path.chmod(0o644)
    assert "read-only for this user, and belongs to user 0 | Run as its owner" in attempt().replace(". |", " |")
    assert os.listdir(path.parent) == ["ROADMAP.md"]


def test_the_users_own_symlink_is_followed_and_kept(tmp_path: Path, way: str) -> None:
    real = tmp_path / "notes" / "plan.md"
    real.parent.mkdir()
    real.write_bytes(b"one")
    link = tmp_path / "ROADMAP.md"
    link.symlink_to(real)
    file = RoadmapFile(str(link))
    assert file.read() == b"one"
    assert file.place(file.stage(b"two"), digest(b"one")) is None
    assert link.is_symlink()
    assert real.read_bytes() == b"two"


def test_planted_symlinks_pipes_and_directories_are_refused(tmp_path: Path) -> None:
    secret = tmp_path / "id_rsa"
    secret.write_bytes(b"secret")
    path = tmp_path / "ROADMAP.md"
    file = RoadmapFile(str(path), gap=0.0)
    path.symlink_to(secret)
    with pytest.raises(RoadmapUnusable, match="symlink"):
        file.read()
    path.unlink()
    path.symlink_to(tmp_path / "nowhere.md")
    with pytest.raises(RoadmapUnusable, match="symlink"):
        file.read()
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(RoadmapUnusable, match="no regular file"):
        file.read()
    path.unlink()
    path.mkdir()
    with pytest.raises(RoadmapUnusable, match="directory"):
        file.read()
    path.rmdir()
    with pytest.raises(RoadmapMissing):
        file.read()
    with pytest.raises(RoadmapMissing):
        RoadmapFile(str(tmp_path / "no" / "where.md"), gap=0.0).read()
    assert secret.read_bytes() == b"secret"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give files to another user")
def test_a_symlink_to_somebody_elses_text_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "theirs.md"
    other.write_bytes(b"x")
    os.chown(other, 12345, 12345)
    (tmp_path / "ROADMAP.md").symlink_to(other)
    with pytest.raises(RoadmapUnusable, match="no text file of the link's owner"):
        RoadmapFile(str(tmp_path / "ROADMAP.md")).read()


def test_a_file_that_is_made_anew_is_not_called_missing(path: Path) -> None:
    path.unlink()
    timer = threading.Timer(0.05, lambda: path.write_bytes(b"back"))
    timer.start()
    assert RoadmapFile(str(path), gap=30).read() == b"back"
    timer.join()


def test_a_file_that_is_made_anew_meanwhile_is_staged_beside_and_replaced(path: Path, way: str) -> None:
    file = RoadmapFile(str(path), gap=30)
    path.unlink()
    timer = threading.Timer(0.05, lambda: path.write_bytes(b"back"))
    timer.start()
    staged = file.stage(b"two")
    timer.join()
    path.unlink()
    assert file.staged(staged) == b"two"
    assert file.strays() == (staged,)
    timer = threading.Timer(0.05, lambda: path.write_bytes(b"back"))
    timer.start()
    assert file.place(staged, digest(b"back")) is None
    timer.join()
    assert path.read_bytes() == b"two"


def test_a_file_that_stays_away_is_missing_and_what_was_staged_can_be_discarded(file: RoadmapFile, path: Path) -> None:
    staged = file.stage(b"two")
    path.unlink()
    with pytest.raises(RoadmapMissing):
        file.place(staged, digest(b"one"))
    file.discard(staged)
    assert os.listdir(path.parent) == []


def test_a_huge_file_is_refused_before_it_is_read(file: RoadmapFile, path: Path) -> None:
    os.truncate(path, 50_000_000)
    with pytest.raises(RoadmapUnusable, match="50 MB"):
        file.read()


def test_a_full_disk_leaves_the_roadmap_and_no_rest(
    file: RoadmapFile, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_fd: int, _data: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)  # a full disk of its own is in tests/faults; this is the unit's own path
    with pytest.raises(RoadmapUnusable, match="disk is full"):
        file.stage(b"two")
    assert path.read_bytes() == b"one\r\n"
    assert os.listdir(path.parent) == ["ROADMAP.md"]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount")
def test_a_single_file_mount_is_refused_with_the_cure(path: Path, tmp_path: Path) -> None:
    code = (
        "import sys\nfrom coffee_maker.adapters.roadmap_file import RoadmapFile\n"
        "from coffee_maker.core.errors import Refusal\n"
        "try: RoadmapFile(sys.argv[1]).stage(b'x')\nexcept Refusal as error: print(error.message, '|', error.hint)"
    )
    other = tmp_path / "other.md"
    other.write_bytes(b"x")
    command = f'mount --bind "{other}" "{path}" && exec "$0" -c "$1" "{path}"'
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", command, sys.executable, code], capture_output=True, text=True
    )
    assert "mounted as a single file" in done.stdout, done.stderr
    assert "directory" in done.stdout


def test_create_never_overwrites(file: RoadmapFile, path: Path) -> None:
    with pytest.raises(FileExistsError):
        file.create(b"new")
    path.unlink()
    file.create(b"new")
    assert path.read_bytes() == b"new"
