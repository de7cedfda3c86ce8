import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { BadPack, Pack } from '../packs.mjs';
import { encode, FIXTURES, folder, object, raw, sha256, smallPack } from './helpers.mjs';

/** Opens a pack with these bytes for as long as the test lasts. */
function open(t, bytes) {
  const pack = new Pack(join(folder(t, { 'a.mpack': bytes }), 'a.mpack'));
  t.after(() => pack.close());
  return pack;
}

function refused(t, bytes, why) {
  assert.throws(
    () => open(t, bytes),
    (error) => {
      assert.ok(error instanceof BadPack, error.stack);
      assert.match(error.message, /a\.mpack: byte \d+: /);
      assert.match(error.message, why);
      return true;
    },
  );
}

/** What a row says, read as wit/storage.wit lays it out. */
function rowsOf({ packIndex }) {
  const rows = [];
  for (let at = 0; at < packIndex.length; at += 72) {
    const part = (from, to) => packIndex.subarray(at + from, at + to);
    assert.ok(part(2, 8).equals(Buffer.alloc(6)));
    rows.push({
      kind: packIndex[at],
      form: packIndex[at + 1],
      offset: Number(part(8, 16).readBigUInt64LE()),
      length: Number(part(16, 24).readBigUInt64LE()),
      id: part(24, 56).toString('hex'),
      fingerprint: part(56, 72).toString('hex'),
    });
  }
  return rows;
}

test('rows say where records are, and which encodings', (t) => {
  const commit = encode({ message: 'one', commit_id: `sha256:${sha256('c')}` });
  const snapshot = encode({ snapshot_id: sha256('s') });
  const plain = encode(object('content'));
  const tag = encode({ tag_id: 'v1 ☃', commit_id: sha256('c') });
  // Another order of the fields, and one more: the fingerprint is of what surrounds the content.
  const { object_id, content } = object('other');
  const unusual = encode({ content, extra: [1, { a: null }], object_id });
  const start = encode('content').length + 1 + 2;
  const end = start + content.length;

  const parts = [
    raw(0x85, encode('tags'), 0x91),
    tag,
    raw(encode('snapshots'), 0x91),
    snapshot,
    raw(encode('objects'), 0x92),
    plain,
    unusual,
    raw(encode('branch_heads'), encode({ z: sha256('c'), '\u{10000}': sha256('c'), '\uffee': sha256('c') })),
    raw(encode('commits'), 0x91),
    commit,
  ];
  const pack = open(t, Buffer.concat(parts));
  const offset = (part) => Buffer.concat(parts.slice(0, parts.indexOf(part))).length;
  const row = (kind, form, id, part, fingerprint) => ({ kind, form, id, offset: offset(part), length: part.length, fingerprint });
  const offsets = Buffer.alloc(16);
  offsets.writeBigUInt64LE(BigInt(start), 0);
  offsets.writeBigUInt64LE(BigInt(end), 8);
  const around = createHash('sha256').update(unusual.subarray(0, start)).update(unusual.subarray(end)).digest();
  assert.deepEqual(rowsOf(pack), [
    row(3, 2, sha256('v1 ☃'), tag, sha256(tag).slice(0, 32)),
    row(1, 0, sha256('s'), snapshot, sha256(snapshot).slice(0, 32)),
    row(2, 0, sha256('content'), plain, '0'.repeat(32)),
    row(2, 0, sha256('other'), unusual, sha256(Buffer.concat([offsets, around])).slice(0, 32)),
    row(0, 1, sha256('c'), commit, sha256(commit).slice(0, 32)),
  ]);
  assert.equal(pack.key, `sha256:${sha256(Buffer.concat(parts))}`);
  assert.deepEqual(
    pack.heads.map(({ branch }) => branch),
    ['z', '\uffee', '\u{10000}'],
  );
});

test('an object has the standard encoding only with every header in its shortest form', (t) => {
  for (const [length, marker, width] of [
    [0, 0xc4, 1],
    [255, 0xc4, 1],
    [256, 0xc5, 2],
    [65535, 0xc5, 2],
    [65536, 0xc6, 4],
  ]) {
    const { object_id, content } = object('x'.repeat(length));
    for (const id of [object_id, `sha256:${object_id}`]) {
      const standard = encode({ object_id: id, content });
      assert.equal(standard[standard.length - length - width - 1], marker);
      const [row] = rowsOf(open(t, encode({ objects: [{ object_id: id, content }] })));
      assert.equal(row.fingerprint, '0'.repeat(32), `${length} bytes`);
    }
  }
  const { object_id, content } = object('short');
  const long = Buffer.concat([
    encode({ object_id, content: null }).subarray(0, -1),
    Buffer.from([0xc5, 0, 5]),
    content,
  ]);
  const [row] = rowsOf(open(t, raw(0x81, encode('objects'), 0x91, long)));
  assert.notEqual(row.fingerprint, '0'.repeat(32));
});

test('spans are whole records or nothing', (t) => {
  const pack = open(t, encode({ objects: ['a', 'b', 'c'].map(object) }));
  const [a, b, c] = pack.records;
  assert.deepEqual(pack.recordsIn({ offset: a.offset, length: a.length + b.length }), [a, b]);
  assert.deepEqual(pack.recordsIn({ offset: b.offset, length: b.length + c.length }), [b, c]);
  for (const [offset, length] of [
    [a.offset, 0],
    [a.offset, a.length + 1],
    [a.offset + 1, a.length],
    [c.offset, c.length + 1],
    [0, 5],
  ]) {
    assert.equal(pack.recordsIn({ offset, length }), undefined, `${offset}+${length}`);
  }
  assert.equal(pack.recordAt(b), b);
  assert.equal(pack.recordAt({ offset: b.offset, length: b.length - 1 }), undefined);
});

test('the packs of the real client are read', () => {
  const packs = readdirSync(FIXTURES)
    .filter((name) => name.endsWith('.mpack'))
    .map((name) => new Pack(join(FIXTURES, name)));
  for (const pack of packs) {
    assert.equal(pack.key, `sha256:${sha256(readFileSync(pack.file))}`);
    pack.close();
  }
  const objects = packs.flatMap((pack) => pack.records).filter(({ kind }) => kind === 'object');
  assert.equal(objects.length, 302);
  assert.equal(new Set(objects.map(({ id }) => id)).size, 112);
});

test('a pack that is cut anywhere is refused', (t) => {
  const whole = smallPack();
  for (let length = 0; length < whole.length; length += 1) {
    refused(t, whole.subarray(0, length), /the file (ends here|has)/);
  }
});

test('what is no pack is refused, with the byte and the reason', (t) => {
  const commit = { commit_id: sha256('c') };
  const twice = (name, value) => raw(0x82, encode(name), encode(value), encode(name), encode(value));
  const one = (section, record) => raw(0x81, encode(section), 0x91, record);
  const cases = [
    [Buffer.concat([smallPack(), Buffer.from([0])]), /bytes follow the end/],
    [Buffer.from('MUSE\x01'), /framed/],
    [encode([]), /the pack is of type array where map is expected/],
    [encode({ others: [] }), /`others` is no section/],
    [encode({ toString: [] }), /`toString` is no section/],
    [twice('commits', []), /`commits` is given twice/],
    [encode({ commits: {} }), /`commits` is of type map where array is expected/],
    [encode({ commits: [commit, { a: 1 }] }), /commit number 2: it has no `commit_id`/],
    [one('commits', twice('commit_id', sha256('c'))), /`commit_id` is given twice/],
    [encode({ commits: [{ commit_id: sha256('c').toUpperCase() }] }), /is no id/],
    [encode({ commits: [{ commit_id: `${sha256('c')}\n` }] }), /is no id/],
    [encode({ commits: [{ commit_id: null }] }), /is of type nil where str is expected/],
    [one('commits', raw(0x81, 0xc1)), /0xC1/],
    [encode({ tags: [{ tag_id: 'a\nb' }] }), /control characters/],
    [encode({ tags: [{ tag_id: 'x'.repeat(257) }] }), /256 are the limit/],
    [encode({ objects: [{ object_id: sha256('a'), content: Buffer.from('b') }] }), /hash mismatch/],
    [encode({ objects: [{ object_id: sha256('a'), content: 'a' }] }), /`content` is of type str where bin is expected/],
    [encode({ objects: [{ object_id: sha256('a') }] }), /it has no `content`/],
    [encode({ branch_heads: { '': sha256('c') } }), /empty or has control characters/],
    [encode({ branch_heads: { main: 'c' } }), /the head of branch `main` is no id/],
    [twiceHead(), /branch `a` is given twice/],
    [raw(0x81, encode('branch_heads'), 0x81, 0xa1, 0xff), /is not UTF-8/],
  ];
  for (const [bytes, why] of cases) refused(t, bytes, why);

  function twiceHead() {
    const head = [encode('a'), encode(sha256('c'))];
    return raw(0x81, encode('branch_heads'), 0x82, ...head, ...head);
  }
});

test('nesting ends at the limit, and claims reserve nothing', (t) => {
  const nested = (depth) => {
    const value = Buffer.concat([Buffer.alloc(depth, 0x91), Buffer.from([0xc0])]);
    const record = raw(0x82, encode('commit_id'), encode(sha256('c')), encode('x'), value);
    return raw(0x81, encode('commits'), 0x91, record);
  };
  assert.equal(open(t, nested(1024)).records.length, 1);
  refused(t, nested(1025), /nest more than 1024 deep/);
  refused(t, nested(1_000_000), /nest more than 1024 deep/);
  const claim = (...header) => raw(0x81, encode('objects'), Buffer.from(header));
  refused(t, claim(0xdd, 0xff, 0xff, 0xff, 0xff), /claims 4294967295 records and has 0/);
  refused(
    t,
    claim(0x91, 0x81, 0xa1, 0x61, 0xc6, 0xff, 0xff, 0xff, 0xff),
    /claims 4294967295 bytes more, and the file has 0/,
  );
});

test('values of every type are stepped over', (t) => {
  const values = [
    [0xc0], [0xc2], [0xc3], [0x00], [0x7f], [0xe0], [0xff],
    [0xcc, 1], [0xcd, 1, 2], [0xce, 1, 2, 3, 4], [0xcf, 1, 2, 3, 4, 5, 6, 7, 8],
    [0xd0, 1], [0xd1, 1, 2], [0xd2, 1, 2, 3, 4], [0xd3, 1, 2, 3, 4, 5, 6, 7, 8],
    [0xca, 1, 2, 3, 4], [0xcb, 1, 2, 3, 4, 5, 6, 7, 8],
    [0xd4, 0, 1], [0xd5, 0, 1, 2], [0xd6, 0, 1, 2, 3, 4], [0xd7, ...Array(9).fill(0)], [0xd8, ...Array(17).fill(0)],
    [0xc7, 1, 0, 9], [0xc8, 0, 1, 0, 9], [0xc9, 0, 0, 0, 1, 0, 9],
    [0xc4, 1, 9], [0xc5, 0, 1, 9], [0xc6, 0, 0, 0, 1, 9],
    [0xa1, 9], [0xd9, 1, 9], [0xda, 0, 1, 9], [0xdb, 0, 0, 0, 1, 9],
    [0x90], [0x91, 9], [0xdc, 0, 1, 9], [0xdd, 0, 0, 0, 1, 9],
    [0x80], [0x81, 9, 9], [0xde, 0, 1, 9, 9], [0xdf, 0, 0, 0, 1, 9, 9],
  ];
  for (const value of values) {
    // As a value, and as the name of a field.
    const skipped = raw(encode('a'), ...value, ...value, encode(1));
    const record = raw(0x83, skipped, encode('commit_id'), encode(sha256('c')));
    const bytes = raw(0x81, encode('commits'), 0x91, record);
    assert.equal(open(t, bytes).records[0].length, record.length, Buffer.from(value).toString('hex'));
  }
});
