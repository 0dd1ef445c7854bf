//! Counts what a request takes, under valgrind: see `instructions.sh` and `limits.sh`.
//!
//! With a pattern, prints the instructions of the rows whose names contain it; without, of all rows.
//! `--check` compares them with the limits, `--check-default` those of a release build without
//! link-time optimization. What valgrind runs is this program again, as `run ROW TIMES`.

mod limits;
mod valgrind;

use std::{env, process::ExitCode};

use benches::server;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["run", name, times] => run(name, number(times)),
        ["send", address, times] => server::send(address, number(times)),
        ["--check"] => return limits::check(limits::LIMITS),
        ["--check-default"] => return limits::check(limits::DEFAULT_RELEASE),
        [] => print(""),
        [pattern] => print(pattern),
        _ => panic!("at most one pattern"),
    }
    ExitCode::SUCCESS
}

fn number(argument: &str) -> u32 {
    argument.parse().expect("TIMES is a number")
}

fn print(pattern: &str) {
    let rows = [benches::tower(), benches::json(), benches::axum()];
    let rows = rows.iter().flatten().map(ToString::to_string);
    let names = rows.chain(server::rows().map(|(name, _)| name));
    for name in names.filter(|name| name.contains(pattern)) {
        println!("{name:45} {:>10}", valgrind::instructions(&name));
    }
}

fn run(name: &str, times: u32) {
    if let Some((_, app)) = server::rows().find(|(row, _)| row == name) {
        return server::serve(app, times);
    }
    let rows = [benches::tower(), benches::json(), benches::axum()];
    let mut rows = rows.iter().flatten();
    let row = rows.find(|row| row.to_string() == name);
    let mut work = row.expect("ROW is the name of a row").set_up();
    for _ in 0..times {
        work();
    }
}
