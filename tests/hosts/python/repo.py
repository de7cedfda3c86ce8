"""Answers the component's two imports, `storage` and `database`, from packs.

The limits stand in wit/storage.wit and wit/database.wit. A component is not trusted to keep to them:
what it asks for is cut to size, or refused with an `access-error`. A host that fails raises instead.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any

from engine import Refused
from packs import KINDS, OBJECT, Pack, compare, parse_id

MAX_ROWS = 4096
MAX_ITEMS = 1024
MAX_RECORD_BYTES = 4 << 20
ROW_BYTES = 72

# A span as the WIT has it: {"pack": …, "offset": …, "length": …}.
Span = dict[str, int]


class AccessError(Exception):
    """A refusal that the WIT names."""

    def __init__(self, case: str, payload: Any) -> None:
        super().__init__(case)
        self.variant = {case: payload}


class Repo:
    """What one run sees: packs that are pushed to an empty repo, or the packs of a repo.

    `heads` are the repo's branch heads, and `edges` what the commits that its index knows reach.
    """

    def __init__(
        self,
        packs: Sequence[Pack],
        pushed: bool = False,
        heads: Iterable[dict[str, str]] = (),
        edges: Iterable[dict[str, Any]] = (),
    ) -> None:
        self._packs = packs
        self._pushed = pushed
        # Python orders strings by code point, which is the order of their UTF-8 bytes.
        self._heads = sorted(heads, key=lambda head: head["branch"])
        self._edges = {commit["commit"]: commit for commit in edges}
        self._calls: dict[str, Callable[..., Any]] = {
            "storage.directory-rows": self._directory_rows,
            "storage.read-records": self._read_records,
            "storage.compare-records": self._compare_records,
            "storage.branch-heads": self._branch_heads,
            "database.packs": self._list_packs,
            "database.heads": self._list_heads,
            "database.history": self._history,
            "database.known": self._known,
            "database.rivals": self._rivals,
        }

    def __call__(self, name: str, args: dict[str, Any]) -> dict[str, Any]:
        if name not in self._calls:
            raise Refused(f"the component imports `{name}`, which this host does not give")
        try:
            return {"ok": self._calls[name](**args)}
        except AccessError as refusal:
            return {"err": refusal.variant}

    def _pack(self, number: int) -> Pack:
        if number >= len(self._packs):
            raise AccessError("no-such-pack", number)
        return self._packs[number]

    def _record(self, span: Span, objects: bool) -> Pack:
        """The pack of a span that has to be exactly one record, of an object only where these may be named."""
        pack = self._pack(span["pack"])
        match pack.whole_rows(span["offset"], span["length"]):
            case [row] if objects or row.kind != OBJECT:
                return pack
        raise AccessError("not-a-record", span)

    def _directory_rows(self, pack: int, first: int, limit: int) -> bytes:
        asked = self._pack(pack)
        if first > len(asked.rows):
            raise AccessError("out-of-range", {"pack": pack, "offset": first, "length": limit})
        last = first + min(limit, MAX_ROWS)
        return asked.directory[first * ROW_BYTES : last * ROW_BYTES]

    def _read_records(self, spans: list[Span]) -> list[bytes]:
        packs = [self._record(span, objects=False) for span in spans]
        size = sum(span["length"] for span in spans)
        if len(spans) > MAX_ITEMS or (size > MAX_RECORD_BYTES and len(spans) > 1):
            raise AccessError("too-much", MAX_ITEMS)
        return [pack.read(span["offset"], span["length"]) for pack, span in zip(packs, spans, strict=True)]

    def _compare_records(self, pairs: list[list[Span]]) -> list[str]:
        if len(pairs) > MAX_ITEMS:
            raise AccessError("too-much", MAX_ITEMS)
        chunks = [[self._object_or_record(span) for span in pair] for pair in pairs]
        return [compare(one, other) for one, other in chunks]

    def _object_or_record(self, span: Span) -> Iterator[bytes]:
        return self._record(span, objects=True).chunks(span["offset"], span["length"])

    def _branch_heads(self, pack: int, first: int, limit: int) -> list[dict[str, str]]:
        heads = self._pack(pack).heads
        if not self._pushed:
            # Those of a stored pack are the repo's by now, and may have moved on.
            return []
        return heads[first : first + min(limit, MAX_ITEMS)]

    def _list_packs(self, first: int, limit: int) -> list[dict[str, Any]]:
        page = self._packs[first : first + min(limit, MAX_ITEMS)]
        return [{"key": pack.key, "bytes": pack.size, "rows": len(pack.rows)} for pack in page]

    def _list_heads(self, after: str | None, limit: int) -> list[dict[str, str]]:
        first = 0 if after is None else bisect_right(self._heads, after, key=lambda head: head["branch"])
        return self._heads[first : first + min(limit, MAX_ITEMS)]

    def _history(self, commits: list[str], limit: int) -> list[dict[str, Any]]:
        limit = min(limit, MAX_ITEMS)
        if len(commits) > limit:
            raise AccessError("too-much", limit)
        found: dict[str, dict[str, Any]] = {}
        queue = deque(commits)
        while queue and len(found) < limit:
            commit = queue.popleft()
            if commit in self._edges and commit not in found:
                found[commit] = self._edges[commit]
                queue.extend(found[commit]["parents"])
        return list(found.values())

    def _known(self, kind: str, ids: list[str]) -> list[bool]:
        if len(ids) > MAX_ITEMS:
            raise AccessError("too-much", MAX_ITEMS)
        return [self._knows(KINDS.index(kind), text.encode()) for text in ids]

    def _knows(self, kind: int, text: bytes) -> bool:
        try:
            return (kind, parse_id(text)) in self._indexed
        except ValueError:
            return False

    @cached_property
    def _indexed(self) -> set[tuple[int, bytes]]:
        # The index is as it stood when the run began: what is being pushed is not in it.
        return set() if self._pushed else {row.entity for pack in self._packs for row in pack.rows}

    def _rivals(self, first: int, limit: int) -> list[dict[str, Any]]:
        # They are between a pack that is pushed and one that is stored, and no run here has both.
        return []
