//! Who may call which method: looked at before anything of a request is, by one table that a document shows and tests walk
//! through.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tonic::body::Body;
use tower::{Layer, Service};

use super::following::{Asked, Following};
use super::identity::{Caller, Denied};
use super::node::Node;
use super::status::Statuses;
use crate::domain::refusal::Reason;
use crate::domain::rights::Action;
use crate::tls::Peer;

/// What a caller needs for a method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// A certificate that names a person.
    Certificate,
    /// A role that allows one of these; what exactly is asked for is looked at afterwards.
    Any(&'static [Action]),
    /// A role that allows this, for every fund and every agency.
    Whole(Action),
    /// A role that allows this, for the fund and the agency that are asked about.
    Scoped(Action),
}

const COMMON: Need = Need::Any(&[Action::ReadCommon]);
const POSTING: Need = Need::Any(Action::POSTING);
const HISTORY: Need = Need::Whole(Action::ReadHistory);

/// Every method, by its path, with what it needs. One that is not here is nobody's.
pub const METHODS: &[(&str, Need)] = &[
    ("/fundledger.v1.LedgerService/Post", POSTING),
    ("/fundledger.v1.LedgerService/PostStream", POSTING),
    ("/fundledger.v1.LedgerService/GetReceipt", COMMON),
    ("/fundledger.v1.LedgerService/Propose", POSTING),
    ("/fundledger.v1.LedgerService/Approve", Need::Any(&[Action::Approve])),
    ("/fundledger.v1.LedgerService/Withdraw", POSTING),
    ("/fundledger.v1.LedgerService/ListPending", COMMON),
    ("/fundledger.v1.QueryService/GetBalance", Need::Scoped(Action::ReadAccount)),
    ("/fundledger.v1.QueryService/ListBalances", Need::Scoped(Action::ReadBalances)),
    ("/fundledger.v1.QueryService/GetStatement", Need::Scoped(Action::ReadAccount)),
    ("/fundledger.v1.QueryService/Trace", HISTORY),
    ("/fundledger.v1.QueryService/GetEvent", HISTORY),
    ("/fundledger.v1.QueryService/ListEvents", HISTORY),
    ("/fundledger.v1.QueryService/ListClocks", Need::Scoped(Action::ReadClocks)),
    ("/fundledger.v1.QueryService/ListFunds", COMMON),
    ("/fundledger.v1.QueryService/ListFindings", HISTORY),
    ("/fundledger.v1.QueryService/ListTenders", Need::Scoped(Action::ReadContracts)),
    ("/fundledger.v1.QueryService/ListContracts", Need::Scoped(Action::ReadContracts)),
    ("/fundledger.v1.QueryService/GetContract", Need::Scoped(Action::ReadContracts)),
    ("/fundledger.v1.QueryService/ListPerformance", HISTORY),
    ("/fundledger.v1.QueryService/GetPerformance", HISTORY),
    ("/fundledger.v1.QueryService/ListProjects", HISTORY),
    ("/fundledger.v1.QueryService/ListComplaints", Need::Scoped(Action::ReadComplaints)),
    ("/fundledger.v1.QueryService/Subscribe", HISTORY),
    ("/fundledger.v1.PersonalDataService/OpenPersonalData", Need::Whole(Action::OpenPersonalData)),
    ("/fundledger.v1.PersonalDataService/ListPersonalData", Need::Whole(Action::ListPersonalData)),
    ("/fundledger.v1.PersonalDataService/ListMaskedNames", Need::Whole(Action::ReadMaskedNames)),
    ("/fundledger.v1.AuditService/ReadEntries", Need::Whole(Action::ReadLog)),
    ("/fundledger.v1.AuditService/GetCheckpoint", COMMON),
    ("/fundledger.v1.AuditService/GetInclusionProof", COMMON),
    ("/fundledger.v1.AuditService/GetConsistencyProof", COMMON),
    ("/fundledger.v1.AuditService/RunRules", Need::Whole(Action::RunRules)),
    ("/grpc.health.v1.Health/Check", Need::Certificate),
    ("/grpc.health.v1.Health/Watch", Need::Certificate),
    ("/grpc.health.v1.Health/List", Need::Certificate),
    ("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", Need::Certificate),
    ("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", Need::Certificate),
];

/// Those whose answer goes on, or is long in coming: what they need is looked at until its end. Streams of postings look at
/// each batch instead, so that what was taken is answered.
pub const FOLLOWED: &[&str] = &[
    "/fundledger.v1.QueryService/Trace",
    "/fundledger.v1.QueryService/Subscribe",
    "/fundledger.v1.AuditService/ReadEntries",
    "/fundledger.v1.AuditService/RunRules",
];

impl Need {
    pub(super) fn is_met(self, caller: &Caller) -> Result<(), Denied> {
        let (is_met, action) = match self {
            Self::Certificate => return Ok(()),
            Self::Any(actions) => {
                (actions.iter().any(|action| caller.may_somewhere(*action)), actions.first().copied())
            }
            Self::Whole(action) => (caller.may_everywhere(action), Some(action)),
            Self::Scoped(action) => (caller.may_somewhere(action), Some(action)),
        };
        match (is_met, self) {
            (true, _) => Ok(()),
            // Of several none stands out.
            (false, Self::Any(actions)) if actions.len() > 1 => Err(Denied::Nobody),
            (false, _) => Err(action.map_or(Denied::Nobody, Denied::Action)),
        }
    }
}

/// Whether callers are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Callers {
    /// Plain text on loopback.
    Unidentified,
    /// Each connection has a certificate.
    Certified,
}

/// Puts a [`Guard`] before the services.
#[derive(Clone)]
pub(super) struct GuardLayer {
    pub(super) node: Arc<Node>,
    pub(super) callers: Callers,
}

impl<S> Layer<S> for GuardLayer {
    type Service = Guard<S>;

    fn layer(&self, inner: S) -> Guard<S> {
        Guard { inner, node: Arc::clone(&self.node), callers: self.callers }
    }
}

/// Lets nobody by whom the certificate does not name or whose roles do not allow the method, and tells the services behind it
/// who asks.
#[derive(Clone)]
pub(super) struct Guard<S> {
    inner: S,
    node: Arc<Node>,
    callers: Callers,
}

type Answering<T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send>>;

impl<S> Service<http::Request<Body>> for Guard<S>
where
    S: Service<http::Request<Body>, Response = http::Response<Body>> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = http::Response<Body>;
    type Error = S::Error;
    type Future = Answering<Self::Response, S::Error>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: http::Request<Body>) -> Self::Future {
        if self.callers == Callers::Unidentified {
            request.extensions_mut().insert(Caller::Unidentified);
            return Box::pin(self.inner.call(request));
        }
        // The one that is ready goes with the request.
        let ready = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, ready);
        let node = Arc::clone(&self.node);
        Box::pin(async move {
            let statuses = Statuses::for_headers(request.headers());
            let peer = request.extensions().get::<Arc<Peer>>().cloned();
            let path = request.uri().path().to_owned();
            match admitted(peer, &path, &node, statuses).await {
                Ok((caller, need)) => {
                    request.extensions_mut().insert(caller.clone());
                    let answer = inner.call(request).await?;
                    if !FOLLOWED.contains(&path.as_str()) {
                        return Ok(answer);
                    }
                    let asked = Asked { caller, path, need, node, statuses };
                    Ok(answer.map(|body| Body::new(Following::new(body, asked))))
                }
                Err(status) => Ok(status.into_http()),
            }
        })
    }
}

async fn admitted(
    peer: Option<Arc<Peer>>,
    path: &str,
    node: &Node,
    statuses: Statuses,
) -> Result<(Caller, Need), tonic::Status> {
    // Without one it did not come in by the door.
    let peer = peer.ok_or_else(|| statuses.reason(Reason::IdentityInvalid, &[]))?;
    let principal = match &peer.identity {
        Ok(principal) => principal.clone(),
        Err(why) => {
            node.refused().count_unauthenticated();
            tracing::warn!(address = %peer.address, path, why = why.as_str(), "refused: the certificate names nobody");
            return Err(statuses.reason(Reason::IdentityInvalid, &[("certificate", why.as_str().to_owned())]));
        }
    };
    let caller = Caller::known(peer, principal, node);
    let need = METHODS.iter().find(|(method, _)| *method == path).map(|(_, need)| *need);
    let need = need.ok_or_else(|| caller.refuse(Denied::Nobody, path, node, statuses))?;
    if need.is_met(&caller).is_ok() {
        return Ok((caller, need));
    }
    // A role may have been granted a moment ago.
    node.caught_up().await;
    let caller = caller.renewed(node);
    need.is_met(&caller).map_err(|denied| caller.refuse(denied, path, node, statuses))?;
    Ok((caller, need))
}
