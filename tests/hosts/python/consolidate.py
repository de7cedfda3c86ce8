"""Makes one pack of all the packs of a folder, as a Muse repo of these packs would be consolidated.

    python consolidate.py COMPONENT FOLDER OUT

The component plans; this program reads, proves and writes. It asks twice, each time in an instance of
its own: what would pushing all these packs to an empty repo mean (where do the branches stand?), and
what is the one pack that takes their place.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import engine
from packs import BadPack, Pack, Row, count_entities, prefers
from repo import Repo

Heads = list[dict[str, str]]
Edges = list[dict[str, Any]]

# What a plan may write of its own: section names and headers, and each branch with its head.
LITERALS = 256
LITERALS_PER_BRANCH = 96


class Refusal(Exception):
    """There is no pack, and why. Nothing was written."""


class Untrue(Refusal):
    """The component says or plans what is not so."""

    def __init__(self, what: str) -> None:
        super().__init__(f"the component is wrong: {what}")


class Plan(NamedTuple):
    """A plan that nobody has proven yet."""

    packs: Sequence[Pack]
    heads: Heads
    summary: dict[str, Any]
    steps: list[dict[str, Any]]


def load(folder: Path) -> list[Pack]:
    """The packs of a folder, each once, in the order of their names."""
    files = sorted(file for file in folder.glob("*.mpack") if file.is_file())
    if not files:
        raise Refusal(f"there is no file *.mpack in {folder}")
    # A repo has a pack once, however often it is pushed.
    packs: dict[str, Pack] = {}
    for file in files:
        pack = Pack(file)
        packs.setdefault(pack.key, pack)
    return list(packs.values())


def consolidate(component: engine.Component, packs: Sequence[Pack], out: Path) -> Pack:
    """Plans, proves and writes the pack that takes the place of `packs`; gives it as it was read back."""
    heads, edges = index(component, packs)
    made = plan(component, packs, heads, edges)
    rows = prove(made)
    # Under its own name the pack is whole or not there. What a crash leaves behind starts with a dot.
    partial = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        write(made, partial)
        written = read_back(partial, rows, heads)
        os.replace(partial, out)
        written.path = out
    finally:
        partial.unlink(missing_ok=True)
    return written


def index(component: engine.Component, packs: Sequence[Pack]) -> tuple[Heads, Edges]:
    """The branch heads after a push of all the packs to an empty repo, and what the commits reach."""
    records = count_rows(packs)
    with component.run(Repo(packs, pushed=True), engine.Limits().for_records(records)) as run:
        summary = answer(run, "indexing.index", {"pushed": len(packs), "force": False}, packs)
        prove_heads(packs, summary["heads"])
        return summary["heads"], run.pages("indexing.edges", summary["commits"], most=records)


def prove_heads(packs: Sequence[Pack], heads: Heads) -> None:
    """Every branch that a pack names must be there, by name, at a commit that a pack names for it."""
    given: dict[str, set[str]] = {}
    for pack in packs:
        for head in pack.heads:
            given.setdefault(head["branch"], set()).add(head["commit"])
    if [head["branch"] for head in heads] != sorted(given):
        raise Untrue("the branches that it gives are not those of the packs")
    for head in heads:
        if head["commit"] not in given[head["branch"]]:
            raise Untrue(f"it puts branch {head['branch']!r} at {head['commit']}, which no pack gives")


def plan(component: engine.Component, packs: Sequence[Pack], heads: Heads, edges: Edges) -> Plan:
    """The plan of the canonical pack."""
    # The WIT's order for a consolidation. Of equal encodings the first is copied, so the plan depends on it,
    # though not the bytes that the plan makes.
    packs = sorted(packs, key=lambda pack: (-len(pack.rows), pack.key))
    records = count_rows(packs)
    with component.run(Repo(packs, heads=heads, edges=edges), engine.Limits().for_records(records)) as run:
        summary = answer(run, "consolidation.plan", {}, packs)
        # A record is copied at most once, and each of at most five sections has a literal.
        steps = run.pages("consolidation.steps", summary["steps"], most=records + 8)
        return Plan(packs, heads, summary, steps)


def prove(plan: Plan) -> list[Row]:
    """Proves a plan on the pack-indexes; gives the rows that the new pack has to have.

    The component is not trusted. What it copies must be whole records, each entity of the sources must be
    there once and in its preferred encoding, and what it says around them no more than that takes.
    """
    rows: list[Row] = []
    copied: dict[tuple[int, bytes], tuple[Pack, Row]] = {}
    around = 0
    at = 0
    for step in plan.steps:
        if "literal" in step:
            around += len(step["literal"])
            at += len(step["literal"])
            continue
        for pack, row in copied_rows(plan, step["copy"]):
            if row.entity in copied:
                raise Untrue(f"it copies {row} twice")
            copied[row.entity] = pack, row
            rows.append(row._replace(offset=at))
            at += row.length
    for pack in plan.packs:
        for row in pack.rows:
            if row.entity not in copied:
                raise Untrue(f"it leaves out {row} of {pack.path}")
            if prefers((pack, row), copied[row.entity]):
                raise Untrue(f"it takes a lesser encoding of {row} than {pack.path} has")
    most = LITERALS + sum(len(head["branch"].encode()) + LITERALS_PER_BRANCH for head in plan.heads)
    if around > most:
        raise Untrue(f"it writes {around} bytes of its own, where {most} are enough")
    claimed, made = (plan.summary["bytes"], plan.summary["records"]), (at, count_entities(rows))
    if claimed != made:
        raise Untrue(f"it claims {claimed[0]} bytes of {claimed[1]}, and its steps make {made[0]} bytes of {made[1]}")
    return rows


def copied_rows(plan: Plan, span: dict[str, int]) -> list[tuple[Pack, Row]]:
    """The records that a span copies, with their pack: whole records of a pack of the run."""
    if span["pack"] >= len(plan.packs):
        raise Untrue(f"it copies from pack number {span['pack']} of {len(plan.packs)}")
    pack = plan.packs[span["pack"]]
    rows = pack.whole_rows(span["offset"], span["length"])
    if not rows:
        raise Untrue(f"bytes {span['offset']}+{span['length']} of {pack.path} are not whole records")
    return [(pack, row) for row in rows]


def write(plan: Plan, path: Path) -> None:
    """Writes what the steps say. Contents go from file to file, past the component."""
    with path.open("xb") as file:
        for step in plan.steps:
            if "literal" in step:
                file.write(step["literal"])
            else:
                span = step["copy"]
                file.writelines(plan.packs[span["pack"]].chunks(span["offset"], span["length"]))
        file.flush()
        os.fsync(file.fileno())


def read_back(path: Path, rows: list[Row], heads: Heads) -> Pack:
    """Proves what was written: read as untrusted as any pack, it holds the planned records and heads."""
    try:
        pack = Pack(path)
    except BadPack as error:
        raise Refusal(f"what the component planned is no sound pack: {error}") from error
    if pack.rows != rows:
        raise Refusal("the records that were read back are not those that were planned: a source has changed meanwhile")
    if pack.heads != heads:
        raise Untrue("the branch heads of its pack are not those of the repo")
    return pack


def answer(run: engine.Run, name: str, args: dict[str, Any], packs: Sequence[Pack]) -> Any:
    """Calls an export; a plan-error becomes a `Refusal` in words."""
    result = run.call(name, args)
    if "err" in result:
        raise Refusal(error_words(result["err"], packs))
    return result["ok"]


def error_words(error: dict[str, Any], packs: Sequence[Pack]) -> str:
    """Why there is no plan, in a sentence."""

    def file(span: dict[str, int]) -> str:
        # The component may name a pack that there is not.
        number = span["pack"]
        return str(packs[number].path) if number < len(packs) else f"pack number {number}"

    match error:
        case {"malformed": {"kind": kind, "id": name, "at": at, "offset": offset, "reason": reason}}:
            return f"{file(at)}: byte {offset}: {kind} {name}: {reason}"
        case {"conflicting": {"kind": kind, "id": name, "first": first, "second": second, "detail": detail}}:
            places = " and ".join(f"{file(span)}, byte {span['offset']}" for span in (first, second))
            return f"{kind} {name} is not the same in {places}: {detail}"
        case {"head-conflict": [conflict, *_]}:
            heads = ", ".join(dict.fromkeys(conflict["given"]))
            return f"branch {conflict['branch']!r} has no head that all the others lead to: {heads}"
        case {"other": text}:
            return str(text)
    return f"the component makes no plan: {json.dumps(error)}"


def count_rows(packs: Sequence[Pack]) -> int:
    return sum(len(pack.rows) for pack in packs)


def main(argv: list[str]) -> int:
    if len(argv) != 3:
        print("usage: consolidate.py COMPONENT FOLDER OUT", file=sys.stderr)
        return 2
    binary, folder, out = map(Path, argv)
    try:
        made = consolidate(engine.Component(binary.read_bytes()), load(folder), out)
    except (Refusal, BadPack, engine.Refused, engine.Stopped, engine.Unfit, OSError) as error:
        print(f"consolidate.py: {error}", file=sys.stderr)
        return 1
    print(json.dumps({"key": made.key, "bytes": made.size} | count_entities(made.rows)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
