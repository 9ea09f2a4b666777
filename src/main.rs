//! The `fundledger` binary: parse, dispatch, exit code.

fn main() {}
