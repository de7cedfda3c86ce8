// Runs the packhouse component under Node, and hides what is odd about jco, which turns a component into JavaScript.
//
// Outside this file values have the shape that docs/replay.md gives them: a record is an object with the WIT's field
// names, a variant or result an object of one key, an option the value or null, an enum a string, a list or tuple an
// array, a number a plain number. Only list<u8> differs: it is a Uint8Array here, and hexadecimal digits on a tape.
//
// README.md lists what is odd about jco; here it is said again where something is done about it.

import { createHash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { transpileBytes } from '@bytecodealliance/jco-transpile';

/** What a component may import, and the parameters of each function in their order. It gets nothing else. */
const IMPORTS = {
  'storage.limits': [],
  'storage.pack-index': ['pack', 'first', 'limit'],
  'storage.spine': ['pack', 'first', 'limit'],
  'storage.read-records': ['spans'],
  'storage.compare-records': ['pairs'],
  'storage.branch-heads': ['pack', 'first', 'limit'],
  'database.packs': ['first', 'limit'],
  'database.heads': ['after', 'limit'],
  'database.history': ['commits', 'limit'],
  'database.walk-floor': [],
  'database.locate': ['kind', 'ids'],
  'database.tags': ['commits', 'after', 'limit'],
  'database.base': [],
  'database.base-heads': ['first', 'limit'],
  'database.known': ['kind', 'ids'],
  'database.conflicts': ['first', 'limit'],
};

/** What a component exports. */
const EXPORTS = {
  'consolidation.plan': [],
  'consolidation.steps': ['first', 'limit'],
  'assembly.plan': ['request'],
  'assembly.steps': ['first', 'limit'],
  'indexing.index': ['pushed', 'force'],
  'indexing.edges': ['first', 'limit'],
};

const PACKAGE = 'packhouse:engine';
/** The world that this host implements. */
export const WORLD = `${PACKAGE}/engine@0.2.0`;

/** The component trapped, or it broke its word. Its run is over. */
export class Stopped extends Error {}

/**
 * Makes a component ready to run: half a second, once a process. Everything stays in memory, so there is no cache
 * that a crash could spoil.
 */
export async function load(bytes) {
  const { files, imports, exports } = await transpile(bytes);
  const world = worldOf(exports.map(([name]) => name));
  if (!runs(world)) throw new Error(`the component implements ${world}, and this host runs ${WORLD}`);
  const allowed = Object.keys(IMPORTS).map((name) => interfaceOf(name));
  const foreign = imports.find((name) => !allowed.includes(name));
  if (foreign) throw new Error(`the component imports ${foreign}, which this host does not give`);

  const modules = {};
  for (const [name, file] of Object.entries(files)) {
    if (name.endsWith('.wasm')) modules[name] = await WebAssembly.compile(file);
  }
  // The last line names the code in stack traces, which would show all of it otherwise.
  const source = `${exactText(Buffer.from(files['packhouse.js']).toString())}\n//# sourceURL=packhouse.js\n`;
  const { instantiate } = await import(`data:text/javascript;base64,${Buffer.from(source).toString('base64')}`);
  return {
    digest: `sha256:${createHash('sha256').update(bytes).digest('hex')}`,
    /** With the version that its exports have. */
    world,

    /**
     * A fresh instance, for one run. `answer(name, args)` answers its imports with `{ok: value}` or, for what the WIT
     * calls an access-error, `{err: value}`. When it throws, the host has failed, and the run is over.
     */
    start: (answer) => new Run(instantiate, modules, answer),
  };
}

/**
 * Whether this host runs components of a world: of the same major version, or of the same minor version before 1.0. A
 * later one may import what this host does not have: then linking fails.
 */
export function runs(world) {
  const parts = (text) => {
    const [name, version = ''] = text.split('@');
    const [major, minor] = version.split('.');
    return major === '0' ? [name, major, minor] : [name, major];
  };
  return typeof world === 'string' && isDeepStrictEqual(parts(world), parts(WORLD));
}

function worldOf(exports) {
  const ours = exports.find((name) => name.startsWith(`${PACKAGE}/`));
  if (ours === undefined) throw new Error(`the component exports nothing of ${PACKAGE}`);
  return `${PACKAGE}/engine@${ours.split('@')[1]}`;
}

async function transpile(bytes) {
  try {
    return await transpileBytes(bytes, {
      name: 'packhouse',
      // Gives `instantiate`, to be called once a run, instead of a module that is an instance.
      instantiation: 'sync',
      // What an export fails with is thrown as it is.
      noComponentErrorWrapping: true,
      emitTypescriptDeclarations: false,
    });
  } catch (error) {
    throw new Error(`this is no component: ${String(error?.message ?? error).split('\n')[0]}`, { cause: error });
  }
}

/**
 * The generated code reads strings with `new TextDecoder()`, which drops a U+FEFF in front. A branch may begin with
 * one, and would get another name on its way. Bytes that are no UTF-8 it replaces, where the component model wants
 * a trap.
 */
function exactText(source) {
  const [before, after, ...more] = source.split('new TextDecoder()');
  if (after === undefined || more.length > 0) {
    throw new Error('this version of jco generates other code: look at exactText in engine.mjs again');
  }
  return `${before}new TextDecoder('utf-8', { ignoreBOM: true, fatal: true })${after}`;
}

/** One instance. What one run leaves behind no other run sees. */
class Run {
  #exports;
  /** What the host has thrown in an import. */
  #failure = null;
  #over = false;

  constructor(instantiate, modules, answer) {
    const imports = {};
    for (const name of Object.keys(IMPORTS)) {
      imports[interfaceOf(name)] ??= {};
      imports[interfaceOf(name)][camelCase(functionOf(name))] = this.#import(name, answer);
    }
    this.#exports = this.#guard(() => instantiate((file) => modules[file], imports));
  }

  /** Calls an export: `{ok: value}` or `{err: reason}`. Throws `Stopped`, or what the host has thrown in an import. */
  call(name, args) {
    const [instance, called] = name.split('.');
    const exported = this.#exports[instance]?.[camelCase(called)];
    if (!exported) throw new Error(`the component does not export ${name}`);
    const values = EXPORTS[name].map((parameter) => lower(args[parameter]));
    return this.#guard(() => {
      try {
        return { ok: lift(exported(...values)) };
      } catch (thrown) {
        // A WIT error comes as the bare variant. Everything else is a real exception.
        if (typeof thrown?.tag !== 'string') throw thrown;
        return { err: lift(thrown) };
      }
    });
  }

  /** All `count` items of an export that is paged. Without `limit`, each page has as many as the component likes. */
  pages(name, count, limit = 0) {
    const all = [];
    for (let done = count === 0; !done; ) {
      const page = this.call(name, { first: all.length, limit }).ok;
      const { length } = page.items;
      // Not `push(...page.items)`: a page may have more items than a call has room for arguments.
      for (const item of page.items) all.push(item);
      done = page.done;
      if (length === 0 || (limit > 0 && length > limit) || all.length > count || done !== (all.length === count)) {
        throw new Stopped(
          `the component claims ${count} of ${name}, and gives ${length} from number ${all.length - length} on`,
        );
      }
    }
    return all;
  }

  #import(name, answer) {
    return (...values) => {
      const args = Object.fromEntries(IMPORTS[name].map((parameter, i) => [parameter, lift(values[i])]));
      let answered;
      try {
        const { ok, err } = answer(name, args);
        answered = err === undefined ? { value: lower(ok) } : { refusal: lowerVariant(err) };
      } catch (error) {
        this.#failure ??= error;
        // A new error, since jco takes one with a `payload`, and all that is no Error, for an answer.
        throw new Error('the host failed', { cause: error });
      }
      if (answered.refusal) throw Object.assign(new Error(`${name} is refused`), { payload: answered.refusal });
      return answered.value;
    };
  }

  /** Enters the instance. When that ends by an exception the run is over, and the host's own exception comes out. */
  #guard(enter) {
    if (this.#over) throw new Error('this run is over');
    this.#over = true;
    let left;
    try {
      left = enter();
    } catch (error) {
      throw this.#failure ?? new Stopped(`the component was stopped: ${error?.message ?? error}`, { cause: error });
    }
    // A component could catch what the host has thrown, and go on.
    if (this.#failure) throw this.#failure;
    this.#over = false;
    return left;
  }
}

/** From jco's shape to ours. */
function lift(value) {
  if (value === undefined) return null; // an option
  if (typeof value === 'bigint') return plainNumber(value); // u64
  if (value instanceof Uint8Array) return value; // list<u8>
  if (Array.isArray(value) || value instanceof BigUint64Array) return Array.from(value, (item) => lift(item));
  if (typeof value !== 'object') return value;
  // No record of this WIT has a field `tag`.
  if ('tag' in value) return { [value.tag]: lift(value.val) };
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [kebabCase(name), lift(field)]));
}

/** From our shape to jco's, which takes a plain number for a u64. Variants are lowered by `lowerVariant`. */
function lower(value) {
  if (value === null) return undefined;
  if (typeof value === 'number') return wholeNumber(value);
  if (value instanceof Uint8Array) return value;
  if (Array.isArray(value)) return value.map((item) => lower(item));
  if (typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [camelCase(name), lower(field)]));
}

/** `{"no-such-pack": 3}`. It looks like a record: only who asks knows that it is none. */
function lowerVariant(variant) {
  const [[tag, value]] = Object.entries(variant);
  return { tag, val: lower(value) };
}

function plainNumber(big) {
  if (big > Number.MAX_SAFE_INTEGER) throw new RangeError(`${big} is beyond 2^53, and this host counts no further`);
  return Number(big);
}

/** jco would make something of a fraction or a negative number, without a word. */
function wholeNumber(number) {
  if (!Number.isSafeInteger(number) || number < 0) throw new RangeError(`${number} is no whole number below 2^53`);
  return number;
}

/** The key under which jco looks for an imported interface: without its version, whatever the generated types say. */
function interfaceOf(name) {
  return `${PACKAGE}/${name.split('.')[0]}`;
}

function functionOf(name) {
  return name.split('.')[1];
}

function camelCase(name) {
  return name.replace(/-(.)/g, (_, letter) => letter.toUpperCase());
}

function kebabCase(name) {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
