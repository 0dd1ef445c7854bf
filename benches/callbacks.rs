//! Times and allocations per request.

mod rows;

use divan::{AllocProfiler, Bencher};

use self::rows::Row;

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

#[divan::bench(args = rows::tower())]
fn tower(bencher: Bencher<'_, '_>, row: &Row) {
    bencher.bench_local(row.set_up());
}

#[divan::bench(args = rows::axum())]
fn axum(bencher: Bencher<'_, '_>, row: &Row) {
    bencher.bench_local(row.set_up());
}

#[divan::bench(args = rows::json())]
fn json(bencher: Bencher<'_, '_>, row: &Row) {
    bencher.bench_local(row.set_up());
}
