//! Recovery at start: the longest valid prefix of the log, and what to do about what follows it.
//!
//! A crash leaves at most an unfinished tail, which nobody was told about; it is removed. Anything invalid that valid
//! blocks follow is not the mark of a crash but of damage or of a forger, and is left for `verify` to name.

use thiserror::Error;

use super::{Fault, LogRead};
use crate::format::block::{Assembler, Block, BlockError, check_chain, key, parse_key, parse_value};
use crate::format::record::Head;

/// What recovery found.
#[derive(Debug)]
pub struct Recovered {
    /// Last entry of the valid prefix.
    pub head: Head,
    /// Keys of the unfinished tail.
    pub unfinished: Vec<Vec<u8>>,
}

/// Why a log cannot be recovered.
#[derive(Debug, Error)]
pub enum RecoverError {
    /// It could not be read.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// Damage in the middle: valid blocks follow.
    #[error("the log is damaged at sequence {sequence}: {what}; run `fundledger verify` on this directory")]
    Damaged {
        /// Where.
        sequence: i64,
        /// How.
        what: String,
    },
}

/// Walks the log after `from`, giving each valid block to `visit`.
pub fn recover(
    reader: &dyn LogRead,
    from: Head,
    mut visit: impl FnMut(&Block) -> Result<(), Fault>,
) -> Result<Recovered, RecoverError> {
    let mut head = from;
    let mut assembler = Assembler::default();
    let mut unfinished: Vec<Vec<u8>> = Vec::new();
    let mut wrong: Option<String> = None;
    for item in reader.values_from(&key(from.next_sequence(), 0)) {
        let (key, value) = item?;
        if wrong.is_none() {
            let block = parse_value(&key, &value).and_then(|part| assembler.push(part));
            match block.and_then(|block| continued(block, head)) {
                Ok(Some(block)) => {
                    visit(&block)?;
                    head = block.head;
                    unfinished.clear();
                    continue;
                }
                Ok(None) => {}
                Err(error) => wrong = Some(error.to_string()),
            }
        }
        // Blocks are stored in order: no crash leaves a sound one behind a gap.
        if let Some(what) = &wrong
            && is_sound(&key, &value)
            && parse_key(&key).is_some_and(|(sequence, _)| sequence > head.next_sequence())
        {
            return Err(RecoverError::Damaged { sequence: head.next_sequence(), what: what.clone() });
        }
        unfinished.push(key);
    }
    Ok(Recovered { head, unfinished })
}

/// A block, where one is complete, that continues the log.
fn continued(block: Option<Block>, head: Head) -> Result<Option<Block>, BlockError> {
    if let Some(block) = &block {
        check_chain(block, head)?;
    }
    Ok(block)
}

fn is_sound(key: &[u8], value: &[u8]) -> bool {
    parse_value(key, value).is_ok()
}
