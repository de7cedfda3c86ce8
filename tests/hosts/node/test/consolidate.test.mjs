import assert from 'node:assert/strict';
import { copyFileSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { consolidate } from '../consolidation.mjs';
import { Pack } from '../packs.mjs';
import { admit, prove } from '../proof.mjs';
import { COMPONENT, component, encode, FIXTURES, folder, object, program, sha256, smallPack } from './helpers.mjs';

/** As in tests/src/fixtures.rs: an independent implementation gave it for the real client's packs. */
const CONSOLIDATED_KEY = 'sha256:055b71f6f6aab46dd1577335adf1829e5796fb4ccbc4b2e2a0743b80d0bbebb0';
const CONSOLIDATED_BYTES = 791_982;

const fixtures = readdirSync(FIXTURES)
  .filter((name) => name.endsWith('.mpack'))
  .sort();

test("the real client's packs give the known key", (t) => {
  const out = join(folder(t), 'one.mpack');
  const { status, stdout, stderr } = program('consolidate.mjs', COMPONENT, FIXTURES, out);
  assert.equal(stderr, '');
  assert.equal(status, 0);
  assert.equal(stdout.split('\n').length, 2);
  const said = JSON.parse(stdout);
  assert.deepEqual(said, {
    key: CONSOLIDATED_KEY,
    bytes: CONSOLIDATED_BYTES,
    commits: 16,
    snapshots: 16,
    objects: 112,
    tags: 0,
  });
  assert.equal(`sha256:${sha256(readFileSync(out))}`, CONSOLIDATED_KEY);
});

test('whatever the order, and however often', async (t) => {
  const engine = await component();
  const orders = [[...fixtures].reverse(), [3, 0, 6, 2, 5, 1, 4].map((n) => fixtures[n]), [...fixtures, fixtures[2]]];
  for (const order of orders) {
    const path = folder(t);
    order.forEach((name, n) => copyFileSync(join(FIXTURES, name), join(path, `${n}.mpack`)));
    assert.equal(consolidate(engine, path, join(path, 'out')).key, CONSOLIDATED_KEY);
    // The new pack among its sources changes nothing, and neither does it alone.
    copyFileSync(join(path, 'out'), join(path, 'a.mpack'));
    assert.equal(consolidate(engine, path, join(path, 'out')).key, CONSOLIDATED_KEY);
    order.forEach((_, n) => rmSync(join(path, `${n}.mpack`)));
    assert.equal(consolidate(engine, path, join(path, 'out')).key, CONSOLIDATED_KEY);
  }
});

/** Numbers below `most`, the same each time. */
function numbers(seed) {
  let state = seed;
  return (most) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * most);
  };
}

/** A history with merges, trees and deltas, both forms of ids, and tags. `main` leads to all. */
function history(random) {
  const all = { commits: [], snapshots: [], objects: [], tags: [] };
  const id = (text) => (random(2) ? '' : 'sha256:') + sha256(text);
  for (let n = 0; n < 20 + random(20); n += 1) {
    const content = object('x'.repeat(random(400)) + random(30));
    if (!all.objects.some(({ object_id }) => object_id === content.object_id)) all.objects.push(content);
    const snapshot_id = id(`snapshot ${n}`);
    const files = {
      [`file ${random(9)}`]: content.object_id,
      'ä/\u{10000}': all.objects[random(all.objects.length)].object_id,
    };
    if (n === 0 || random(3) === 0) all.snapshots.push({ snapshot_id, manifest: files });
    else
      all.snapshots.push({
        snapshot_id,
        parent_snapshot_id: all.snapshots[n - 1].snapshot_id,
        delta_upsert: files,
        delta_remove: [],
      });
    all.commits.push({
      commit_id: id(`commit ${n}`),
      parent_commit_id: n === 0 ? null : all.commits[n - 1].commit_id,
      parent2_commit_id: n < 2 || random(3) ? null : all.commits[random(n - 1)].commit_id,
      snapshot_id,
    });
    if (random(6) === 0) all.tags.push({ tag_id: `tag ${random(1000)} ${n}`, commit_id: all.commits[n].commit_id });
  }
  return all;
}

/** Packs that hold the history together: each record in one or more of them, here and there in a longer encoding. */
function packsOf({ commits, ...others }, count, random) {
  const packs = Array.from({ length: count }, () => ({
    commits: [],
    snapshots: [],
    objects: [],
    tags: [],
    branch_heads: {},
  }));
  for (const [section, records] of Object.entries({ ...others, commits })) {
    for (const record of records) {
      const sure = random(count);
      packs.forEach((pack, n) => {
        if (n !== sure && random(3) > 0) return;
        pack[section].push(section === 'commits' && random(4) === 0 ? { ...record, note: 'ü' } : record);
      });
    }
  }
  packs.forEach((pack) => Object.assign(pack.branch_heads, { main: commits[random(commits.length)].commit_id }));
  packs[random(count)].branch_heads = { main: commits.at(-1).commit_id, '\ufeffmain': commits[0].commit_id };
  return packs.map(encode);
}

test('generated histories give one key in any order', async (t) => {
  const engine = await component();
  for (let seed = 1; seed <= 8; seed += 1) {
    const random = numbers(seed);
    const packs = packsOf(history(random), 1 + random(6), random);
    const keys = new Set();
    for (let turn = 0; turn < 3; turn += 1) {
      packs.sort(() => random(3) - 1);
      const path = folder(t, Object.fromEntries(packs.map((bytes, n) => [`${n}.mpack`, bytes])));
      keys.add(consolidate(engine, path, join(path, 'out')).key);
    }
    assert.equal(keys.size, 1, `seed ${seed}`);
  }
});

test('branches keep their names to the byte, and are sorted by them', async (t) => {
  const path = folder(t);
  const branches = ['\ufeffmain', 'main', '\uffee', '\u{10000}'];
  const files = Object.fromEntries(branches.map((branch, n) => [`${n}.mpack`, smallPack(branch)]));
  consolidate(await component(), folder(t, files), join(path, 'out'));
  const pack = new Pack(join(path, 'out'));
  pack.close();
  assert.deepEqual(
    pack.heads.map(({ branch }) => branch),
    ['main', '\ufeffmain', '\uffee', '\u{10000}'],
  );
});

test('what can not be consolidated is told in a sentence, and nothing is written', async (t) => {
  const engine = await component();
  const whole = smallPack();
  const commit = { commit_id: sha256('commit') };
  const cases = [
    [{ 'a.mpack': whole.subarray(0, -1) }, /a\.mpack: byte \d+: .*the file/],
    [{ 'a.mpack': Buffer.concat([whole, whole]) }, /a\.mpack: byte \d+: bytes follow the end of the pack/],
    [
      { 'a.mpack': whole, 'b.mpack': encode({ objects: [{ object_id: sha256('a'), content: Buffer.from('b') }] }) },
      /b\.mpack: byte \d+: object number 1: hash mismatch/,
    ],
    [
      { 'a.mpack': whole, 'b.mpack': encode({ commits: [commit] }) },
      /commit .* is not the same in .*a\.mpack \(byte \d+\) and in .*b\.mpack \(byte 10\): /,
    ],
    [{ 'a.mpack': encode({ commits: [{ ...commit, snapshot_id: 7 }] }) }, /a\.mpack: byte \d+: commit [0-9a-f]{64}: /],
    [
      { 'a.mpack': whole, 'b.mpack': encode({ branch_heads: { main: sha256('other') } }) },
      /branch `main`: no head leads to all/,
    ],
    [{ 'a.txt': whole }, /there is no \*\.mpack/],
  ];
  for (const [files, why] of cases) {
    const path = folder(t, files);
    assert.throws(() => consolidate(engine, path, join(path, 'out')), why);
    assert.deepEqual(readdirSync(path).sort(), Object.keys(files).sort());
  }
  const { status, stdout, stderr } = program('consolidate.mjs', COMPONENT, folder(t), 'out');
  assert.deepEqual([status, stdout, stderr.split('\n').length], [1, '', 2]);
  assert.equal(program('consolidate.mjs', COMPONENT).status, 2);
});

/** A pack, and the plan of a component that copies it as it is. */
function copied(t, bytes) {
  const pack = new Pack(join(folder(t, { 'a.mpack': bytes }), 'a.mpack'));
  t.after(() => pack.close());
  const [first] = pack.records;
  const last = pack.records.at(-1);
  const end = last.offset + last.length;
  const steps = [
    { literal: bytes.subarray(0, first.offset) },
    { copy: { pack: 0, offset: first.offset, length: end - first.offset } },
    { literal: bytes.subarray(end) },
  ];
  return {
    pack,
    plan: { steps, bytes: bytes.length, records: { commits: 0, snapshots: 0, objects: pack.records.length, tags: 0 } },
  };
}

test('a plan that lies is not admitted', (t) => {
  const { pack, plan } = copied(t, encode({ objects: ['a', 'b', 'c'].map(object) }));
  const [start, copy, end] = plan.steps;
  const [a, b] = pack.records;
  const at = (record, more = 0) => ({ copy: { pack: 0, offset: record.offset, length: record.length + more } });
  assert.deepEqual(admit(plan, [pack]), pack.records);
  const cases = [
    [{ steps: [start, { copy: { ...copy.copy, pack: 1 } }, end] }, /pack number 1, and there are 1/],
    [{ steps: [start, at(a, -1), end] }, /not whole records/],
    [{ steps: [start, at(a), { copy: { pack: 0, offset: b.offset, length: 10 ** 9 } }, end] }, /not whole records/],
    [{ steps: [start, copy, at(b), end] }, /copies object [0-9a-f]{64} twice/],
    [{ steps: [start, at(a), at(b), end] }, /leaves out object/],
    [{ bytes: plan.bytes + 1 }, /claims \d+ bytes/],
    [{ records: { ...plan.records, tags: 1 } }, /claims 1 tags, and copies 0/],
  ];
  for (const [lie, why] of cases) assert.throws(() => admit({ ...plan, ...lie }, [pack]), why);
});

test('what was written is proven when it is read back', (t) => {
  const bytes = encode({ objects: ['a', 'b'].map(object), branch_heads: { main: sha256('c') } });
  const { pack, plan } = copied(t, bytes);
  const records = admit(plan, [pack]);
  const written = { file: pack.file, key: pack.key };
  prove(written, records, pack.heads);
  assert.throws(() => prove({ ...written, key: 'sha256:other' }, records, pack.heads), /not what was written/);
  assert.throws(() => prove(written, records, []), /branch heads/);
  assert.throws(() => prove(written, [...records, records[0]], pack.heads), /2 records of 3/);
  assert.throws(() => prove(written, [...records].reverse(), pack.heads), /not in the new pack as it is in its source/);
  assert.throws(() => prove(written, records.slice(1), pack.heads), /not in the new pack/);
});
