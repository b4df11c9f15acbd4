"""A hundred manifests and pieces that nobody of good will would make: each is refused with one sentence."""

import json
import zlib
from hashlib import sha256

import pytest

from orchestrator.bundles import CHUNK_BYTES, MOST_BYTES, File, Manifest
from orchestrator.bundles.chunks import stored, verified
from orchestrator.errors import BadBundle

PIECE = b"print('a flow')\n"
NAME = sha256(PIECE).hexdigest()
OTHER = sha256(b"other").hexdigest()


def row(path="main.py", **changes):
    return {"path": path, "size": len(PIECE), "executable": False, "chunks": [NAME], **changes}


def text(value):
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode("utf-8", "surrogatepass")


def listed(*rows, **more):
    return text({"files": list(rows), **more})


PATHS = [
    *("", ".", "..", "/", "//", "./a", "a/.", "a/./b", "../a", "a/..", "a/../b", "a/../../b", "..\\a", "a\\b", "C:\\a"),
    *("/etc/passwd", "//host/share", "a//b", "a/", "/a", "a/\0b", "a\0", "a\nb", "\x1b[2J", "a\x7f", "a\x85b", "\t"),
    *("../" * 40 + "etc/passwd", "a" * 256, "é" * 128, "/".join(["a" * 200] * 6), "\ud800", "a/\udcff/b", "...../.."),
]
PAIRS = [
    *(("a", "a"), ("a", "A"), ("README", "readme"), ("é", "e\u0301"), ("ß", "SS"), ("\u212a", "k"), ("K", "\u212a")),
    *(
        ("ﬁ", "FI"),
        ("a", "a/b"),
        ("a/b", "a/b/c"),
        ("A", "a/b"),
        ("a/b", "A/c"),
        ("é/a", "e\u0301/b"),
        ("a/B/c", "a/b"),
    ),
    *(("İ", "i\u0307"), ("straße/a", "STRASSE/b")),
]
ROWS = [
    *(None, 1, "main.py", [], {}, ["main.py", 16, False, [NAME]]),
    *(row(kind="symlink", target="/etc/passwd"), row(link="/etc/passwd"), row(device=[1, 3]), row(mode=0o4755)),
    *(row(owner=0), {"path": "a"}, {**row(), "hard_link": "b"}, {**row(), "folder": True}),
    *(row(path=None), row(path=1), row(path=["a"]), row(path={}), row(path=True)),
    *(row(size=-1), row(size=16.0), row(size=1.5), row(size="16"), row(size=True), row(size=None), row(size=1 << 70)),
    *(row(size=MOST_BYTES + 1, chunks=[NAME] * 17), row(size=0), row(size=CHUNK_BYTES + 1), row(size=16, chunks=[])),
    *(row(executable=1), row(executable=None), row(executable="x"), row(executable=0o4755)),
    *(row(chunks=None), row(chunks=NAME), row(chunks={}), row(chunks=[1]), row(chunks=[None]), row(chunks=[[NAME]])),
    *(row(chunks=[NAME[:-1]]), row(chunks=[NAME.upper()]), row(chunks=[NAME + "0"]), row(chunks=["../" * 21 + "a"])),
    *(row(chunks=[NAME, NAME]), row(chunks=["g" * 64]), row(chunks=["٠" * 64]), row(chunks=[NAME + "\n"])),
    *(row(size=CHUNK_BYTES + 16, chunks=[NAME, NAME]), row(size=1e400), row(size=float("nan"))),
]
TEXTS = [
    *(b"", b"\xff", b"null", b"[]", b"{}", b'"files"', b"1", b'{"files":{}}', b'{"files":null}', b"PK\x03\x04", b"\0"),
    *(
        listed(),
        listed(row(), links=[]),
        listed(row(), schema=2),
        text([row()]),
        listed(row()) + b" ",
        listed(row())[1:],
    ),
    *(listed(row()) + listed(row()), listed(row())[:-1], b" " + listed(row()), b"\xef\xbb\xbf" + listed(row())),
    *(
        listed(row("b.py"), row("a.py")),
        json.dumps({"files": [row()]}).encode(),
        json.dumps({"files": [row("é")]}).encode(),
    ),
    *(listed(row()).replace(b'"size":', b'"size":1,"size":'), listed(row()).replace(b"false", b'false,"path":".."')),
    *(b"[" * 100_000, b'{"files":' * 100_000, b'{"files":[' + b"9" * 10_000 + b"]}"),
    *(b'{"files":[' + b"0," * 10_001 + b"0]}", b" " * ((4 << 20) + 1)),
    listed(*(row(f"{number:05}.py") for number in range(10_001))),
    listed(*(row(f"{number}.bin", size=CHUNK_BYTES * 2, chunks=[NAME, NAME]) for number in range(9))),
    listed(row("a.py"), row("b.py", size=17)),
]
DEFLATED = zlib.compress(PIECE * 100)
PIECES = {
    "nothing": b"",
    "no mark": PIECE,
    "an unknown mark": b"x" + PIECE,
    "other bytes": stored(b"other"),
    "a byte more": stored(PIECE + b"\n"),
    "cut off": stored(PIECE)[:-1],
    "nothing behind its mark": b"z",
    "no zlib": b"z" + PIECE,
    "cut off while compressed": b"z" + DEFLATED[:-1],
    "cut to its head": b"z" + DEFLATED[:2],
    "more behind its end": b"z" + zlib.compress(PIECE) + b"more",
    "two streams": b"z" + zlib.compress(PIECE) * 2,
    "a wrong sum": b"z" + zlib.compress(PIECE)[:-1] + b"\0",
    "a bomb": b"z" + zlib.compress(bytes(32 << 20), 9),
    "a small bomb": b"z" + zlib.compress(bytes(CHUNK_BYTES + 1)),
    "compressed twice": b"z" + zlib.compress(zlib.compress(PIECE)),
    "larger than any": b"=" + bytes(CHUNK_BYTES + 1),
    "a dictionary asked for": b"z\x78\xbb\0\0\0\0" + PIECE,
}


def test_there_are_more_than_a_hundred():
    assert len(PATHS) + len(PAIRS) + len(ROWS) + len(TEXTS) + len(PIECES) > 100


def refused(data):
    with pytest.raises(BadBundle) as caught:
        Manifest.from_bytes(data)
    assert len(str(caught.value)) < 800
    assert str(caught.value).isprintable()


def test_what_good_will_makes_is_taken():
    made = Manifest.from_bytes(listed(row("a b/é/…,;'\"$`.py"), row("main.py"), row("run.sh", executable=True)))
    assert made.digest == sha256(made.to_bytes()).hexdigest()
    assert verified(NAME, stored(PIECE)) == PIECE


@pytest.mark.parametrize("path", PATHS, ids=ascii)
def test_a_path_that_leads_out_or_means_something_is_refused(path):
    refused(listed(row(path)))


@pytest.mark.parametrize("pair", PAIRS, ids=ascii)
def test_two_paths_that_are_one_somewhere_are_refused(pair):
    refused(listed(*(row(path) for path in sorted(pair))))


@pytest.mark.parametrize("number", range(len(ROWS)))
def test_a_row_that_is_no_file_is_refused(number):
    refused(listed(ROWS[number]))


@pytest.mark.parametrize("number", range(len(TEXTS)))
def test_a_text_that_is_no_manifest_of_ours_is_refused(number):
    refused(TEXTS[number])


@pytest.mark.parametrize("what", PIECES)
def test_a_piece_that_is_not_what_its_name_says_is_refused(what):
    with pytest.raises(BadBundle):
        verified(NAME, PIECES[what])


def test_a_manifest_can_not_be_made_of_what_could_not_be_read():
    with pytest.raises(BadBundle):
        Manifest((File(path="../a", size=0, executable=False, chunks=()),))
    with pytest.raises(BadBundle):
        Manifest(())


def test_the_order_of_files_does_not_matter():
    files = [File(path=name, size=0, executable=False, chunks=()) for name in ("b", "a", "c/d")]
    assert Manifest(tuple(files)).digest == Manifest(tuple(reversed(files))).digest
