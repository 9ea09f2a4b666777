//! The `fundledger` binary: parse, dispatch, exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    fundledger::cli::main(std::env::args_os())
}
