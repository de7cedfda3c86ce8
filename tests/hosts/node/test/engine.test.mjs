import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { load, runs, Stopped } from '../engine.mjs';
import { pushed } from '../host.mjs';
import { Pack } from '../packs.mjs';
import { COMPONENT, component, encode, folder, sha256 } from './helpers.mjs';

const INDEX = ['indexing.index', { pushed: 1, force: false }];

test('what is no component is refused in a sentence', async () => {
  await assert.rejects(load(Buffer.from('not wasm')), /^Error: this is no component: /);
});

test('what the host throws comes out as it was, and ends the run', async () => {
  const engine = await component();
  // jco would take these for answers.
  for (const thrown of [
    Object.assign(new Error('no disk'), { payload: { tag: 'too-many', val: 1 } }),
    { tag: 'ok', val: [] },
    'word',
  ]) {
    const run = engine.start(() => {
      throw thrown;
    });
    assert.throws(
      () => run.call(...INDEX),
      (error) => error === thrown,
    );
    assert.throws(() => run.call(...INDEX), /this run is over/);
  }
});

test('a refusal is an answer: the component tells of it', async () => {
  const engine = await component();
  for (const refusal of [
    { 'no-such-pack': 3 },
    { 'too-many': 7 },
    { 'too-large': 2 ** 40 },
    { 'out-of-range': { pack: 0, offset: 2 ** 40, length: 1 } },
  ]) {
    assert.deepEqual(engine.start(() => ({ err: refusal })).call(...INDEX), { err: { access: refusal } });
  }
});

test('any other reason of a host ends the plan with its text', async () => {
  const engine = await component();
  const other = { other: 'the shelf fell down' };
  assert.deepEqual(engine.start(() => ({ err: other })).call(...INDEX), { err: other });
});

test('a component runs if its world has the same minor version', async () => {
  const bytes = (version) => {
    const text = readFileSync(COMPONENT).toString('latin1').replaceAll('@0.2.0', `@${version}`);
    return Buffer.from(text, 'latin1');
  };
  const later = await load(bytes('0.2.7'));
  assert.equal(later.world, 'packhouse:engine/engine@0.2.7');
  assert.equal(later.start(pushed([])).call('consolidation.plan', {}).ok.records.commits, 0);
  for (const version of ['0.1.0', '0.3.0', '1.2.0']) {
    await assert.rejects(load(bytes(version)), new RegExp(`engine@${version}, and this host runs .*engine@0\\.2\\.0`));
  }
  assert.deepEqual(
    ['packhouse:engine/engine@0.2.9', 'other:world/engine@0.2.0', 'packhouse:engine/engine', undefined].map(runs),
    [true, false, false, false],
  );
});

test('an answer that is none ends the run', async () => {
  const engine = await component();
  for (const answer of [{ ok: null }, { ok: 'rows' }]) {
    assert.throws(() => engine.start(() => answer).call(...INDEX), Stopped);
  }
  assert.throws(() => engine.start(() => ({ err: { 'too-many': -1 } })).call(...INDEX), /-1 is no whole number/);
});

test('a plan that an instance made is not seen by another', async () => {
  const engine = await component();
  const run = engine.start(pushed([]));
  assert.equal(run.call('consolidation.plan', {}).ok.records.commits, 0);
  assert.notEqual(run.call('consolidation.steps', { first: 0, limit: 9 }).ok.items.length, 0);
  assert.deepEqual(engine.start(pushed([])).call('consolidation.steps', { first: 0, limit: 9 }), {
    ok: { items: [], done: true },
  });
});

test('values keep the names of the WIT, absent ones are null, and errors are whole', async (t) => {
  const engine = await component();
  const [a, b] = ['a', 'b'].map(sha256);
  const path = folder(t, {
    '1.mpack': encode({
      commits: [
        { commit_id: a, snapshot_id: null },
        { commit_id: b, parent_commit_id: a, snapshot_id: a },
      ],
      branch_heads: { main: a },
    }),
    '2.mpack': encode({ commits: [{ commit_id: b }] }),
    '3.mpack': encode({ branch_heads: { main: sha256('c') } }),
  });
  const packs = [1, 2, 3].map((name) => new Pack(join(path, `${name}.mpack`)));
  t.after(() => packs.forEach((pack) => pack.close()));

  const run = engine.start(pushed(packs));
  assert.deepEqual(run.call(...INDEX), { ok: { heads: [{ branch: 'main', commit: a }], preferred: [], commits: 2 } });
  assert.deepEqual(
    run.pages('indexing.edges', 2, 1),
    [
      { commit: a, parents: [], snapshot: null },
      { commit: b, parents: [a], snapshot: a },
    ].sort((x, y) => (x.commit < y.commit ? -1 : 1)),
  );
  assert.throws(() => run.pages('indexing.edges', 3, 1024), /claims 3 of indexing.edges, and gives/);

  const { err: conflicting } = engine.start(pushed(packs)).call('indexing.index', { pushed: 2, force: false });
  const [, second] = packs[0].records;
  const [other] = packs[1].records;
  assert.equal(typeof conflicting.conflicting.detail, 'string');
  delete conflicting.conflicting.detail;
  assert.deepEqual(conflicting, {
    conflicting: {
      kind: 'commit',
      id: b,
      first: { pack: 0, offset: second.offset, length: second.length },
      second: { pack: 1, offset: other.offset, length: other.length },
    },
  });

  const conflict = engine.start(pushed([packs[0], packs[2]])).call('indexing.index', { pushed: 2, force: false });
  assert.deepEqual(conflict, { err: { 'head-conflict': [{ branch: 'main', stored: null, given: [a, sha256('c')] }] } });
});

test('encoding conflicts cross, and the numbers of those that are preferred come back', async (t) => {
  const engine = await component();
  const [long, short] = [{ commit_id: sha256('c'), message: 'longer' }, { commit_id: sha256('c') }];
  const path = folder(t, { '1.mpack': encode({ commits: [long] }), '2.mpack': encode({ commits: [short] }) });
  const packs = [1, 2].map((name) => new Pack(join(path, `${name}.mpack`)));
  t.after(() => packs.forEach((pack) => pack.close()));
  const span = (pack) => ({ pack, offset: packs[pack].records[0].offset, length: packs[pack].records[0].length });
  const conflict = { kind: 'commit', pushed: span(0), stored: span(1) };
  const host = pushed(packs);
  const run = engine.start((call, args) =>
    call === 'database.conflicts' ? { ok: { items: [conflict], done: true } } : host(call, args),
  );
  assert.deepEqual(run.call(...INDEX).ok.preferred, [0]);
});
