//! Requests whose commands carry signatures. They are made before the clock runs: proposing, signing and approving is what
//! makers and checkers do; what is measured is the posting.

use std::time::{Duration, Instant};

use clap::ValueEnum;
use indicatif::ProgressBar;
use prost::Message;
use prost::bytes::Bytes;
use prost_types::Timestamp;

use super::BenchArgs;
use super::load::{self, SET_UP_BATCH};
use super::workload::{BUSINESS_DATE, Commands, MAKER, Requests, Workload};
use crate::cli::connect::Connection;
use crate::cli::{Failure, Globals};
use crate::domain::approval::PublicKey;
use crate::domain::ids::ActorId;
use crate::domain::time::UtcNanos;
use crate::format::approval;
use crate::format::note_key::SignerKey;
use crate::ledger::clock::{Clock, SystemClock};
use crate::pb::v1;
use crate::pb::v1::command::Payload;

/// How commands are approved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ApprovalsKind {
    /// Each names its checker; nobody signs.
    Named,
    /// Each request is a batch whose root a checker has signed.
    Batch,
    /// Each is signed by itself.
    Each,
}

impl ApprovalsKind {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Named => "named",
            Self::Batch => "batch",
            Self::Each => "each",
        }
    }
}

/// How long signatures hold.
const HOLDS: Duration = Duration::from_hours(24);

/// Who signs in a temporary ledger.
pub(super) struct Signers {
    administrators: [SignerKey; 2],
    checker: SignerKey,
}

impl Signers {
    pub(super) fn new() -> Result<Self, Failure> {
        let signer = |name: &str| -> Result<SignerKey, Failure> {
            let mut seed = [0; 32];
            getrandom::fill(&mut seed).map_err(|error| Failure::about("getrandom", error))?;
            Ok(SignerKey::from_seed(name, &seed))
        };
        Ok(Self {
            administrators: [signer("administrator-1")?, signer("administrator-2")?],
            checker: signer("signer-1")?,
        })
    }

    /// The administrators, for the genesis.
    pub(super) fn administrators(&self) -> Result<Vec<(ActorId, PublicKey)>, Failure> {
        let of = |key: &SignerKey| {
            let actor = ActorId::parse(key.name()).map_err(|error| Failure::about("administrators", error))?;
            Ok((actor, key.verifier().public_key))
        };
        self.administrators.iter().map(of).collect()
    }
}

/// Requests that wait to be posted.
pub(super) struct Approved {
    requests: Vec<Bytes>,
    batch: u64,
    /// How long proposing and approving took; nothing for commands that are signed by themselves.
    pub(super) took: Option<Duration>,
    /// The last event before the load.
    pub(super) last: i64,
}

impl Requests for Approved {
    fn request(&self, first: u64, _: u64, _: usize) -> Bytes {
        let at = usize::try_from(first.checked_div(self.batch).unwrap_or_default()).unwrap_or(usize::MAX);
        self.requests.get(at).cloned().unwrap_or_default()
    }
}

impl Approved {
    /// Sets a ledger with administrators up, and has the load's commands approved.
    pub(super) async fn new(
        connection: &Connection,
        globals: &Globals,
        args: &BenchArgs,
        signers: &Signers,
    ) -> Result<(Self, Workload), Failure> {
        let workload = Workload::signed(args, signers.checker.clone())?;
        let holds = i64::try_from(HOLDS.as_nanos()).unwrap_or(i64::MAX);
        let expires_at = UtcNanos(SystemClock.now().0.saturating_add(holds));
        let origin = origin(connection).await?;
        let maker = Maker { connection, run: workload.run(), expires_at, origin };
        let mut last = maker.set_up(&workload, signers).await?;
        let batch = u64::from(args.batch);
        let mut requests = Vec::new();
        let progress = if globals.shows_progress() { ProgressBar::new(args.events) } else { ProgressBar::hidden() };
        let started = Instant::now();
        let mut first = 0;
        while first < args.events {
            let count = batch.min(args.events.saturating_sub(first));
            let commands = (first..first.saturating_add(count)).map(|number| workload.event(number)).collect();
            let request = match args.approvals {
                ApprovalsKind::Batch => {
                    let (request, sequence) = maker.batch(first, commands, &signers.checker).await?;
                    last = sequence;
                    request
                }
                ApprovalsKind::Named | ApprovalsKind::Each => {
                    let commands = maker.each(MAKER, commands, &signers.checker).await?;
                    v1::PostRequest { commands, ..Default::default() }
                }
            };
            requests.push(request.encode_to_vec().into());
            first = first.saturating_add(count);
            progress.inc(count);
        }
        progress.finish_and_clear();
        let took = (args.approvals == ApprovalsKind::Batch).then(|| started.elapsed());
        Ok((Self { requests, batch, took, last }, workload))
    }
}

/// Who proposes.
struct Maker<'a> {
    connection: &'a Connection,
    run: &'a str,
    expires_at: UtcNanos,
    origin: String,
}

impl Maker<'_> {
    fn timestamp(&self) -> Timestamp {
        crate::grpc::convert::to_timestamp(self.expires_at)
    }

    /// Posts the set-up: what is an administrator's to do is made by one and signed by the other. Gives the last sequence.
    async fn set_up(&self, workload: &Workload, signers: &Signers) -> Result<i64, Failure> {
        let is_an_administrators = |command: &v1::Command| {
            use Payload::{DefineFund, GrantRole, OpenAccount, RotateKey, SetPolicy};
            matches!(command.payload, Some(SetPolicy(_) | DefineFund(_) | OpenAccount(_) | RotateKey(_) | GrantRole(_)))
        };
        let [maker, signer] = &signers.administrators;
        let mut last = 0;
        let commands = workload.set_up();
        for of_one_kind in commands.chunk_by(|one, next| is_an_administrators(one) == is_an_administrators(next)) {
            for commands in of_one_kind.chunks(SET_UP_BATCH) {
                let mut commands = commands.to_vec();
                if commands.first().is_some_and(is_an_administrators) {
                    for command in &mut commands {
                        maker.name().clone_into(&mut command.actor);
                        command.checkers.clear();
                    }
                    commands = self.each(maker.name(), commands, signer).await?;
                }
                last = load::post_all(self.connection, commands).await?;
            }
        }
        Ok(last)
    }

    async fn propose(
        &self,
        proposal_id: &str,
        actor: &str,
        commands: Vec<v1::Command>,
        validate_only: bool,
    ) -> Result<v1::ProposeResponse, Failure> {
        let request = v1::ProposeRequest {
            request_id: proposal_id.to_owned(),
            business_date: Some(BUSINESS_DATE),
            actor: actor.to_owned(),
            commands,
            expires_at: Some(self.timestamp()),
            validate_only,
        };
        let proposed = self.connection.ledger().propose(self.connection.request(request)).await;
        proposed.map(tonic::Response::into_inner).map_err(|status| self.connection.failure(&status))
    }

    /// A batch, proposed and approved; and the sequence of its approval.
    async fn batch(
        &self,
        first: u64,
        commands: Vec<v1::Command>,
        checker: &SignerKey,
    ) -> Result<(v1::PostRequest, i64), Failure> {
        let proposal_id = format!("{}-batch-{first}", self.run);
        let proposed = self.propose(&proposal_id, MAKER, commands, false).await?;
        let request = v1::ApproveRequest {
            request_id: format!("{proposal_id}-approval"),
            business_date: Some(BUSINESS_DATE),
            actor: checker.name().to_owned(),
            proposal_id: proposal_id.clone(),
            signature: Bytes::copy_from_slice(&checker.sign(&proposed.message_to_sign).0),
        };
        let approved = self.connection.ledger().approve(self.connection.request(request)).await;
        let approved = approved.map_err(|status| self.connection.failure(&status))?.into_inner();
        let sequence = approved.receipt.map(|receipt| receipt.sequence).unwrap_or_default();
        let approved_batch = Some(v1::ApprovedBatch { proposal_id, commands: proposed.commands });
        Ok((v1::PostRequest { approved_batch, ..Default::default() }, sequence))
    }

    /// Commands that are signed one by one; the proposal is only asked for the bytes to sign.
    async fn each(
        &self,
        actor: &str,
        commands: Vec<v1::Command>,
        checker: &SignerKey,
    ) -> Result<Vec<v1::Command>, Failure> {
        let ids: Vec<_> = commands.iter().map(|command| command.request_id.clone()).collect();
        let proposed = self.propose(&format!("{}-exact", self.run), actor, commands, true).await?;
        let signed = ids.into_iter().zip(proposed.commands).map(|(request_id, command)| {
            let message = approval::command_message(&self.origin, &request_id, self.expires_at, &command);
            let approval = v1::SignedApproval {
                actor: checker.name().to_owned(),
                signature: Bytes::copy_from_slice(&checker.sign(&message).0),
            };
            let signed =
                v1::SignedCommandRequest { command, expires_at: Some(self.timestamp()), approvals: vec![approval] };
            v1::Command { payload: Some(Payload::SignedCommand(Box::new(signed))), ..Default::default() }
        });
        Ok(signed.collect())
    }
}

/// The ledger's name, as its checkpoint says it in the first line.
async fn origin(connection: &Connection) -> Result<String, Failure> {
    // A ledger that has just started signs its first one in a moment.
    let request = v1::GetCheckpointRequest { min_sequence: Some(0), witnessed: false };
    let answer = connection.audit().get_checkpoint(connection.request(request)).await;
    let checkpoint = answer.map_err(|status| connection.failure(&status))?.into_inner().checkpoint;
    Ok(checkpoint.lines().next().unwrap_or_default().to_owned())
}
