//! Runs writes in a task of their own, so that a caller who hangs up does not stop one half-way.

use tracing::Instrument;

use super::answer::error::Problem;

/// Runs a write to its end, even if the caller hangs up or the deadline passes while it is under way.
///
/// # Errors
/// Those of the write.
pub async fn to_the_end<T: Send + 'static>(
    write: impl Future<Output = crate::error::Result<T>> + Send + 'static,
) -> Result<T, Problem> {
    match tokio::spawn(write.in_current_span()).await {
        Ok(outcome) => Ok(outcome?),
        Err(failure) => Err(Problem::internal(format!("a write did not end: {failure}"))),
    }
}
