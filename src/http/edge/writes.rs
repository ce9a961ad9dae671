//! Runs writes in a task of their own, so that a caller who hangs up does not stop one half-way.

use std::pin::Pin;

use tracing::Instrument;

use super::answer::error::Problem;

/// Runs a write to its end, even if the caller hangs up or the deadline passes while it is under way.
///
/// # Errors
/// Those of the write.
pub async fn to_the_end<T: Send + 'static>(
    write: impl Future<Output = crate::error::Result<T>> + Send + 'static,
) -> Result<T, Problem> {
    // In a box: the code that runs a task is then compiled once for each answer, not for each write, and nothing large
    // moves.
    let write: Pin<Box<dyn Future<Output = crate::error::Result<T>> + Send>> = Box::pin(write);
    match tokio::spawn(write.in_current_span()).await {
        Ok(outcome) => Ok(outcome?),
        Err(failure) => Err(Problem::internal(format!("a write did not end: {failure}"))),
    }
}
