//! What one request of a row takes. The row is run N and 2 N times; the difference, divided by N,
//! leaves out start-up.

use std::{env, process::Command};

/// Instructions, those of the kernel aside.
pub(crate) fn instructions(row: &str) -> u64 {
    let options = ["--tool=callgrind", "--callgrind-out-file=/dev/null"];
    per_request(row, &options, "Collected : ")
}

/// Allocations, those that copy the request included.
pub(crate) fn allocations(row: &str) -> u64 {
    let options = [
        "--tool=memcheck",
        "--undef-value-errors=no",
        "--leak-check=no",
    ];
    per_request(row, &options, "total heap usage: ")
}

fn per_request(row: &str, options: &[&str], label: &str) -> u64 {
    let times = match row {
        _ if row.contains("000 pairs") => 10,
        _ if row.starts_with("server") => 300,
        _ => 1000,
    };
    let once = total(row, times, options, label);
    let twice = total(row, 2 * times, options, label);
    (twice - once) / u64::from(times)
}

/// The number that follows the label in what valgrind prints.
fn total(row: &str, times: u32, options: &[&str], label: &str) -> u64 {
    let output = Command::new("valgrind")
        .args(options)
        .arg(env::current_exe().expect("this program has a name"))
        .args(["run", row, &times.to_string()])
        .output()
        .expect("valgrind is needed: on Debian, apt-get install valgrind");
    let printed = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{printed}");
    let (_, rest) = printed.rsplit_once(label).expect("valgrind says it");
    let number: String = rest
        .chars()
        .take_while(|c| c.is_ascii_digit() || *c == ',')
        .filter(char::is_ascii_digit)
        .collect();
    number.parse().expect("it is a number")
}
