//! The verb `note`.

use windrow_jobs::{
    clock::VirtualClock,
    job::Progress,
    ledger::{Ledger, LogChunk, LogLine, Note},
    lifecycle::Ending,
};
use windrow_tests::{jobs::*, ledgers::START};

conformance! {
    what_a_handler_says_is_kept,
    what_a_note_leaves_out_stays,
    the_last_note_of_a_batch_stands,
    log_chunks_come_back_in_the_order_written,
    dropped_lines_are_counted_though_none_came,
    notes_of_an_attempt_that_is_over_are_dropped,
    notes_of_a_finished_job_stay,
}

async fn what_a_handler_says_is_kept(ledger: &dyn Ledger, _: &VirtualClock) {
    insert(ledger, [ready(1)]).await;
    claim(ledger, 1).await;
    let said = Note { progress: progress(30), checkpoint: Some("{\"page\": 3}".to_owned()), ..note(1) };
    ledger.note(vec![Note { lines: vec![line("größer 😀 \" \\ \u{1}")], dropped: 2, ..said }]).await.expect("note");
    let job = job(ledger, 1).await;
    assert_eq!((job.progress, job.checkpoint.as_deref()), (progress(30), Some("{\"page\": 3}")));
    assert_eq!(logs(ledger).await, [LogChunk { attempt: 1, lines: vec![line("größer 😀 \" \\ \u{1}")], dropped: 2 }]);
}

async fn what_a_note_leaves_out_stays(ledger: &dyn Ledger, _: &VirtualClock) {
    insert(ledger, [ready(1)]).await;
    claim(ledger, 1).await;
    ledger.note(vec![Note { progress: progress(30), checkpoint: Some("1".to_owned()), ..note(1) }]).await.expect("note");
    ledger.note(vec![note(1)]).await.expect("note");
    ledger.note(vec![Note { progress: progress(60), ..note(1) }]).await.expect("note");
    let job = job(ledger, 1).await;
    assert_eq!((job.progress, job.checkpoint.as_deref()), (progress(60), Some("1")));
    assert_eq!(logs(ledger).await, []);
}

async fn the_last_note_of_a_batch_stands(ledger: &dyn Ledger, _: &VirtualClock) {
    insert(ledger, [ready(1)]).await;
    claim(ledger, 1).await;
    let first = Note { progress: progress(10), checkpoint: Some("1".to_owned()), lines: vec![line("one")], ..note(1) };
    let second = Note { progress: progress(20), lines: vec![line("two")], ..note(1) };
    ledger.note(vec![first, second]).await.expect("note");
    let job = job(ledger, 1).await;
    assert_eq!((job.progress, job.checkpoint.as_deref()), (progress(20), Some("1")));
    assert_eq!(messages(&logs(ledger).await), ["one", "two"]);
}

async fn log_chunks_come_back_in_the_order_written(ledger: &dyn Ledger, _: &VirtualClock) {
    insert(ledger, [ready(1), ready(2)]).await;
    let first = claim(ledger, 1).await;
    claim(ledger, 2).await;
    ledger.note(vec![Note { lines: vec![line("b"), line("a")], ..note(1) }]).await.expect("note");
    let other = Note { id: id(2), lines: vec![line("x")], ..note(1) };
    ledger.note(vec![other, Note { lines: vec![line("c")], ..note(1) }]).await.expect("note");
    assert!(settle(ledger, &first, Ending::Interrupted).await);
    claim(ledger, 1).await;
    ledger.note(vec![Note { lines: vec![line("0")], ..note(2) }]).await.expect("note");
    let logs = logs(ledger).await;
    assert_eq!(messages(&logs), ["b", "a", "c", "0"]);
    assert_eq!(logs.iter().map(|chunk| chunk.attempt).collect::<Vec<_>>(), [1, 1, 2]);
}

async fn dropped_lines_are_counted_though_none_came(ledger: &dyn Ledger, _: &VirtualClock) {
    insert(ledger, [ready(1)]).await;
    claim(ledger, 1).await;
    ledger.note(vec![Note { dropped: 9, ..note(1) }]).await.expect("note");
    assert_eq!(logs(ledger).await, [LogChunk { attempt: 1, lines: Vec::new(), dropped: 9 }]);
}

async fn notes_of_an_attempt_that_is_over_are_dropped(ledger: &dyn Ledger, _: &VirtualClock) {
    insert(ledger, [ready(1)]).await;
    run(ledger, 1, Ending::Interrupted).await;
    let late = Note { progress: progress(90), checkpoint: Some("9".to_owned()), lines: vec![line("late")], ..note(1) };
    ledger.note(vec![late.clone()]).await.expect("note");
    claim(ledger, 1).await;
    ledger.note(vec![late, Note { id: id(99), ..note(1) }]).await.expect("note");
    let job = job(ledger, 1).await;
    assert_eq!((job.progress, job.checkpoint), (None, None));
    assert_eq!(logs(ledger).await, []);
}

async fn notes_of_a_finished_job_stay(ledger: &dyn Ledger, _: &VirtualClock) {
    insert(ledger, [ready(1)]).await;
    let claimed = claim(ledger, 1).await;
    ledger.note(vec![Note { progress: progress(70), lines: vec![line("one")], ..note(1) }]).await.expect("note");
    assert!(settle(ledger, &claimed, done()).await);
    assert_eq!((job(ledger, 1).await.progress, logs(ledger).await.len()), (progress(70), 1));
}

/// A note of job 1 that says nothing.
fn note(attempt: u32) -> Note {
    Note { id: id(1), attempt, progress: None, checkpoint: None, lines: Vec::new(), dropped: 0 }
}

fn progress(percent: u8) -> Option<Progress> {
    Some(Progress { percent, message: "on it".to_owned() })
}

fn line(message: &str) -> LogLine {
    LogLine { at: START, level: "info".to_owned(), message: message.to_owned() }
}

fn messages(logs: &[LogChunk]) -> Vec<&str> {
    logs.iter().flat_map(|chunk| &chunk.lines).map(|line| line.message.as_str()).collect()
}

async fn logs(ledger: &dyn Ledger) -> Vec<LogChunk> {
    ledger.logs(&tenant(), id(1)).await.expect("logs")
}
