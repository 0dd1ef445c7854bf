//! Runs one row, so that the instructions that it takes can be counted: see `instructions.sh`.
//!
//! With the name of a row and a number, runs the row so many times; without, lists the rows.

mod rows;

use std::env;

use self::rows::Row;

fn main() {
    // Cargo itself adds `--bench`.
    let arguments: Vec<String> = env::args().skip(1).filter(|arg| arg != "--bench").collect();
    match &arguments[..] {
        [name, times] => run(
            name,
            times.parse().expect("the second argument is a number"),
        ),
        _ => all().for_each(|row| println!("{row}")),
    }
}

fn all() -> impl Iterator<Item = Row> {
    rows::tower()
        .into_iter()
        .chain(rows::json())
        .chain(rows::axum())
}

fn run(name: &str, times: u32) {
    let row = all().find(|row| row.to_string() == name);
    let mut work = row
        .expect("the first argument is the name of a row")
        .set_up();
    for _ in 0..times {
        work();
    }
}
