//! Defines API keys, which programs authenticate with: their format, hashes and rotation.
//!
//! A key reads `sk_live_<id>_<secret>`: 16 hexadecimal digits that name it and may be shown, and 64 that are the
//! secret, 256 random bits. Only a hash of the secret is kept. A plain SHA-256 is enough: nobody guesses 256 bits,
//! however fast.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::rights::{KeyMode, Role};
use crate::domain::values::sid::{BusinessSid, KeySid};
use crate::domain::values::time::Timestamp;

const ID_DIGITS: usize = 16;
const SECRET_DIGITS: usize = 64;

/// The longest time, in seconds, that the old secret of a rotated key may keep working.
pub const OVERLAP_SECONDS_MAX: i64 = 7 * 86_400;

/// An API key as its holder presents it, secret included. `Debug` does not show the secret.
#[derive(Clone, PartialEq, Eq)]
pub struct PresentedKey {
    pub mode: KeyMode,
    pub public_id: PublicId,
    secret: String,
}

/// The public part of a key, which identifies it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PublicId(String);

impl PublicId {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PublicId {
    type Err = String;

    fn from_str(text: &str) -> Result<PublicId, String> {
        if text.len() == ID_DIGITS && are_hex_digits(text) {
            Ok(PublicId(text.to_owned()))
        } else {
            Err(format!("must be {ID_DIGITS} hexadecimal digits"))
        }
    }
}

/// The SHA-256 of a secret.
#[derive(Clone, Copy)]
pub struct SecretHash([u8; 32]);

impl SecretHash {
    pub fn of(secret: &str) -> SecretHash {
        SecretHash(Sha256::digest(secret.as_bytes()).into())
    }

    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Compares in constant time.
    pub fn equals(&self, other: &SecretHash) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl From<[u8; 32]> for SecretHash {
    fn from(bytes: [u8; 32]) -> SecretHash {
        SecretHash(bytes)
    }
}

impl TryFrom<&[u8]> for SecretHash {
    type Error = std::array::TryFromSliceError;

    fn try_from(bytes: &[u8]) -> Result<SecretHash, Self::Error> {
        bytes.try_into().map(SecretHash)
    }
}

impl fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretHash(…)")
    }
}

impl PresentedKey {
    /// A new key, of 256 random bits for the secret and 64 for the public id.
    pub fn from_random(mode: KeyMode, id: [u8; ID_DIGITS / 2], secret: [u8; SECRET_DIGITS / 2]) -> PresentedKey {
        PresentedKey { mode, public_id: PublicId(hex(&id)), secret: hex(&secret) }
    }

    /// A key with this public id and another secret.
    pub fn with_secret(mode: KeyMode, public_id: PublicId, secret: [u8; SECRET_DIGITS / 2]) -> PresentedKey {
        PresentedKey { mode, public_id, secret: hex(&secret) }
    }

    /// The whole key, secret included: shown to its holder once.
    pub fn reveal(&self) -> String {
        format!("sk_{}_{}_{}", self.mode, self.public_id.as_str(), self.secret)
    }

    pub fn hash(&self) -> SecretHash {
        SecretHash::of(&self.secret)
    }

    /// Whether a text looks like one of our keys, well formed or not. Another server's token does not.
    pub fn is_meant(text: &str) -> bool {
        text.starts_with("sk_live_") || text.starts_with("sk_test_")
    }
}

impl fmt::Debug for PresentedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sk_{}_{}_…", self.mode, self.public_id.as_str())
    }
}

impl FromStr for PresentedKey {
    type Err = ();

    fn from_str(text: &str) -> Result<PresentedKey, ()> {
        let rest = text.strip_prefix("sk_").ok_or(())?;
        let (mode, rest) = rest.split_once('_').ok_or(())?;
        let mode = KeyMode::ALL.iter().copied().find(|known| known.as_str() == mode).ok_or(())?;
        let (public_id, secret) = rest.split_once('_').ok_or(())?;
        let public_id = public_id.parse().map_err(|_| ())?;
        if secret.len() != SECRET_DIGITS || !are_hex_digits(secret) {
            return Err(());
        }
        Ok(PresentedKey { mode, public_id, secret: secret.to_owned() })
    }
}

fn are_hex_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// An API key as its owner sees it, without its secret.
#[derive(Clone, Debug)]
pub struct ApiKey {
    pub sid: KeySid,
    pub public_id: PublicId,
    pub mode: KeyMode,
    pub name: String,
    pub role: Role,
    /// The business it belongs to; `None` for admins and gateways.
    pub business: Option<BusinessSid>,
    /// The businesses that a gateway's key is limited to; `None`: all.
    pub businesses: Option<Vec<BusinessSid>>,
    /// The user, key or subcommand that created it.
    pub created_by: String,
    pub created_at: Timestamp,
    pub rotated_at: Option<Timestamp>,
    /// Until when the secret before the last rotation works too; `None` where it does not.
    pub previous_expires_at: Option<Timestamp>,
    pub expires_at: Option<Timestamp>,
    /// To within some seconds.
    pub last_used_at: Option<Timestamp>,
    pub revoked_at: Option<Timestamp>,
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn key() -> PresentedKey {
        PresentedKey::from_random(KeyMode::Live, [0xab; 8], [0xcd; 32])
    }

    #[test]
    fn survives_text() {
        let text = key().reveal();
        assert_eq!(text, format!("sk_live_{}_{}", "ab".repeat(8), "cd".repeat(32)));
        assert_eq!(text.parse(), Ok(key()));
    }

    #[test]
    fn debug_tells_no_secret() {
        let shown = format!("{:?} {:?}", key(), key().hash());
        assert!(!shown.contains("cdcd") && shown.contains("abab"), "{shown}");
    }

    #[rstest]
    #[case("")]
    #[case("sk_live_")]
    #[case("sk_live_abababababababab_")]
    #[case("sk_prod_abababababababab_cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd")]
    #[case("sk_live_ABABABABABABABAB_cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd")]
    #[case("sk_live_abababababababab_cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdc")]
    fn is_no_key(#[case] text: &str) {
        assert!(text.parse::<PresentedKey>().is_err(), "{text}");
    }

    #[test]
    fn another_secret_is_another_key() {
        let other = PresentedKey::with_secret(KeyMode::Live, key().public_id, [0xce; 32]);
        assert!(key().hash().equals(&key().hash()) && !key().hash().equals(&other.hash()));
    }
}
