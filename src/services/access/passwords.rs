//! Hashes and verifies passwords with argon2id, on few threads of their own.
//! The parameters are those that OWASP recommends (19 MiB, 2 passes), which take tens of milliseconds and much memory
//! on purpose.

use std::sync::Arc;

use argon2::{Argon2, PasswordHasher, PasswordVerifier};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::domain::access::users::Password;
use crate::error::{Error, Result};
use crate::random;

/// How many passwords are hashed at once: it bounds the memory that logins take, and leaves processors to other
/// requests.
const AT_ONCE: usize = 2;

/// A hash to compare with where the user does not exist, so that a login takes as long either way. It is the hash of
/// random bytes that nobody kept.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$xX1kbQQpmmsdYHWZc1ku4g$GvWmXXHMzJ4KvYh7NoFJkPSCHfHbY9kKRQ0Xs2Yz0R8";

/// How many may wait to be hashed: about a second's work. Others are told to come back.
const IN_LINE: usize = 32;

#[derive(Clone, Debug)]
pub struct Passwords {
    hashing: Arc<Semaphore>,
    line: Arc<Semaphore>,
}

/// A place in the queue, to be taken before any other work of a login.
#[derive(Debug)]
pub struct HashingTurn(#[allow(dead_code, reason = "held for its end")] OwnedSemaphorePermit);

impl Default for Passwords {
    fn default() -> Passwords {
        Passwords { hashing: Arc::new(Semaphore::new(AT_ONCE)), line: Arc::new(Semaphore::new(IN_LINE)) }
    }
}

impl Passwords {
    /// Takes a place in the queue.
    ///
    /// # Errors
    /// [`Error::Busy`] where it is full.
    pub fn line_up(&self) -> Result<HashingTurn> {
        let sentence = "Many people log in at this moment; try again in a moment.";
        self.line.clone().try_acquire_owned().map(HashingTurn).map_err(|_| Error::Busy(sentence))
    }

    /// Hashes a password, in the PHC string format.
    ///
    /// # Errors
    /// [`Error::Setup`] where the system gives no random bytes.
    pub async fn hash(&self, _turn: &HashingTurn, password: &Password) -> Result<String> {
        let salt = random::bytes::<16>()?;
        let password = password.clone();
        self.aside(move || {
            let hash = Argon2::default().hash_password_with_salt(password.as_str().as_bytes(), &salt);
            hash.map(|hash| hash.to_string()).map_err(|error| Error::Corrupt(format!("no hash of a password: {error}")))
        })
        .await?
    }

    /// Whether a password matches a hash. Without a hash it does not, and takes as long.
    ///
    /// # Errors
    /// [`Error::Corrupt`] where the hash is malformed.
    pub async fn verify(&self, _turn: &HashingTurn, password: &Password, hash: Option<&str>) -> Result<bool> {
        let is_somebody = hash.is_some();
        let (password, hash) = (password.clone(), hash.unwrap_or(NOBODY).to_owned());
        let verified =
            self.aside(move || Argon2::default().verify_password(password.as_str().as_bytes(), &*hash)).await?;
        match verified {
            Ok(()) => Ok(is_somebody),
            Err(argon2::password_hash::Error::PasswordInvalid) => Ok(false),
            Err(error) => Err(Error::Corrupt(format!("a stored password that cannot be compared: {error}"))),
        }
    }

    async fn aside<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        // The semaphore is never closed.
        let _turn = self.hashing.acquire().await.map_err(|_| Error::Busy("the server is about to stop"))?;
        tokio::task::spawn_blocking(work).await.map_err(|error| Error::Corrupt(format!("a password's hash: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_has_an_end() {
        let passwords = Passwords::default();
        let places: Vec<HashingTurn> = (0..IN_LINE).map(|_| passwords.line_up().expect("a place")).collect();
        assert!(matches!(passwords.line_up(), Err(Error::Busy(_))));
        drop(places);
        assert!(passwords.line_up().is_ok());
    }

    #[tokio::test]
    async fn verifies_what_it_hashed() {
        let passwords = Passwords::default();
        let (right, wrong): (Password, Password) =
            ("correct horse".parse().expect("a password"), "wrong horse".parse().expect("a password"));
        let place = passwords.line_up().expect("a place");
        let hash = passwords.hash(&place, &right).await.expect("a hash");
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(passwords.verify(&place, &right, Some(&hash)).await.expect("compared"));
        assert!(!passwords.verify(&place, &wrong, Some(&hash)).await.expect("compared"));
        assert!(!passwords.verify(&place, &right, None).await.expect("compared"), "nobody has no password");
        assert!(passwords.verify(&place, &right, Some("nonsense")).await.is_err());
    }
}
