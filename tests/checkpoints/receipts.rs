//! Receipt codes: what each proves from every kind of evidence, and what is no receipt.

use std::fs;

use fundledger::format::receipt_code::receipt_code;
use fundledger::format::record::EntryHash;

use crate::server::{errors, run};
use crate::world::{ORIGIN, World};

fn said(arguments: &[&str]) -> (Option<i32>, String) {
    let done = run(&[&["receipt"][..], arguments].concat());
    (done.status.code(), format!("{}{}", String::from_utf8_lossy(&done.stdout), errors(&done)))
}

/// One code, from every kind of evidence, says the same of the payment, and nothing of the payee.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_code_proves_a_payment_from_any_evidence() {
    let mut world = World::new();
    let last = world.pay(3).await;
    let sequence = last.to_string();
    let code = String::from_utf8(world.ask(&["receipt", "--of", &sequence]).stdout).unwrap();
    let code = code.trim();
    assert_eq!(code.len(), 35, "{code}");
    let proof = world.path("r.tlog-proof");
    fs::write(&proof, world.ask(&["proof", &sequence, "--with-entry"]).stdout).unwrap();
    let bare = world.path("bare.tlog-proof");
    fs::write(&bare, world.ask(&["proof", &sequence]).stdout).unwrap();
    let of_other = world.path("other.tlog-proof");
    fs::write(&of_other, world.ask(&["proof", &(last - 1).to_string(), "--with-entry"]).stdout).unwrap();
    let (api, tiles) = (world.url(), format!("http://{}", world.tiles));
    let data = world.data().to_str().unwrap().to_owned();
    for live in [&api, &tiles, &data] {
        let (status, told) = said(&[code, live, "--key", &world.key]);
        assert_eq!(status, Some(0), "{live}: {told}");
        assert!(told.contains(&format!("PROVEN: what entry {last} of {ORIGIN} says")), "{told}");
    }
    world.stop();
    let bundle = world.path("b.bundle");
    let exported = run(&["export", "--data", &data, "--bundle", &bundle]);
    assert!(exported.status.success(), "{}", errors(&exported));
    for kept in [&data, &bundle] {
        let (status, told) = said(&[code, kept, "--key", &world.key]);
        assert_eq!(status, Some(0), "{kept}: {told}");
        for part in [
            "business date: ",
            "payment: 0.01 CNY",
            "of lot L",
            "approved by: ",
            "since then: nothing",
            "covered by",
            "signed by the log",
        ] {
            assert!(told.contains(part), "{part:?} is missing in {told}");
        }
        let (_, json) = said(&[code, kept, "--format", "json"]);
        let json: serde_json::Value = serde_json::from_str(&json).unwrap_or_else(|error| panic!("{error}: {json}"));
        assert_eq!((&json["sequence"], &json["payouts"][0]["amount_minor"]), (&last.into(), &1.into()));
        assert!(!json.to_string().contains("payee"), "{json}");
    }
    let (status, told) = said(&[code, &proof, "--key", &world.key]);
    assert_eq!(status, Some(0), "{told}");
    assert!(told.contains("payment: 1 minor units") && told.contains("NOT known from this proof"), "{told}");
    // Sloppily copied it is the same.
    assert_eq!(said(&[&code.to_lowercase().replace('-', ""), &proof]).0, Some(0));
    // A proof without its entry says nothing of it, one of another entry is of another.
    assert_eq!(said(&[code, &bare]).0, Some(3));
    assert_eq!(said(&[code, &of_other]).0, Some(1));
    // An entry that was changed in the file is not the one that the tree has.
    let changed = fs::read_to_string(&proof).unwrap();
    let changed: String = changed
        .lines()
        .map(|line| match line.strip_prefix("extra ") {
            Some(entry) => format!("extra AAAA{}\n", &entry[4..]),
            None => format!("{line}\n"),
        })
        .collect();
    fs::write(&proof, changed).unwrap();
    assert_eq!(said(&[code, &proof]).0, Some(1));
    // Whoever pins another key is not told that this log is vouched for.
    let mut stranger = World::new();
    let (status, told) = said(&[code, &bundle, "--key", &stranger.key]);
    assert_eq!(status, Some(1), "{told}");
    stranger.stop();
    let (status, told) = said(&[code, stranger.data().to_str().unwrap()]);
    assert_eq!(status, Some(1), "of another ledger it says nothing: {told}");
}

/// Each way to be no receipt has an answer of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_is_no_receipt_is_told_apart() {
    let mut world = World::new();
    let last = world.pay(2).await;
    let of = |sequence: i64| String::from_utf8(world.ask(&["receipt", "--of", &sequence.to_string()]).stdout).unwrap();
    let (code, set_up) = (of(last).trim().to_owned(), of(1).trim().to_owned());
    world.stop();
    let data = world.data().to_str().unwrap().to_owned();
    let made = |origin: &str, sequence: i64| receipt_code(origin, sequence, &EntryHash([7; 32])).unwrap();
    let mistyped = format!("{}{}", &code[..34], if code.ends_with('0') { '1' } else { '0' });
    for (code, status, told) in [
        (mistyped.as_str(), 2, "mistyped"),
        (&code[..20], 2, "mistyped"),
        ("hello", 2, "mistyped"),
        (&made("ledger.example.org/other", last), 1, "of another ledger"),
        (&made(ORIGIN, last + 100), 1, "has no entry"),
        (&made(ORIGIN, last), 1, "FALSE"),
        (&set_up, 1, "paid nobody"),
    ] {
        let (found, said) = said(&[code, &data]);
        assert_eq!((found, said.contains(told)), (Some(status), true), "{code}: {said}");
    }
    let garbage = world.path("garbage");
    fs::write(&garbage, "no evidence").unwrap();
    assert_eq!(said(&[&code, &garbage]).0, Some(3));
    assert_eq!(said(&[&code, &world.path("absent")]).0, Some(3));
}
