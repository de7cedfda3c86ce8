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
from packs import KINDS, OBJECT, TAG, Pack, Row, compare, known_id, prefers, read_tag, tag_id

MAX_ROWS = 4096
MAX_ITEMS = 1024
MAX_IDS = 4096
MAX_RECORD_BYTES = 4 << 20
ROW_BYTES = 72
# What `storage.limits` answers.
LIMITS = {"items": MAX_ITEMS, "ids": MAX_IDS, "rows": MAX_ROWS, "record-bytes": MAX_RECORD_BYTES}

# A span as the WIT has it: {"pack": …, "offset": …, "length": …}.
Span = dict[str, int]
# A page as the WIT has it: {"items": …, "done": …}.
Page = dict[str, Any]


def page_size(limit: int, most: int) -> int:
    """How many items a page has at most: a limit of 0 means all that this host allows."""
    return min(limit, most) if limit else most


def page(items: Sequence[Any], first: int, limit: int, most: int = MAX_ITEMS) -> Page:
    end = first + page_size(limit, most)
    return {"items": items[first:end], "done": end >= len(items)}


def refuse_more(given: Sequence[Any], most: int) -> None:
    if len(given) > most:
        raise AccessError("too-many", most)


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
            "storage.limits": lambda: LIMITS,
            "storage.pack-index": self._pack_index,
            "storage.spine": self._spine,
            "storage.read-records": self._read_records,
            "storage.compare-records": self._compare_records,
            "storage.branch-heads": self._branch_heads,
            "database.packs": self._list_packs,
            "database.heads": self._list_heads,
            "database.history": self._history,
            "database.walk-floor": self._walk_floor,
            "database.locate": self._locate,
            "database.tags": self._tags,
            "database.base": lambda: None,
            "database.base-heads": lambda first, limit: page([], first, limit),
            "database.known": self._known,
            "database.conflicts": self._conflicts,
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

    def _pack_index(self, pack: int, first: int, limit: int) -> Page:
        found = self._pack(pack)
        end = first + page_size(limit, MAX_ROWS)
        return {"items": found.index[first * ROW_BYTES : end * ROW_BYTES], "done": end >= len(found.rows)}

    def _spine(self, pack: int, first: int, limit: int) -> Page:
        # No pack is a base here: clones are planned in full.
        raise AccessError("no-such-pack", pack)

    def _read_records(self, spans: list[Span]) -> list[bytes]:
        refuse_more(spans, MAX_ITEMS)
        packs = [self._record(span, objects=False) for span in spans]
        if len(spans) > 1 and sum(span["length"] for span in spans) > MAX_RECORD_BYTES:
            raise AccessError("too-large", MAX_RECORD_BYTES)
        return [pack.read(span["offset"], span["length"]) for pack, span in zip(packs, spans, strict=True)]

    def _compare_records(self, pairs: list[list[Span]]) -> list[str]:
        refuse_more(pairs, MAX_ITEMS)
        chunks = [[self._object_or_record(span) for span in pair] for pair in pairs]
        return [compare(one, other) for one, other in chunks]

    def _object_or_record(self, span: Span) -> Iterator[bytes]:
        return self._record(span, objects=True).chunks(span["offset"], span["length"])

    def _branch_heads(self, pack: int, first: int, limit: int) -> Page:
        heads = self._pack(pack).heads
        # Those of a stored pack are the repo's by now, and may have moved on.
        return page(heads if self._pushed else [], first, limit)

    def _list_packs(self, first: int, limit: int) -> Page:
        infos = [{"key": pack.key, "bytes": pack.size, "rows": len(pack.rows)} for pack in self._packs]
        return page(infos, first, limit)

    def _list_heads(self, after: str | None, limit: int) -> Page:
        first = 0 if after is None else bisect_right(self._heads, after, key=lambda head: head["branch"])
        return page(self._heads, first, limit)

    def _history(self, commits: list[str], limit: int) -> Page:
        most = page_size(limit, MAX_ITEMS)
        refuse_more(commits, most)
        found: dict[str, dict[str, Any]] = {}
        queue = deque(commits)
        while queue and len(found) <= most:
            commit = queue.popleft()
            if commit in self._edges and commit not in found:
                found[commit] = {"edges": self._edges[commit], "generation": self._generations[commit]}
                queue.extend(self._edges[commit]["parents"])
        # One more than the page has says that something follows.
        return page(list(found.values()), 0, limit)

    @cached_property
    def _generations(self) -> dict[str, int]:
        """Each commit's: above those of its parents. Those that a cycle holds back have 0."""
        numbers: dict[str, int] = {}
        left = dict(self._edges)
        while ready := [commit for commit in left if not any(parent in left for parent in left[commit]["parents"])]:
            for commit in ready:
                numbers[commit] = 1 + max((numbers.get(parent, 0) for parent in left[commit]["parents"]), default=0)
            for commit in ready:
                del left[commit]
        return numbers | dict.fromkeys(left, 0)

    def _walk_floor(self) -> int | None:
        # A cycle has no order: a walk that meets one has to go on to its end.
        return 0 if 0 in self._generations.values() else None

    def _locate(self, kind: str, ids: list[str]) -> list[dict[str, Any] | None]:
        refuse_more(ids, MAX_IDS)
        number = KINDS.index(kind)
        return [self._places.get((number, tag_id(text) if number == TAG else known_id(text))) for text in ids]

    @cached_property
    def _places(self) -> dict[tuple[int, bytes | None], dict[str, Any]]:
        """Where each entity of the stored packs is in its preferred encoding."""
        best: dict[tuple[int, bytes | None], tuple[Pack, Row, dict[str, Any]]] = {}
        for pack_number, pack in enumerate(() if self._pushed else self._packs):
            for row_number, row in enumerate(pack.rows):
                at = {"pack": pack_number, "offset": row.offset, "length": row.length}
                known = best.get(row.entity)
                if known is None or prefers((pack, row), known[:2]):
                    best[row.entity] = pack, row, {"at": at, "row": row_number}
        return {entity: place for entity, (_, _, place) in best.items()}

    def _tags(self, commits: list[str], after: str | None, limit: int) -> Page:
        refuse_more(commits, MAX_IDS)
        wanted = set(commits)
        found = {tag["tag"]: tag for tag in self._commit_tags if tag["commit"] in wanted}
        return page([found[tag] for tag in sorted(found) if after is None or tag > after], 0, limit)

    @cached_property
    def _commit_tags(self) -> list[dict[str, str]]:
        found = []
        for pack in () if self._pushed else self._packs:
            for row in pack.rows:
                if row.kind == TAG:
                    tag, commit = read_tag(pack.path, pack.read(row.offset, row.length))
                    found.append({"tag": tag, "commit": commit})
        return found

    def _known(self, kind: str, ids: list[str]) -> list[bool]:
        refuse_more(ids, MAX_IDS)
        return [(KINDS.index(kind), known_id(text)) in self._places for text in ids]

    def _conflicts(self, first: int, limit: int) -> Page:
        # They are between a pack that is pushed and one that is stored, and no run here has both.
        return page([], first, limit)
