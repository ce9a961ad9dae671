//! Defines idempotency keys, input hashes, and the answers stored to be given again.

use std::str::FromStr;

use sha2::{Digest, Sha256};

use super::named_enum::deserialize_from_str;
use super::sid::BusinessSid;
use super::time::Timestamp;

/// How many days a key is remembered.
const KEPT_DAYS: i64 = 30;

/// Keys created before this time are forgotten.
pub fn forgotten_before(now: Timestamp) -> Timestamp {
    now.minus_days(KEPT_DAYS)
}

/// The `Idempotency-Key` of a request: 1 to 255 visible ASCII characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for IdempotencyKey {
    type Err = String;

    fn from_str(text: &str) -> Result<IdempotencyKey, String> {
        if (1..=255).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic()) {
            Ok(IdempotencyKey(text.to_owned()))
        } else {
            Err("must be 1 to 255 visible ASCII characters, such as a UUID".to_owned())
        }
    }
}

deserialize_from_str!(IdempotencyKey);

/// The scope in which a key is unique: caller, route and business.
#[derive(Clone, Debug)]
pub struct KeyScope {
    pub caller: String,
    /// Method and path template.
    pub route: &'static str,
    /// `None` where the request concerns no single business.
    pub business_sid: Option<BusinessSid>,
    pub key: IdempotencyKey,
}

/// SHA-256 of a request's parsed input, field by field, so that `12.5` and `12.50` are the same input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputHash(Vec<u8>);

impl InputHash {
    /// Each field goes in with its length before it, so that no two lists of fields run together.
    pub fn of(fields: &[&str]) -> InputHash {
        let mut hash = Sha256::new();
        for field in fields {
            hash.update((field.len() as u64).to_be_bytes());
            hash.update(field.as_bytes());
        }
        InputHash(hash.finalize().to_vec())
    }

    /// 128 bits, enough to tell two requests apart where a row must stay small.
    pub fn first_half(&self) -> [u8; 16] {
        let mut half = [0; 16];
        half.copy_from_slice(&self.0[..16]);
        half
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// An answer, and whether it repeats an earlier one.
#[derive(Debug)]
pub struct OnceAnswer<T> {
    pub value: T,
    pub replayed: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_do_not_run_together() {
        assert_ne!(InputHash::of(&["ab", "c"]), InputHash::of(&["a", "bc"]));
        assert_eq!(InputHash::of(&["ab", "c"]), InputHash::of(&["ab", "c"]));
    }

    #[test]
    fn keys() {
        assert!("x".repeat(255).parse::<IdempotencyKey>().is_ok());
        for bad in ["", "a b", "é", "a\n", &"x".repeat(256)] {
            assert!(bad.parse::<IdempotencyKey>().is_err(), "{bad:?}");
        }
    }
}
