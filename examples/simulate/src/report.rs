//! What became of the callbacks.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use indicatif::ProgressBar;
use tokio::task::JoinSet;

use crate::{
    args::Load,
    chat::Chat,
    verdict::{Answer, Verdict, judge, printable},
};

/// Posts one callback, and shows the whole answer.
pub(crate) async fn one(chat: &Chat) -> (String, Verdict) {
    let start = Instant::now();
    let answer = chat.post(0).await;
    let time = start.elapsed();
    let shown = match &answer {
        Ok(Answer { status, body }) => {
            let body = printable(&String::from_utf8_lossy(body));
            format!("{status} in {time:.1?}\n{body}\n")
        }
        Err(_) => String::new(),
    };
    let verdict = judge(answer);
    (format!("{shown}{verdict}\n"), verdict)
}

/// Posts many callbacks, and sums up what became of them.
pub(crate) async fn many(chat: Chat, load: &Load) -> (String, Verdict) {
    let start = Instant::now();
    let (count, end, bar) = match load.seconds {
        Some(seconds) => {
            let end = start + Duration::from_secs(seconds);
            (u64::MAX, Some(end), ProgressBar::no_length())
        }
        None => (load.count, None, ProgressBar::new(load.count)),
    };
    let shared = Arc::new((chat, bar.clone(), AtomicU64::new(0)));
    let mut workers = JoinSet::new();
    for _ in 0..load.concurrency.min(count) {
        let shared = Arc::clone(&shared);
        workers.spawn(async move {
            let (chat, bar, sent) = &*shared;
            let mut results = Vec::new();
            loop {
                let start = Instant::now();
                let number = sent.fetch_add(1, Relaxed);
                if number >= count || end.is_some_and(|end| start >= end) {
                    return results;
                }
                let answer = chat.post(number).await;
                results.push((start.elapsed(), judge(answer)));
                bar.inc(1);
            }
        });
    }
    let results = workers.join_all().await.concat();
    let elapsed = start.elapsed();
    bar.finish_and_clear();
    sum_up(results, elapsed)
}

fn sum_up(results: Vec<(Duration, Verdict)>, elapsed: Duration) -> (String, Verdict) {
    let (mut times, mut verdicts): (Vec<_>, Vec<_>) = results.into_iter().unzip();
    times.sort_unstable();
    verdicts.sort_unstable();
    let count = times.len();
    let rate = count as f64 / elapsed.as_secs_f64();
    let mut report = format!("{count} callbacks in {elapsed:.2?}, {rate:.0} requests/s\nlatency:");
    for (name, percent) in [
        ("min", 0),
        ("p50", 50),
        ("p90", 90),
        ("p99", 99),
        ("max", 100),
    ] {
        let rank = (count * percent).div_ceil(100).max(1);
        report += &format!(" {name} {:.1?}", times[rank - 1]);
    }
    for alike in verdicts.chunk_by(PartialEq::eq) {
        report += &format!("\n{:>8} × {}", alike.len(), alike[0]);
    }
    let worst = verdicts.pop().unwrap_or(Verdict::Delivered);
    (report + "\n", worst)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_verdicts_are_summed_up_and_the_worst_decides() {
        let rejected = || Verdict::Rejected("wrong app".to_owned());
        let results = (1..=100).map(|n| {
            let verdict = if n % 10 == 0 {
                rejected()
            } else {
                Verdict::Delivered
            };
            (Duration::from_millis(n), verdict)
        });
        let (report, worst) = sum_up(results.collect(), Duration::from_secs(2));
        assert_eq!(
            report,
            "100 callbacks in 2.00s, 50 requests/s\n\
             latency: min 1.0ms p50 50.0ms p90 90.0ms p99 99.0ms max 100.0ms\n      \
             90 × delivered\n      \
             10 × the app rejected it: wrong app\n"
        );
        assert_eq!(worst, rejected());
    }
}
