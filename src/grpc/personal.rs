//! Personal data between the wire and the vault: values are staged before the ledger decides, and shown only after the event
//! that says so is on disk.

use std::collections::BTreeMap;
use std::sync::Arc;

use prost::bytes::{Bytes, BytesMut};
use tonic::{Request, Response, Status};

use super::convert;
use super::identity::Caller;
use super::ledger::{LedgerApi, wire_receipt};
use super::node::Node;
use super::page::{self, Page};
use super::reading::{Reading, read_position};
use super::spans::spawn_blocking;
use super::status::Statuses;
use crate::domain::command::Order;
use crate::domain::ids::{PayeeRef, RequestId, Sequence};
use crate::domain::oversight::Oversight;
use crate::domain::personal::{PersonalCommitment, PersonalData, PersonalField, PersonalValue};
use crate::domain::refusal::Reason;
use crate::log::Fault;
use crate::pb::v1;
use crate::pb::v1::command::Payload;
use crate::pb::v1::personal_data_service_server::PersonalDataService;
use crate::projection::events::Events;
use crate::vault::{DatumState, Entry, Incoming, Listed, NotOpened, Staging, Vault};

/// Most pieces of personal data of one request: they are sealed in one transaction, while others wait for the vault.
const PIECES_MAX: usize = 32_768;
/// Most names of one request.
const NAMES_MAX: usize = 1_000;
/// Entries of a person that are looked through at a time.
const ENTRIES_AT_A_TIME: usize = 1_000;

/// What personal data of a request wait for.
#[derive(Clone, Debug)]
pub(super) enum WaitFor {
    /// Nothing: the request is only validated.
    Nothing,
    /// The events of the commands they came with.
    Commands,
    /// A proposal, by its key, to be executed.
    Proposal(RequestId),
}

/// Commitments of personal data that are staged, by the place of their command in the request. Where nobody says what became
/// of a command, its data are kept until the next start, which knows.
#[derive(Debug)]
pub(super) struct Staged {
    vault: Arc<Vault>,
    by_command: BTreeMap<usize, (RequestId, Vec<PersonalCommitment>)>,
}

impl Staged {
    pub(super) fn is_empty(&self) -> bool {
        self.by_command.is_empty()
    }

    /// Lets go of the data of those commands that came to nothing.
    pub(super) async fn settle(mut self, node: &Node, came_to_nothing: impl Fn(usize) -> bool) {
        if self.by_command.is_empty() {
            return;
        }
        let staged = std::mem::take(&mut self.by_command);
        // The same data may have come with a retry that was accepted: by now the vault knows.
        node.caught_up().await;
        let vault = Arc::clone(&self.vault);
        let verdicts: Vec<_> = staged.into_iter().map(|(at, staged)| (staged, came_to_nothing(at))).collect();
        let settled = spawn_blocking(move || vault.settle(verdicts)).await;
        let failure = match settled {
            Ok(settled) => settled.err(),
            Err(panicked) => Some(Fault::new("letting go of personal data", panicked)),
        };
        if let Some(fault) = failure {
            tracing::error!(%fault, "personal data of refused commands are left until the next start");
        }
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        self.vault.forget_claims(self.by_command.values());
    }
}

/// Whether the vault acts on the event of an order.
pub(super) fn acts_on_vault(order: &Order) -> bool {
    matches!(order, Order::Oversight(order) if matches!(order.as_ref(), Oversight::PersonalData(_)))
}

impl LedgerApi {
    /// Moves the personal data of commands into the vault; commitments take their place. Data with which something is wrong
    /// stay where they are, for the parser to refuse.
    pub(super) async fn protect(
        &self,
        commands: &mut [v1::Command],
        wait_for: WaitFor,
        statuses: Statuses,
    ) -> Result<Staged, Status> {
        let pieces = commands.iter().fold(0_usize, |sum, command| sum.saturating_add(command.personal_data.len()));
        if pieces > PIECES_MAX {
            let description = format!("has {pieces} pieces in all; a request has at most {PIECES_MAX}");
            let (field, reason) = ("commands.personal_data".to_owned(), Reason::FieldInvalid);
            return Err(statuses.violations(&[convert::Violation { field, reason, description }]));
        }
        let vault = self.node.vault();
        let mut places = Vec::new();
        let mut incoming = Vec::new();
        for (at, command) in commands.iter().enumerate() {
            let is_signed = matches!(command.payload, Some(Payload::SignedCommand(_)));
            if command.personal_data.is_empty() || is_signed {
                continue;
            }
            let data = convert::personal_data(command, self.node.pseudonyms(), "");
            let request_id = RequestId::parse(command.request_id.clone());
            if let (Ok(data), Ok(request_id)) = (data, request_id) {
                places.push(at);
                incoming.push(Incoming { request_id, data });
            }
        }
        let mut staged = Staged { vault: Arc::clone(&vault), by_command: BTreeMap::new() };
        if places.is_empty() {
            return Ok(staged);
        }
        let request_ids: Vec<RequestId> = incoming.iter().map(|incoming| incoming.request_id.clone()).collect();
        let is_kept = !matches!(wait_for, WaitFor::Nothing);
        let sealed = spawn_blocking(move || {
            let staging = match &wait_for {
                WaitFor::Nothing => Staging::Nothing,
                WaitFor::Commands => Staging::Command,
                WaitFor::Proposal(proposal) => Staging::Proposal(proposal),
            };
            vault.stage(&incoming, staging)
        });
        let sealed = sealed.await.map_err(|error| statuses.fault(&Fault::new("sealing personal data", error)))?;
        let commitments = sealed.map_err(|fault| statuses.fault(&fault))?;
        for ((at, request_id), commitments) in places.into_iter().zip(request_ids).zip(commitments) {
            if let Some(command) = commands.get_mut(at) {
                command.personal_data.clear();
                command.personal_commitments.extend(commitments.iter().map(wire_commitment));
            }
            if is_kept {
                staged.by_command.insert(at, (request_id, commitments));
            }
        }
        Ok(staged)
    }
}

fn wire_commitment(commitment: &PersonalCommitment) -> v1::PersonalCommitment {
    v1::PersonalCommitment {
        party: Bytes::copy_from_slice(&commitment.party.0),
        field: commitment.field.number(),
        commitment: Bytes::copy_from_slice(&commitment.commitment),
        account: commitment.account.map_or_else(Bytes::new, |account| Bytes::copy_from_slice(&account.0)),
    }
}

/// `PersonalDataService`.
pub(super) struct PersonalDataApi {
    pub(super) ledger: LedgerApi,
}

#[tonic::async_trait]
impl PersonalDataService for PersonalDataApi {
    async fn open_personal_data(
        &self,
        request: Request<v1::OpenPersonalDataRequest>,
    ) -> Result<Response<v1::OpenPersonalDataResponse>, Status> {
        let statuses = Statuses::for_request(&request);
        let caller = Caller::of(&request, statuses)?;
        let mut command = request.into_inner().command.unwrap_or_default();
        caller.fill_commands(std::slice::from_mut(&mut command));
        let node = &self.ledger.node;
        node.caught_up().await;
        let placed = |violation: convert::Violation| convert::Violation {
            field: format!("command.{}", violation.field),
            ..violation
        };
        let parsed = self.ledger.parse(command);
        let command =
            parsed.map_err(|wrong| statuses.violations(&wrong.into_iter().map(placed).collect::<Vec<_>>()))?;
        self.ledger.check_may_post(&caller, std::iter::once(&command), "OpenPersonalData", statuses).await?;
        let Some((sequence, party, field)) = opened(&command.order) else {
            let (field, description) = ("command.payload".to_owned(), "does not open personal data".to_owned());
            return Err(statuses.violations(&[convert::Violation {
                field,
                reason: Reason::FieldInvalid,
                description,
            }]));
        };
        let read = async || {
            let vault = node.vault();
            let read = spawn_blocking(move || vault.read(sequence, &party, field)).await;
            read.map_err(|error| statuses.fault(&Fault::new("opening personal data", error)))?
                .map_err(|why| not_opened(why, sequence, statuses))
        };
        // What is not there to be opened leaves no event behind. Dropped at once: it leaves only after the event is on disk.
        drop(read().await?);
        let prepared = vec![node.ledger().prepare(command, &mut Vec::new())];
        let outcome = self.ledger.outcomes(prepared, false).await.map_err(|why| statuses.unavailable(&why))?.pop();
        let receipt = LedgerApi::receipt(outcome, statuses)?;
        let opening = read().await?;
        Ok(Response::new(v1::OpenPersonalDataResponse {
            receipt: receipt.map(|receipt| wire_receipt(receipt, &mut BytesMut::new())),
            sequence: sequence.0,
            request_id: opening.request_id.to_string(),
            person_pseudonym: Bytes::copy_from_slice(&party.0),
            field: field.number(),
            value: opening.value.reveal().to_owned(),
            nonce: Bytes::copy_from_slice(&opening.nonce),
            commitment: Bytes::copy_from_slice(&opening.commitment),
        }))
    }

    async fn list_personal_data(
        &self,
        request: Request<v1::ListPersonalDataRequest>,
    ) -> Result<Response<v1::ListPersonalDataResponse>, Status> {
        let statuses = Statuses::for_request(&request);
        let caller = Caller::of(&request, statuses)?;
        let request = request.into_inner();
        let node = &self.ledger.node;
        node.caught_up().await;
        let listed = listed(&request, node).map_err(|violation| statuses.violations(&[violation]))?;
        let reading = Reading { node: Arc::clone(node), caller, statuses };
        let (party, sequence) = match listed {
            Listed::Party(party) => (party.0.to_vec(), Vec::new()),
            Listed::Event(sequence) => (Vec::new(), sequence.0.to_be_bytes().to_vec()),
        };
        let parameters: [&[u8]; 2] = [&party, &sequence];
        let Page { size, start } = reading.page(request.page_size, &request.page_token, &parameters, None)?;
        let after = start.and_then(|start| start.after.first().copied()).unwrap_or_default();
        let vault = node.vault();
        let found = spawn_blocking(move || {
            vault.failure().map_or_else(|| vault.list(listed, after, size.saturating_add(1)), Err)
        });
        let found = found.await.map_err(|error| statuses.fault(&Fault::new("listing personal data", error)))?;
        let mut entries = found.map_err(|fault| statuses.fault(&fault))?;
        let position = node.views().position;
        let mut next_page_token = String::new();
        if entries.len() > size {
            entries.truncate(size);
            let last = entries.last().map_or(after, |entry| entry.id);
            next_page_token =
                page::token(page::Position { as_of: position.sequence, after: [last, 0, 0] }, &parameters);
        }
        Ok(Response::new(v1::ListPersonalDataResponse {
            entries: entries.iter().map(wire_entry).collect(),
            next_page_token,
            read_position: Some(read_position(&position)),
        }))
    }

    async fn list_masked_names(
        &self,
        request: Request<v1::ListMaskedNamesRequest>,
    ) -> Result<Response<v1::ListMaskedNamesResponse>, Status> {
        let statuses = Statuses::for_request(&request);
        let people = request.into_inner().people;
        let wrong = |field: String, description: &str| {
            let description = description.to_owned();
            statuses.violations(&[convert::Violation { field, reason: Reason::FieldInvalid, description }])
        };
        if people.is_empty() || people.len() > NAMES_MAX {
            return Err(wrong("people".to_owned(), "has none, or more than 1,000"));
        }
        let node = &self.ledger.node;
        node.caught_up().await;
        let mut of = Vec::with_capacity(people.len());
        for (at, person) in people.iter().enumerate() {
            let party = <[u8; 16]>::try_from(person.person_pseudonym.as_ref())
                .map_err(|_| wrong(format!("people[{at}].person_pseudonym"), "is not 16 bytes"))?;
            of.push((Sequence(person.sequence), PayeeRef(party)));
        }
        let node = Arc::clone(node);
        let read = spawn_blocking(move || {
            let (vault, log) = (node.vault(), node.log());
            let mut events = Events::new(log.as_ref());
            let one = |(sequence, party)| masked_name(&mut events, &vault, sequence, &party);
            of.into_iter().map(one).collect::<Result<Vec<_>, Fault>>()
        });
        let names = read.await.map_err(|error| statuses.fault(&Fault::new("reading names", error)))?;
        let names = names.map_err(|fault| statuses.fault(&fault))?;
        Ok(Response::new(v1::ListMaskedNamesResponse { names }))
    }
}

/// What may be published of a person's name. Whoever's age is not known may be a minor, and is not named.
fn masked_name(
    events: &mut Events<'_>,
    vault: &Vault,
    sequence: Sequence,
    party: &PayeeRef,
) -> Result<v1::MaskedName, Fault> {
    let read = |field| match vault.read(sequence, party, field) {
        Ok(opening) => Ok(Some(opening.value)),
        Err(NotOpened::NotFound | NotOpened::Restricted | NotOpened::Erased) => Ok(None),
        Err(NotOpened::Fault(fault)) => Err(fault),
    };
    let told = |state: v1::MaskedNameState, name: String| v1::MaskedName { state: state.into(), name };
    let number = match read(PersonalField::IdentityNumber)? {
        Some(number) => Some(number),
        None => identity_number(vault, party)?,
    };
    let Some(number) = number else {
        return Ok(told(v1::MaskedNameState::Withheld, String::new()));
    };
    let day = events.event(sequence)?.envelope.map(|envelope| envelope.business_date);
    match day.and_then(|day| number.is_minor_on(day)) {
        None => Ok(told(v1::MaskedNameState::Withheld, String::new())),
        Some(true) => Ok(told(v1::MaskedNameState::Minor, String::new())),
        Some(false) => Ok(match read(PersonalField::Name)? {
            Some(name) => told(v1::MaskedNameState::Shown, name.masked()),
            None => told(v1::MaskedNameState::Withheld, String::new()),
        }),
    }
}

/// The identity number that came last with any event about a person: not each payout brings it again.
fn identity_number(vault: &Vault, party: &PayeeRef) -> Result<Option<PersonalValue>, Fault> {
    let (mut after, mut last) = (0, None);
    loop {
        let entries = vault.list(Listed::Party(*party), after, ENTRIES_AT_A_TIME)?;
        let Some(newest) = entries.last() else { break };
        after = newest.id;
        for entry in &entries {
            if entry.field == PersonalField::IdentityNumber && entry.state == DatumState::Present {
                last = Some(entry.sequence);
            }
        }
        if entries.len() < ENTRIES_AT_A_TIME {
            break;
        }
    }
    let Some(sequence) = last else { return Ok(None) };
    match vault.read(sequence, party, PersonalField::IdentityNumber) {
        Ok(opening) => Ok(Some(opening.value)),
        // Erased since then.
        Err(NotOpened::NotFound | NotOpened::Restricted | NotOpened::Erased) => Ok(None),
        Err(NotOpened::Fault(fault)) => Err(fault),
    }
}

fn opened(order: &Order) -> Option<(Sequence, PayeeRef, PersonalField)> {
    let Order::Oversight(order) = order else { return None };
    let Oversight::PersonalData(PersonalData::Open { sequence, party, field, .. }) = order.as_ref() else {
        return None;
    };
    Some((*sequence, *party, *field))
}

fn not_opened(why: NotOpened, sequence: Sequence, statuses: Statuses) -> Status {
    let reason = match why {
        NotOpened::NotFound => Reason::PersonalDataNotFound,
        NotOpened::Restricted => Reason::PersonalDataRestricted,
        NotOpened::Erased => Reason::PersonalDataErased,
        NotOpened::Fault(fault) => return statuses.fault(&fault),
    };
    statuses.reason(reason, &[("sequence", sequence.0.to_string())])
}

fn listed(request: &v1::ListPersonalDataRequest, node: &Node) -> Result<Listed, convert::Violation> {
    let names_a_person = !request.person.is_empty() || !request.person_pseudonym.is_empty();
    let wrong = |field: &str, description: &str| convert::Violation {
        field: field.to_owned(),
        reason: Reason::FieldInvalid,
        description: description.to_owned(),
    };
    match request.sequence {
        Some(_) if names_a_person => Err(wrong("sequence", "is set besides a person: ask for one of them")),
        Some(sequence) if sequence > 0 => Ok(Listed::Event(Sequence(sequence))),
        Some(_) => Err(wrong("sequence", "is not the sequence of an event")),
        None => convert::party("person", &request.person, &request.person_pseudonym, node.pseudonyms())
            .map(Listed::Party)
            .map_err(|violations| violations.into_iter().next().unwrap_or_else(|| wrong("person", "is missing"))),
    }
}

fn wire_entry(entry: &Entry) -> v1::PersonalDataEntry {
    v1::PersonalDataEntry {
        sequence: entry.sequence.0,
        person_pseudonym: Bytes::copy_from_slice(&entry.party.0),
        field: entry.field.number(),
        commitment: Bytes::copy_from_slice(&entry.commitment),
        state: match entry.state {
            DatumState::Present => v1::PersonalDataState::Present,
            DatumState::Restricted => v1::PersonalDataState::Restricted,
            DatumState::Erased => v1::PersonalDataState::Erased,
        }
        .into(),
    }
}
