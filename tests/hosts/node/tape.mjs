// Tapes: a run of a component, written down. docs/replay.md tells what a tape is for, and its format line by line.

import { readFileSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { runs, Stopped, WORLD } from './engine.mjs';

const VERSION = 2;
/** Bytes that a tape may have when it is unpacked: a small file may claim to be a large one. */
const LARGEST = 2 ** 31;
/** Characters of either side of a divergence that are shown. */
const SHOWN = 300;

/** What each run comes to: the name of its result, and its pages. `count` says how many items a result claims. */
export const RUNS = {
  'consolidation.plan': {
    result: 'plan',
    items: 'steps',
    pages: 'consolidation.steps',
    count: (plan) => plan.steps,
  },
  'assembly.plan': {
    result: 'answer',
    items: 'steps',
    pages: 'assembly.steps',
    count: (answer) => answer.plan.steps,
  },
  'indexing.index': {
    result: 'index',
    items: 'edges',
    pages: 'indexing.edges',
    count: (index) => index.commits,
  },
};

/** The file is no tape, or not one that this program reads. */
export class DamagedTape extends Error {}

/** Reads a tape whole, so that nothing runs on one that turns out to be damaged. */
export function readTape(file) {
  const lines = readLines(file);
  const damaged = (line, reason) => new DamagedTape(`${file}: line ${line + 1}: ${reason}`);

  const { tape, world, component, run, arguments: args } = lines[0] ?? {};
  if (tape === undefined) throw damaged(0, 'it is not the header of a tape');
  if (tape !== VERSION) throw damaged(0, `the tape is of version ${tape}, and this program reads version ${VERSION}`);
  if (!runs(world)) throw damaged(0, `the tape is of the world ${world}, and this program runs ${WORLD}`);
  if (!Object.hasOwn(RUNS, run)) throw damaged(0, `${run} is no run that a tape can be of`);
  if (!isObject(args)) throw damaged(0, 'the arguments of the run are missing');

  let at = 1;
  const calls = [];
  for (; lines[at]?.call !== undefined; at += 1) {
    const given = ['ok', 'err', 'trap'].filter((answer) => Object.hasOwn(lines[at], answer));
    if (given.length !== 1) throw damaged(at, 'a call has one of `ok`, `err` and `trap`');
    try {
      calls.push(fromHex(lines[at]));
    } catch (error) {
      throw damaged(at, `the answer of ${lines[at].call} is none: ${error.message}`);
    }
  }

  const result = lines[at]?.result;
  if (!isObject(result)) throw damaged(at, 'the result is expected here');
  at += 1;

  const items = [];
  const { items: page } = RUNS[run];
  for (; Array.isArray(lines[at]?.[page]?.items); at += 1) {
    for (const item of lines[at][page].items) items.push(item);
  }

  const end = lines[at]?.end;
  if (!isObject(end)) throw damaged(at, 'the tape is cut off: its end is expected here');
  if (end.calls !== calls.length) {
    throw damaged(at, `the end tells of ${end.calls} calls, and there are ${calls.length}`);
  }
  if (lines.length > at + 1) throw damaged(at + 1, 'something follows the end of the tape');
  return { component, run, arguments: args, calls, result, items };
}

function isObject(value) {
  return typeof value === 'object' && value !== null;
}

function readLines(file) {
  let bytes;
  try {
    bytes = gunzipSync(readFileSync(file), { maxOutputLength: LARGEST });
  } catch (error) {
    throw new DamagedTape(`${file}: ${error.message}`);
  }
  // Line by line from the bytes: a string of all of them could be longer than strings may be.
  const lines = [];
  for (let start = 0, end; start < bytes.length; start = end + 1) {
    end = bytes.indexOf('\n', start);
    try {
      if (end < 0) throw new Error('the line has no end');
      lines.push(JSON.parse(bytes.toString('utf8', start, end), exactly));
    } catch (error) {
      throw new DamagedTape(`${file}: line ${lines.length + 1}: ${error.message}`);
    }
  }
  return lines;
}

/** JSON.parse rounds numbers above 2^53 without a word. */
function exactly(_, value) {
  if (typeof value === 'number' && (!Number.isSafeInteger(value) || value < 0)) {
    throw new Error(`the number ${value} is no whole number below 2^53, the most that this program counts to`);
  }
  return value;
}

/**
 * Runs what is on a tape again, with the tape for a host. Gives how many calls went as recorded, and where the run first
 * went otherwise, in words; null if it never did.
 */
export function replay(component, tape) {
  const player = new Player(tape.calls);
  let divergence;
  try {
    const { result, items } = perform(component, tape, player.answer);
    divergence = player.leftOver() ?? firstDifference(tape, result, items);
  } catch (error) {
    if (!(error instanceof Diverged)) throw error;
    divergence = error.message;
  }
  if (divergence && tape.result.stopped) {
    // This host sets no limits: a run that reached one goes on here.
    divergence += `. The recorded run was stopped: ${tape.result.stopped}`;
  }
  return { calls: player.played, divergence };
}

/** Makes a run, and gives what it came to in the words of a tape. */
export function perform(component, { run: name, arguments: args }, answer) {
  const { result, items, pages, count } = RUNS[name];
  try {
    const run = component.start(answer);
    const { ok, err } = run.call(name, args);
    if (err) return { result: { 'plan-error': err }, items: [] };
    return { result: { [result]: ok }, items: inHex(run.pages(pages, count(ok))) };
  } catch (error) {
    if (!(error instanceof Stopped || error instanceof HostFailed)) throw error;
    return { result: { stopped: error.message }, items: [] };
  }
}

/** The host could not answer, and ended the run: a `trap` on a tape. */
export class HostFailed extends Error {}

/** The component did something else than what is on the tape. */
class Diverged extends Error {}

/** A host that answers from a tape: each call must be the next one on it. */
class Player {
  #calls;
  played = 0;

  constructor(calls) {
    this.#calls = calls;
  }

  answer = (call, args) => {
    const recorded = this.#calls[this.played];
    const number = this.played + 1;
    const now = `the component calls ${inWords(call, args)}`;
    if (!recorded) throw new Diverged(`call ${number}: the tape has no more calls, and ${now}`);
    if (recorded.call !== call || !isDeepStrictEqual(recorded.args, args)) {
      throw new Diverged(`call ${number}: the tape has ${inWords(recorded.call, recorded.args)}, and ${now}`);
    }
    this.played = number;
    if (recorded.trap !== undefined) throw new HostFailed(recorded.trap);
    return recorded;
  };

  /** In words, the first call that the component has not made. */
  leftOver() {
    const recorded = this.#calls[this.played];
    if (!recorded) return undefined;
    const { call, args } = recorded;
    return `call ${this.played + 1}: the tape has ${inWords(call, args)}, and the component makes no more calls`;
  }
}

function firstDifference(tape, result, items) {
  const differ = (what, recorded, now) =>
    `${what}: the tape has ${short(recorded)}, and the component answers ${short(now)}`;
  // Each runtime has words of its own for why it stopped a component.
  const bothStopped = 'stopped' in tape.result && 'stopped' in result;
  if (!bothStopped && !isDeepStrictEqual(tape.result, result)) return differ('result', tape.result, result);
  const name = RUNS[tape.run].items.slice(0, -1);
  for (let i = 0; i < Math.max(tape.items.length, items.length); i += 1) {
    if (!isDeepStrictEqual(tape.items[i], items[i])) return differ(`${name} ${i}`, tape.items[i], items[i]);
  }
  return null;
}

function inWords(call, args) {
  return `${call}(${short(args)})`;
}

function short(value) {
  const text = value === undefined ? 'nothing' : JSON.stringify(value);
  return text.length <= SHOWN ? text : `${text.slice(0, SHOWN)}… (${text.length} characters)`;
}

/** A value with bytes, as a tape has them: in hexadecimal digits. */
export function inHex(value) {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex');
  if (Array.isArray(value)) return value.map(inHex);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, inHex(field)]));
}

/** A call on a tape, with bytes for digits in the two answers that give bytes. */
function fromHex(recorded) {
  const { call, ok } = recorded;
  if (ok === undefined) return recorded;
  if (call === 'storage.pack-index') return { ...recorded, ok: { ...ok, items: bytesOf(ok.items) } };
  if (call === 'storage.read-records') return { ...recorded, ok: ok.map(bytesOf) };
  return recorded;
}

function bytesOf(digits) {
  const bytes = Buffer.from(digits, 'hex');
  // Node stops at the first character that is no digit, without a word.
  if (2 * bytes.length !== digits.length) throw new Error('bytes are given in hexadecimal digits');
  return bytes;
}
