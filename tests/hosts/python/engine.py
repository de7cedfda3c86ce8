"""Runs the packhouse component, and hides what is odd about wasmtime-py.

Outside this file values have the shape that docs/replay.md gives them: a record is a dict with the
WIT's field names, a variant or result a dict of one key, an option the value or None, an enum a
string, a list or tuple a list. Only list<u8> differs: it is `bytes` here, hexadecimal on a tape.

What is odd (wasmtime 50.0.1), and what is done about it:

- A variant arrives without its tag when Python could tell its cases apart by the types of their
  payloads, and with it otherwise. `_reader` and `_writer` put tags on and take them off.
- A record is an object with attributes like `wanted-by`, which only getattr can name.
- A number that does not fit its type is cut to size without a word. `_writer` checks.
- A list<u8> is `bytes` both ways, but crosses byte by byte: about 0.8 µs and 32 bytes of memory for
  each, so 0.25 s for a page of 4096 rows of a pack-index and 3.5 s for 4 MiB of records. Smaller pages
  would not help, as the cost is by the byte, and the WIT allows them only at the end. 20 000 records
  of which 10 MB are commits and snapshots take 10 s a run: for much more than that, use another host.
- What a component hands over counts 48 bytes for each of a list<u8>, and wasmtime stops it at 128 MiB
  a call. So a literal has at most 2.7 MB: some 20 000 branches.
- An exception in an import ends the instance for good; a KeyboardInterrupt there is swallowed.
  `Run` keeps the exception, raises it where the component was called, and is not called again.
- Memory beyond `set_limits` is refused, not trapped: the component then gives up by itself, and what
  is reported is its `unreachable`.
- Import functions stay in a global table until their linker is closed: hence `with`.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

import wasmtime
from wasmtime import component as wasm

# A value in the shape described above.
Value = Any
# Answers an import: given its name (`storage.pack-index`) and its arguments by name, gives
# {"ok": value} or {"err": access-error}. An exception ends the run.
Imports = Callable[[str, dict[str, Value]], dict[str, Value]]

PACKAGE = "packhouse:engine/"
# The world that this host implements.
WORLD = PACKAGE + "engine@0.2.0"
# All that a component may import: it gets no clock, no files and no randomness.
ALLOWED = {PACKAGE + name for name in ("types", "storage", "database")}


def runs(world: object) -> bool:
    """Whether this host runs components of a world: of the same major version, or of the same minor one before 1.0."""

    def parts(text: str) -> list[str]:
        name, _, version = text.partition("@")
        major, *rest = version.split(".")
        return [name, major, *rest[:1]] if major == "0" else [name, major]

    return isinstance(world, str) and parts(world) == parts(WORLD)


class Limits(NamedTuple):
    """What a run may use. These are the native host's limits."""

    memory: int = 512 << 20
    seconds: float = 600.0
    calls: int = 1_000_000

    def for_records(self, records: int) -> Limits:
        """What a run over so many records may use: what a planner needs grows with them."""
        return Limits(self.memory + 400 * records, self.seconds, self.calls + 4 * records)


class Refused(Exception):
    """The bytes are no component that this host runs."""


class Stopped(Exception):
    """The component trapped, reached a limit or broke its word. Its run is over."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the component was stopped: {reason}")


class Unfit(ValueError):
    """An answer or argument is not of the type that the WIT gives it."""


class Component:
    """A compiled component. It serves one run after the other: two at a time would share a deadline."""

    def __init__(self, binary: bytes) -> None:
        self.digest = "sha256:" + hashlib.sha256(binary).hexdigest()
        config = wasmtime.Config()
        config.epoch_interruption = True
        # The same plan on every machine: these are the two places where WebAssembly leaves a choice.
        config.cranelift_nan_canonicalization = True
        config.wasm_relaxed_simd = False
        self.engine = wasmtime.Engine(config)
        try:
            self.compiled = wasm.Component(self.engine, binary)
        except wasmtime.WasmtimeError as error:
            raise Refused(f"this is no component: {_first_line(error)}") from error
        self.imports: dict[str, wasm.ComponentInstanceType] = {}
        for name, item in self.compiled.type.imports(self.engine).items():
            interface = item.ty
            if name.partition("@")[0] not in ALLOWED or not isinstance(interface, wasm.ComponentInstanceType):
                raise Refused(f"the component imports `{name}`, which this host does not give")
            self.imports[name] = interface
        # With the version that its exports have.
        self.version = self._version()
        self.world = f"{PACKAGE}engine@{self.version}"
        for version in {self.version} | {name.partition("@")[2] for name in self.imports}:
            if not runs(f"{PACKAGE}engine@{version}"):
                raise Refused(f"the component implements {PACKAGE}engine@{version}, and this host runs {WORLD}")

    def _version(self) -> str:
        for name in self.compiled.type.exports(self.engine):
            if name.startswith(PACKAGE):
                return name.partition("@")[2]
        raise Refused(f"the component exports nothing of {PACKAGE.rstrip('/')}")

    def interface(self, name: str) -> str:
        """An exported interface by its name in the WIT."""
        return f"{PACKAGE}{name}@{self.version}"

    def run(self, imports: Imports, limits: Limits) -> Run:
        """A run, to be used in a `with`."""
        return Run(self, imports, limits)


class Run:
    """One instance in a store of its own: what one run leaves behind no other run sees."""

    def __init__(self, component: Component, imports: Imports, limits: Limits) -> None:
        self._imports = imports
        self._limits = limits
        self._calls = 0
        self._failure: BaseException | None = None
        self._over = False
        self._store = wasmtime.Store(component.engine)
        # The address space ends at 4 GiB, whatever is allowed.
        memory = min(limits.memory, (1 << 32) - 1)
        self._store.set_limits(memory_size=memory, table_elements=10_000, instances=16, tables=16, memories=1)
        # One tick is the end. Time in imports counts: the component decides how often it asks.
        self._store.set_epoch_deadline(1)
        self._alarm = threading.Timer(limits.seconds, component.engine.increment_epoch)
        self._alarm.daemon = True
        self._linker = wasm.Linker(component.engine)
        self._component = component

    def __enter__(self) -> Run:
        self._alarm.start()
        try:
            self._link()
            self._instance = self._guard(self._linker.instantiate, self._store, self._component.compiled)
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def _close(self) -> None:
        self._over = True
        self._alarm.cancel()
        if self._alarm.is_alive():
            # Else it might still strike, and stop the next run.
            self._alarm.join()
        self._linker.close()
        self._store.close()

    def call(self, name: str, args: dict[str, Value]) -> Value:
        """Calls an export, as in `call("indexing.index", {"pushed": 7, "force": False})`.

        A result comes as {"ok": …} or {"err": …}. Raises `Stopped`, or what an import raised.
        """
        interface, _, function = name.partition(".")
        outer = self._instance.get_export_index(self._store, self._component.interface(interface))
        inner = outer and self._instance.get_export_index(self._store, function, outer)
        exported = inner and self._instance.get_func(self._store, inner)
        if not exported:
            raise Refused(f"the component does not export `{name}`")
        kind = exported.type(self._store)
        if {parameter for parameter, _ in kind.params} != set(args):
            raise Unfit(f"`{name}` takes {[parameter for parameter, _ in kind.params]}, and was given {list(args)}")
        values = [_writer(ty)(args[parameter]) for parameter, ty in kind.params]
        answer = self._guard(exported, self._store, *values)
        return _reader(kind.result)(answer)

    def pages(self, name: str, count: int, most: int, limit: int = 0) -> list[Value]:
        """All `count` items of an export that is paged, `consolidation.steps` and its like, if not more than `most`.

        Without `limit`, a page has as many as the component likes.
        """
        if count > most:
            raise Stopped(f"it claims {count} of `{name}`, where there are {most} at most")
        items: list[Value] = []
        done = count == 0
        while not done:
            page = self.call(name, {"first": len(items), "limit": limit})
            first, given, done = len(items), len(page["items"]), page["done"]
            items += page["items"]
            too_long = 0 < limit < given or len(items) > count
            if given == 0 or too_long or done != (len(items) == count):
                raise Stopped(f"it claims {count} of `{name}`, and gives {given} from number {first}")
        return items

    def _link(self) -> None:
        """Defines every import that the component names, with the types that it gives it."""
        with self._linker.root() as root:
            for name, instance in self._component.imports.items():
                interface = name.removeprefix(PACKAGE).partition("@")[0]
                with root.add_instance(name) as defined:
                    for function, item in instance.exports(self._component.engine).items():
                        if isinstance(item.ty, wasm.FuncType):
                            defined.add_func(function, self._import(f"{interface}.{function}", item.ty))

    def _import(self, name: str, kind: wasm.FuncType) -> Callable[..., Any]:
        readers = [(parameter, _reader(ty)) for parameter, ty in kind.params]
        # A function without a result, `storage.limits`, can't be refused: its answer is the value.
        refusable = isinstance(kind.result, wasm.ResultType)
        write = _writer(kind.result)

        def function(_store: wasmtime.StoreContext, *values: Any) -> Any:
            try:
                if self._calls == self._limits.calls:
                    raise Stopped(f"it made more than {self._calls} calls")
                self._calls += 1
                args = {parameter: read(value) for (parameter, read), value in zip(readers, values, strict=True)}
                answer = self._imports(name, args)
                try:
                    return write(answer if refusable else answer.get("ok"))
                except Unfit as error:
                    raise Unfit(f"the answer to `{name}`: {error}") from None
            except BaseException as error:
                self._failure = error
                # wasmtime-py turns an Exception into a trap, and nothing else.
                raise RuntimeError("the host failed") from error

        return function

    def _guard(self, enter: Callable[..., Any], *args: Any) -> Any:
        """Enters the component; tells a host that failed from a component that did."""
        if self._over:
            raise Stopped("its run is over")
        try:
            return enter(*args)
        except BaseException as error:
            self._over = True
            if self._failure is not None:
                raise self._failure from None
            if isinstance(error, wasmtime.WasmtimeError):
                raise Stopped(self._reason(str(error))) from None
            raise

    def _reason(self, text: str) -> str:
        if "wasm trap: interrupt" in text:
            return f"it took longer than {self._limits.seconds:g} s"
        # The cause stands last, below the addresses of the frames.
        return f"it trapped: {text.strip().splitlines()[-1].strip()}"


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or ["no reason given"])[0]


def _cases(ty: wasm.VariantType | wasm.ResultType) -> tuple[list[tuple[str, Any, tuple[type, ...]]], bool]:
    """The cases of a variant with the Python types of their payloads, and whether values have a tag.

    They have one if two cases share a type: wasmtime-py's own rule, which it keeps to itself.
    """
    named = [("ok", ty.ok), ("err", ty.err)] if isinstance(ty, wasm.ResultType) else ty.cases
    cases = []
    met: set[type] = set()
    tagged = False
    for name, payload in named:
        types: set[type] = set()
        if payload is None:
            types.add(type(None))
        else:
            payload.add_classes(types)
        tagged |= not met.isdisjoint(types)
        met |= types
        cases.append((name, payload, tuple(types)))
    return cases, tagged


def _reader(ty: wasm.ValType | None) -> Callable[[Any], Value]:
    """What turns a value of wasmtime-py into one of ours."""
    match ty:
        case wasm.ListType() if not isinstance(ty.element, wasm.U8):
            element = _reader(ty.element)
            return lambda items: [element(item) for item in items]
        case wasm.TupleType():
            parts = [_reader(part) for part in ty.elements]
            return lambda items: [read(item) for read, item in zip(parts, items, strict=True)]
        case wasm.RecordType():
            fields = [(name, _reader(field)) for name, field in ty.fields]
            return lambda record: {name: read(getattr(record, name)) for name, read in fields}
        case wasm.OptionType():
            payload = _reader(ty.payload)
            return lambda value: None if value is None else payload(value)
        case wasm.VariantType() | wasm.ResultType():
            cases, tagged = _cases(ty)
            readers = {name: _reader(payload) for name, payload, _ in cases}

            def read(value: Any) -> Value:
                if tagged:
                    return {value.tag: readers[value.tag](value.payload)}
                name = next(name for name, _, types in cases if isinstance(value, types))
                return {name: readers[name](value)}

            return read
    return lambda value: value


_SURROGATE = re.compile("[\ud800-\udfff]")
INTEGERS = {wasm.U8: 8, wasm.U16: 16, wasm.U32: 32, wasm.U64: 64}


def _writer(ty: wasm.ValType | None) -> Callable[[Value], Any]:
    """What turns one of our values into one of wasmtime-py, and refuses one that does not fit."""
    match ty:
        case wasm.U8() | wasm.U16() | wasm.U32() | wasm.U64():
            bits = INTEGERS[type(ty)]
            # Not isinstance: to Python, True is a number.
            return _checked(f"a number of {bits} bits", lambda value: type(value) is int and 0 <= value < 1 << bits)
        case wasm.Bool():
            return _checked("a boolean", lambda value: isinstance(value, bool))
        case wasm.String():
            # JSON can write a half of a surrogate pair, which no string of the WIT holds.
            return _checked("a string", lambda value: isinstance(value, str) and not _SURROGATE.search(value))
        case wasm.EnumType():
            names = ty.names
            return _checked(f"one of {names}", lambda value: value in names)
        case wasm.ListType() if isinstance(ty.element, wasm.U8):
            return _checked("bytes", lambda value: isinstance(value, bytes))
        case wasm.ListType():
            element = _writer(ty.element)
            check = _checked("a list", lambda value: isinstance(value, list))
            return lambda items: [element(item) for item in check(items)]
        case wasm.TupleType():
            parts = [_writer(part) for part in ty.elements]
            check = _checked(
                f"a list of {len(parts)}", lambda value: isinstance(value, list) and len(value) == len(parts)
            )
            return lambda items: tuple(write(item) for write, item in zip(parts, check(items), strict=True))
        case wasm.RecordType():
            fields = {name: _writer(field) for name, field in ty.fields}
            check = _checked(
                f"a record of {list(fields)}", lambda value: isinstance(value, dict) and set(value) == set(fields)
            )

            def write_record(value: Value) -> wasm.Record:
                record = wasm.Record()
                for name, field in check(value).items():
                    setattr(record, name, fields[name](field))
                return record

            return write_record
        case wasm.OptionType():
            payload = _writer(ty.payload)
            return lambda value: None if value is None else payload(value)
        case wasm.VariantType() | wasm.ResultType():
            cases, tagged = _cases(ty)
            writers = {name: _writer(payload) for name, payload, _ in cases}
            check = _checked(
                f"one of {list(writers)}",
                lambda value: isinstance(value, dict) and len(value) == 1 and not set(value) - set(writers),
            )

            def write_variant(value: Value) -> Any:
                [(tag, payload)] = check(value).items()
                written = writers[tag](payload)
                return wasm.Variant(tag, written) if tagged else written

            return write_variant
        case None:
            return _checked("nothing", lambda value: value is None)
    raise Refused(f"the component uses {type(ty).__name__}, which the WIT does not")


def _checked(what: str, fits: Callable[[Value], bool]) -> Callable[[Value], Any]:
    def check(value: Value) -> Value:
        if not fits(value):
            raise Unfit(f"{what} is expected, not {str(value)[:80]!r}")
        return value

    return check
