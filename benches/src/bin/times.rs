//! Compares the times of requests, as the CPU time of this thread, in many short rounds: each takes all
//! that is compared in turn, so that what disturbs the machine disturbs all alike. Prints the medians,
//! and fails if a limit is exceeded.

use std::{process::ExitCode, time::Duration};

use benches::{Row, Work};
use rustix::time::{ClockId, clock_gettime};

/// (row − base) / (over − base of over), and the most that it may be.
struct Ratio {
    row: &'static str,
    base: &'static str,
    over: &'static str,
    base_of_over: Option<&'static str>,
    limit: f64,
}

// Each limit is about a sixth above the largest ratio that was measured on any machine, busy or not: 2.27, 1.23, 0.51, 0.48
// and 0.35. A smaller change shows in the instructions.
const RATIOS: &[Ratio] = &[
    over_json("3 pairs", "serde_json::from_str, 3 pairs", 2.6),
    over_json("1000 pairs", "serde_json::from_str, 1000 pairs", 1.4),
    on_axum("layer, 3 pairs", "Query + Json, 3 pairs", 0.6),
    on_axum(
        "layer, 3 pairs, signed",
        "Query + Json, 3 pairs, signed",
        0.56,
    ),
    on_axum("layer, 1000 pairs", "Query + Json, 1000 pairs", 0.42),
];

const fn over_json(row: &'static str, over: &'static str, limit: f64) -> Ratio {
    Ratio {
        row,
        base: "bare service",
        over,
        base_of_over: None,
        limit,
    }
}

const fn on_axum(row: &'static str, over: &'static str, limit: f64) -> Ratio {
    Ratio {
        row,
        base: "nothing",
        over,
        base_of_over: Some("nothing"),
        limit,
    }
}

const ROUNDS: usize = 301;
/// How long one row is run in one round.
const TURN: Duration = Duration::from_millis(2);

fn main() -> ExitCode {
    let mut exceeded = false;
    for ratio in RATIOS {
        let measured = ratio.measure();
        let Ratio {
            row, over, limit, ..
        } = ratio;
        print!("{row:24} over {over:32} {measured:.2}, at most {limit:.2}");
        println!("{}", if measured > *limit { "  EXCEEDED" } else { "" });
        exceeded |= measured > *limit;
    }
    ExitCode::from(u8::from(exceeded))
}

impl Ratio {
    fn measure(&self) -> f64 {
        let mut row = Timed::new(self.row);
        let mut base = Timed::new(self.base);
        let mut over = Timed::new(self.over);
        let mut base_of_over = self.base_of_over.map(Timed::new);
        let mut ratios: Vec<f64> = (0..ROUNDS)
            .map(|_| {
                let base_of_over = base_of_over.as_mut().map_or(0.0, Timed::seconds);
                (row.seconds() - base.seconds()) / (over.seconds() - base_of_over)
            })
            .collect();
        ratios.sort_unstable_by(f64::total_cmp);
        ratios[ROUNDS / 2]
    }
}

struct Timed {
    work: Work,
    times: u32,
}

impl Timed {
    fn new(name: &str) -> Self {
        let rows = [benches::tower(), benches::json(), benches::axum()];
        let mut rows = rows.iter().flatten();
        let row: Option<&Row> = rows.find(|row| row.to_string() == name);
        let mut timed = Self {
            work: row.expect("a row has that name").set_up(),
            times: 1,
        };
        // Warm, and as often as fits into a turn.
        while timed.seconds() * f64::from(timed.times) < TURN.as_secs_f64() {
            timed.times *= 2;
        }
        timed
    }

    /// What one request takes.
    fn seconds(&mut self) -> f64 {
        let start = cpu_time();
        for _ in 0..self.times {
            (self.work)();
        }
        (cpu_time() - start).as_secs_f64() / f64::from(self.times)
    }
}

fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).expect("it is positive")
}
