//! Defines session tokens, which browsers authenticate with after a login.
//! The cookie holds 256 random bits; only their hash is kept.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use super::keys::SecretHash;

const TOKEN_LENGTH: usize = 43;

/// The token in a session cookie. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionToken(String);

impl SessionToken {
    pub fn from_random(bits: [u8; 32]) -> SessionToken {
        SessionToken(BASE64_URL_SAFE_NO_PAD.encode(bits))
    }

    pub fn reveal(&self) -> &str {
        &self.0
    }

    pub fn hash(&self) -> SecretHash {
        SecretHash::of(&self.0)
    }
}

impl FromStr for SessionToken {
    type Err = ();

    fn from_str(text: &str) -> Result<SessionToken, ()> {
        let is_token = text.len() == TOKEN_LENGTH
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        is_token.then(|| SessionToken(text.to_owned())).ok_or(())
    }
}

impl fmt::Debug for SessionToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionToken(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn survives_text() {
        let token = SessionToken::from_random([7; 32]);
        assert_eq!(token.reveal().parse(), Ok(token.clone()));
        assert!("short".parse::<SessionToken>().is_err() && ";".repeat(TOKEN_LENGTH).parse::<SessionToken>().is_err());
        assert!(!format!("{token:?}").contains(token.reveal()));
    }
}
