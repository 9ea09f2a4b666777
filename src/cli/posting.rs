//! Sending until it is answered: what `import` and `post` share. The same keys make sending again safe.

use std::time::{Duration, Instant};

use tonic::Code;

use super::Failure;
use super::connect::{Connection, Explanation};
use crate::messages::cli as text;
use crate::pb::v1::post_result::Outcome;
use crate::pb::v1::{Command, PostRequest, PostResult, WaitLevel};

const RETRY_FIRST: Duration = Duration::from_millis(100);
const RETRY_LONGEST: Duration = Duration::from_secs(5);

/// Whether commands are posted or only checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// Post.
    Commit,
    /// Post, and wait for witnesses.
    Witnessed,
    /// Only check.
    ValidateOnly,
}

/// What became of a request.
pub(super) struct Posted {
    /// One result a command.
    pub(super) results: Vec<PostResult>,
    /// Whether witnesses have seen it.
    pub(super) is_witnessed: bool,
}

/// Posts one request, again and again until it is answered or patience ends. Nothing is posted twice.
pub(super) async fn post(
    connection: &Connection,
    commands: &[Command],
    mode: Mode,
    patience: Duration,
) -> Result<Posted, Failure> {
    let lang = connection.lang();
    let sent = patiently(patience, async || {
        let request = PostRequest {
            commands: commands.to_vec(),
            validate_only: mode == Mode::ValidateOnly,
            approved_batch: None,
            wait_level: level(mode).into(),
        };
        let answer = connection.ledger().post(connection.request(request)).await;
        let answer = answer.map_err(|status| connection.explain(&status))?.into_inner();
        let is_witnessed = answer.reached_level() == WaitLevel::Witnessed;
        let results = answer.results;
        if results.len() != commands.len() {
            return Err(unreadable(text::answer_has_other_length(lang)));
        }
        // A world that fails is not a rule that refuses: such a result ends the request, not the command.
        let failed = results.iter().find_map(|result| match &result.outcome {
            Some(Outcome::Error(status)) => Some(Explanation::of_result(status, lang)).filter(is_no_refusal),
            Some(Outcome::Receipt(_)) | None => None,
        });
        failed.map_or(Ok(Posted { results, is_witnessed }), Err)
    })
    .await;
    sent.map_err(|explanation| {
        if is_no_refusal(&explanation) {
            return Failure::Unavailable(format!("{explanation}\n{}", text::run_again(lang)));
        }
        explanation.failure()
    })
}

/// How far events must have got before the answer.
pub(super) const fn level(mode: Mode) -> WaitLevel {
    match mode {
        Mode::Commit | Mode::ValidateOnly => WaitLevel::Durable,
        Mode::Witnessed => WaitLevel::Witnessed,
    }
}

/// Calls again, after the delay the server asks for or a growing one, and jitter, while that can help.
pub(super) async fn patiently<T>(
    patience: Duration,
    call: impl AsyncFn() -> Result<T, Explanation>,
) -> Result<T, Explanation> {
    let started = Instant::now();
    let mut growing = RETRY_FIRST;
    loop {
        match call().await {
            Err(explanation) if explanation.is_transient() && started.elapsed() < patience => {
                let delay = explanation.retry_delay.unwrap_or(growing).min(RETRY_LONGEST);
                growing = growing.saturating_mul(2).min(RETRY_LONGEST);
                tokio::time::sleep(delay.saturating_add(jitter(delay))).await;
            }
            done => return done,
        }
    }
}

fn is_no_refusal(explanation: &Explanation) -> bool {
    matches!(explanation.failure(), Failure::Unavailable(_))
}

/// An answer that cannot be right.
pub(super) fn unreadable(message: String) -> Explanation {
    Explanation {
        code: Code::Internal,
        reason: String::new(),
        message,
        violations: Vec::new(),
        retry_delay: None,
        replayed: false,
        on_the_way: false,
    }
}

/// Up to half the delay, so that clients that failed together do not come back together.
fn jitter(delay: Duration) -> Duration {
    let random = getrandom::u32().unwrap_or(0);
    delay
        .checked_div(2)
        .and_then(|half| half.checked_mul(random))
        .unwrap_or_default()
        .checked_div(u32::MAX)
        .unwrap_or_default()
}
