//! Policies: more signatures never make less, all of them are enough, none are only where nobody is needed.

#![no_main]

use fundledger::audit::note::Signer;
use fundledger::audit::policy::Policy;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((choice, text)) = input.split_first() else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    let Ok(policy) = Policy::parse(text) else { return };
    let all: Vec<Signer<'_>> = policy.witnesses().iter().map(|witness| Signer { key: &witness.key, time: 1 }).collect();
    assert!(!policy.logs().is_empty());
    assert_eq!(policy.is_met(&[]), !policy.needs_witnesses());
    assert!(policy.is_met(&all));
    let some: Vec<Signer<'_>> =
        all.iter().enumerate().filter(|(at, _)| choice >> (at % 8) & 1 == 1).map(|(_, signer)| *signer).collect();
    if policy.is_met(&some) {
        for signer in &all {
            assert!(policy.is_met(&[some.as_slice(), &[*signer]].concat()), "one more");
        }
    }
    // A log's own signature is no witness's.
    let logs: Vec<Signer<'_>> = policy.logs().iter().map(|log| Signer { key: &log.key, time: 1 }).collect();
    assert_eq!(policy.is_met(&logs), !policy.needs_witnesses());
    assert_eq!(Policy::parse(&format!("# a comment\n\n{text}\n")).ok().as_ref(), Some(&policy));
    for party in policy.logs().iter().chain(policy.witnesses()) {
        let again = format!("{text}\nwitness once-more {}\nlog {}\n", party.key, party.key);
        assert!(Policy::parse(&again).is_err(), "one key is one voice");
    }
    assert!(Policy::parse(&format!("{text}\nquorum none\n")).is_err(), "there is one quorum");
});
