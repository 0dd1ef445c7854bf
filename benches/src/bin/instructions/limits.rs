//! The limits that a change has to keep: those of CONTRIBUTING.md that can be counted.

use std::{cell::RefCell, collections::HashMap, process::ExitCode};

use crate::valgrind;

/// What is limited, how it is counted, and the limit.
pub(crate) type Limit = (&'static str, fn(&Counts) -> f64, Bound);

/// Both belong to what is allowed.
#[derive(Clone, Copy)]
pub(crate) enum Bound {
    Most(f64),
    Least(f64),
}
use Bound::{Least, Most};

/// With link-time optimization, as in this repository.
#[rustfmt::skip]
pub(crate) const LIMITS: &[Limit] = &[
    ("pass-through", |c| c.over_bare("pass-through"), Most(1_000.0)),
    ("pass-through, no query", |c| c.over_bare("pass-through, no query"), Most(350.0)),
    ("pass-through, three layers", |c| c.over_bare("pass-through, three layers"), Most(3_000.0)),
    ("3 pairs", |c| c.over_bare("3 pairs"), Most(12_000.0)),
    ("3 pairs, signed", |c| c.over_bare("3 pairs, signed"), Most(17_000.0)),
    ("1000 pairs", |c| c.over_bare("1000 pairs"), Most(2_200_000.0)),
    ("3 pairs, ids of 32 bytes, over 20", |c| c.ids(3), Most(1.5)),
    ("1000 pairs, ids of 32 bytes, over 20", |c| c.ids(1000), Most(1.5)),
    ("6000 pairs, over 1000", |c| c.over_bare("6000 pairs") / c.over_bare("1000 pairs"), Most(6.1)),
    // On axum, 271 of a callback's instructions lift its limit of the body, and 504 more make room for that in
    // the request's extensions: without them it would be 1.75, 0.43, 0.44 and 0.54.
    ("3 pairs, over serde_json::from_str", |c| c.over_json(3), Most(1.82)),
    ("1000 pairs, over serde_json::from_str", |c| c.over_json(1000), Most(1.21)),
    ("axum: 3 pairs, over Query + Json", |c| c.on_axum("3 pairs"), Most(0.47)),
    ("axum: 3 pairs, signed, over it", |c| c.on_axum("3 pairs, signed"), Most(0.48)),
    ("axum: 1000 pairs, over it", |c| c.on_axum("1000 pairs"), Most(0.38)),
    ("server: share saved of Query + Json", |c| c.saved(), Least(0.50)),
    ("router of 60, over 1: 3 pairs", |c| c.of_60("3 pairs"), Most(1.02)),
    ("router of 60, over 1: acknowledged", |c| c.of_60("acknowledged"), Most(1.02)),
    ("router of 60, over 1: rejection", |c| c.of_60("rejection"), Most(1.02)),
    ("server: router, over layer", |c| c.server("router") / c.server("layer"), Most(1.1)),
    ("allocations: pass-through", |c| c.allocations("pass-through"), Most(0.0)),
    ("allocations: rejection", |c| c.allocations("rejection"), Most(5.0)),
    // One of them is the vector of pairs.
    ("allocations: 3 pairs, signed", |c| c.allocations("3 pairs, signed"), Most(7.0)),
];

/// As cargo builds a release unless told otherwise.
#[rustfmt::skip]
pub(crate) const DEFAULT_RELEASE: &[Limit] = &[
    ("3 pairs", |c| c.over_bare("3 pairs"), Most(13_400.0)),
    // 335 of them are the library's comparison of the digests, byte by byte.
    ("3 pairs, signed", |c| c.over_bare("3 pairs, signed"), Most(18_400.0)),
];

/// What has been counted so far.
#[derive(Default)]
pub(crate) struct Counts(RefCell<HashMap<String, f64>>);

impl Counts {
    fn of(&self, row: &str) -> f64 {
        let known = self.0.borrow().get(row).copied();
        known.unwrap_or_else(|| {
            let count = valgrind::instructions(row) as f64;
            self.0.borrow_mut().insert(row.to_owned(), count);
            count
        })
    }

    fn over_bare(&self, row: &str) -> f64 {
        let bare = match row.contains("no query") {
            true => "bare service, no query",
            false => "bare service",
        };
        self.of(row) - self.of(bare)
    }

    fn over_json(&self, pairs: u32) -> f64 {
        let json = self.of(&format!("serde_json::from_str, {pairs} pairs"));
        self.over_bare(&format!("{pairs} pairs")) / json
    }

    fn ids(&self, pairs: u32) -> f64 {
        let long = self.over_bare(&format!("{pairs} pairs, ids of 32 bytes"));
        long / self.over_bare(&format!("{pairs} pairs"))
    }

    /// Over a route that does nothing.
    fn on_axum(&self, request: &str) -> f64 {
        let over_nothing = |app| self.of(&format!("{app}, {request}")) - self.of("nothing");
        over_nothing("layer") / over_nothing("Query + Json")
    }

    fn of_60(&self, request: &str) -> f64 {
        let router = |routes| self.over_bare(&format!("router of {routes}, {request}"));
        router(60) / router(1)
    }

    fn server(&self, app: &str) -> f64 {
        self.of(&format!("server: {app}, 3 pairs"))
    }

    /// Of the instructions that a handler costs, those that the layer does without.
    fn saved(&self) -> f64 {
        let handler = self.server("Query + Json");
        (handler - self.server("layer")) / (handler - self.server("nothing"))
    }

    #[expect(clippy::unused_self, reason = "all counts are asked for alike")]
    fn allocations(&self, row: &str) -> f64 {
        let over = valgrind::allocations(row) - valgrind::allocations("bare service");
        over as f64
    }
}

/// Prints all of them, and fails if one is not kept.
pub(crate) fn check(limits: &[Limit]) -> ExitCode {
    let counts = Counts::default();
    let mut exceeded = 0;
    for (what, count, bound) in limits {
        let count = count(&counts);
        let (kept, relation, limit) = match *bound {
            Most(limit) => (count <= limit, "at most", limit),
            Least(limit) => (count >= limit, "at least", limit),
        };
        let digits = if limit < 10.0 { 3 } else { 0 };
        print!("{what:38} {count:>10.digits$}, {relation} {limit:.digits$}");
        if !kept {
            exceeded += 1;
            print!("  EXCEEDED");
        }
        println!();
    }
    match exceeded {
        0 => ExitCode::SUCCESS,
        _ => {
            println!("{exceeded} of {} limits are exceeded", limits.len());
            ExitCode::FAILURE
        }
    }
}
