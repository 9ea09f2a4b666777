//! Generates the wire types from `proto/`, without a system protoc.

use std::{env, error::Error, fs, path::PathBuf};

use prost::Message;

fn main() -> Result<(), Box<dyn Error>> {
    let files = [
        "proto/fundledger/v1/reason.proto",
        "proto/fundledger/v1/event.proto",
        "proto/fundledger/v1/ledger.proto",
        "proto/fundledger/v1/query.proto",
        "proto/fundledger/v1/audit.proto",
    ];
    println!("cargo:rerun-if-changed=proto");
    let descriptors = protox::compile(files, ["proto"])?;
    let output = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(output.join("fundledger.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure()
        .bytes(".fundledger")
        // A request holds up to 8,192 commands side by side: unboxed, each would take the room of the largest.
        .boxed(".fundledger.v1.Command.payload")
        .extern_path(".google.rpc.Status", "::tonic_types::pb::Status")
        .compile_fds(descriptors)?;
    Ok(())
}
