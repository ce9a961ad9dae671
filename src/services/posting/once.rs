//! Runs a use case once under an `Idempotency-Key`, however often it is asked.
//!
//! Every use case that takes a key stands in this one frame: begin → lock → answer as before, or run → store → commit. The
//! [`Lock`] keeps two requests with one key apart, so that the second sees what the first left; the [`Codec`] says how the
//! answer is kept for 30 days. Where nobody knows whether the COMMIT happened, the key tells.

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

/// A request that may have been answered before. Without a key it never was.
#[derive(Debug)]
pub struct Once<'a> {
    pub billing: &'a Billing,
    pub key: Option<&'a KeyScope>,
    pub input: InputHash,
    pub now: Timestamp,
}

/// What a transaction holds before it looks for an earlier answer, and until it ends.
pub trait Lock: Sync {
    /// What was found as it was taken.
    type Held: Send;

    /// Takes it. `key`: that of the request, where it has one.
    ///
    /// # Errors
    /// Those of what is held, where it is not there or none of the caller's, and those of the database.
    fn take(&self, conn: &mut Conn<'_>, key: Option<&KeyScope>) -> impl Future<Output = Result<Self::Held>> + Send;

    /// Waits until a transaction that holds it has ended, should the database still be at it, and changes nothing.
    ///
    /// # Errors
    /// Those of the database.
    fn wait(&self, conn: &mut Conn<'_>, key: &KeyScope) -> impl Future<Output = Result<()>> + Send;
}

/// How an answer is kept, and given again.
pub trait Codec<T>: Sync {
    /// What is kept of it: JSON, for 30 days, so secrets only sealed.
    ///
    /// # Errors
    /// [`Error::Corrupt`] where it cannot be written.
    fn encode(&self, answer: &T) -> Result<Box<RawValue>>;

    /// The answer again, from what was kept and, where that is not all, from rows.
    ///
    /// # Errors
    /// [`Error::Corrupt`] where it cannot be read; what else a codec says; those of the database.
    fn decode(&self, conn: &mut Conn<'_>, kept: &RawValue) -> impl Future<Output = Result<T>> + Send;
}

impl Once<'_> {
    /// Runs the work in a transaction that holds the lock, stores its answer under the key and commits both; or gives the
    /// answer that was stored before.
    ///
    /// # Errors
    /// [`Error::IdempotencyConflict`] where the key came with another input before; [`Error::OutcomeUnknown`] where there is
    /// no key to ask by, or it cannot tell; those of the lock, the work, the codec and the database.
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
                // Nothing, or no answer at all: neither may be told as if nothing had happened.
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

/// Keeps an answer whole, as plain JSON: for all that holds no secret.
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

/// What is kept of an answer, as JSON.
///
/// # Errors
/// [`Error::Corrupt`] where it cannot be JSON.
pub fn kept_json(kept: &impl Serialize) -> Result<Box<RawValue>> {
    to_raw_value(kept).map_err(|error| Error::Corrupt(format!("an idempotent answer: {error}")))
}

/// What was kept, read again.
///
/// # Errors
/// [`Error::Corrupt`] where it is another's.
pub fn from_kept<T: DeserializeOwned>(kept: &RawValue) -> Result<T> {
    serde_json::from_str(kept.get()).map_err(|error| Error::Corrupt(format!("an idempotent answer: {error}")))
}

/// Holds the key itself, for what has no row of its own to hold.
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

/// Holds the wallet of a business, if it has one. Two requests with one key concern one business, so its wallet keeps them
/// apart.
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

/// Holds the wallet of a business; both are made where they do not exist.
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

/// Holds the wallet of a business that exists, and else fails with [`Error::NotFound`]; a wallet is made where there is none.
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
