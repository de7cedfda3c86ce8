import assert from 'node:assert/strict';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { gunzipSync, gzipSync } from 'node:zlib';
import { inOrder, pushed, stored } from '../host.mjs';
import { Pack } from '../packs.mjs';
import { DamagedTape, readTape, replay } from '../tape.mjs';
import { COMPONENT, component, FIXTURES, folder, program, record } from './helpers.mjs';

const packs = readdirSync(FIXTURES)
  .filter((name) => name.endsWith('.mpack'))
  .map((name) => new Pack(join(FIXTURES, name)));
const sources = inOrder(packs);
const records = packs.reduce((sum, pack) => sum + pack.records.length, 0);
const engine = await component();

const CONSOLIDATION = { run: 'consolidation.plan', args: {}, records };
const INDEXING = { run: 'indexing.index', args: { pushed: packs.length, force: false }, records };
/** Of commits that no pack has: the answer asks for what the repo knows. */
const ASSEMBLY = {
  run: 'assembly.plan',
  args: { request: { want: [], 'want-if-known': ['a'.repeat(64)], have: ['b'.repeat(64)] } },
  records,
};

/** Makes a tape of a run, and replays it. `change` may tamper with the lines. */
function replayed(t, what, answer, change = () => {}) {
  const bytes = record(engine, what, answer, change);
  return replay(engine, readTape(join(folder(t, { 'a.tape': bytes }), 'a.tape')));
}

const lineOf = (lines, call) => lines.find((line) => line.call === call);

test('a recorded run replays, whatever it was', (t) => {
  for (const [what, answer] of [
    [CONSOLIDATION, stored(sources, [])],
    [INDEXING, pushed(packs)],
    [ASSEMBLY, pushed(packs)],
  ]) {
    let calls = 0;
    const said = replayed(t, what, (call, args) => {
      calls += 1;
      return answer(call, args);
    });
    assert.ok(calls > 0);
    assert.deepEqual(said, { calls, divergence: null });
  }
});

test('a plan error, and a host that failed, replay as well', (t) => {
  const refuse = () => ({ err: { 'out-of-range': { pack: 0, offset: 1, length: 2 } } });
  assert.equal(replayed(t, CONSOLIDATION, refuse).divergence, null);

  const fail = () => {
    throw new Error('the disk is gone');
  };
  const reword = (lines) => {
    assert.equal(lines[1].trap, 'the disk is gone');
    // Another runtime has other words for it.
    lines[2].result.stopped = 'interrupted';
  };
  assert.deepEqual(replayed(t, CONSOLIDATION, fail, reword), { calls: 1, divergence: null });
});

test('a component that was stopped is expected to be stopped', (t) => {
  const nonsense = () => ({ ok: 'no list' });
  assert.equal(replayed(t, CONSOLIDATION, nonsense).divergence, null);

  const stop = (lines) =>
    lines.splice(
      2,
      lines.length,
      { result: { stopped: 'it took too long' } },
      { end: { calls: 1, 'plan-digest': null } },
    );
  const { divergence } = replayed(t, CONSOLIDATION, stored(sources, []), stop);
  assert.match(divergence, /^call 2: the tape has no more calls, and the component calls .*it took too long$/);
});

test('a tape that was tampered with diverges, and both sides are told', (t) => {
  const cases = [
    [
      (lines) => (lines[1].args.limit = 7),
      /^call 1: the tape has database\.packs\(\{"first":0,"limit":7\}\), and the component calls database\.packs\(\{"first":0,"limit":0\}\)$/,
      0,
    ],
    [
      (lines) => (lines[1].call = 'database.conflicts'),
      /^call 1: the tape has database\.conflicts\(.*, and the component calls database\.packs\(/,
      0,
    ],
    // Another answer makes other calls.
    [(lines) => lineOf(lines, 'database.packs').ok.items.pop(), /^call \d+: the tape has .*, and the component calls /],
    [
      (lines) => (lineOf(lines, 'database.heads').ok = { items: [{ branch: 'main', commit: 'a'.repeat(64) }], done: false }),
      /^call \d+: the tape has .*, and the component calls database\.heads/,
    ],
    [
      (lines) => (lines.find((line) => line.result).result.plan.bytes += 1),
      /^result: the tape has \{"plan":.*, and the component answers \{"plan":/,
    ],
    [
      (lines) => (lines.find((line) => line.steps).steps.items[2] = { literal: '00' }),
      /^step 2: the tape has \{"literal":"00"\}, and the component answers \{/,
    ],
    [
      (lines) => lines.find((line) => line.steps).steps.items.pop(),
      /^step \d+: the tape has nothing, and the component answers \{/,
    ],
    [
      (lines) => {
        // Before the result, the page and the end.
        lines.splice(-3, 0, { call: 'database.packs', args: {}, ok: [] });
        lines.at(-1).end.calls += 1;
      },
      /^call \d+: the tape has database\.packs\(\{\}\), and the component makes no more calls$/,
    ],
  ];
  for (const [change, words, calls] of cases) {
    const said = replayed(t, CONSOLIDATION, stored(sources, []), change);
    assert.match(said.divergence, words);
    if (calls !== undefined) assert.equal(said.calls, calls);
  }
});

function damaged(why) {
  return (error) => {
    assert.ok(error instanceof DamagedTape, error.stack);
    assert.match(error.message, why);
    return true;
  };
}

test('a damaged tape is refused, with the line', (t) => {
  const cases = [
    [(lines) => lines.pop(), /the tape is cut off/],
    [(lines) => lines.push({}), /something follows the end/],
    [(lines) => lines.splice(1, 1), /the end tells of \d+ calls, and there are \d+/],
    [(lines) => (lines[0].tape = 3), /line 1: the tape is of version 3/],
    [(lines) => (lines[0].world = 'other'), /line 1: the tape is of the world other/],
    [(lines) => (lines[0].run = 'toString'), /line 1: toString is no run/],
    [(lines) => (lines[2].trap = 'both'), /line 3: a call has one of/],
    [(lines) => (lines[2].args.limit = 2 ** 53), /line 3: the number 9007199254740992 is no whole number below 2\^53/],
    [
      (lines) => (lineOf(lines, 'storage.pack-index').ok.items = 'zz'),
      /line \d+: the answer of storage\.pack-index is none/,
    ],
    [(lines) => lines.splice(1, lines.length), /line 2: the result is expected here/],
  ];
  for (const [change, why] of cases) {
    assert.throws(() => replayed(t, CONSOLIDATION, stored(sources, []), change), damaged(why));
  }
  const whole = record(engine, CONSOLIDATION, stored(sources, []));
  const path = folder(t);
  const text = gunzipSync(whole);
  for (const [bytes, why] of [
    [whole.subarray(0, whole.length / 2), /a\.tape: unexpected end of file/],
    [text, /a\.tape: incorrect header check/],
    [gzipSync(text.subarray(0, -1)), /the line has no end/],
    [gzipSync('no JSON\n'), /line 1: .*JSON/],
    [gzipSync(''), /line 1: it is not the header/],
  ]) {
    writeFileSync(join(path, 'a.tape'), bytes);
    assert.throws(() => readTape(join(path, 'a.tape')), damaged(why));
  }
});

test('of several tapes each has its line, and another component is noted', (t) => {
  const tape = (change) => record(engine, CONSOLIDATION, stored(sources, []), change);
  const path = folder(t, {
    '1.tape': tape(),
    '2.tape': tape((lines) => (lines[1].args.limit = 7)),
    '3.tape': tape((lines) => (lines[0].component = 'sha256:older')),
    '4.tape': 'no tape',
  });
  const [first, second, third, fourth] = [1, 2, 3, 4].map((n) => join(path, `${n}.tape`));

  const { status, stdout, stderr } = program('replay.mjs', COMPONENT, first, second, third);
  assert.equal(status, 4);
  const said = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  assert.deepEqual(said[0], { tape: first, calls: said[0].calls, ok: true, divergence: null });
  assert.deepEqual(
    said.map(({ ok }) => ok),
    [true, false, true],
  );
  assert.equal(stderr, `note: ${third} was recorded with sha256:older, and this is ${engine.digest}\n`);

  const more = program('replay.mjs', COMPONENT, fourth, second, first);
  assert.equal(more.status, 4);
  assert.equal(more.stdout.trim().split('\n').length, 2);
  assert.equal(more.stderr.split('\n').length, 2);

  assert.equal(program('replay.mjs', COMPONENT, first).status, 0);
  assert.equal(program('replay.mjs', COMPONENT).status, 2);
});
