//! Proofs: the hash of an entry (32 bytes), then a `.tlog-proof`. What is proven is proven of that entry and that root alone.

#![no_main]

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fundledger::audit::receipt::Receipt;
use fundledger::audit::tree::includes;
use fundledger::format::checkpoint::proof_file;
use fundledger_fuzz::is_canonical;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((entry_hash, rest)) = input.split_first_chunk::<32>() else { return };
    let Ok(text) = std::str::from_utf8(rest) else { return };
    let Ok(receipt) = Receipt::parse(text) else { return };
    let (head, note) = text.split_once("\n\n").expect("two parts");
    let lines: Vec<&str> = head.split('\n').skip(1).skip_while(|line| line.starts_with("extra ")).collect();
    assert_eq!(lines.first(), Some(&format!("index {}", receipt.index).as_str()));
    let hashes: Vec<[u8; 32]> = lines
        .iter()
        .skip(1)
        .map(|line| {
            assert!(is_canonical(line), "{line}");
            STANDARD.decode(line).unwrap().try_into().unwrap()
        })
        .collect();
    // What is written again reads as the same, without what somebody had added.
    let again = Receipt::parse(&proof_file(receipt.index, &hashes, note)).expect("a proof");
    let mut without_extra = receipt.clone();
    without_extra.extra = None;
    assert_eq!(again, without_extra);
    let (size, root) = (receipt.checkpoint.size, receipt.checkpoint.root);
    let is_proven = receipt.proves(entry_hash);
    assert_eq!(is_proven, includes(receipt.index, size, entry_hash, &hashes, &root));
    if !is_proven {
        return;
    }
    assert!(receipt.index < size && hashes.len() < 64);
    for bit in [0, 7, 100, 255] {
        let flip = |hash: &[u8; 32]| {
            let mut hash = *hash;
            hash[bit / 8] ^= 1 << (bit % 8);
            hash
        };
        assert!(!receipt.proves(&flip(entry_hash)), "another entry");
        assert!(!includes(receipt.index, size, entry_hash, &hashes, &flip(&root)), "another root");
        for at in 0..hashes.len() {
            let mut changed = hashes.clone();
            changed[at] = flip(&changed[at]);
            assert!(!includes(receipt.index, size, entry_hash, &changed, &root), "another proof");
        }
    }
    let longer = [hashes.as_slice(), &[root]].concat();
    assert!(!includes(receipt.index, size, entry_hash, &longer, &root), "a longer proof");
    let shorter = hashes.split_last().map(|(_, shorter)| shorter);
    assert!(
        shorter.is_none_or(|shorter| !includes(receipt.index, size, entry_hash, shorter, &root)),
        "a shorter proof"
    );
});
