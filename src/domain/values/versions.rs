//! Versions objects by a hash of their content, so that nobody overwrites a change they have not read.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;
use sha2::{Digest, Sha256};

const BYTES: usize = 16;

/// The version of an object: the first half of the SHA-256 of its content as JSON. Equal content has an equal version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version([u8; BYTES]);

impl Version {
    /// The version of `content`, which is all of the object that callers see.
    pub fn of(content: &impl Serialize) -> Version {
        // Texts, numbers and lists of them always serialise.
        let digest = Sha256::digest(serde_json::to_vec(content).unwrap_or_default());
        let mut version = [0; BYTES];
        version.copy_from_slice(&digest[..BYTES]);
        Version(version)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for Version {
    type Err = ();

    fn from_str(text: &str) -> Result<Version, ()> {
        let is_version =
            text.len() == 2 * BYTES && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        let number = u128::from_str_radix(text, 16).ok().filter(|_| is_version).ok_or(())?;
        Ok(Version(number.to_be_bytes()))
    }
}

/// The version that a writer expects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Any version.
    Anything,
    /// One of these; if the list is empty, none that exists.
    Versions(Vec<Version>),
}

impl Seen {
    /// Whether the object's present version is an expected one.
    pub fn includes(&self, now: Version) -> bool {
        match self {
            Seen::Anything => true,
            Seen::Versions(seen) => seen.contains(&now),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_content_is_an_equal_version() {
        let version = Version::of(&("Starter", 5));
        assert_eq!(version, Version::of(&("Starter", 5)));
        assert_ne!(version, Version::of(&("Starter", 6)));
        assert_eq!(version.to_string().parse(), Ok(version));
        assert_eq!(version.to_string().len(), 32);
    }

    #[test]
    fn what_is_no_version() {
        for bad in ["", "abc", &"A".repeat(32), &"+".repeat(32), &"0".repeat(33)] {
            assert!(bad.parse::<Version>().is_err(), "{bad}");
        }
    }

    #[test]
    fn who_saw_what() {
        let (one, other) = (Version::of(&1), Version::of(&2));
        assert!(Seen::Anything.includes(one));
        assert!(Seen::Versions(vec![other, one]).includes(one));
        assert!(!Seen::Versions(vec![other]).includes(one));
        assert!(!Seen::Versions(Vec::new()).includes(one));
    }
}
