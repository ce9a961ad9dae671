//! Reads random bytes for keys, session tokens and nonces; alone reads the system's randomness.

use crate::error::{Error, Result};

/// Random bytes that nobody can guess.
///
/// # Errors
/// [`Error::Setup`] where the system gives none.
pub fn bytes<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| Error::Setup(format!("the system gives no random bytes: {error}")))?;
    Ok(bytes)
}
