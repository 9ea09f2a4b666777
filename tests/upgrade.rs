//! Directories written by earlier releases open, answer, verify and go on. Each release adds one to `tests/releases`, made by
//! `FUNDLEDGER_RELEASE=VERSION cargo test --test upgrade -- --ignored`, and never changes one.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test may fail"
)]

mod server;

use std::fs;
use std::path::{Path, PathBuf};

use fundledger::pb::v1;
use server::{Served, copy, payment, run, set_up};

const PAYMENTS: i64 = 300;

fn releases() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/releases")
}

fn payments() -> Vec<v1::Command> {
    (0..PAYMENTS).map(|number| payment(&format!("p-{number}"))).collect()
}

/// With a name for the vault.
fn named() -> v1::Command {
    let (person, value) = ("Supplier Ltd".to_owned(), "李四".to_owned());
    let datum = v1::PersonalDatum { person, field: v1::PersonalField::Name.into(), value, ..Default::default() };
    v1::Command { personal_data: vec![datum], ..payment("named") }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_release_is_opened_and_goes_on() {
    let mut count = 0;
    for release in fs::read_dir(releases()).unwrap() {
        let release = release.unwrap().path();
        let mut served = Served::new();
        served.stop();
        fs::remove_dir_all(served.data()).unwrap();
        copy(&release, &served.data());
        let verified = run(&["verify", "--deep", "--allow-unanchored", served.data().to_str().unwrap()]);
        assert!(verified.status.success(), "{}: {}", release.display(), String::from_utf8_lossy(&verified.stdout));
        served.start();
        let again = served.accept(payments()).await;
        assert!(again.iter().all(|receipt| receipt.replayed), "{}: a retry was not known", release.display());
        let last = served.accept(vec![payment("after-the-upgrade")]).await[0].sequence;
        let min_sequence = Some(last);
        let request = v1::GetBalanceRequest { account_id: "U.unit".to_owned(), min_sequence, ..Default::default() };
        let answer = served.query().await.get_balance(request).await.unwrap().into_inner();
        assert_eq!(answer.balance.unwrap().amount_minor, 50_000_000 - PAYMENTS - 2, "{}", release.display());
        served.stop();
        let verified = run(&["verify", "--deep", "--allow-unanchored", served.data().to_str().unwrap()]);
        assert!(verified.status.success(), "{}: {}", release.display(), String::from_utf8_lossy(&verified.stdout));
        count += 1;
    }
    assert!(count > 0, "no release is kept");
}

/// Writes the directory of a release.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "writes a fixture"]
async fn write() {
    let version = std::env::var("FUNDLEDGER_RELEASE").expect("FUNDLEDGER_RELEASE is the version");
    let target = releases().join(version);
    assert!(!target.exists(), "what a release wrote is never changed");
    let mut served = Served::new();
    served.accept(set_up()).await;
    served.accept(payments()).await;
    served.accept(vec![named()]).await;
    served.stop();
    copy(&served.data(), &target);
}
