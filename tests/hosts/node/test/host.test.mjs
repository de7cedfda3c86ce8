import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { inOrder, pushed, stored } from '../host.mjs';
import { Pack } from '../packs.mjs';
import { encode, folder, object, sha256 } from './helpers.mjs';

function packs(t, ...all) {
  const path = folder(t, Object.fromEntries(all.map((bytes, i) => [`${i}.mpack`, bytes])));
  return all.map((_, i) => {
    const pack = new Pack(join(path, `${i}.mpack`));
    t.after(() => pack.close());
    return pack;
  });
}

const commits = (count) => Array.from({ length: count }, (_, i) => ({ commit_id: sha256(`commit ${i}`) }));
const span = (pack, { offset, length }) => ({ pack, offset, length });

test('a pack-index is paged', (t) => {
  const [pack] = packs(t, encode({ commits: commits(5000) }));
  const answer = pushed([pack]);
  const rows = (first, limit) => answer('storage.pack-index', { pack: 0, first, limit });
  const page = (first, end) => ({
    ok: { items: pack.packIndex.subarray(first * 72, end * 72), done: end >= 5000 },
  });
  assert.deepEqual(rows(0, 10000), page(0, 4096));
  assert.deepEqual(rows(4096, 4096), page(4096, 5000));
  assert.deepEqual(rows(2, 3), page(2, 5));
  assert.deepEqual(answer('storage.pack-index', { pack: 1, first: 0, limit: 1 }), { err: { 'no-such-pack': 1 } });
});

test('every list is paged by one rule', (t) => {
  const heads = Array.from({ length: 1030 }, (_, i) => ({ branch: `b${1000 + i}`, commit: sha256(`${i}`) }));
  const named = Object.fromEntries(heads.map(({ branch, commit }) => [branch, commit]));
  const given = packs(t, encode({ commits: commits(5000), branch_heads: named }));
  const push = pushed(given);
  const lists = [
    [push, 'storage.pack-index', { pack: 0 }, 5000, 4096, 72],
    [push, 'storage.branch-heads', { pack: 0 }, 1030, 1024, 1],
    [push, 'database.packs', {}, 1, 1024, 1],
    [push, 'database.conflicts', {}, 0, 1024, 1],
  ];
  for (const [answer, call, args, count, most, width] of lists) {
    const page = (first, limit) => {
      const { items, done } = answer(call, { ...args, first, limit }).ok;
      return { items: items.length / width, done };
    };
    const whole = { items: Math.min(count, most), done: count <= most };
    assert.deepEqual(page(0, 0), whole, call);
    assert.deepEqual(page(0, most + 1), whole, call);
    assert.deepEqual(page(count, 0), { items: 0, done: true }, call);
    assert.deepEqual(page(count + 7, 1), { items: 0, done: true }, call);
    if (count > 1) assert.deepEqual(page(count - 2, 1), { items: 1, done: false }, call);
    if (count > 0) assert.deepEqual(page(count - 1, 1), { items: 1, done: true }, call);
  }
  const repo = stored(given, heads);
  const after = (branch, limit) => {
    const { items, done } = repo('database.heads', { after: branch, limit }).ok;
    return [items.length, done];
  };
  assert.deepEqual(after(null, 0), [1024, false]);
  assert.deepEqual(after(heads[1023].branch, 0), [6, true]);
  assert.deepEqual(after('z', 1), [0, true]);
});

test('records are read within the limits, and objects never', (t) => {
  const large = { commit_id: sha256('large'), message: 'x'.repeat(5 * 1024 * 1024) };
  const [pack] = packs(t, encode({ commits: [...commits(1025), large], objects: [object('content')] }));
  const answer = pushed([pack]);
  const read = (...spans) => answer('storage.read-records', { spans });
  const [first, second] = pack.records.map((record) => span(0, record));
  const [big, content] = pack.records.slice(-2).map((record) => span(0, record));
  assert.deepEqual(read(second, first).ok, [commits(2)[1], commits(1)[0]].map(encode));
  assert.deepEqual(read(big).ok, [encode(large)]);
  assert.deepEqual(read(big, first), { err: { 'too-large': 4 * 1024 * 1024 } });
  assert.deepEqual(read(...pack.records.slice(0, 1025).map((record) => span(0, record))), {
    err: { 'too-many': 1024 },
  });
  assert.deepEqual(read(content), { err: { 'not-a-record': content } });
  const part = { ...first, length: first.length - 1 };
  assert.deepEqual(read(part), { err: { 'not-a-record': part } });
  assert.deepEqual(read({ ...first, pack: 7 }), { err: { 'no-such-pack': 7 } });
});

test('records compare as bytes, objects too', (t) => {
  const content = (last) => Buffer.concat([Buffer.alloc(3 * 1024 * 1024, 7), Buffer.from(last)]);
  const [pack] = packs(t, encode({ commits: commits(2), objects: [content('a'), content('b')].map(object) }));
  const compare = (...pairs) => pushed([pack])('storage.compare-records', { pairs });
  const [x, y, a, b] = pack.records.map((record) => span(0, record));
  const order = (one, other) => ['less', 'equal', 'greater'][Buffer.compare(encode(one), encode(other)) + 1];
  assert.deepEqual(compare([x, y], [a, b], [a, a]).ok, [
    order(...commits(2)),
    order(object(content('a')), object(content('b'))),
    'equal',
  ]);
  assert.deepEqual(compare([x, { ...y, length: 1 }]), { err: { 'not-a-record': { ...y, length: 1 } } });
  assert.deepEqual(compare(...Array(1025).fill([x, y])), { err: { 'too-many': 1024 } });
});

test('a push meets a repo that has nothing', (t) => {
  const given = packs(t, encode({ branch_heads: { b: sha256('1'), a: sha256('2') } }), encode({ commits: commits(1) }));
  const answer = pushed(given);
  const heads = [
    { branch: 'a', commit: sha256('2') },
    { branch: 'b', commit: sha256('1') },
  ];
  const whole = (items) => ({ ok: { items, done: true } });
  assert.deepEqual(answer('storage.branch-heads', { pack: 0, first: 0, limit: 9 }), whole(heads));
  assert.deepEqual(answer('storage.branch-heads', { pack: 0, first: 1, limit: 9 }), whole(heads.slice(1)));
  assert.deepEqual(answer('storage.branch-heads', { pack: 2, first: 0, limit: 9 }), { err: { 'no-such-pack': 2 } });
  assert.deepEqual(answer('database.heads', { after: null, limit: 9 }), whole([]));
  assert.deepEqual(answer('database.conflicts', { first: 0, limit: 9 }), whole([]));
  assert.deepEqual(answer('database.walk-floor', {}), { ok: null });
  assert.deepEqual(answer('database.locate', { kind: 'commit', ids: ['x', 'y'] }), { ok: [null, null] });
  assert.deepEqual(answer('database.base', {}), { ok: null });
  assert.deepEqual(answer('database.base-heads', { first: 0, limit: 0 }), whole([]));
  assert.deepEqual(answer('storage.spine', { pack: 0, first: 0, limit: 1 }), { err: { 'no-such-pack': 0 } });
  assert.deepEqual(answer('database.tags', { commits: ['x'], after: null, limit: 0 }), whole([]));
  assert.deepEqual(answer('database.known', { kind: 'commit', ids: ['x', 'y'] }), { ok: [false, false] });
  assert.deepEqual(answer('database.history', { commits: ['x'], limit: 1 }), whole([]));
  assert.deepEqual(answer('database.history', { commits: ['x', 'y'], limit: 1 }), { err: { 'too-many': 1 } });
  const infos = given.map(({ key, bytes, records }) => ({ key, bytes, rows: records.length }));
  assert.deepEqual(answer('database.packs', { first: 0, limit: 9 }), whole(infos));
  assert.deepEqual(answer('database.packs', { first: 1, limit: 1 }), whole(infos.slice(1)));
});

test('a consolidation sees large packs first, and heads by the bytes of their names', (t) => {
  const [one, two, other] = packs(
    t,
    encode({ commits: commits(1) }),
    encode({ commits: commits(2) }),
    encode({ tags: [{ tag_id: 't' }] }),
  );
  const [first, ...rest] = inOrder([one, two, other]);
  assert.equal(first, two);
  assert.deepEqual(
    rest.map(({ key }) => key),
    [one.key, other.key].sort(),
  );

  const heads = ['a', '\uffee', '\u{10000}'].map((branch) => ({ branch, commit: sha256(branch) }));
  const answer = stored([two], heads);
  assert.deepEqual(answer('database.heads', { after: null, limit: 2 }), {
    ok: { items: heads.slice(0, 2), done: false },
  });
  assert.deepEqual(answer('database.heads', { after: '\uffee', limit: 2 }), {
    ok: { items: heads.slice(2), done: true },
  });
  assert.deepEqual(answer('storage.branch-heads', { pack: 0, first: 0, limit: 9 }), {
    ok: { items: [], done: true },
  });
  assert.throws(() => answer('database.known', { kind: 'commit', ids: [] }), /keeps none/);
});
