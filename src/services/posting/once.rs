//! Performs a posting once per `Idempotency-Key`, and answers repeats from storage.
//! Not a use case: those that enter money into a wallet, or request a payment, run inside it.
//!
//! The use case begins a transaction and locks the wallet; [`Once::earlier`] finds the answer given to the key before,
//! and then there is nothing left to do; else the use case does its work and hands the transaction to [`Once::commit`].

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::domain::values::idempotency::{InputHash, KeyScope, OnceAnswer};
use crate::domain::values::sid::BusinessSid;
use crate::domain::values::time::Timestamp;
use crate::error::{Error, Result};
use crate::services::Billing;
use crate::storage;
use crate::storage::db::{Conn, Tx};

/// A request that may have been answered before. Without a key it was not.
#[derive(Debug)]
pub struct Once<'a> {
    pub billing: &'a Billing,
    /// The business whose wallet the transaction locks. Two requests with one key concern one business, so with its
    /// wallet locked the second sees what the first left.
    pub business: &'a BusinessSid,
    pub key: Option<&'a KeyScope>,
    pub input: InputHash,
    pub now: Timestamp,
}

impl Once<'_> {
    /// The answer given before, if there is one; then the caller rolls back and answers the same.
    ///
    /// # Errors
    /// [`Error::IdempotencyConflict`] where the key was used with another input, and those of the database.
    pub async fn earlier<T: DeserializeOwned>(&self, conn: &mut Conn<'_>) -> Result<Option<OnceAnswer<T>>> {
        let Some(key) = self.key else { return Ok(None) };
        let found = storage::db::idempotency::find(conn, key, &self.input, self.now).await?;
        Ok(found.map(|value| OnceAnswer { value, replayed: true }))
    }

    /// Stores the answer and commits. Where the outcome of the commit is unknown, the key tells whether it happened.
    ///
    /// # Errors
    /// [`Error::OutcomeUnknown`] where there is no key to ask by, or it cannot tell; those of the database.
    pub async fn commit<T: Serialize + DeserializeOwned>(&self, mut tx: Tx, value: T) -> Result<OnceAnswer<T>> {
        let Some(key) = self.key else {
            tx.commit().await?;
            return Ok(OnceAnswer { value, replayed: false });
        };
        storage::db::idempotency::remember(&mut tx.conn(), key, &self.input, &value, self.now).await?;
        match tx.commit().await {
            Ok(()) => Ok(OnceAnswer { value, replayed: false }),
            Err(unknown @ Error::OutcomeUnknown(_)) => match self.look_up(key).await {
                Ok(Some(value)) => Ok(OnceAnswer { value, replayed: false }),
                // The key is another request's by now: this one did not happen.
                Err(conflict @ Error::IdempotencyConflict) => Err(conflict),
                // Nothing, or no answer at all: neither may be told as if nothing had happened.
                Ok(None) | Err(_) => Err(unknown),
            },
            Err(error) => Err(error),
        }
    }

    async fn look_up<T: DeserializeOwned>(&self, key: &KeyScope) -> Result<Option<T>> {
        let mut tx = self.billing.db.begin().await?;
        // Waits for the lost transaction, should the database still be at it.
        storage::wallets::lock(&mut tx.conn(), self.business).await?;
        storage::db::idempotency::find(&mut tx.conn(), key, &self.input, self.billing.clock.now()).await
    }
}
