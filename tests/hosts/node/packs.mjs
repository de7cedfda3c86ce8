// Packs as a host shows them: what records a file has, and which encoding of its entity each of them is.
//
// A pack is one MessagePack map. The scan believes nothing: no length is used before the bytes are there, nesting is
// bounded, and every object's content must hash to its id. What it makes of a record is a row of 72 bytes, as
// wit/storage.wit lays it out. Nothing else is read: what a commit or a snapshot means is the component's to say.

import { createHash } from 'node:crypto';
import { closeSync, openSync, readFileSync, readSync } from 'node:fs';

export const ROW_BYTES = 72;
/** In the order of their numbers in a row. */
export const KINDS = ['commit', 'snapshot', 'object', 'tag'];
const SECTIONS = { commits: 'commit', snapshots: 'snapshot', objects: 'object', tags: 'tag' };

// The limits of the native host, so that both take the same packs.
const MAX_DEPTH = 1024;
const MAX_RECORD = 256 * 1024 * 1024; // a component reads commits, snapshots and tags whole
const MAX_BRANCHES = 65536;
const MAX_BRANCH = 255;
const MAX_TAG_ID = 256;
/** Longer than any name that is looked for. */
const MAX_NAME = 64;

/** What is wrong with a pack, and where. */
export class BadPack extends Error {
  constructor(file, offset, reason) {
    super(`${file}: byte ${offset}: ${reason}`);
    this.offset = offset;
    this.reason = reason;
  }
}

/** A pack whose file stays open, so that it is the one that was scanned until the end. */
export class Pack {
  #fd;
  #byOffset;

  constructor(file) {
    this.file = file;
    this.#fd = openSync(file, 'r');
    try {
      const bytes = readFileSync(this.#fd);
      const { records, heads } = scan(file, bytes);
      this.key = `sha256:${sha256(bytes).toString('hex')}`;
      this.bytes = bytes.length;
      /** In the order of their offsets: `{kind, id, offset, length, fingerprint}`. */
      this.records = records;
      /** The branch heads that it names, in the order of the names' UTF-8 bytes. */
      this.heads = heads;
      this.packIndex = Buffer.concat(records.map(row));
      this.#byOffset = new Map(records.map((record, number) => [record.offset, number]));
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** The record that is exactly this span, if there is one. */
  recordAt({ offset, length }) {
    const record = this.records[this.#byOffset.get(offset)];
    return record?.length === length ? record : undefined;
  }

  /** The records that a span consists of; undefined where it is not one or more whole records that lie together. */
  recordsIn({ offset, length }) {
    const first = this.#byOffset.get(offset);
    if (first === undefined) return undefined;
    let end = offset;
    let last = first;
    for (; end < offset + length && this.records[last]?.offset === end; last += 1) end += this.records[last].length;
    return last > first && end === offset + length ? this.records.slice(first, last) : undefined;
  }

  read(offset, length) {
    const bytes = Buffer.alloc(length);
    let done = 0;
    while (done < length) {
      const read = readSync(this.#fd, bytes, done, length - done, offset + done);
      if (read === 0) throw new Error(`${this.file}: it was longer when it was read first`);
      done += read;
    }
    return bytes;
  }

  close() {
    closeSync(this.#fd);
  }
}

/** The order of UTF-8 bytes, which is not the order that JavaScript gives strings. */
export function byBytes(a, b) {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

function scan(file, bytes) {
  const reader = new Reader(file, bytes);
  const found = { records: [], heads: [] };
  if (bytes.subarray(0, 4).equals(Buffer.from('MUSE'))) {
    reader.fail('it begins with `MUSE`: a framed pack, whose layout is not public');
  }
  const met = new Set();
  for (let sections = reader.expect('map', 'the pack').size; sections > 0; sections -= 1) {
    const at = reader.at;
    const name = reader.text("a section's name", MAX_NAME);
    if (met.has(name)) reader.fail(`\`${name}\` is given twice`, at);
    met.add(name);
    // Merging packs would lose a section that nobody knows.
    if (!Object.hasOwn(SECTIONS, name) && name !== 'branch_heads') {
      reader.fail(`\`${name}\` is no section of a pack`, at);
    }
    if (reader.nil()) continue;
    if (name === 'branch_heads') found.heads = branchHeads(reader);
    else for (const record of section(reader, name)) found.records.push(record);
  }
  if (reader.at !== bytes.length) reader.fail('bytes follow the end of the pack');
  return found;
}

function* section(reader, name) {
  const { size } = reader.expect('array', `\`${name}\``);
  for (let number = 1; number <= size; number += 1) {
    if (reader.ended()) reader.fail(`the file ends here: \`${name}\` claims ${size} records and has ${number - 1}`);
    reader.where = `${SECTIONS[name]} number ${number}: `;
    yield readRecord(reader, SECTIONS[name]);
    reader.where = '';
  }
}

function branchHeads(reader) {
  const { size } = reader.expect('map', '`branch_heads`');
  if (size > MAX_BRANCHES) reader.fail(`\`branch_heads\` claims ${size} branches, and ${MAX_BRANCHES} are the limit`);
  const heads = new Map();
  for (let i = 0; i < size; i += 1) {
    const at = reader.at;
    const branch = reader.text('a branch name', MAX_BRANCH);
    if (branch === '' || /\p{Cc}/u.test(branch)) reader.fail('a branch name is empty or has control characters', at);
    if (heads.has(branch)) reader.fail(`branch \`${branch}\` is given twice`, at);
    heads.set(branch, reader.id(`the head of branch \`${branch}\``));
  }
  return [...heads].map(([branch, commit]) => ({ branch, commit })).sort((a, b) => byBytes(a.branch, b.branch));
}

function readRecord(reader, kind) {
  const offset = reader.at;
  const idField = `${kind}_id`;
  let id;
  let content;
  for (let fields = reader.expect('map', 'the record').size; fields > 0; fields -= 1) {
    const at = reader.at;
    const name = reader.fieldName();
    if (name === idField) {
      if (id !== undefined) reader.fail(`\`${idField}\` is given twice`, at);
      id = kind === 'tag' ? reader.tagId() : reader.id(`\`${idField}\``);
    } else if (kind === 'object' && name === 'content') {
      if (content !== undefined) reader.fail('`content` is given twice', at);
      content = reader.content();
    } else {
      reader.skip();
    }
  }
  const length = reader.at - offset;
  const record = reader.bytes.subarray(offset, reader.at);
  if (id === undefined) reader.fail(`it has no \`${idField}\``, offset);
  if (kind !== 'object') {
    if (length > MAX_RECORD) reader.fail(`it is larger than ${MAX_RECORD} bytes`, offset);
    return { kind, id, offset, length, fingerprint: sha256(record).subarray(0, 16) };
  }
  if (content === undefined) reader.fail('it has no `content`', offset);
  const start = content.start - offset;
  const end = content.end - offset;
  const sum = sha256(record.subarray(start, end));
  if (!digestOf(id).equals(sum)) {
    reader.fail(`hash mismatch: expected ${id}, got ${sum.toString('hex')}`, offset);
  }
  return { kind, id, offset, length, fingerprint: objectFingerprint(id, record, start, end) };
}

/** Contents are named by ids. A fingerprint says which encoding a record is, so it is of what surrounds the content. */
function objectFingerprint(id, record, start, end) {
  const before = record.subarray(0, start);
  if (end === record.length && before.equals(standardStart(id, end - start))) return Buffer.alloc(16);
  const offsets = Buffer.alloc(16);
  offsets.writeBigUInt64LE(BigInt(start), 0);
  offsets.writeBigUInt64LE(BigInt(end), 8);
  return sha256(offsets, sha256(before, record.subarray(end))).subarray(0, 16);
}

/** What precedes the content in `{object_id, content}` with every header in its shortest form. */
function standardStart(id, length) {
  const [marker, width] = length < 0x100 ? [0xc4, 1] : length < 0x10000 ? [0xc5, 2] : [0xc6, 4];
  const header = Buffer.alloc(1 + width, marker);
  header.writeUIntBE(length, 1, width);
  const fields = `\x82\xa9object_id\xd9${String.fromCharCode(id.length)}${id}\xa7content`;
  return Buffer.concat([Buffer.from(fields, 'latin1'), header]);
}

function row({ kind, id, offset, length, fingerprint }) {
  const bytes = Buffer.alloc(ROW_BYTES);
  bytes[0] = KINDS.indexOf(kind);
  if (kind === 'tag') bytes[1] = 2;
  else if (id.startsWith('sha256:')) bytes[1] = 1;
  bytes.writeBigUInt64LE(BigInt(offset), 8);
  bytes.writeBigUInt64LE(BigInt(length), 16);
  bytes.set(kind === 'tag' ? sha256(id) : digestOf(id), 24);
  bytes.set(fingerprint, 56);
  return bytes;
}

function digestOf(id) {
  return Buffer.from(id.slice(-64), 'hex');
}

function sha256(...parts) {
  const sum = createHash('sha256');
  for (const part of parts) sum.update(part);
  return sum.digest();
}

/** A size of `width` bytes follows. */
const sized = (type, width) => ({ type, width, size: 0 });
/** `size` bytes follow, and no size. */
const fixed = (type, size) => ({ type, width: 0, size });

/** The MessagePack headers from 0xc0 to 0xdf. All others say what they are in their upper bits. 0xc1 is never used. */
const HEADERS = [
  [fixed('nil', 0), undefined, fixed('scalar', 0), fixed('scalar', 0)],
  [1, 2, 4].map((width) => sized('bin', width)),
  [1, 2, 4].map((width) => sized('ext', width)),
  [4, 8].map((size) => fixed('scalar', size)), // floats
  [1, 2, 4, 8, 1, 2, 4, 8].map((size) => fixed('scalar', size)), // integers
  [1, 2, 4, 8, 16].map((size) => fixed('ext', size)),
  [1, 2, 4].map((width) => sized('str', width)),
  [2, 4].map((width) => sized('array', width)),
  [2, 4].map((width) => sized('map', width)),
].flat();

/** Reads MessagePack as far as a host has to: headers, short strings, and values that are stepped over. */
class Reader {
  at = 0;
  /** The record that is being read, for messages. */
  where = '';
  #utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

  constructor(file, bytes) {
    this.file = file;
    this.bytes = bytes;
  }

  fail(reason, at = this.at) {
    throw new BadPack(this.file, at, this.where + reason);
  }

  ended() {
    return this.at === this.bytes.length;
  }

  /** The next `length` bytes. */
  take(length) {
    const left = this.bytes.length - this.at;
    if (length > left) this.fail(`a value claims ${length} bytes more, and the file has ${left}`);
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }

  /** What the next value is, and how many bytes, items or pairs belong to it. */
  header() {
    const at = this.at;
    if (this.ended()) this.fail('the file ends here, inside a value');
    const [first] = this.take(1);
    if (first < 0x80 || first >= 0xe0) return fixed('scalar', 0);
    if (first < 0x90) return fixed('map', first & 0x0f);
    if (first < 0xa0) return fixed('array', first & 0x0f);
    if (first < 0xc0) return fixed('str', first & 0x1f);
    const header = HEADERS[first - 0xc0];
    if (header === undefined) this.fail('byte 0xC1 is no MessagePack', at);
    const { type, width, size } = header;
    const counted = width > 0 ? this.take(width).readUIntBE(0, width) : size;
    // An extension has a byte for its type besides.
    return fixed(type, type === 'ext' ? counted + 1 : counted);
  }

  /** The header of a value that has to be of a type. */
  expect(type, what) {
    const at = this.at;
    const header = this.header();
    if (header.type !== type) this.fail(`${what} is of type ${header.type} where ${type} is expected`, at);
    return header;
  }

  /** Moves over `nil`, if that is next. */
  nil() {
    const found = this.bytes[this.at] === 0xc0;
    if (found) this.at += 1;
    return found;
  }

  text(what, most) {
    const at = this.at;
    const { size } = this.expect('str', what);
    if (size > most) this.fail(`${what} has ${size} bytes, and ${most} are the limit`, at);
    const bytes = this.take(size);
    try {
      return this.#utf8.decode(bytes);
    } catch {
      return this.fail(`${what} is not UTF-8`, at);
    }
  }

  id(what) {
    const at = this.at;
    const id = this.text(what, 1024);
    if (!/^(sha256:)?[0-9a-f]{64}$/.test(id)) {
      this.fail(`${what} is no id: 64 lower-case hexadecimal digits are expected, with or without \`sha256:\``, at);
    }
    return id;
  }

  tagId() {
    const at = this.at;
    const id = this.text('`tag_id`', MAX_TAG_ID);
    if (id === '' || /\p{Cc}/u.test(id)) this.fail('`tag_id` is empty or has control characters', at);
    return id;
  }

  /** The name of a field; null where it is none that anybody looks for, whatever it is. */
  fieldName() {
    const at = this.at;
    const { type, size } = this.header();
    if (type === 'str' && size <= MAX_NAME) return this.take(size).toString('latin1');
    this.at = at;
    this.skip();
    return null;
  }

  content() {
    const { size } = this.expect('bin', '`content`');
    const start = this.at;
    this.take(size);
    return { start, end: this.at };
  }

  /** Steps over one value of any shape. */
  skip() {
    // Values still to come on each level that is open. A list instead of recursion: depth is the file's to choose.
    const open = [1];
    while (open.length > 0) {
      const at = this.at;
      const { type, size } = this.header();
      open[open.length - 1] -= 1;
      if (type === 'array' || type === 'map') {
        if (size > 0) open.push(type === 'map' ? 2 * size : size);
        if (open.length > MAX_DEPTH + 1) this.fail(`values nest more than ${MAX_DEPTH} deep`, at);
      } else {
        this.take(size);
      }
      while (open.at(-1) === 0) open.pop();
    }
  }
}
