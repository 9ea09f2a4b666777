//! The texts of the command line: one function for each message of `cli.en.ftl`, made by build.rs, with the message's
//! variables as arguments in alphabetical order. A text that is missing does not compile; one that nobody calls is dead code.

#![allow(
    clippy::wildcard_imports,
    clippy::needless_pass_by_value,
    reason = "generated; values are whatever can be displayed"
)]

include!(concat!(env!("OUT_DIR"), "/texts.rs"));
