"""Reads a pack without trusting it: finds every record, hashes every object, makes the pack-index.

A length or a count that a pack claims is never believed before the bytes are there, so no pack makes
this take more memory than a row a record. What a row holds stands in wit/storage.wit.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import re
import struct
import unicodedata
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple, NoReturn

# By the number that a row holds for a kind.
KINDS = ("commit", "snapshot", "object", "tag")
SECTIONS = (b"commits", b"snapshots", b"objects", b"tags")
ID_FIELDS = (b"commit_id", b"snapshot_id", b"object_id", b"tag_id")
OBJECT, TAG = 2, 3

# Nesting of a record: decoders of the field stop at about this depth, so a deeper record could be
# stored and never be read.
MAX_DEPTH = 1024
# Largest commit, snapshot or tag, in bytes. The native host takes 256 MiB; here every byte takes 32
# while it crosses to the component.
MAX_RECORD = 16 << 20
MAX_TAG_ID = 256
MAX_BRANCH = 255
MAX_BRANCHES = 65_536
# Bytes that are held at a time when bytes are copied or compared.
CHUNK = 1 << 20

_ROW = struct.Struct("<BB6xQQ32s16s")
_ID = re.compile(rb"(sha256:)?([0-9a-f]{64})")
# The form of an id, as a row holds it.
BARE, PREFIXED, TEXT = b"\0", b"\1", b"\2"
NO_FINGERPRINT = bytes(16)


class BadPack(Exception):
    """A pack that is refused: which file, at which byte, and why."""

    def __init__(self, path: Path, offset: int, reason: str) -> None:
        super().__init__(f"{path}: byte {offset}: {reason}")


def parse_id(text: bytes) -> bytes:
    """An id in fixed width: its form, then the digest that it stands for."""
    match = _ID.fullmatch(text)
    if match is None:
        shown = text[:80].decode("utf-8", "replace")
        raise ValueError(f"no id, which is 64 lower-case hexadecimal digits with or without `sha256:`: {shown!r}")
    return (PREFIXED if match[1] else BARE) + bytes.fromhex(match[2].decode())


def id_text(entity_id: bytes) -> str:
    """An id as the client wrote it. Of a tag's text only the digest is known."""
    return {BARE: "", PREFIXED: "sha256:", TEXT: "text:"}[entity_id[:1]] + entity_id[1:].hex()


class Row(NamedTuple):
    """What a pack-index says of a record."""

    kind: int
    id: bytes
    offset: int
    length: int
    fingerprint: bytes

    def encode(self) -> bytes:
        """The row's 72 bytes."""
        return _ROW.pack(self.kind, self.id[0], self.offset, self.length, self.id[1:], self.fingerprint)

    @property
    def entity(self) -> tuple[int, bytes]:
        """What the record is a record of."""
        return self.kind, self.id

    def __str__(self) -> str:
        return f"{KINDS[self.kind]} {id_text(self.id)}"


class Pack:
    """A pack that was read whole and found sound."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_size == 0:
                raise BadPack(path, 0, "the file is empty")
            # Packs are named by their bytes, so nobody has a reason to change one: that a file may shrink while
            # it is mapped, which would kill the process, is not provided for.
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped, memoryview(mapped) as view:
                scan = _Scan(path, view)
                scan.pack()
                self.size = len(view)
                self.key = "sha256:" + hashlib.sha256(view).hexdigest()
        # By offset, as the sections were read in their order in the file.
        self.rows: list[Row] = scan.rows
        self.index = b"".join(row.encode() for row in self.rows)
        self.heads = [{"branch": branch, "commit": scan.heads[branch]} for branch in sorted(scan.heads)]
        self._offsets = [row.offset for row in self.rows]

    def whole_rows(self, offset: int, length: int) -> list[Row]:
        """The records that bytes of the pack consist of; none if these are not whole records."""
        first = last = bisect_left(self._offsets, offset)
        end = offset
        while end < offset + length and last < len(self.rows) and self.rows[last].offset == end:
            end += self.rows[last].length
            last += 1
        return self.rows[first:last] if end == offset + length else []

    def chunks(self, offset: int, length: int) -> Iterator[bytes]:
        """Bytes of the pack, a piece at a time. The file is open meanwhile only: packs may be many."""
        with self.path.open("rb", buffering=0) as file:
            file.seek(offset)
            while length > 0:
                chunk = file.read(min(length, CHUNK))
                if not chunk:
                    raise BadPack(self.path, file.tell(), "the file ends here, and did not when it was scanned")
                length -= len(chunk)
                yield chunk

    def read(self, offset: int, length: int) -> bytes:
        """Bytes of the pack."""
        return b"".join(self.chunks(offset, length))


def known_id(text: str) -> bytes | None:
    """An id in fixed width; None for a text that no index has."""
    try:
        return parse_id(text.encode())
    except ValueError:
        return None


def tag_id(text: str) -> bytes:
    """The id of a tag in fixed width."""
    return TEXT + hashlib.sha256(text.encode()).digest()


def read_tag(path: Path, record: bytes) -> tuple[str, str]:
    """The text of a tag, and the commit that it names."""
    scan = _Scan(path, memoryview(record))
    found: dict[bytes, str] = {}
    for _ in range(scan.expect(MAP, "a tag")):
        field = scan.field_name()
        if field == b"tag_id":
            found[field] = scan.printable("`tag_id`", MAX_TAG_ID)
        elif field == b"commit_id":
            found[field] = id_text(scan.id("`commit_id`"))
        else:
            scan.skip()
    if len(found) != 2:
        scan.fail("a tag has no `tag_id`, or no `commit_id`", 0)
    return found[b"tag_id"], found[b"commit_id"]


def prefers(a: tuple[Pack, Row], b: tuple[Pack, Row]) -> bool:
    """Of two encodings of one entity the longer is preferred, then the greater by bytes."""
    (pack, row), (other_pack, other) = a, b
    if row.length != other.length or row.fingerprint == other.fingerprint:
        return row.length > other.length
    order = compare(pack.chunks(row.offset, row.length), other_pack.chunks(other.offset, other.length))
    return order == "greater"


def count_entities(rows: Iterable[Row]) -> dict[str, int]:
    """Distinct entities by the name of their section, as in the WIT's `counts`."""
    found = Counter(kind for kind, _ in {row.entity for row in rows})
    return {section.decode(): found[kind] for kind, section in enumerate(SECTIONS)}


def compare(a: Iterator[bytes], b: Iterator[bytes]) -> str:
    """How two records compare as strings of bytes, given their chunks: a word of `storage.ordering`."""
    for x, y in zip_longest(a, b, fillvalue=b""):
        if x != y:
            return "less" if x < y else "greater"
    return "equal"


# What a value is, in the words of messages.
NIL = "nil"
SCALAR = "a number or boolean"
STR = "a string"
BIN = "bytes"
ARRAY = "an array"
MAP = "a map"
EXT = "an extension"


def _markers() -> list[tuple[str, int, int] | None]:
    """MessagePack's first bytes: what follows, its size, and the width of a number to add to that.

    The size is in bytes; of an array in values, of a map in pairs.
    """
    table: list[tuple[str, int, int] | None] = [None] * 256
    for n in range(0x80):
        table[n] = (SCALAR, 0, 0)
    for n in range(16):
        table[0x80 + n] = (MAP, n, 0)
        table[0x90 + n] = (ARRAY, n, 0)
    for n in range(32):
        table[0xA0 + n] = (STR, n, 0)
        table[0xE0 + n] = (SCALAR, 0, 0)
    table[0xC0] = (NIL, 0, 0)
    table[0xC2] = table[0xC3] = (SCALAR, 0, 0)
    for power in range(3):
        width = 1 << power
        table[0xC4 + power] = (BIN, 0, width)
        # The type of an extension is one byte more.
        table[0xC7 + power] = (EXT, 1, width)
        table[0xD9 + power] = (STR, 0, width)
    for power in range(2):
        width = 2 << power
        table[0xCA + power] = (SCALAR, 4 << power, 0)
        table[0xDC + power] = (ARRAY, 0, width)
        table[0xDE + power] = (MAP, 0, width)
    for power in range(4):
        table[0xCC + power] = table[0xD0 + power] = (SCALAR, 1 << power, 0)
    for power in range(5):
        table[0xD4 + power] = (EXT, 1 + (1 << power), 0)
    return table


_MARKERS = _markers()


class _Scan:
    """One pass over a pack. No slice of the view outlives a line: the map below it has to close."""

    def __init__(self, path: Path, view: memoryview) -> None:
        self.path = path
        self.view = view
        self.at = 0
        # The record that is being read, for messages.
        self.record = ""
        self.rows: list[Row] = []
        self.heads: dict[str, str] = {}

    def fail(self, reason: str, at: int | None = None) -> NoReturn:
        record = f"{self.record}: " if self.record else ""
        raise BadPack(self.path, self.at if at is None else at, record + reason)

    def header(self) -> tuple[str, int]:
        """Reads the header of a value: what it is, and its size."""
        if self.at >= len(self.view):
            self.fail("the file ends here, inside a value")
        marker = _MARKERS[self.view[self.at]]
        if marker is None:
            self.fail("byte 0xC1 is no MessagePack")
        what, size, width = marker
        if self.at + 1 + width > len(self.view):
            self.fail("the file ends here, inside a value")
        size += int.from_bytes(self.view[self.at + 1 : self.at + 1 + width], "big")
        self.at += 1 + width
        return what, size

    def body(self, size: int, start: int) -> None:
        """Moves over the bytes of the value that starts at `start`."""
        left = len(self.view) - self.at
        if size > left:
            self.fail(f"a value claims {size} bytes and the file ends {size - left} bytes before", start)
        self.at += size

    def expect(self, what: str, name: str) -> int:
        """Reads the header of a value that has to be `what`."""
        start = self.at
        found, size = self.header()
        if found != what:
            self.fail(f"{name} is {found} where {what} is expected", start)
        return size

    def optional(self, what: str, name: str) -> int:
        """As `expect`; nil stands for an empty one."""
        if self.at < len(self.view) and self.view[self.at] == 0xC0:
            self.at += 1
            return 0
        return self.expect(what, name)

    def text(self, name: str, most: int) -> bytes:
        """Reads a string of at most so many bytes."""
        start = self.at
        size = self.expect(STR, name)
        if size > most:
            self.fail(f"{name} has {size} bytes; {most} are the limit", start)
        self.body(size, start)
        return bytes(self.view[self.at - size : self.at])

    def printable(self, name: str, most: int) -> str:
        """Reads a name: UTF-8, not empty, without control characters."""
        start = self.at
        try:
            text = self.text(name, most).decode()
        except UnicodeDecodeError:
            self.fail(f"{name} is not UTF-8", start)
        if not text or any(unicodedata.category(char) == "Cc" for char in text):
            self.fail(f"{name} is empty or has control characters", start)
        return text

    def id(self, name: str) -> bytes:
        start = self.at
        try:
            return parse_id(self.text(name, 1024))
        except ValueError as error:
            self.fail(f"{name} is {error}", start)

    def skip(self) -> None:
        """Steps over a value of any shape, in memory bounded by its depth."""
        # Values still to come on each level that is open.
        open_levels = [1]
        while open_levels:
            start = self.at
            what, size = self.header()
            open_levels[-1] -= 1
            if what in (ARRAY, MAP):
                if size > 0:
                    open_levels.append(size if what == ARRAY else 2 * size)
                if len(open_levels) > MAX_DEPTH + 1:
                    self.fail(f"values nest deeper than {MAX_DEPTH}, the limit that decoders of the field share", start)
            else:
                self.body(size, start)
            while open_levels and open_levels[-1] == 0:
                open_levels.pop()

    def pack(self) -> None:
        if bytes(self.view[:4]) == b"MUSE":
            self.fail("it begins with `MUSE`: a framed pack, whose layout is not public")
        met: set[bytes] = set()
        for _ in range(self.expect(MAP, "a pack")):
            start = self.at
            section = self.text("a section's name", 64)
            if section in met:
                self.fail(f"section {section!r} is given twice", start)
            met.add(section)
            if section == b"branch_heads":
                self.branch_heads()
            elif section in SECTIONS:
                self.section(SECTIONS.index(section))
            else:
                self.fail(f"{section!r} is no section of a pack, and merging packs would lose it", start)
        if self.at != len(self.view):
            self.fail("bytes follow the pack's end")

    def section(self, kind: int) -> None:
        for number in range(self.optional(ARRAY, f"`{SECTIONS[kind].decode()}`")):
            self.record = f"{KINDS[kind]} number {number + 1}"
            self.rows.append(self.row(kind))
        self.record = ""

    def branch_heads(self) -> None:
        start = self.at
        branches = self.optional(MAP, "`branch_heads`")
        if branches > MAX_BRANCHES:
            self.fail(f"`branch_heads` claims {branches} branches; {MAX_BRANCHES} are the limit", start)
        for _ in range(branches):
            start = self.at
            branch = self.printable("a branch name", MAX_BRANCH)
            if branch in self.heads:
                self.fail(f"branch {branch!r} is given twice", start)
            self.heads[branch] = id_text(self.id(f"the head of branch {branch!r}"))

    def field_name(self) -> bytes:
        """Reads the name of a field. One that is long or no string is none that we look for."""
        start = self.at
        what, size = self.header()
        if what == STR and size <= 64:
            self.body(size, start)
            return bytes(self.view[self.at - size : self.at])
        self.at = start
        self.skip()
        return b""

    def row(self, kind: int) -> Row:
        """Reads a record: finds its id, of an object also its content, and steps over the rest."""
        start = self.at
        field = ID_FIELDS[kind]
        name = f"`{field.decode()}`"
        found: bytes | None = None
        content: tuple[int, int] | None = None
        for _ in range(self.expect(MAP, f"a {KINDS[kind]}")):
            at = self.at
            met = self.field_name()
            if met == field:
                if found is not None:
                    self.fail(f"{name} is given twice", at)
                found = self.tag_id() if kind == TAG else self.id(name)
                self.record = f"{KINDS[kind]} {id_text(found)}"
            elif kind == OBJECT and met == b"content":
                if content is not None:
                    self.fail("`content` is given twice", at)
                at = self.at
                size = self.expect(BIN, "`content`")
                self.body(size, at)
                content = self.at - size, self.at
            else:
                self.skip()
        if found is None:
            self.fail(f"it has no {name}", start)
        if kind == OBJECT:
            if content is None:
                self.fail("it has no `content`", start)
            fingerprint = self.object_fingerprint(found, start, *content)
        else:
            if self.at - start > MAX_RECORD:
                self.fail(f"the record is larger than {MAX_RECORD} bytes", start)
            fingerprint = hashlib.sha256(self.view[start : self.at]).digest()[:16]
        return Row(kind, found, start, self.at - start, fingerprint)

    def tag_id(self) -> bytes:
        return tag_id(self.printable("`tag_id`", MAX_TAG_ID))

    def object_fingerprint(self, entity_id: bytes, start: int, begin: int, end: int) -> bytes:
        """Checks an object's content, and gives the fingerprint of what surrounds it."""
        digest = hashlib.sha256(self.view[begin:end]).digest()
        if digest != entity_id[1:]:
            self.fail(f"hash mismatch: its SHA-256 is {digest.hex()}", start)
        standard = _standard_object(id_text(entity_id).encode(), end - begin)
        if self.view[start:begin] == standard:
            return NO_FINGERPRINT
        around = hashlib.sha256(self.view[start:begin])
        around.update(self.view[end : self.at])
        place = struct.pack("<QQ", begin - start, end - start)
        return hashlib.sha256(place + around.digest()).digest()[:16]


def _standard_object(entity_id: bytes, size: int) -> bytes:
    """What stands before the content of an object in the standard encoding. Nothing stands behind it."""
    if size < 1 << 8:
        header = struct.pack(">BB", 0xC4, size)
    elif size < 1 << 16:
        header = struct.pack(">BH", 0xC5, size)
    else:
        header = struct.pack(">BI", 0xC6, size)
    return b"\x82\xa9object_id\xd9" + bytes([len(entity_id)]) + entity_id + b"\xa7content" + header
