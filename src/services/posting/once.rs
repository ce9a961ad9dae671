//! Runs a use case once per `Idempotency-Key`, and answers repeats from storage.
//!
//! Every use case that takes a key runs inside [`Once::run`]: begin → lock → the stored answer, or run → store →
//! commit. The [`Lock`] keeps two requests with one key apart, so that the second sees what the first left; the
//! [`Codec`] says how the answer is stored for 30 days. Where the outcome of the COMMIT is unknown, the key is looked
//! up again.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::{RawValue, to_raw_value};

use crate::domain::values::idempotency::{InputHash, KeyScope, OnceAnswer};
use crate::domain::values::sid::BusinessSid;
use crate::domain::values::time::Timestamp;
use crate::error::{Error, Result};
use crate::services::Billing;
use crate::storage;
use crate::storage::db::Conn;
use crate::storage::wallets::{Opening, StoredWallet};

/// A request that may have been answered before. Without a key there is no earlier answer.
#[derive(Debug)]
pub struct Once<'a> {
    pub billing: &'a Billing,
    pub key: Option<&'a KeyScope>,
    pub input: InputHash,
    pub now: Timestamp,
}

/// The lock that a transaction takes before it looks for an earlier answer, and holds until it ends.
pub trait Lock: Sync {
    /// The rows that the lock reads.
    type Held: Send;

    /// Takes the lock. `key`: the idempotency key of the request, if it has one.
    ///
    /// # Errors
    /// [`Error::NotFound`] where there is nothing to lock for this caller, and those of the database.
    fn take(&self, conn: &mut Conn<'_>, key: Option<&KeyScope>) -> impl Future<Output = Result<Self::Held>> + Send;

    /// Waits until a transaction whose outcome is unknown has ended, in case the database still works on it. Creates
    /// nothing.
    ///
    /// # Errors
    /// Those of the database.
    fn wait(&self, conn: &mut Conn<'_>, key: &KeyScope) -> impl Future<Output = Result<()>> + Send;
}

/// How an answer is stored, and read again.
pub trait Codec<T>: Sync {
    /// The JSON to store for 30 days. Secrets in it are encrypted.
    ///
    /// # Errors
    /// [`Error::Corrupt`] where it cannot be written.
    fn encode(&self, answer: &T) -> Result<Box<RawValue>>;

    /// The answer again, from the stored JSON and, where that holds only a part, from other rows.
    ///
    /// # Errors
    /// [`Error::Corrupt`] where it cannot be read; [`Error::Impossible`] where a secret can no longer be decrypted;
    /// those of the database.
    fn decode(&self, conn: &mut Conn<'_>, kept: &RawValue) -> impl Future<Output = Result<T>> + Send;
}

impl Once<'_> {
    /// Runs `work` in a transaction that holds the lock, stores its answer under the key and commits; or returns the
    /// answer that was stored before, and rolls back.
    ///
    /// # Errors
    /// [`Error::IdempotencyConflict`] where the key was used with another input; [`Error::OutcomeUnknown`] where there
    /// is no key to ask by, or it cannot tell; those of the lock, the work, the codec and the database.
    pub async fn run<T, L, C, W>(&self, lock: L, codec: C, work: W) -> Result<OnceAnswer<T>>
    where
        L: Lock,
        C: Codec<T>,
        W: AsyncFnOnce(&mut Conn<'_>, L::Held) -> Result<T>,
    {
        let mut tx = self.billing.db.begin().await?;
        let mut conn = tx.conn();
        let held = lock.take(&mut conn, self.key).await?;
        let Some(key) = self.key else {
            let value = work(&mut conn, held).await?;
            tx.commit().await?;
            return Ok(OnceAnswer { value, replayed: false });
        };
        if let Some(value) = self.find(&mut conn, key, self.now, &codec).await? {
            tx.roll_back().await?;
            return Ok(OnceAnswer { value, replayed: true });
        }
        let value = work(&mut conn, held).await?;
        let kept = codec.encode(&value)?;
        storage::db::idempotency::remember(&mut conn, key, &self.input, &kept, self.now).await?;
        match tx.commit().await {
            Ok(()) => Ok(OnceAnswer { value, replayed: false }),
            Err(unknown @ Error::OutcomeUnknown(_)) => match self.look_up(key, &lock, &codec).await {
                Ok(Some(value)) => Ok(OnceAnswer { value, replayed: false }),
                // The key is another request's by now: this one did not happen.
                Err(conflict @ Error::IdempotencyConflict) => Err(conflict),
                // No stored answer, or no reply: neither proves that nothing happened.
                Ok(None) | Err(_) => Err(unknown),
            },
            Err(error) => Err(error),
        }
    }

    async fn look_up<T>(&self, key: &KeyScope, lock: &impl Lock, codec: &impl Codec<T>) -> Result<Option<T>> {
        let mut tx = self.billing.db.begin().await?;
        let mut conn = tx.conn();
        lock.wait(&mut conn, key).await?;
        self.find(&mut conn, key, self.billing.clock.now(), codec).await
    }

    async fn find<T>(
        &self,
        conn: &mut Conn<'_>,
        key: &KeyScope,
        now: Timestamp,
        codec: &impl Codec<T>,
    ) -> Result<Option<T>> {
        match storage::db::idempotency::find::<Box<RawValue>>(conn, key, &self.input, now).await? {
            Some(kept) => codec.decode(conn, &kept).await.map(Some),
            None => Ok(None),
        }
    }
}

/// Stores a whole answer as JSON: for answers without secrets.
#[derive(Clone, Copy, Debug)]
pub struct PlainJson;

impl<T: Serialize + DeserializeOwned> Codec<T> for PlainJson {
    fn encode(&self, answer: &T) -> Result<Box<RawValue>> {
        kept_json(answer)
    }

    async fn decode(&self, _conn: &mut Conn<'_>, kept: &RawValue) -> Result<T> {
        from_kept(kept)
    }
}

/// Serialises the stored part of an answer.
///
/// # Errors
/// [`Error::Corrupt`] where it cannot be JSON.
pub fn kept_json(kept: &impl Serialize) -> Result<Box<RawValue>> {
    to_raw_value(kept).map_err(|error| Error::Corrupt(format!("an idempotent answer: {error}")))
}

/// Deserialises the stored part of an answer.
///
/// # Errors
/// [`Error::Corrupt`] where the JSON is of another shape.
pub fn from_kept<T: DeserializeOwned>(kept: &RawValue) -> Result<T> {
    serde_json::from_str(kept.get()).map_err(|error| Error::Corrupt(format!("an idempotent answer: {error}")))
}

/// Locks the idempotency key itself, for use cases without a row to lock.
#[derive(Clone, Copy, Debug)]
pub struct KeyTurn;

impl Lock for KeyTurn {
    type Held = ();

    async fn take(&self, conn: &mut Conn<'_>, key: Option<&KeyScope>) -> Result<()> {
        match key {
            Some(key) => storage::db::idempotency::take_turn(conn, key).await,
            None => Ok(()),
        }
    }

    async fn wait(&self, conn: &mut Conn<'_>, key: &KeyScope) -> Result<()> {
        storage::db::idempotency::take_turn(conn, key).await
    }
}

/// Locks the wallet of a business, if it has one. Two requests with one key concern one business, so its wallet keeps
/// them apart.
#[derive(Clone, Copy, Debug)]
pub struct HeldWallet<'a>(pub &'a BusinessSid);

impl Lock for HeldWallet<'_> {
    type Held = ();

    async fn take(&self, conn: &mut Conn<'_>, _key: Option<&KeyScope>) -> Result<()> {
        storage::wallets::lock(conn, self.0).await.map(|_| ())
    }

    async fn wait(&self, conn: &mut Conn<'_>, _key: &KeyScope) -> Result<()> {
        storage::wallets::lock(conn, self.0).await.map(|_| ())
    }
}

/// Locks the wallet of a business; business and wallet are created where they do not exist.
#[derive(Clone, Copy, Debug)]
pub struct OpenedWallet<'a>(pub &'a Opening<'a>);

impl Lock for OpenedWallet<'_> {
    type Held = StoredWallet;

    async fn take(&self, conn: &mut Conn<'_>, _key: Option<&KeyScope>) -> Result<StoredWallet> {
        storage::wallets::lock_or_open(conn, self.0).await
    }

    async fn wait(&self, conn: &mut Conn<'_>, key: &KeyScope) -> Result<()> {
        HeldWallet(self.0.business).wait(conn, key).await
    }
}

/// Locks the wallet of a business that exists, creating it where there is none. Without such a business:
/// [`Error::NotFound`].
#[derive(Clone, Copy, Debug)]
pub struct WalletOfExisting<'a>(pub &'a Opening<'a>);

impl Lock for WalletOfExisting<'_> {
    type Held = StoredWallet;

    async fn take(&self, conn: &mut Conn<'_>, _key: Option<&KeyScope>) -> Result<StoredWallet> {
        storage::wallets::lock_or_open_existing(conn, self.0).await?.ok_or_else(Error::no_such_business)
    }

    async fn wait(&self, conn: &mut Conn<'_>, key: &KeyScope) -> Result<()> {
        HeldWallet(self.0.business).wait(conn, key).await
    }
}
