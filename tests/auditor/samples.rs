//! Samples: the golden one of a fixed seed is computed here a second time, from the document and not from the program.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::world::{Csv, World, payments};

/// What docs/auditing.md says: the start in an interval.
fn start(seed: &str, origin: &str, root: &[u8], stratum: &str, interval: u128) -> u128 {
    let mut key = Sha256::new();
    for part in [b"fundledger sample v1", seed.as_bytes(), origin.as_bytes(), root, stratum.as_bytes()] {
        key.update((part.len() as u64).to_be_bytes());
        key.update(part);
    }
    let key = key.finalize();
    for counter in 0_u64.. {
        let block = Sha256::new().chain_update(key).chain_update(counter.to_be_bytes()).finalize();
        let number = u128::from_be_bytes(block[..16].try_into().unwrap());
        // 2^128 is no number of this type: its remainder is that of 2^128 - interval.
        let remainder = (u128::MAX - interval + 1) % interval;
        if number <= u128::MAX - remainder {
            return number % interval + 1;
        }
    }
    unreachable!("there are enough numbers")
}

fn root(table: &Csv) -> Vec<u8> {
    let digits = table.said("root");
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}

/// Minor units of a decimal.
fn minor(cell: &str) -> u128 {
    cell.replace('.', "").parse().unwrap()
}

/// The payments that are hit, with how often: by going through all units that are.
fn expected(amounts: &[(String, u128)], first: u128, interval: u128) -> BTreeMap<String, u128> {
    let total: u128 = amounts.iter().map(|(_, amount)| amount).sum();
    let mut hits = BTreeMap::new();
    let mut unit = first;
    while unit <= total {
        let mut passed = 0;
        let hit = amounts.iter().find(|(_, amount)| {
            passed += amount;
            passed >= unit
        });
        *hits.entry(hit.unwrap().0.clone()).or_default() += 1;
        unit += interval;
    }
    hits
}

fn amounts() -> Vec<(String, u128)> {
    let story = [("P-old", 1_000_000), ("P1", 10_000_000), ("P2", 5_000_000), ("P3", 700_000), ("P4", 250_000)];
    let more = (0..200).map(|at| (format!("M{at}"), 100 + at * at % 977 * 10));
    story
        .into_iter()
        .map(|(name, amount)| (name.to_owned(), amount))
        .chain([("Q1".to_owned(), 400_000)])
        .chain(more)
        .collect()
}

fn found(table: &Csv) -> BTreeMap<String, u128> {
    let rows = table.columns(&["Line", "Payment", "Hits"]);
    rows.into_iter().filter(|row| row[0] != "Stratum").map(|row| (row[1].clone(), row[2].parse().unwrap())).collect()
}

#[test]
fn samples_are_those_of_the_seed() {
    let world = World::new();
    let amounts = amounts();
    world.post_lines(&payments(200, |at| 100 + at * at % 977 * 10));
    let total: u128 = amounts.iter().map(|(_, amount)| amount).sum();

    let seed = "2026-12-01 lottery 07 11 19";
    let table = world.in_all_forms(&["sample", "--seed", seed, "--interval", "300000"]);
    let first = start(seed, "test.invalid/funds", &root(&table), "", 300_000);
    assert_eq!(found(&table), expected(&amounts, first, 300_000));
    assert_eq!(table.said("parameter.population_minor"), total.to_string());
    assert_eq!(table.said("parameter.population_items"), amounts.len().to_string());
    let stratum =
        table.columns(&["Line", "Amount", "Items", "Unit hit first", "Items certain to be selected"]).pop().unwrap();
    assert_eq!((stratum[0].as_str(), minor(&stratum[1])), ("Stratum", total));
    assert_eq!((minor(&stratum[3]), stratum[4].as_str()), (first, "5"), "five payments are no less than the interval");
    for row in table.columns(&["Line", "Amount", "First unit of the item", "Last unit of the item", "Unit hit first"]) {
        if row[0] != "Stratum" {
            let [amount, first, last, hit] = [1, 2, 3, 4].map(|at| minor(&row[at]));
            assert!(first <= hit && hit <= last && last - first + 1 == amount, "{row:?}");
            assert_eq!(row[0] == "Certain to be selected", amount >= 300_000);
        }
    }
    // Drawn again it is the same; with another seed, another one.
    assert_eq!(world.csv(&["sample", "--seed", seed, "--interval", "300000"]).said("digest"), table.said("digest"));
    let other = world.csv(&["sample", "--seed", "another", "--interval", "300000"]);
    assert_ne!(other.said("digest"), table.said("digest"));

    sizes(&world, total);
    strata(&world, &amounts);
    kinds(&world);
}

fn sizes(world: &World, total: u128) {
    let interval = |arguments: &[&str]| -> u128 {
        let table = world.csv(&[&["sample", "--seed", "s"], arguments].concat());
        table.said("parameter.interval_minor").parse().unwrap()
    };
    assert_eq!(interval(&["--hits", "20"]), total / 20);
    assert_eq!(interval(&["--confidence", "95", "--tolerable-ppm", "50000"]), total * 50_000 / 3_000_000);
    let less = interval(&["--confidence", "95", "--tolerable-ppm", "50000", "--expected-ppm", "10000"]);
    assert_eq!(less, total * (50_000 * 100 - 10_000 * 160) / 300_000_000);
    // More than the population has: nothing need be hit, and what there is is said.
    let none = world.csv(&["sample", "--seed", "s", "--hits", "5", "--of", "benefits"]);
    assert_eq!((none.rows.len(), none.said("parameter.population_items")), (0, "0"));
}

fn strata(world: &World, amounts: &[(String, u128)]) {
    let table = world.csv(&["sample", "--seed", "s", "--interval", "150000", "--by-fund"]);
    let (second, first): (Vec<_>, Vec<_>) = amounts.iter().cloned().partition(|(name, _)| name == "Q1");
    let mut all = BTreeMap::new();
    for (fund, amounts) in [("F", first), ("G", second)] {
        let first = start("s", "test.invalid/funds", &root(&table), fund, 150_000);
        all.extend(expected(&amounts, first, 150_000));
    }
    assert_eq!(found(&table), all);
    let totals = table.columns(&["Line", "Fund"]).into_iter().filter(|row| row[0] == "Stratum").count();
    assert_eq!(totals, 2);
}

fn kinds(world: &World) {
    let table =
        world.csv(&["sample", "--seed", "s", "--interval", "1", "--debits-of", "TREASURY", "--to", "2026-06-15"]);
    let events = table.columns(&["By"]).into_iter().map(|row| row[0].clone()).filter(|event| !event.is_empty());
    let events: std::collections::BTreeSet<String> = events.collect();
    assert!(events.contains("Cash received") && !events.contains("Budget issued"), "{events:?}");
    let early = world.csv(&["sample", "--seed", "s", "--interval", "1", "--to", "2024-12-31"]);
    assert_eq!(found(&early).into_keys().collect::<Vec<_>>(), ["P-old"]);
}
