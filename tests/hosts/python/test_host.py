"""Tests of this host. Run `python -m unittest` in this folder."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import json
import random
import struct
import tempfile
import unittest
from pathlib import Path
from typing import Any, ClassVar

import wasmtime

import consolidate
import engine
import replay
from packs import MAX_DEPTH, BadPack, Pack, count_entities
from repo import Repo

HERE = Path(__file__).resolve().parent
COMPONENT = HERE / "../../../components/artifact/packhouse.wasm"
MUSE_CLI = HERE / "../../fixtures/muse-cli"
# What an independent implementation gave for the seven packs; tests/src/fixtures.rs has the same.
CONSOLIDATED_KEY = "sha256:055b71f6f6aab46dd1577335adf1829e5796fb4ccbc4b2e2a0743b80d0bbebb0"
CONSOLIDATED_BYTES = 791_982

component = engine.Component(COMPONENT.read_bytes())


def pack_value(value: Any) -> bytes:
    """MessagePack of what the tests need, written from the specification."""
    match value:
        case None:
            return b"\xc0"
        case str():
            text = value.encode()
            return (bytes([0xA0 + len(text)]) if len(text) < 32 else b"\xd9" + bytes([len(text)])) + text
        case bytes():
            return b"\xc4" + bytes([len(value)]) + value
        case list():
            return sized(0x90, 0xDC, len(value)) + b"".join(map(pack_value, value))
        case dict():
            return sized(0x80, 0xDE, len(value)) + b"".join(
                pack_value(key) + pack_value(item) for key, item in value.items()
            )
        case _:
            return bytes([value])


def sized(short: int, long: int, size: int) -> bytes:
    return bytes([short + size]) if size < 16 else bytes([long]) + size.to_bytes(2, "big")


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def commit(name: int, *parents: int, **fields: Any) -> dict[str, Any]:
    ids = [f"{parent:064x}" for parent in parents] + [None, None]
    return {
        "commit_id": f"{name:064x}",
        "parent_commit_id": ids[0],
        "parent2_commit_id": ids[1],
        "snapshot_id": None,
    } | fields


def plan_digest(packs: list[Pack], steps: list[dict[str, Any]]) -> str:
    """The digest of a plan, as docs/replay.md has it."""
    total = hashlib.sha256(b"packhouse plan 1\n" + struct.pack("<Q", len(packs)))
    for pack in packs:
        total.update(bytes.fromhex(pack.key.removeprefix("sha256:")))
    for step in steps:
        match step:
            case {"literal": literal}:
                total.update(struct.pack("<BQ", 0, len(literal)) + literal)
            case {"copy": span}:
                total.update(struct.pack("<BIQQ", 1, span["pack"], span["offset"], span["length"]))
    return "sha256:" + total.hexdigest()


class HostTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def file(self, content: Any, name: str = "test.mpack") -> Path:
        path = self.folder / name
        path.write_bytes(content if isinstance(content, bytes) else pack_value(content))
        return path

    def refused(self, content: Any, *words: str) -> None:
        path = self.file(content)
        with self.assertRaises(BadPack) as caught:
            Pack(path)
        for word in (str(path), "byte", *words):
            self.assertIn(word, str(caught.exception))


class Packs(HostTest):
    CONTENT = b"hello"
    PACK: ClassVar[dict[str, Any]] = {
        "tags": [{"tag_id": "v1", "commit_id": "sha256:" + "1" * 64}],
        "branch_heads": {"main": "2" * 64, "dev": "sha256:" + "1" * 64},
        "commits": [{"commit_id": "sha256:" + "1" * 64, "metadata": {"deep": [[1], None]}}],
        "snapshots": None,
        "objects": [
            {"object_id": digest(CONTENT), "content": CONTENT},
            {"content": CONTENT, "object_id": digest(CONTENT), "note": "x"},
        ],
    }

    def test_rows_are_those_of_the_wit(self) -> None:
        pack = Pack(self.file(self.PACK))
        whole = pack_value(self.PACK)

        def row(kind: int, form: int, record: dict[str, Any], id_digest: bytes, fingerprint: bytes) -> bytes:
            encoded = pack_value(record)
            place = struct.pack("<QQ", whole.index(encoded), len(encoded))
            return bytes([kind, form, 0, 0, 0, 0, 0, 0]) + place + id_digest + fingerprint

        def fingerfingerprintof(encoded: bytes) -> bytes:
            return hashlib.sha256(encoded).digest()[:16]

        [tag], [first] = self.PACK["tags"], self.PACK["commits"]
        standard, unusual = self.PACK["objects"]
        encoded = pack_value(unusual)
        begin = encoded.index(self.CONTENT)
        end = begin + len(self.CONTENT)
        around = hashlib.sha256(encoded[:begin] + encoded[end:]).digest()
        named = hashlib.sha256(self.CONTENT).digest()
        expected = (
            row(3, 2, tag, hashlib.sha256(b"v1").digest(), fingerfingerprintof(pack_value(tag)))
            + row(0, 1, first, b"\x11" * 32, fingerfingerprintof(pack_value(first)))
            + row(2, 0, standard, named, bytes(16))
            + row(2, 0, unusual, named, fingerfingerprintof(struct.pack("<QQ", begin, end) + around))
        )
        self.assertEqual(pack.index, expected)
        self.assertEqual(pack.key, "sha256:" + digest(whole))
        self.assertEqual(count_entities(pack.rows), {"commits": 1, "snapshots": 0, "objects": 1, "tags": 1})
        heads = [{"branch": "dev", "commit": "sha256:" + "1" * 64}, {"branch": "main", "commit": "2" * 64}]
        self.assertEqual(pack.heads, heads)

    def test_a_content_header_that_is_not_the_shortest_is_an_encoding_of_its_own(self) -> None:
        encoded = pack_value(self.PACK["objects"][0]).replace(b"\xc4\x05", b"\xc5\x00\x05")
        pack = Pack(self.file(b"\x81\xa7objects\x91" + encoded))
        self.assertNotEqual(pack.rows[0].fingerprint, bytes(16))
        self.assertEqual(pack.rows[0].length, len(encoded))

    def test_a_pack_that_is_cut_is_refused_wherever_it_is_cut(self) -> None:
        whole = pack_value(self.PACK)
        for end in range(len(whole)):
            with self.subTest(end=end):
                self.refused(whole[:end])

    def test_bytes_behind_the_end_are_refused(self) -> None:
        self.refused(pack_value(self.PACK) + b"\xc0", f"byte {len(pack_value(self.PACK))}", "follow")

    def test_an_object_whose_content_is_not_its_id_is_refused(self) -> None:
        wrong = {"objects": [{"object_id": digest(b"hello"), "content": b"hallo"}]}
        self.refused(wrong, "byte 10", digest(b"hello"), digest(b"hallo"))

    def test_what_is_no_pack_is_refused(self) -> None:
        one = commit(1)
        deep = b"\x91" * (MAX_DEPTH + 1) + b"\xc0"
        cases: list[tuple[Any, str]] = [
            (b"MUSE\x01", "MUSE"),
            ([], "an array where a map"),
            ({"blobs": []}, "no section"),
            (b"\x82" + 2 * (pack_value("tags") + b"\x90"), "twice"),
            ({"commits": {}}, "a map where an array"),
            ({"commits": [{"commit_id": "A" * 64}]}, "lower-case"),
            ({"commits": [{"message": "x"}]}, "no `commit_id`"),
            ({"objects": [{"object_id": digest(b"")}]}, "no `content`"),
            ({"tags": [{"tag_id": "a\nb"}]}, "control characters"),
            ({"branch_heads": {"": "1" * 64}}, "empty"),
            (b"\x81" + pack_value("commits") + b"\xdd\xff\xff\xff\xff", "inside a value"),
            (b"\x81" + pack_value("commits") + b"\x91\xc1", "0xC1"),
            (b"\x81" + pack_value("commits") + b"\x91\x81" + pack_value("x") + deep, "nest deeper"),
        ]
        self.assertEqual(len(Pack(self.file({"commits": [one]})).rows), 1)
        for content, word in cases:
            with self.subTest(word=word):
                self.refused(content, word)


class Consolidation(HostTest):
    def consolidated(self, packs: list[Pack], name: str = "out.mpack") -> Pack:
        return consolidate.consolidate(component, packs, self.folder / name)

    def test_the_real_client_s_packs_give_the_key_of_an_independent_implementation(self) -> None:
        out = self.folder / "out.mpack"
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            self.assertEqual(consolidate.main([str(COMPONENT), str(MUSE_CLI), str(out)]), 0)
        expected = {
            "key": CONSOLIDATED_KEY,
            "bytes": CONSOLIDATED_BYTES,
            "commits": 16,
            "snapshots": 16,
            "objects": 112,
            "tags": 0,
        }
        self.assertEqual(json.loads(printed.getvalue()), expected)
        self.assertEqual("sha256:" + digest(out.read_bytes()), CONSOLIDATED_KEY)
        self.assertEqual([file.name for file in self.folder.iterdir()], ["out.mpack"])

    def test_the_order_of_the_packs_and_earlier_consolidations_make_no_difference(self) -> None:
        packs = consolidate.load(MUSE_CLI)
        chance = random.Random(1)
        for _ in range(3):
            chance.shuffle(packs)
            self.assertEqual(self.consolidated(packs).key, CONSOLIDATED_KEY)
        half = self.consolidated(packs[:4], "half.mpack")
        self.assertEqual(self.consolidated([*packs[4:], half]).key, CONSOLIDATED_KEY)

    def test_of_two_encodings_the_longer_and_then_the_greater_is_kept(self) -> None:
        texts = ["short", "aaaaaaaa", "zzzzzzzz", "mmmmmmmm"]
        packs = [
            Pack(self.file({"commits": [commit(1, message=text)]}, f"{number}.mpack"))
            for number, text in enumerate(texts)
        ]
        made = self.consolidated(packs)
        self.assertEqual(len(made.rows), 1)
        self.assertIn(b"zzzzzzzz", (self.folder / "out.mpack").read_bytes())

    def test_a_conflict_of_heads_and_a_malformed_record_are_told_and_nothing_is_written(self) -> None:
        one = {"commits": [commit(1)], "branch_heads": {"main": f"{1:064x}"}}
        other = {"commits": [commit(2)], "branch_heads": {"main": f"{2:064x}"}}
        wrong = {"commits": [commit(3, snapshot_id="no id")]}
        conflicting = {"commits": [commit(1, 2)]}
        for second, words in [
            (other, ["'main'", f"{1:064x}", f"{2:064x}"]),
            (wrong, ["1.mpack: byte", "commit", "snapshot_id"]),
            (conflicting, ["0.mpack", "1.mpack", "parent_commit_id"]),
        ]:
            self.file(one, "0.mpack")
            self.file(second, "1.mpack")
            said = io.StringIO()
            with contextlib.redirect_stderr(said):
                self.assertEqual(consolidate.main([str(COMPONENT), str(self.folder), str(self.folder / "out")]), 1)
            for word in words:
                self.assertIn(word, said.getvalue())
            self.assertEqual(len(said.getvalue().splitlines()), 1)
            self.assertEqual(sorted(file.name for file in self.folder.iterdir()), ["0.mpack", "1.mpack"])

    def test_a_plan_that_is_not_honest_is_refused(self) -> None:
        packs = [
            Pack(self.file({"commits": [commit(1), commit(2, 1)], "branch_heads": {"main": f"{2:064x}"}}, "0.mpack")),
            Pack(self.file({"commits": [commit(2, 1, message="longer")]}, "1.mpack")),
        ]
        heads, edges = consolidate.index(component, packs)
        honest = consolidate.plan(component, packs, heads, edges)
        self.assertEqual(len(consolidate.prove(honest)), 2)
        [start, first, second, end] = honest.steps
        span = first["copy"]
        lesser = {
            "copy": {"pack": span["pack"], "offset": span["offset"] + span["length"], "length": packs[0].rows[1].length}
        }
        for steps, word in [
            ([start, first, end], "leaves out"),
            ([start, first, first, second, end], "twice"),
            ([start, first, lesser, end], "lesser encoding"),
            ([start, {"copy": span | {"length": span["length"] - 1}}, second, end], "whole records"),
            ([start, {"copy": span | {"pack": 9}}, second, end], "pack number 9"),
            ([start, first, second, end, {"literal": bytes(2000)}], "of its own"),
            ([start, first, second], "its steps make"),
        ]:
            with self.subTest(word=word), self.assertRaises(consolidate.Refusal) as caught:
                consolidate.prove(honest._replace(steps=steps))
            self.assertIn(word, str(caught.exception))
        for claim in "bytes", "records":
            with self.assertRaisesRegex(consolidate.Untrue, "claims"):
                consolidate.prove(honest._replace(summary=honest.summary | {claim: 9}))

    def test_heads_that_nobody_pushed_are_refused(self) -> None:
        head = {"branch": "main", "commit": f"{1:064x}"}
        packs = [Pack(self.file({"commits": [commit(1)], "branch_heads": {"main": head["commit"]}}))]
        consolidate.prove_heads(packs, [head])
        for heads in [], [head, head], [head | {"branch": "dev"}], [head | {"commit": f"{2:064x}"}]:
            with self.assertRaises(consolidate.Untrue):
                consolidate.prove_heads(packs, heads)

    def test_a_wrong_number_of_arguments_is_usage(self) -> None:
        with contextlib.redirect_stderr(io.StringIO()):
            self.assertEqual(consolidate.main([]), 2)
            self.assertEqual(replay.main([]), 2)


class Imports(HostTest):
    def test_what_a_component_may_not_ask_for_is_refused(self) -> None:
        content = b"hello"
        records = {
            "commits": [commit(1), commit(2, 1)],
            "objects": [{"object_id": digest(content), "content": content}],
        }
        pack = Pack(self.file(records | {"branch_heads": {"main": f"{2:064x}"}}))
        spans = [{"pack": 0, "offset": row.offset, "length": row.length} for row in pack.rows]
        pushed, stored = Repo([pack], pushed=True), Repo([pack], heads=pack.heads)
        rows = {"pack": 0, "first": 4, "limit": 9}
        none = {"ok": {"items": [], "done": True}}
        short = spans[0] | {"length": 3}
        two = spans[0] | {"length": spans[0]["length"] + spans[1]["length"]}
        cases: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
            ("storage.pack-index", rows, {"ok": {"items": b"", "done": True}}),
            (
                "storage.pack-index",
                rows | {"first": 1, "limit": 1},
                {"ok": {"items": pack.rows[1].encode(), "done": False}},
            ),
            ("storage.pack-index", rows | {"pack": 1}, {"err": {"no-such-pack": 1}}),
            ("storage.read-records", {"spans": spans[2:]}, {"err": {"not-a-record": spans[2]}}),
            ("storage.read-records", {"spans": [short]}, {"err": {"not-a-record": short}}),
            ("storage.read-records", {"spans": [two]}, {"err": {"not-a-record": two}}),
            ("storage.read-records", {"spans": spans[:1] * 1025}, {"err": {"too-many": 1024}}),
            ("storage.compare-records", {"pairs": [[spans[2], spans[2]], spans[:2]]}, {"ok": ["equal", "less"]}),
            ("storage.branch-heads", {"pack": 0, "first": 0, "limit": 9}, {"ok": {"items": pack.heads, "done": True}}),
            ("database.heads", {"after": None, "limit": 9}, none),
            ("database.locate", {"kind": "commit", "ids": [f"{1:064x}"]}, {"ok": [None]}),
            ("database.known", {"kind": "commit", "ids": [f"{1:064x}"]}, {"ok": [False]}),
        ]
        for name, args, expected in cases:
            with self.subTest(name=name, args=str(args)[:80]):
                self.assertEqual(pushed(name, args), expected)
        ids = {"kind": "commit", "ids": [f"{1:064x}", f"{9:064x}", "no id"]}
        cases = [
            ("storage.branch-heads", {"pack": 0, "first": 0, "limit": 9}, none),
            ("storage.branch-heads", {"pack": 1, "first": 0, "limit": 9}, {"err": {"no-such-pack": 1}}),
            ("database.heads", {"after": None, "limit": 9}, {"ok": {"items": pack.heads, "done": True}}),
            ("database.heads", {"after": "main", "limit": 9}, none),
            ("database.known", ids, {"ok": [True, False, False]}),
            ("database.locate", ids, {"ok": [{"at": spans[0], "row": 0}, None, None]}),
            ("database.locate", ids | {"ids": ids["ids"][:1] * 4097}, {"err": {"too-many": 4096}}),
            ("database.base", {}, {"ok": None}),
            ("database.base-heads", {"first": 0, "limit": 0}, none),
            ("storage.spine", {"pack": 0, "first": 0, "limit": 1}, {"err": {"no-such-pack": 0}}),
        ]
        for name, args, expected in cases:
            with self.subTest(name=name, args=str(args)[:80]):
                self.assertEqual(stored(name, args), expected)

    def test_history_is_breadth_first_and_cut_at_its_limit(self) -> None:
        graph = {"d": ["b", "c"], "b": ["a"], "c": ["a"]}
        edges = [{"commit": name, "parents": parents, "snapshot": None} for name, parents in graph.items()]
        ask = Repo([], edges=edges)

        def history(commits: list[str], limit: int) -> tuple[list[tuple[str, int]], bool]:
            found = ask("database.history", {"commits": commits, "limit": limit})["ok"]
            return [(one["edges"]["commit"], one["generation"]) for one in found["items"]], found["done"]

        self.assertEqual(history(["d", "x", "d"], 0), ([("d", 2), ("b", 1), ("c", 1)], True))
        self.assertEqual(history(["d"], 2), ([("d", 2), ("b", 1)], False))
        self.assertEqual(ask("database.history", {"commits": ["d", "b"], "limit": 1}), {"err": {"too-many": 1}})
        self.assertEqual(ask("database.walk-floor", {}), {"ok": None})

    def test_a_cycle_of_commits_has_a_walk_floor(self) -> None:
        graph = {"d": ["b"], "b": ["c"], "c": ["b"]}
        edges = [{"commit": name, "parents": parents, "snapshot": None} for name, parents in graph.items()]
        ask = Repo([], edges=edges)
        self.assertEqual(ask("database.walk-floor", {}), {"ok": 0})

    def test_the_preferred_encoding_is_located_and_tags_are_found_by_commit(self) -> None:
        tagged = [("v2", 1), ("v1", 1), ("v0", 2)]
        tags = [{"tag_id": name, "commit_id": f"{of:064x}", "note": "x"} for name, of in tagged]
        short = Pack(self.file({"commits": [commit(1)]}, "0.mpack"))
        long = Pack(self.file({"commits": [commit(1, message="longer")], "tags": tags}, "1.mpack"))
        ask = Repo([short, long])
        at = {"pack": 1, "offset": long.rows[0].offset, "length": long.rows[0].length}
        self.assertEqual(
            ask("database.locate", {"kind": "commit", "ids": [f"{1:064x}"]}), {"ok": [{"at": at, "row": 0}]}
        )
        [place, unknown] = ask("database.locate", {"kind": "tag", "ids": ["v2", "v9"]})["ok"]
        self.assertEqual((place["row"], unknown), (1, None))

        def found(after: str | None, limit: int) -> tuple[list[str], bool]:
            page = ask("database.tags", {"commits": [f"{1:064x}"], "after": after, "limit": limit})["ok"]
            return [tag["tag"] for tag in page["items"]], page["done"]

        self.assertEqual(found(None, 0), (["v1", "v2"], True))
        self.assertEqual(found(None, 1), (["v1"], False))
        self.assertEqual(found("v1", 1), (["v2"], True))
        self.assertEqual(found("v2", 0), ([], True))

    def test_every_list_is_paged_by_one_rule(self) -> None:
        heads = {f"b{1000 + number}": f"{number:064x}" for number in range(1030)}
        pack = Pack(self.file({"commits": [commit(number) for number in range(5000)], "branch_heads": heads}))
        pushed, stored = Repo([pack], pushed=True), Repo([pack], heads=pack.heads)

        def page(repo: Repo, name: str, **args: Any) -> tuple[int, bool]:
            found = repo(name, args)["ok"]
            return len(found["items"]), found["done"]

        for name, args, count, most, width in [
            ("storage.pack-index", {"pack": 0}, 5000, 4096, 72),
            ("storage.branch-heads", {"pack": 0}, 1030, 1024, 1),
            ("database.packs", {}, 1, 1024, 1),
            ("database.conflicts", {}, 0, 1024, 1),
        ]:
            for first, limit, items in [
                (0, 0, min(count, most)),
                (0, most + 1, min(count, most)),
                (max(count, 2) - 2, 1, min(count, 1)),
                (max(count, 1) - 1, 1, min(count, 1)),
                (count, 0, 0),
                (count + 7, 1, 0),
            ]:
                with self.subTest(name=name, first=first, limit=limit):
                    expected = items * width, first + items >= count
                    self.assertEqual(page(pushed, name, first=first, limit=limit, **args), expected)
        self.assertEqual(page(stored, "database.heads", after=None, limit=0), (1024, False))
        self.assertEqual(page(stored, "database.heads", after="b2023", limit=0), (6, True))
        self.assertEqual(page(stored, "database.heads", after="z", limit=1), (0, True))


class Engine(unittest.TestCase):
    def stopped(self, body: str) -> str:
        """What is said of a component that does something hostile where it should plan."""
        text = f"""(component
            (core module $module (memory 1) (func (export "plan") {body}))
            (core instance $instance (instantiate $module))
            (func $plan (canon lift (core func $instance "plan")))
            (instance $exports (export "plan" (func $plan)))
            (export "packhouse:engine/consolidation@0.2.0" (instance $exports)))"""
        hostile = engine.Component(bytes(wasmtime.wat2wasm(text)))
        with (
            hostile.run(lambda name, args: {}, engine.Limits(seconds=0.2)) as run,
            self.assertRaises(engine.Stopped) as caught,
        ):
            run.call("consolidation.plan", {})
        return str(caught.exception)

    def test_a_component_that_loops_is_stopped(self) -> None:
        self.assertIn("longer than 0.2 s", self.stopped("(loop br 0)"))

    def test_a_component_that_eats_memory_does_not_get_it(self) -> None:
        # It grows its memory by a MiB until it is refused, then traps; without a limit it would loop at 4 GiB.
        grow = "(loop (if (i32.eq (memory.grow (i32.const 16)) (i32.const -1)) (then unreachable)) br 0)"
        self.assertIn("unreachable", self.stopped(grow))

    def test_a_component_that_wants_more_than_the_two_imports_is_refused(self) -> None:
        text = '(component (import "wasi:clocks/wall-clock@0.2.0" (instance)))'
        with self.assertRaisesRegex(engine.Refused, "wasi:clocks"):
            engine.Component(bytes(wasmtime.wat2wasm(text)))

    def test_a_component_runs_if_its_world_has_the_same_minor_version(self) -> None:
        def of(version: str) -> engine.Component:
            return engine.Component(COMPONENT.read_bytes().replace(b"@0.2.0", b"@" + version.encode()))

        later = of("0.2.7")
        self.assertEqual(later.world, "packhouse:engine/engine@0.2.7")
        with later.run(Repo([]), engine.Limits()) as run:
            self.assertEqual(run.call("consolidation.plan", {})["ok"]["records"]["commits"], 0)
        for version in "0.1.0", "0.3.0", "1.2.0":
            with self.assertRaisesRegex(engine.Refused, f"engine@{version}, and this host runs .*@0.2.0"):
                of(version)
        worlds = ["packhouse:engine/engine@0.2.9", "other:world/engine@0.2.0", "packhouse:engine/engine", None]
        self.assertEqual([engine.runs(world) for world in worlds], [True, False, False, False])

    def test_any_other_reason_of_a_host_ends_the_plan_with_its_text(self) -> None:
        other = {"other": "the shelf fell down"}
        with component.run(lambda name, args: {"err": other}, engine.Limits()) as run:
            self.assertEqual(run.call("consolidation.plan", {}), {"err": other})

    def test_an_exception_in_an_import_is_raised_where_the_component_was_called_and_ends_the_run(self) -> None:
        def interrupted(name: str, args: dict[str, Any]) -> dict[str, Any]:
            raise KeyboardInterrupt

        with component.run(interrupted, engine.Limits()) as run:
            with self.assertRaises(KeyboardInterrupt):
                run.call("consolidation.plan", {})
            with self.assertRaisesRegex(engine.Stopped, "over"):
                run.call("consolidation.plan", {})

    def test_an_answer_that_does_not_fit_the_wit_is_not_cut_to_size(self) -> None:
        fitting = {"key": "k", "bytes": 1, "rows": 0}

        def page(item: dict[str, Any]) -> dict[str, Any]:
            return {"items": [item], "done": True}

        def answering(answer: dict[str, Any]) -> engine.Imports:
            return lambda name, args: answer

        answers: list[dict[str, Any]] = [
            {"ok": page(fitting | {"bytes": 1 << 64})},
            {"ok": page(fitting | {"bytes": True})},
            {"ok": page(fitting | {"key": "\ud800"})},
            {"ok": page(fitting | {"more": 1})},
            {"ok": page(fitting) | {"done": 1}},
            {"ok": None},
            {"err": {"lost": 1}},
            {},
        ]
        for answer in answers:
            with (
                self.subTest(answer=answer),
                component.run(answering(answer), engine.Limits()) as run,
                self.assertRaisesRegex(engine.Unfit, "database.packs"),
            ):
                run.call("consolidation.plan", {})


class Tapes(HostTest):
    tapes: ClassVar[dict[str, list[dict[str, Any]]]]

    @staticmethod
    def record(verb: str, name: str, arguments: dict[str, Any], packs: list[Pack], repo: Repo) -> list[dict[str, Any]]:
        """A run, written down as docs/replay.md says."""
        calls: list[dict[str, Any]] = []

        def recorded(call: str, args: dict[str, Any]) -> dict[str, Any]:
            answer = repo(call, args)
            calls.append({"call": call, "args": args} | replay.to_tape(answer))
            return answer

        limits = engine.Limits()
        header = {
            "tape": 2,
            "made-by": "test_host.py 1",
            "component": component.digest,
            "world": component.world,
            "engine": {
                "runtime": "wasmtime-py",
                "memory": limits.memory,
                "handed-over": 64 << 20,
                "time-ms": int(limits.seconds * 1000),
                "calls": limits.calls,
            },
            "verb": verb,
            "repo": "muse/cli",
            "run": name,
            "arguments": arguments,
            "packs": [pack.key for pack in packs],
            "records": consolidate.count_rows(packs),
        }
        with component.run(recorded, limits) as run:
            result, items = replay.perform(run, replay.Tape(header, [], {}, []))
        _, kind, _ = replay.RUN_KINDS[name]
        size = 1024
        pages = [
            {kind: {"items": replay.to_tape(items[first : first + size]), "done": first + size >= len(items)}}
            for first in range(0, len(items), size)
        ]
        digest = plan_digest(packs, items) if kind == "steps" and items else None
        return [header, *calls, {"result": result}, *pages, {"end": {"calls": len(calls), "plan-digest": digest}}]

    @classmethod
    def setUpClass(cls) -> None:
        packs = consolidate.load(MUSE_CLI)
        heads, edges = consolidate.index(component, packs)
        pushed, stored = Repo(packs, pushed=True), Repo(packs, heads=heads, edges=edges)
        wanted = {"request": {"want": [heads[0]["commit"]], "want-if-known": ["0" * 64], "have": []}}
        unknown = {"request": {"want": ["0" * 64], "want-if-known": [], "have": []}}
        cls.tapes = {
            "push": cls.record("push", "indexing.index", {"pushed": 7, "force": False}, packs, pushed),
            "gc": cls.record("gc", "consolidation.plan", {}, packs, stored),
            "fetch": cls.record("fetch", "assembly.plan", wanted, packs, stored),
            "refused": cls.record("fetch", "assembly.plan", unknown, packs, stored),
        }

    def played(self, lines: list[dict[str, Any]] | bytes) -> tuple[int, dict[str, Any], str]:
        """Exit code, report and stderr of the replay of a tape."""
        path = self.folder / "test.tape"
        text = "".join(json.dumps(line) + "\n" for line in lines).encode() if isinstance(lines, list) else b""
        path.write_bytes(lines if isinstance(lines, bytes) else gzip.compress(text))
        out, said = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(said):
            code = replay.replay(component, [path])
        return code, json.loads(out.getvalue() or "{}"), said.getvalue()

    def test_what_was_recorded_replays(self) -> None:
        for verb, lines in self.tapes.items():
            with self.subTest(verb=verb):
                calls = lines[-1]["end"]["calls"]
                self.assertGreater(calls, 2)
                path = str(self.folder / "test.tape")
                expected = {"tape": path, "calls": calls, "ok": True, "divergence": None}
                self.assertEqual(self.played(lines), (0, expected, ""))

    def test_a_tape_that_was_tampered_with_diverges_in_words(self) -> None:
        lines = self.tapes["gc"]
        reads = next(number for number, line in enumerate(lines) if line.get("call") == "storage.read-records")
        result = next(number for number, line in enumerate(lines) if "result" in line)
        call = lines[1]["call"]

        def tampered(number: int, change: dict[str, Any]) -> list[dict[str, Any]]:
            return [*lines[:number], json.loads(json.dumps(lines[number])) | change, *lines[number + 1 :]]

        spans = json.loads(json.dumps(lines[reads]["args"]))
        spans["spans"][1]["length"] += 1
        summary = lines[result]["result"]["plan"]
        planned = lines[result + 1]["steps"]
        step = planned["items"][1]["copy"]
        steps = [planned["items"][0], {"copy": step | {"pack": 6}}, *planned["items"][2:]]
        fewer = [*lines[:-1], {"end": {"calls": result - 2}}]
        del fewer[result - 1]
        more = [*lines[:result], lines[1], *lines[result:-1], {"end": {"calls": result}}]
        for tape, words in [
            (tampered(1, {"args": lines[1]["args"] | {"limit": 7}}), ["call 1", call, "limit", "7", "0"]),
            (tampered(1, {"call": "database.conflicts"}), ["call 1", "database.conflicts", call]),
            (tampered(reads, {"args": spans}), [f"call {reads}", "storage.read-records", "spans[1].length"]),
            (tampered(result, {"result": {"plan": summary | {"bytes": 5}}}), ["result.plan.bytes", "5", "791982"]),
            (tampered(result, {"result": {"stopped": "it trapped"}}), ["result", "it trapped", "plan"]),
            (tampered(result + 1, {"steps": planned | {"items": steps}}), ["steps[1].copy.pack", "6"]),
            (fewer, [f"call {result - 1}", "no more calls", lines[result - 1]["call"]]),
            (more, [f"call {result}", "no more calls", call]),
        ]:
            code, report, _ = self.played(tape)
            with self.subTest(words=words):
                self.assertEqual((code, report["ok"]), (4, False))
                for word in words:
                    self.assertIn(word, report["divergence"])

    def test_a_run_that_was_stopped_at_a_limit_is_stopped_there_again(self) -> None:
        [header, *lines] = self.tapes["gc"][:4]
        lines += [{"result": {"stopped": "it made more than 3 calls"}}, {"end": {"calls": 3, "plan-digest": None}}]
        few = header | {"engine": header["engine"] | {"calls": 3}}
        self.assertEqual(self.played([few, *lines])[0], 0)
        self.assertEqual(self.played([header, *lines])[0], 4)

    def test_a_recorded_trap_ends_the_replay_as_it_ended_the_run(self) -> None:
        *lines, last = self.tapes["gc"][:4]
        lines.append({"call": last["call"], "args": last["args"], "trap": "the disk failed"})
        end = {"end": {"calls": 3, "plan-digest": None}}
        code, report, _ = self.played([*lines, {"result": {"stopped": "the host failed"}}, end])
        self.assertEqual((code, report["calls"]), (0, 3))
        code, report, _ = self.played([*lines, {"result": {"plan-error": {"access": {"too-many": 1}}}}, end])
        self.assertEqual(code, 4)
        self.assertIn("stopped", report["divergence"])

    def test_a_damaged_tape_is_no_replay(self) -> None:
        lines = self.tapes["push"]
        whole = gzip.compress("".join(json.dumps(line) + "\n" for line in lines).encode())
        rows = next(number for number, line in enumerate(lines) if line.get("call") == "storage.pack-index")
        unfit = {"call": lines[1]["call"], "args": lines[1]["args"], "err": {"lost": 1}}
        tapes: list[tuple[list[dict[str, Any]] | bytes, str]] = [
            (lines[:-1], "no end"),
            ([*lines[:-1], {"end": {"calls": 0}}], "counts 0 calls"),
            ([lines[0] | {"tape": 3}, *lines[1:]], "version"),
            ([lines[0] | {"world": "other:world/x@1.0.0"}, *lines[1:]], "world"),
            ([lines[0] | {"arguments": {"pushed": -1, "force": False}}, *lines[1:]], "a number of 32 bits"),
            ([*lines[:rows], lines[rows] | {"ok": {"items": "zz", "done": True}}, *lines[rows + 1 :]], "hexadecimal"),
            ([*lines[:rows], lines[rows] | {"ok": {"items": "AB", "done": True}}, *lines[rows + 1 :]], "lower-case"),
            ([lines[0] | {"run": "consolidation.steps"}, *lines[1:]], "no function"),
            ([lines[0], unfit, *lines[2:]], "fit the WIT"),
            (whole[:-9], "can't be read"),
            (b"no gzip", "can't be read"),
        ]
        for tape, word in tapes:
            code, report, said = self.played(tape)
            with self.subTest(word=word):
                self.assertEqual((code, report), (1, {}))
                self.assertIn(word, said)

    def test_another_component_is_noted_and_no_divergence(self) -> None:
        [header, *rest] = self.tapes["push"]
        code, report, said = self.played([header | {"component": "sha256:" + "0" * 64}, *rest])
        self.assertEqual((code, report["ok"]), (0, True))
        self.assertIn("was recorded with", said)


if __name__ == "__main__":
    unittest.main()
