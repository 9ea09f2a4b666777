//! The `fundledger` binary: parse, dispatch, exit code.

#![forbid(unsafe_code)]

use std::process::ExitCode;

/// Commands arrive on one thread and are freed on another, which the system allocator answers with locks and sweeps.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    fundledger::cli::main(std::env::args_os())
}
