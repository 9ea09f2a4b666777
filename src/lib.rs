//! fundledger: a public-money ledger.
//!
//! Typed commands come in over gRPC; each accepted one becomes one hash-chained event in an embedded log; projections
//! answer balance and trace queries; auditors verify the chain with code of their own. The code map, in reading order:
//!
//! - [`domain`]: the pure core: what the money means, and what is refused. No I/O, no clock, no wire types.
//! - [`format`]: the frozen bytes: events, entries, hashes, blocks.
//! - [`log`]: where blocks are kept: the trait, sled, memory.
//! - [`ledger`]: the writer and the committer: commands in, durable receipts out.
//! - [`projection`]: what is derived from committed events: names and balances, and the history index.
//! - [`vault`]: the values of personal data, which the log only commits to.
//! - [`audit`]: the verifier, with its own framing, hashing and sums.
//! - [`reporting`]: tables of what a log says, for the public, for auditors and for other systems.
//! - [`witness`]: who sees from outside that the log only grows.
//! - [`tls`]: mutual TLS: whom the server lets in.
//! - [`traces`]: where calls stand in traces that go through other services too.
//! - [`grpc`]: the services, and the only conversions between wire and domain.
//! - [`cli`]: one file per command.

#![forbid(unsafe_code)]

pub mod audit;
pub mod cli;
pub mod domain;
pub mod format;
pub mod grpc;
pub mod http;
pub mod ledger;
pub mod log;
pub mod messages;
pub mod pb;
pub mod projection;
pub mod reporting;
pub mod tls;
pub mod traces;
pub mod vault;
pub mod witness;
