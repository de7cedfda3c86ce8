// What a component sees of the packs of one run: the answers to its imports, in the shape of docs/replay.md.
//
// The orders, limits and refusals are those that the comments in wit/ state.

import { byBytes, ROW_BYTES } from './packs.mjs';

/** How much a call takes and answers, as `storage.limits` says it. */
const LIMITS = { items: 1024, ids: 4096, rows: 4096, 'record-bytes': 4 * 1024 * 1024 };

/** Answers for `indexing.index`: all the packs are pushed to a repo that has nothing yet. */
export function pushed(packs) {
  return answers(packs, {
    heads: [],
    headsGivenBy: (pack) => pack.heads,
    history: () => [],
    walkFloor: () => null,
    locate: (ids) => ids.map(() => null),
    tags: () => [],
    known: (ids) => ids.map(() => false),
  });
}

/**
 * Answers for `consolidation.plan`: the packs are those of a repo whose branches stand at `heads`. Planning needs no
 * more of the index. A component that asks for more ends its run, since any answer would be made up.
 */
export function stored(packs, heads) {
  const noIndex = () => {
    throw new Error('the component asks for an index, and this host keeps none');
  };
  const index = { history: noIndex, walkFloor: noIndex, locate: noIndex, tags: noIndex, known: noIndex };
  return answers(packs, { heads, headsGivenBy: () => [], ...index });
}

/** The order in which a consolidation sees packs: a record that several of them hold is copied from the largest. */
export function inOrder(packs) {
  return [...packs].sort((a, b) => b.records.length - a.records.length || byBytes(a.key, b.key));
}

/** Why a call is refused: an access-error of the WIT. */
class Refusal extends Error {
  constructor(reason) {
    super('the call is refused');
    this.reason = reason;
  }
}

/** Gives `answer(call, args)`, as `Component.start` wants it. */
function answers(packs, repo) {
  const packAt = (number) => {
    if (number >= packs.length) throw new Refusal({ 'no-such-pack': number });
    return packs[number];
  };
  const recordAt = (span) => {
    const record = packAt(span.pack).recordAt(span);
    if (record === undefined) throw new Refusal({ 'not-a-record': span });
    return record;
  };

  const calls = {
    'storage.limits': () => LIMITS,

    'storage.pack-index': ({ pack, first, limit }) => {
      const { records, packIndex } = packAt(pack);
      const end = Math.min(first + pageSize(limit, LIMITS.rows), records.length);
      return { items: packIndex.subarray(first * ROW_BYTES, end * ROW_BYTES), done: end >= records.length };
    },

    // There is no base here.
    'storage.spine': ({ pack }) => {
      throw new Refusal({ 'no-such-pack': pack });
    },

    'storage.read-records': ({ spans }) => {
      refuseMore(spans, LIMITS.items);
      let bytes = 0;
      for (const span of spans) {
        if (recordAt(span).kind === 'object') throw new Refusal({ 'not-a-record': span });
        bytes += span.length;
      }
      if (bytes > LIMITS['record-bytes'] && spans.length > 1) {
        throw new Refusal({ 'too-large': LIMITS['record-bytes'] });
      }
      return spans.map((span) => packs[span.pack].read(span.offset, span.length));
    },

    'storage.compare-records': ({ pairs }) => {
      refuseMore(pairs, LIMITS.items);
      pairs.flat().forEach(recordAt);
      return pairs.map(([a, b]) => ['less', 'equal', 'greater'][compare(packs, a, b) + 1]);
    },

    'storage.branch-heads': ({ pack, first, limit }) => page(repo.headsGivenBy(packAt(pack)), first, limit),

    'database.packs': ({ first, limit }) => {
      const infos = packs.map(({ key, bytes, records }) => ({ key, bytes, rows: records.length }));
      return page(infos, first, limit);
    },

    'database.heads': ({ after, limit }) => {
      const later = after === null ? repo.heads : repo.heads.filter(({ branch }) => byBytes(branch, after) > 0);
      return page(later, 0, limit);
    },

    'database.history': ({ commits, limit }) => {
      refuseMore(commits, pageSize(limit, LIMITS.items));
      return page(repo.history(commits), 0, limit);
    },

    'database.walk-floor': () => repo.walkFloor(),

    'database.locate': ({ ids }) => {
      refuseMore(ids, LIMITS.ids);
      return repo.locate(ids);
    },

    'database.tags': ({ commits, limit }) => {
      refuseMore(commits, LIMITS.ids);
      return page(repo.tags(commits), 0, limit);
    },

    'database.base': () => null,

    'database.base-heads': () => page([], 0, 0),

    'database.known': ({ ids }) => {
      refuseMore(ids, LIMITS.ids);
      return repo.known(ids);
    },

    // Only a push to a repo that has something meets other encodings there.
    'database.conflicts': () => page([], 0, 0),
  };

  return (call, args) => {
    try {
      return { ok: calls[call](args) };
    } catch (error) {
      if (error instanceof Refusal) return { err: error.reason };
      throw error;
    }
  };
}

function refuseMore(given, most) {
  if (given.length > most) throw new Refusal({ 'too-many': most });
}

/** How many items a page has at most: a limit of 0 means all that a host allows. */
function pageSize(limit, most) {
  return limit === 0 ? most : Math.min(limit, most);
}

function page(list, first, limit) {
  const end = first + pageSize(limit, LIMITS.items);
  return { items: list.slice(first, end), done: end >= list.length };
}

/** Compares two records as strings of bytes, a piece at a time: objects may be large. */
function compare(packs, a, b) {
  const piece = 1024 * 1024;
  const common = Math.min(a.length, b.length);
  for (let at = 0; at < common; at += piece) {
    const length = Math.min(piece, common - at);
    const order = Buffer.compare(packs[a.pack].read(a.offset + at, length), packs[b.pack].read(b.offset + at, length));
    if (order !== 0) return order;
  }
  return Math.sign(a.length - b.length);
}
