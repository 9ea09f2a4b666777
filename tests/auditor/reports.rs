//! The tables of `report`.

use crate::server::{errors, run};
use crate::world::World;

fn strings(rows: &[&[&str]]) -> Vec<Vec<String>> {
    rows.iter().map(|row| row.iter().map(|cell| (*cell).to_owned()).collect()).collect()
}

#[test]
fn the_story_in_tables() {
    let mut world = World::new();
    execution(&world);
    idle(&world);
    overdue(&world);
    findings(&world);
    responsibility(&world);
    compare(&world);
    the_same_from_everywhere(&mut world);
}

fn execution(world: &World) {
    let table = world.in_all_forms(&["report", "execution", "--fund", "F"]);
    let titles = ["Line", "Unit", "Month", "Allocated", "Paid", "Came back", "Used in all", "Left", "Execution rate"];
    assert_eq!(
        table.columns(&titles),
        strings(&[
            &["Unit", "U", "2023-02", "50000.00", "0.00", "0.00", "0.00", "50000.00", "0.00%"],
            &["Unit", "U", "2024-03", "0.00", "10000.00", "0.00", "10000.00", "40000.00", "20.00%"],
            &["Unit", "U", "2026-02", "600000.00", "100000.00", "0.00", "110000.00", "540000.00", "16.92%"],
            &["Unit", "U", "2026-04", "0.00", "7000.00", "7000.00", "110000.00", "540000.00", "16.92%"],
            &["Unit", "U", "2026-05", "0.00", "2500.00", "0.00", "112500.00", "537500.00", "17.31%"],
            &["Unit", "V", "2026-02", "300000.00", "0.00", "0.00", "0.00", "300000.00", "0.00%"],
            &["Unit", "V", "2026-03", "0.00", "50000.00", "0.00", "50000.00", "250000.00", "16.67%"],
            &["Unit", "V", "2026-04", "0.00", "0.00", "5000.00", "45000.00", "255000.00", "15.00%"],
            &["Total", "", "", "950000.00", "169500.00", "12000.00", "157500.00", "792500.00", "16.58%"],
        ])
    );
    assert_eq!(table.said("origin"), "test.invalid/funds");
    // Months that are not asked for count in what is left.
    let later = world.csv(&["report", "execution", "--fund", "F", "--from", "2026-05-01"]);
    assert_eq!(later.columns(&["Unit", "Left"]), strings(&[&["U", "537500.00"], &["", "792500.00"]]));
}

fn idle(world: &World) {
    let table = world.in_all_forms(&["report", "idle"]);
    let titles = ["Idle for", "Lot", "Unit", "Account", "Amount", "Days", "Last date", "Last event by kind"];
    assert_eq!(
        table.columns(&titles),
        strings(&[
            &["Two years or more", "OLD", "", "F.unallocated", "150000.00", "1221", "2023-02-10", "Budget allocated"],
            &["Two years or more", "OLD", "U", "F.U.unit", "40000.00", "836", "2024-03-01", "Payment executed"],
        ])
    );
    // To the day: a year after the return of 2026-04-01 the second unit's money is idle, but not the day before.
    let lots = |on: &str| world.csv(&["report", "idle", "--on", on]).columns(&["Idle for", "Lot", "Unit"]);
    let second_unit = strings(&[&["One year or more", "NEW", "V"]]);
    assert!(!lots("2027-03-31").contains(&second_unit[0]));
    assert!(lots("2027-04-01").contains(&second_unit[0]));
}

fn overdue(world: &World) {
    let table = world.in_all_forms(&["report", "overdue", "--late"]);
    let found = table.columns(&["Clock", "About", "Stands", "Days over", "Due on", "Started by event"]);
    let by_server = world.run(&["clocks", "--on", "2026-06-15", "--format", "json"]);
    let by_server: serde_json::Value = serde_json::from_slice(&by_server.stdout).unwrap();
    let clocks = by_server["clocks"].as_array().unwrap();
    let late: Vec<_> =
        clocks.iter().filter(|clock| ["OVERDUE", "MET_LATE"].iter().any(|status| clock["status"] == *status)).collect();
    assert!(late.len() >= 7, "{by_server}");
    for clock in &late {
        let stands = if clock["status"] == "OVERDUE" { "Overdue" } else { "Met late" };
        let same = found.iter().filter(|row| {
            row[0] == clock["code"].as_str().unwrap()
                && row[1] == clock["subject_id"].as_str().unwrap()
                && row[2] == stands
                && row[4] == clock["due_on"].as_str().unwrap()
        });
        assert_eq!(same.count(), 1, "{clock} among {found:?}");
    }
    assert_eq!(found.len(), late.len(), "the same clocks as the ledger lists: {found:?}");
    let only = world.csv(&["report", "overdue"]);
    assert!(only.rows.len() < table.rows.len() && only.columns(&["Stands"]).iter().all(|row| row[0] == "Overdue"));
}

fn findings(world: &World) {
    let titles = ["Finding", "Stage", "Amount in question, minor units", "Age in days", "Flagged by"];
    let open = world.in_all_forms(&["report", "findings"]);
    assert_eq!(open.columns(&titles), strings(&[&["FIND-1", "Not answered", "700000", "56", "auditor-1"]]));
    let all = world.csv(&["report", "findings", "--closed"]);
    assert_eq!(all.columns(&["Finding", "Stage"]), strings(&[&["FIND-1", "Not answered"], &["FIND-2", "Closed"]]));
}

fn responsibility(world: &World) {
    let titles = ["Payment", "Amount", "Did", "Person", "Signature", "Date"];
    let table = world.in_all_forms(&["report", "responsibility", "--payment", "P2", "--payment", "P4"]);
    assert_eq!(
        table.columns(&titles),
        strings(&[
            &["P2", "50000.00", "Maker", "maker-1", "", "2026-03-10"],
            &["P2", "50000.00", "Checker", "checker-1", "Named only", "2026-03-10"],
            &["P2", "50000.00", "Cleared", "maker-1", "", "2026-03-20"],
            &["P2", "50000.00", "Payment returned", "maker-1", "", "2026-04-01"],
            &["P4", "2500.00", "Maker", "maker-1", "", "2026-05-20"],
            &["P4", "2500.00", "Checker", "checker-1", "Named only", "2026-05-20"],
            &["P4", "2500.00", "First handler", "desk-7", "", "2026-05-25"],
        ])
    );
    let of_unit = world.csv(&["report", "responsibility", "--unit", "U", "--from", "2026-04-01", "--to", "2026-04-30"]);
    let did = of_unit.columns(&["Payment", "Did"]);
    assert_eq!(did, strings(&[&["P3", "Maker"], &["P3", "Checker"], &["P3", "Reversed"]]));
}

fn compare(world: &World) {
    let titles = ["Line", "Account", "By", "Before", "Debit", "Credit", "After", "Events"];
    let table = world.in_all_forms(&["report", "compare", "--from", "2026-02-28", "--to", "2026-04-30", "--fund", "F"]);
    let rows = table.columns(&titles);
    let of = |account: &str| rows.iter().filter(|row| row[1] == account).cloned().collect::<Vec<_>>();
    assert_eq!(
        of("F.V.unit"),
        strings(&[
            &["Balance", "F.V.unit", "", "-300000.00", "50000.00", "5000.00", "-255000.00", "2"],
            &["Movement", "F.V.unit", "Payment executed", "", "50000.00", "0.00", "", "1"],
            &["Movement", "F.V.unit", "Payment returned", "", "0.00", "5000.00", "", "1"],
        ])
    );
    // What it did before is what the ledger says as of then.
    let balance = world.run(&["balance", "F.treasury", "--on", "2026-04-30", "--format", "json"]);
    let treasury = of("F.treasury");
    let after = treasury[0][6].replace(['.', '-'], "");
    assert!(String::from_utf8_lossy(&balance.stdout).contains(&after), "{after}: {}", errors(&balance));
    // By sequences: nothing moves between a point and itself.
    let still = world.csv(&["report", "compare", "--from", "50", "--to", "50"]);
    assert!(still.columns(&["Line"]).iter().all(|row| row[0] == "Balance"));
    assert_eq!(still.said("sequence"), "50");
}

/// A running ledger, its directory when it has stopped, and a bundle of it say the same; a changed one says nothing.
fn the_same_from_everywhere(world: &mut World) {
    let running = world.csv(&["report", "idle"]);
    let by_directory = world.csv(&["report", "idle", world.served.data().to_str().unwrap()]);
    assert_eq!(by_directory.said("digest"), running.said("digest"), "beside the running ledger");
    world.served.stop();
    let data = world.served.data();
    let data = data.to_str().unwrap();
    assert_eq!(world.csv(&["report", "idle", data]).said("digest"), running.said("digest"));
    let bundle = world.path("bundle");
    let bundle = bundle.to_str().unwrap();
    let exported = run(&["export", "--data", data, "--bundle", bundle]);
    assert!(exported.status.success(), "{}", errors(&exported));
    let by_bundle = world.csv(&["report", "idle", bundle]);
    assert_eq!(by_bundle.said("digest"), running.said("digest"));
    assert_eq!(by_bundle.said("root").len(), 64);
    let earlier = world.csv(&["report", "idle", bundle, "--as-of", "40", "--on", "2026-06-15"]);
    assert_eq!((earlier.said("sequence"), earlier.said("root") == by_bundle.said("root")), ("40", false));

    let mut bytes = std::fs::read(bundle).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(bundle, bytes).unwrap();
    let broken = run(&["report", "idle", bundle, "--format", "csv"]);
    assert!(matches!(broken.status.code(), Some(1 | 3)), "{}", errors(&broken));
    assert!(broken.stdout.is_empty(), "nothing is shown of a log that is not verified to its end");
}
