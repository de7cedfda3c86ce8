"""Replays tapes: gives a component the recorded answers, and tells where it does something else.

    python replay.py COMPONENT TAPE...

A tape is one run of the component, written down by any host; docs/replay.md has the format. Neither
the packs nor the index are needed. The component need not be the one that was recorded: then the
replay tells whether the new one still does the same.

Prints a JSON line a tape. Exit code 0: all as recorded. 4: something else. 1: no replay.
"""

from __future__ import annotations

import gzip
import json
import os
import sys
import zlib
from pathlib import Path
from typing import Any, NamedTuple

import engine

VERSION = 2
# Characters of a value that a message shows.
SHOWN = 160


class RunKind(NamedTuple):
    """How an exported function stands on a tape, and how its result is paged."""

    outcome: str
    pages: str
    export: str


RUN_KINDS = {
    "consolidation.plan": RunKind("plan", "steps", "consolidation.steps"),
    "assembly.plan": RunKind("answer", "steps", "assembly.steps"),
    "indexing.index": RunKind("index", "edges", "indexing.edges"),
}


class Damaged(Exception):
    """This is no tape, or it does not hold what a tape holds."""


class Diverged(Exception):
    """The component did something else; both sides, in words."""


class RecordedTrap(Exception):
    """The recorded host could not answer here, and ended the run."""


class Tape(NamedTuple):
    """A tape that is whole."""

    header: dict[str, Any]
    calls: list[dict[str, Any]]
    result: dict[str, Any]
    # Steps or edges, all pages in one.
    items: list[Any]

    def limits(self) -> engine.Limits:
        """The limits of the recorded run, as reaching one may be how it ended. But for time: this host is slower."""
        settings = self.header["engine"]
        return engine.Limits(memory=settings["memory"], calls=settings["calls"])


def load(path: Path) -> Tape:
    """Reads a tape to its end before anything is replayed: a damaged one says nothing."""
    try:
        with gzip.open(path, "rt", encoding="utf-8", newline="\n") as file:
            lines = [json.loads(line) for line in file]
    except (OSError, EOFError, zlib.error, ValueError, RecursionError) as error:
        raise Damaged(f"it can't be read: {error}") from error
    return parse(lines)


def parse(lines: list[Any]) -> Tape:
    """Sorts the lines of a tape: the header, the calls, the result, its pages, the end."""

    def need(true: bool, otherwise: str) -> None:
        if not true:
            raise Damaged(otherwise)

    need(bool(lines) and all(isinstance(line, dict) for line in lines), "not every line is a JSON object")
    header, *body = lines
    need(header.get("tape") == VERSION, f"version {VERSION} is expected, not {header.get('tape')}")
    need(engine.runs(header.get("world")), f"world {engine.WORLD} is expected, not {header.get('world')}")
    known = isinstance(header.get("run"), str) and header["run"] in RUN_KINDS
    need(known, f"its `run` is no function of the world: {header.get('run')}")
    need(isinstance(header.get("arguments"), dict), "its arguments are no object")
    settings = header.get("engine")
    need(isinstance(settings, dict), "its `engine` is no object")
    for number in (header.get("records"), settings.get("memory"), settings.get("calls")):
        need(type(number) is int and number >= 0, "its `records`, or the limits of `engine`, are no numbers")

    calls = 0
    while calls < len(body) and "call" in body[calls]:
        call = body[calls]
        calls += 1
        named = isinstance(call["call"], str) and isinstance(call.get("args"), dict)
        need(named and len(call) == 3, f"call {calls} is not a name, `args` and an answer")
        need(not call.keys().isdisjoint(("ok", "err", "trap")), f"call {calls} has no answer")
    need(len(body) >= calls + 2, "it has no end")
    outcome, *pages, end = body[calls:]

    kind = RUN_KINDS[header["run"]]
    result = outcome.get("result")
    need(isinstance(result, dict) and len(result) == 1, "it has no result where one is expected")
    known = not result.keys().isdisjoint((kind.outcome, "plan-error", "stopped"))
    need(known, f"its result is none of `{header['run']}`")
    items: list[Any] = []
    for page in pages:
        found = page.get(kind.pages)
        whole = isinstance(found, dict) and isinstance(found.get("items"), list)
        need(whole, f"a page of `{kind.pages}` is expected where there is none")
        items += found["items"]
    need(isinstance(end.get("end"), dict), "it has no end")
    need(end["end"].get("calls") == calls, f"its end counts {end['end'].get('calls')} calls, and there are {calls}")
    return Tape(header, body[:calls], result, items)


class Player:
    """Answers imports from a tape, and each call must be the one that stands there."""

    def __init__(self, tape: Tape) -> None:
        self._calls = tape.calls
        self.answered = 0

    def __call__(self, name: str, args: dict[str, Any]) -> dict[str, Any]:
        place = f"call {self.answered + 1}"
        if self.answered == len(self._calls):
            raise Diverged(f"{place}: the tape has no more calls, and the component makes {show(name, args)}")
        recorded = self._calls[self.answered]
        if recorded["call"] != name:
            tape = show(recorded["call"], recorded["args"])
            raise Diverged(f"{place}: the tape has {tape}, and the component makes {show(name, args)}")
        compare(f"{place}, {name}: args", recorded["args"], args)
        self.answered += 1
        if "trap" in recorded:
            raise RecordedTrap(recorded["trap"])
        if "err" in recorded:
            return {"err": recorded["err"]}
        try:
            return {"ok": from_tape(name, recorded["ok"])}
        except (KeyError, TypeError, ValueError) as error:
            raise Damaged(f"the answer of {place}, {name}: {error}") from None

    def finish(self) -> None:
        """The run is over: the tape must be used up."""
        if self.answered < len(self._calls):
            following = self._calls[self.answered]
            tape = show(following["call"], following["args"])
            raise Diverged(f"call {self.answered + 1}: the tape has {tape}, and the component makes no more calls")


def from_tape(name: str, answer: Any) -> Any:
    """Bytes stand in hexadecimal on a tape; these two imports answer some."""
    if name == "storage.pack-index":
        return answer | {"items": from_hex(answer["items"])}
    if name == "storage.read-records" and isinstance(answer, list):
        return [from_hex(record) for record in answer]
    return answer


def from_hex(text: str) -> bytes:
    found = bytes.fromhex(text)
    # Python reads spaces and upper case too.
    if found.hex() != text:
        raise ValueError("bytes are not in lower-case hexadecimal digits")
    return found


def to_tape(value: Any) -> Any:
    """A value as a tape has it."""
    match value:
        case bytes():
            return value.hex()
        case dict():
            return {key: to_tape(item) for key, item in value.items()}
        case list():
            return [to_tape(item) for item in value]
    return value


def play(component: engine.Component, tape: Tape, player: Player) -> None:
    """Runs the component on a tape; raises `Diverged`, or `Damaged` where the tape does not fit the WIT."""
    try:
        with component.run(player, tape.limits()) as run:
            result, items = perform(run, tape)
    except (engine.Stopped, RecordedTrap) as error:
        result, items = {"stopped": str(error)}, []
    except engine.Unfit as error:
        raise Damaged(f"it does not fit the WIT: {error}") from error
    player.finish()
    if not ("stopped" in result and "stopped" in tape.result):
        # Why a run was stopped every runtime says in its own words.
        compare("result", tape.result, result)
    compare(RUN_KINDS[tape.header["run"]].pages, tape.items, items)


def perform(run: engine.Run, tape: Tape) -> tuple[dict[str, Any], list[Any]]:
    """The result in the words of the tape, and all that is to be paged."""
    name = tape.header["run"]
    kind = RUN_KINDS[name]
    answer = run.call(name, tape.header["arguments"])
    if "err" in answer:
        return {"plan-error": answer["err"]}, []
    result = answer["ok"]
    # The answer to a fetch holds its plan; a plan has steps, and a push has commits.
    summary = result.get("plan", result)
    count = summary["commits" if kind.pages == "edges" else "steps"]
    # Each is of a record, but for a few literals.
    return {kind.outcome: result}, run.pages(kind.export, count, most=tape.header["records"] + 8)


def compare(place: str, tape: Any, made: Any) -> None:
    """Raises `Diverged` with the first place at which the component's value is not the tape's."""
    made = to_tape(made)
    if isinstance(tape, dict) and isinstance(made, dict) and tape.keys() == made.keys():
        for key in tape:
            compare(f"{place}.{key}", tape[key], made[key])
    elif isinstance(tape, list) and isinstance(made, list):
        for number, (one, other) in enumerate(zip(tape, made, strict=False)):
            compare(f"{place}[{number}]", one, other)
        if len(tape) != len(made):
            raise Diverged(f"{place} has {len(tape)} items on the tape, and {len(made)} from the component")
    # Not `tape != made` alone: to Python, true and 1.0 equal 1.
    elif type(tape) is not type(made) or tape != made:
        one, other = excerpts(json.dumps(tape), json.dumps(made))
        raise Diverged(f"{place} is {one} on the tape, and {other} from the component")


def excerpts(*texts: str) -> list[str]:
    """Two texts that may be long, cut to the place where they begin to differ."""
    begin = max(0, len(os.path.commonprefix(texts)) - 40)
    return [("…" if begin else "") + shortened(text[begin:]) for text in texts]


def show(name: str, args: Any) -> str:
    return f"{name} {shortened(json.dumps(to_tape(args)))}"


def shortened(text: str) -> str:
    return text if len(text) <= SHOWN else text[:SHOWN] + "…"


def replay(component: engine.Component, paths: list[Path]) -> int:
    """Replays tapes and prints what came of each; gives the exit code."""
    damaged = diverged = False
    for path in paths:
        divergence = None
        try:
            tape = load(path)
            recorded = tape.header.get("component")
            if recorded != component.digest:
                print(f"replay.py: {path} was recorded with {recorded}; this is {component.digest}", file=sys.stderr)
            player = Player(tape)
            play(component, tape, player)
        except Diverged as error:
            divergence = str(error)
            diverged = True
        except (Damaged, engine.Refused) as error:
            print(f"replay.py: no replay of {path}: {error}", file=sys.stderr)
            damaged = True
            continue
        report = {"tape": str(path), "calls": player.answered, "ok": divergence is None, "divergence": divergence}
        print(json.dumps(report), flush=True)
    return 4 if diverged else 1 if damaged else 0


def main(argv: list[str]) -> int:
    if len(argv) < 2:
        print("usage: replay.py COMPONENT TAPE...", file=sys.stderr)
        return 2
    binary, *tapes = map(Path, argv)
    try:
        component = engine.Component(binary.read_bytes())
    except (engine.Refused, OSError) as error:
        print(f"replay.py: {error}", file=sys.stderr)
        return 1
    return replay(component, tapes)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
