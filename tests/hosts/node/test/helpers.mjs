// What the tests share: the component, folders that vanish, packs made by hand, and tapes made of a run.

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { load } from '../engine.mjs';
import { HostFailed, inHex, perform, RUNS } from '../tape.mjs';

export const COMPONENT = here('../../../../components/artifact/packhouse.wasm');
export const HOSTILE = here('../../../../components/hostile/hostile.wasm');
export const FIXTURES = here('../../../fixtures/muse-cli');

export function here(path) {
  return fileURLToPath(new URL(path, import.meta.url));
}

export function component(file = COMPONENT) {
  return load(readFileSync(file));
}

/** A folder with these files in it, for as long as the test lasts. */
export function folder(test, files = {}) {
  const path = mkdtempSync(join(tmpdir(), 'packhouse-node-'));
  test.after(() => rmSync(path, { recursive: true }));
  for (const [name, bytes] of Object.entries(files)) writeFileSync(join(path, name), bytes);
  return path;
}

/** Runs one of the programs. */
export function program(name, ...args) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [here(`../${name}`), ...args], { encoding: 'utf8' });
  return { status, stdout, stderr };
}

export function sha256(bytes) {
  return createHash('sha256').update(bytes).digest('hex');
}

/** MessagePack in its shortest form: nil, small numbers, strings, bytes, arrays and maps. */
export function encode(value) {
  if (value === null) return Buffer.from([0xc0]);
  if (typeof value === 'number') return Buffer.from([value]);
  if (typeof value === 'string') {
    const text = Buffer.from(value);
    return sized(text.length, [0xa0, 32], 0xd9, [1, 2, 4], text);
  }
  if (value instanceof Uint8Array) return sized(value.length, [0, 0], 0xc4, [1, 2, 4], value);
  if (Array.isArray(value)) return sized(value.length, [0x90, 16], 0xdc, [2, 4], ...value.map(encode));
  const fields = Object.entries(value);
  return sized(fields.length, [0x80, 16], 0xde, [2, 4], ...fields.flat().map(encode));
}

function sized(size, [short, most], first, widths, ...parts) {
  if (size < most) return Buffer.concat([Buffer.from([short + size]), ...parts]);
  const form = widths.findIndex((width) => size < 256 ** width);
  const header = Buffer.alloc(1 + widths[form], first + form);
  header.writeUIntBE(size, 1, widths[form]);
  return Buffer.concat([header, ...parts]);
}

/** Bytes from bytes and buffers: for what `encode` never makes. */
export function raw(...parts) {
  return Buffer.concat(parts.map((part) => (typeof part === 'number' ? Buffer.from([part]) : part)));
}

export function object(content) {
  const bytes = Buffer.from(content);
  return { object_id: sha256(bytes), content: bytes };
}

/** A history of one commit, on `branch`. */
export function smallPack(branch = 'main') {
  const file = object('content');
  const snapshot = { snapshot_id: sha256('snapshot'), manifest: { 'a.txt': file.object_id } };
  const commit = { commit_id: sha256('commit'), parent_commit_id: null, snapshot_id: snapshot.snapshot_id };
  return encode({
    commits: [commit],
    snapshots: [snapshot],
    objects: [file],
    branch_heads: { [branch]: commit.commit_id },
  });
}

/** Items that a page of a tape has here. */
const PAGE = 1024;

/** Makes a run, and a tape of it as docs/replay.md says. `change` may tamper with the lines. */
export function record(component, { run, args, records }, answer, change = () => {}) {
  const calls = [];
  const recording = (call, given) => {
    try {
      const answered = answer(call, given);
      calls.push({ call, args: given, ...inHex(answered) });
      return answered;
    } catch (error) {
      calls.push({ call, args: given, trap: error.message });
      throw new HostFailed(error.message);
    }
  };
  const { result, items } = perform(component, { run, arguments: args }, recording);
  const { items: name } = RUNS[run];
  const engine = { runtime: `node ${process.version}` };
  const header = {
    tape: 2,
    'made-by': 'tests',
    component: component.digest,
    world: component.world,
    engine,
    verb: 'test',
    repo: 'a/b',
  };
  const pages = [];
  for (let first = 0; first < items.length; first += PAGE) {
    const page = items.slice(first, first + PAGE);
    pages.push({ [name]: { items: page, done: first + page.length === items.length } });
  }
  const end = { calls: calls.length, 'plan-digest': null };
  const lines = [{ ...header, run, arguments: args, records }, ...calls, { result }, ...pages, { end }];
  change(lines);
  return gzipSync(lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
}
