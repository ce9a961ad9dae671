//! Caches the API keys and sessions that requests present, for less than a second.
//!
//! They are looked up many thousand times a second. What was read is used for less than a second, in every server
//! process: so a revocation works everywhere within one second, without any message between servers. Before that time
//! is up, the first request to ask has it read again, and nobody waits meanwhile.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::domain::access::keys::{PublicId, SecretHash};
use crate::domain::access::rights::{Credential, Principal};
use crate::domain::values::sid::UserSid;
use crate::domain::values::time::Timestamp;
use crate::error::Result;
use crate::storage;
use crate::storage::access::keys::StoredKey;
use crate::storage::access::sessions::StoredSession;
use crate::storage::db::Db;

/// The age at which an entry is read again, while it is still used.
const READ_AGAIN_AFTER: Duration = Duration::from_millis(400);

/// The age up to which an entry is used: below a second, with time for a request to spare.
const COUNTS_FOR: Duration = Duration::from_millis(800);

/// The most keys and sessions in memory: some ten megabytes.
const KEPT_MAX: usize = 50_000;

/// How often the last uses of keys are written to the database, all at once.
const NOTE_EVERY: Duration = Duration::from_secs(10);

/// How many uses may wait to be written; those beyond are dropped.
const NOTES_MAX: usize = 10_000;

#[derive(Clone, Debug)]
pub struct Credentials(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    db: Db,
    kept: Mutex<HashMap<Handle, Arc<Entry>>>,
    uses: mpsc::Sender<(i64, Timestamp)>,
}

/// The lookup key of an API key or a session.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Handle {
    Key(PublicId),
    Session([u8; 32]),
}

impl Handle {
    pub fn session(token: &SecretHash) -> Handle {
        Handle::Session(*token.as_bytes())
    }
}

/// A stored key or session, and the principal it authenticates if it is valid.
#[derive(Debug)]
pub struct KnownCaller {
    pub stored: Stored,
    pub principal: Arc<Principal>,
}

#[derive(Debug)]
pub enum Stored {
    Key(StoredKey),
    Session(StoredSession),
}

#[derive(Debug)]
struct Entry {
    known: Arc<KnownCaller>,
    /// Taken before it was read: later changes may be missing.
    read_at: Instant,
    is_read_again: AtomicBool,
    is_noted: AtomicBool,
}

impl Credentials {
    /// Starts with a task that writes when keys were used; it ends with the last clone.
    pub fn start(db: Db) -> Credentials {
        let (uses, line) = mpsc::channel(NOTES_MAX);
        tokio::spawn(note_uses(db.clone(), line));
        Credentials(Arc::new(Shared { db, kept: Mutex::default(), uses }))
    }

    /// The stored key or session, as it was less than a second ago.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn find(&self, handle: &Handle) -> Result<Option<Arc<KnownCaller>>> {
        let kept = self.kept().get(handle).cloned();
        let Some(entry) = kept.filter(|entry| entry.read_at.elapsed() < COUNTS_FOR) else {
            return self.read(handle).await;
        };
        if entry.read_at.elapsed() >= READ_AGAIN_AFTER && !entry.is_read_again.swap(true, Ordering::Relaxed) {
            let (credentials, handle) = (self.clone(), handle.clone());
            tokio::spawn(async move {
                if let Err(error) = credentials.read(&handle).await {
                    tracing::warn!(%error, "cannot look whether a key or a session still counts");
                }
            });
        }
        Ok(Some(entry.known.clone()))
    }

    /// Whether it was found before, however long ago.
    pub fn is_known(&self, handle: &Handle) -> bool {
        self.kept().contains_key(handle)
    }

    async fn read(&self, handle: &Handle) -> Result<Option<Arc<KnownCaller>>> {
        let read_at = Instant::now();
        let mut reader = self.0.db.read().await?;
        let known = match handle {
            Handle::Key(public_id) => {
                let key = storage::access::keys::find_by_public_id(&mut reader.conn(), public_id).await?;
                key.map(|key| KnownCaller { principal: Arc::new(of_key(&key)), stored: Stored::Key(key) })
            }
            Handle::Session(hash) => {
                let session = storage::access::sessions::find(&mut reader.conn(), &SecretHash::from(*hash)).await?;
                session.map(|session| KnownCaller {
                    principal: Arc::new(of_session(&session)),
                    stored: Stored::Session(session),
                })
            }
        };
        let mut kept = self.kept();
        let Some(known) = known.map(Arc::new) else {
            // Nothing is kept of unknown keys: invented ones must not fill the memory.
            kept.remove(handle);
            return Ok(None);
        };
        if kept.len() >= KEPT_MAX && !kept.contains_key(handle) {
            kept.retain(|_, entry| entry.read_at.elapsed() < COUNTS_FOR);
            if kept.len() >= KEPT_MAX {
                kept.clear();
            }
        }
        let entry = Entry {
            known: known.clone(),
            read_at,
            is_read_again: AtomicBool::new(false),
            is_noted: AtomicBool::new(false),
        };
        kept.insert(handle.clone(), Arc::new(entry));
        Ok(Some(known))
    }

    /// Records a use of a key.
    pub fn note_use(&self, handle: &Handle, key_id: i64, now: Timestamp) {
        let entry = self.kept().get(handle).cloned();
        if entry.is_some_and(|entry| !entry.is_noted.swap(true, Ordering::Relaxed)) {
            // Where the line is full, a later use is noted.
            let _ = self.0.uses.try_send((key_id, now));
        }
    }

    /// Forgets a key or a session, in this process. (A read under way may bring it back, for less than a second as
    /// always.)
    pub fn forget(&self, handle: &Handle) {
        self.kept().remove(handle);
    }

    /// Forgets all sessions of a user, in this process.
    pub fn forget_user(&self, user: UserSid) {
        self.kept().retain(|_, entry| {
            !matches!(entry.known.principal.credential, Credential::Login { user: known, .. } if known == user)
        });
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, HashMap<Handle, Arc<Entry>>> {
        self.0.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn of_key(key: &StoredKey) -> Principal {
    Principal {
        name: key.sid.to_string().into(),
        credential: Credential::Key { sid: key.sid, mode: key.mode },
        role: key.role,
        business: key.business.clone(),
        expires_at: key.expires_at,
        listed: key.listed.clone(),
        is_suspended: key.is_suspended,
        is_resold: key.is_resold,
    }
}

fn of_session(session: &StoredSession) -> Principal {
    Principal {
        name: session.user.to_string().into(),
        credential: Credential::Login { user: session.user, session_id: session.id },
        role: session.role,
        business: session.business.clone(),
        // What a person makes may outlast their login.
        expires_at: None,
        listed: None,
        is_suspended: session.is_suspended,
        is_resold: session.is_resold,
    }
}

async fn note_uses(db: Db, mut line: mpsc::Receiver<(i64, Timestamp)>) {
    while let Some(first) = line.recv().await {
        tokio::time::sleep(NOTE_EVERY).await;
        let mut latest = HashMap::from([first]);
        while let Ok((key, at)) = line.try_recv() {
            latest.entry(key).and_modify(|known: &mut Timestamp| *known = (*known).max(at)).or_insert(at);
        }
        // In one order everywhere, so that two processes do not wait for each other in a circle.
        let mut latest: Vec<_> = latest.into_iter().collect();
        latest.sort_unstable();
        if let Err(error) = write_uses(&db, &latest).await {
            tracing::warn!(%error, "cannot note when keys were used");
        }
    }
}

async fn write_uses(db: &Db, uses: &[(i64, Timestamp)]) -> Result<()> {
    let mut tx = db.begin().await?;
    storage::access::keys::touch(&mut tx.conn().bulk(), uses).await?;
    tx.commit().await
}
