//! The seeds of the fuzz targets, on stable and without a fuzzer.

use std::{fs, path::Path};

#[path = "../fuzz/checks.rs"]
mod checks;

fn run(target: &str, check: fn(&[u8])) {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/seeds")
        .join(target);
    let files: Vec<_> = fs::read_dir(seeds)
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    assert!(!files.is_empty());
    for file in files {
        println!("{}", file.display());
        check(&fs::read(file).unwrap());
    }
}

#[test]
fn query() {
    run("query", checks::query);
}

#[test]
fn packet() {
    run("packet", checks::packet);
}

#[test]
fn request() {
    run("request", checks::request);
}
