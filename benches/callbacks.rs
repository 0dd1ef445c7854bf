//! Times and allocations per request.

use benches::Row;
use divan::{AllocProfiler, Bencher};

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

#[divan::bench(args = benches::tower())]
fn tower(bencher: Bencher<'_, '_>, row: &Row) {
    bencher.bench_local(row.set_up());
}

#[divan::bench(args = benches::axum())]
fn axum(bencher: Bencher<'_, '_>, row: &Row) {
    bencher.bench_local(row.set_up());
}

#[divan::bench(args = benches::json())]
fn json(bencher: Bencher<'_, '_>, row: &Row) {
    bencher.bench_local(row.set_up());
}
