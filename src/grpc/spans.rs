//! Which call a thread works for, so that whatever it has to say carries the call's id.
//!
//! A span of `tracing` is made, looked up and forgotten for every call, and most calls have nothing to say. So a thread only
//! notes the call that it works for, and the span is made when there is a line: [`tell`].

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::task::JoinHandle;
use tracing::Span;

use super::call_ids::CallId;
use super::observed::Method;
use crate::traces::context::Place;

/// What a call is known by.
#[derive(Debug)]
pub(super) struct Identity {
    pub(super) id: CallId,
    pub(super) method: Arc<Method>,
    pub(super) place: Option<Place>,
}

impl Identity {
    /// Of the highest level, so that it is there with whatever is logged at all.
    fn span(&self) -> Span {
        let trace_id = self.place.map(|place| place.trace_id.to_string());
        let parent_id = self.place.and_then(|place| Some(place.parent_id?.to_string()));
        let span_id = self.place.and_then(|place| Some(place.own?.id.to_string()));
        tracing::error_span!(
            target: "fundledger::call",
            "call",
            request_id = self.id.as_str(),
            method = &*self.method.name,
            trace_id = trace_id.as_deref(),
            parent_id = parent_id.as_deref(),
            span_id = span_id.as_deref(),
        )
    }
}

thread_local! {
    static CURRENT: Cell<Option<Arc<Identity>>> = const { Cell::new(None) };
}

/// The call that this thread works for. A thread that ends has none.
fn current() -> Option<Arc<Identity>> {
    let read = CURRENT.try_with(|cell| {
        let identity = cell.take();
        cell.set(identity.clone());
        identity
    });
    read.ok().flatten()
}

/// While it lives, this thread works for a call; then for the one before again.
pub(super) struct Entered {
    before: Option<Arc<Identity>>,
}

/// Works for a call from here on.
pub(super) fn enter(identity: Option<Arc<Identity>>) -> Entered {
    Entered { before: CURRENT.try_with(|cell| cell.replace(identity)).ok().flatten() }
}

impl Drop for Entered {
    fn drop(&mut self) {
        let before = self.before.take();
        // Where the thread ends, there is nothing to put back.
        let _ = CURRENT.try_with(|cell| cell.set(before));
    }
}

/// Tells something in the span of the call that this thread works for, if it works for one. This is for whoever writes lines.
pub fn tell<T>(what: impl FnOnce() -> T) -> T {
    match current() {
        None => what(),
        Some(identity) => identity.span().in_scope(what),
    }
}

/// Work for a call, on whatever thread it goes on.
pub(super) struct ForCall<F> {
    identity: Option<Arc<Identity>>,
    work: F,
}

impl<F> ForCall<F> {
    pub(super) fn new(identity: Option<Arc<Identity>>, work: F) -> Self {
        Self { identity, work }
    }
}

impl<F: Future + Unpin> Future for ForCall<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = &mut *self;
        let _entered = enter(this.identity.clone());
        Pin::new(&mut this.work).poll(context)
    }
}

/// A task for the call that this one is for.
pub(super) fn spawn<F>(task: F) -> JoinHandle<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    tokio::spawn(ForCall::new(current(), Box::pin(task)))
}

/// Work that blocks, off the threads that serve, for the call that this task is for.
pub(super) fn spawn_blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    let identity = current();
    tokio::task::spawn_blocking(move || {
        let _entered = enter(identity);
        work()
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use tracing::span::{Attributes, Id, Record};
    use tracing::{Event, Metadata, Subscriber};

    use super::super::call_ids::CallIds;
    use super::super::observed::Observed;
    use super::*;

    /// Counts the spans that are made.
    #[derive(Clone, Default)]
    struct Counting(Arc<AtomicU64>);

    impl Subscriber for Counting {
        fn enabled(&self, _: &Metadata<'_>) -> bool {
            true
        }

        fn new_span(&self, _: &Attributes<'_>) -> Id {
            Id::from_u64(self.0.fetch_add(1, Ordering::Relaxed).saturating_add(1))
        }

        fn record(&self, _: &Id, _: &Record<'_>) {}

        fn record_follows_from(&self, _: &Id, _: &Id) {}

        fn event(&self, _: &Event<'_>) {}

        fn enter(&self, _: &Id) {}

        fn exit(&self, _: &Id) {}
    }

    fn identity() -> Arc<Identity> {
        let id = CallIds::new().of(&http::HeaderMap::new());
        let method = Arc::clone(Observed::default().method("/fundledger.v1.LedgerService/Post"));
        Arc::new(Identity { id, method, place: None })
    }

    fn current_id() -> Option<String> {
        current().map(|identity| identity.id.as_str().to_owned())
    }

    #[test]
    fn a_call_that_says_nothing_makes_no_span() {
        let (made, identity) = (Counting::default(), identity());
        tracing::subscriber::with_default(made.clone(), || {
            let work = ForCall::new(Some(Arc::clone(&identity)), Box::pin(async { tell(|| ()) }));
            let ended = polled(work);
            assert!(ended.is_ready());
            assert_eq!(made.0.load(Ordering::Relaxed), 1);
            let silent = ForCall::new(Some(identity), Box::pin(async {}));
            assert!(polled(silent).is_ready());
            tell(|| ());
        });
        assert_eq!(made.0.load(Ordering::Relaxed), 1, "one line was told for a call, and one for none");
    }

    fn polled<F: Future + Unpin>(mut work: F) -> Poll<F::Output> {
        Pin::new(&mut work).poll(&mut Context::from_waker(std::task::Waker::noop()))
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn work_elsewhere_is_for_the_same_call_and_calls_are_not_mixed_up() {
        let (one, other) = (identity(), identity());
        let id = |identity: &Arc<Identity>| Some(identity.id.as_str().to_owned());
        let of = |identity: &Arc<Identity>| {
            let work = async {
                let task = spawn(async {
                    tokio::task::yield_now().await;
                    (current_id(), spawn_blocking(current_id).await.unwrap())
                });
                let within = {
                    let _entered = enter(None);
                    current_id()
                };
                let (task, blocking) = task.await.unwrap();
                [within, current_id(), task, blocking]
            };
            ForCall::new(Some(Arc::clone(identity)), Box::pin(work))
        };
        let (found, found_other) = tokio::join!(of(&one), of(&other));
        assert_eq!(found, [None, id(&one), id(&one), id(&one)]);
        assert_eq!(found_other, [None, id(&other), id(&other), id(&other)]);
        assert_eq!((current_id(), spawn(async { current_id() }).await.unwrap()), (None, None));
    }
}
