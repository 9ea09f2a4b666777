//! `witness`: runs a witness for logs, on the side of those who watch.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use tokio::runtime::Runtime;

use super::serve::seconds_now;
use super::signals::StopSignals;
use super::verify::log_key;
use super::{Failure, Globals};
use crate::format::note_key::{KeyKind, SignerKey};
use crate::grpc::server::listen;
use crate::messages::cli as text;
use crate::witness::{Witness, server};

/// Arguments of `witness`.
#[derive(Args, Debug)]
pub struct WitnessArgs {
    /// Directory for what was signed: without it a witness could sign a rewritten log, so back it up.
    #[arg(long, value_name = "DIR")]
    pub state: PathBuf,
    /// Private key of the witness, from `keys generate --witness`.
    #[arg(long, value_name = "FILE")]
    pub private_key: PathBuf,
    /// Public key of a log to follow, as `init` prints it.
    #[arg(long, value_name = "KEY", required = true)]
    pub log: Vec<String>,
    /// Address to listen on; port 0 picks a free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7080")]
    pub listen: SocketAddr,
    /// Make the directory first; it must be new or empty.
    #[arg(long)]
    pub init: bool,
}

/// Runs a witness until it is told to stop (SIGINT or SIGTERM).
pub fn run(globals: &Globals, args: &WitnessArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let logs: Vec<_> = args.log.iter().map(|key| log_key(key)).collect::<Result<_, _>>()?;
    let secret = std::fs::read_to_string(&args.private_key);
    let secret = secret.map_err(|error| Failure::about(args.private_key.display(), error))?;
    let key = SignerKey::parse_kind(&secret, KeyKind::Cosigner);
    let key = key.map_err(|error| Failure::Usage(format!("{}: {error}", args.private_key.display())))?;
    if args.init {
        Witness::create(&args.state)?;
    }
    let witness = Arc::new(Witness::open(&args.state, key, logs)?);
    let runtime = Runtime::new().map_err(|error| Failure::Unavailable(text::runtime_failed(globals.lang, error)))?;
    runtime.block_on(async {
        let (listener, bound) = listen(args.listen).await?;
        writeln!(out, "{}", text::witness_key(globals.lang, witness.verifier_key()))?;
        writeln!(out, "{}", text::witness_listening(globals.lang, bound))?;
        out.flush()?;
        server::serve(witness, listener, seconds_now, StopSignals::take(globals.lang)?.reached(1)).await?;
        Ok(())
    })
}
