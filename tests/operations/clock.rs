//! The machine's clock years ahead and years back, under the real program. libfaketime moves it, where there is one (the Debian
//! package `libfaketime`, or `FAKETIME_LIBRARY`); `approvals::clock` moves the ledger's own clock without it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::{env, fs};

use fundledger::pb::v1;

use crate::server::{errors, payment, receipt, run, set_up};
use crate::service::{Service, data, new_ledger};

const YEAR_SECONDS: i64 = 365 * 86_400;

fn library() -> Option<PathBuf> {
    if let Some(path) = env::var_os("FAKETIME_LIBRARY") {
        return Some(path.into());
    }
    let folders = fs::read_dir("/usr/lib").ok()?.filter_map(Result::ok).map(|entry| entry.path());
    folders.map(|folder| folder.join("faketime/libfaketimeMT.so.1")).find(|path| path.exists())
}

/// Sets the clock to so many years from now.
fn set(clock: &Path, years: &str) {
    // As a whole, or not at all: the program reads it at any time.
    let new = clock.with_extension("new");
    fs::write(&new, format!("{years}\n")).unwrap();
    fs::rename(new, clock).unwrap();
}

async fn booked_seconds(service: &Service, sequence: i64) -> i64 {
    let answer = service.query().await.get_event(v1::GetEventRequest { sequence }).await.unwrap().into_inner();
    answer.record.unwrap().event.unwrap().booked_at_ns / 1_000_000_000
}

fn value(service: &Service, name: &str) -> f64 {
    let metrics = service.get("/metrics").1;
    metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_years_ahead_and_years_back_is_told_and_breaks_nothing() {
    let Some(library) = library() else {
        writeln!(std::io::stderr(), "SKIPPED: there is no libfaketime to move the clock with").unwrap();
        return;
    };
    let directory = new_ledger();
    let clock = directory.path().join("clock");
    set(&clock, "+0");
    let variables = [
        ("LD_PRELOAD", library.to_str().unwrap()),
        ("FAKETIME_TIMESTAMP_FILE", clock.to_str().unwrap()),
        ("FAKETIME_NO_CACHE", "1"),
        // Of two clocks the one that nobody sets goes on.
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        ("DONT_FAKE_MONOTONIC", "1"),
        ("NO_FAKE_STAT", "1"),
    ];
    let variables: Vec<_> = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let service = Service::under(directory, variables.clone());
    service.post(set_up()).await;
    let first = receipt(service.post(vec![payment("now")]).await.remove(0));
    let now = booked_seconds(&service, first.sequence).await;
    assert!(value(&service, "fundledger_clock_behind_seconds") < 1.0);

    set(&clock, "+5y");
    service.log_with("the machine's clock was set");
    let ahead = receipt(service.post(vec![payment("ahead")]).await.remove(0));
    let ahead_seconds = booked_seconds(&service, ahead.sequence).await;
    assert!(ahead_seconds >= now + 5 * YEAR_SECONDS, "{ahead_seconds}");

    set(&clock, "-5y");
    service.log_with("the machine's clock is behind the last event");
    assert!(value(&service, "fundledger_clock_steps_total") > 1.5);
    assert!(value(&service, "fundledger_clock_behind_seconds") > 9.0 * 365.0 * 86_400.0);
    let back = receipt(service.post(vec![payment("back")]).await.remove(0));
    assert_eq!(booked_seconds(&service, back.sequence).await, ahead_seconds, "right after the one before it");
    // Keys know no time.
    for (id, sequence) in [("now", first.sequence), ("ahead", ahead.sequence), ("back", back.sequence)] {
        let again = receipt(service.post(vec![payment(id)]).await.remove(0));
        assert_eq!((again.sequence, again.replayed), (sequence, true), "{id}");
    }

    // Put right, it is still behind what was booked; a start says so at once.
    service.signal("TERM");
    let mut stopped = service;
    assert!(stopped.ended().success());
    let log = stopped.log();
    assert!(!log.contains("panicked"), "{log}");
    set(&clock, "+0");
    let service = Service::under(stopped.into_directory(), variables);
    let told = "the machine's clock is behind the last event";
    while service.log().matches(told).count() < 2 {
        tokio::task::yield_now().await;
    }
    let last = receipt(service.post(vec![payment("right")]).await.remove(0));
    assert_eq!(booked_seconds(&service, last.sequence).await, ahead_seconds);
    service.signal("TERM");
    let mut stopped = service;
    assert!(stopped.ended().success());
    let verified = run(&["verify", data(&stopped.directory).to_str().unwrap(), "--deep", "--allow-unanchored"]);
    assert!(verified.status.success(), "{}{}", String::from_utf8_lossy(&verified.stdout), errors(&verified));
}
