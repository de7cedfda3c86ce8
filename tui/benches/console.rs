//! The console with 100 000 repos: drawing, scrolling, sorting, filtering, and loading the list.
//!
//! ```text
//! cargo bench -p packhouse --bench console
//! ```
//!
//! A frame has 33 ms, and each of these should take only a small part of it.

#![allow(missing_docs)]

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use packhouse_tui::bench::Bench;

const REPOS: usize = 100_000;

fn console(c: &mut Criterion) {
    let mut bench = Bench::new(REPOS, 200, 50);
    let mut group = c.benchmark_group("console/100000");
    group.sample_size(20);
    group.bench_function("draw", |b| b.iter(|| bench.redraw()));
    group.bench_function("scroll", |b| {
        b.iter(|| {
            bench.press("PgDn");
            bench.draw();
        });
    });
    group.bench_function("sort", |b| b.iter(|| bench.press("s")));
    // Typing a character and deleting it runs the filter twice.
    bench.press("/");
    group.bench_function("filter, words, twice", |b| b.iter(|| bench.press("t Backspace")));
    bench.press("p a c k s > 1");
    group.bench_function("filter, a term, twice", |b| b.iter(|| bench.press("0 Backspace")));
    bench.press("Esc");
    group.bench_function("read", |b| {
        let pages = bench.pages();
        b.iter_batched(
            || pages.clone(),
            |pages| {
                bench.forget();
                bench.read(pages);
            },
            BatchSize::PerIteration,
        );
    });
    group.bench_function("read again", |b| {
        let pages = bench.pages();
        b.iter_batched(|| pages.clone(), |pages| bench.read(pages), BatchSize::PerIteration);
    });
    group.finish();
}

criterion_group!(benches, console);
criterion_main!(benches);
