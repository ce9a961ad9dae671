//! Signs and verifies messages between this server and payment providers, by HMAC-SHA256.
//! The id, the time and the body are signed, as Standard Webhooks has it (`webhook-id`, `webhook-timestamp`,
//! `webhook-signature`).

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::domain::values::time::Timestamp;

/// How far the timestamp of a message may differ from our clock, in seconds.
pub const TOLERANCE_SECONDS: i64 = 300;

/// The shortest secret, in bytes.
const SHORTEST: usize = 24;

const PREFIX: &str = "whsec_";

/// The secret shared with a provider. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningSecret(Vec<u8>);

impl FromStr for SigningSecret {
    type Err = String;

    /// `whsec_` and base64 stand for the decoded bytes; any other text for its own bytes.
    fn from_str(text: &str) -> Result<SigningSecret, String> {
        let bytes = match text.strip_prefix(PREFIX) {
            Some(encoded) => BASE64_STANDARD.decode(encoded).map_err(|_| "must be base64 after whsec_".to_owned())?,
            None => text.as_bytes().to_vec(),
        };
        if bytes.len() >= SHORTEST {
            Ok(SigningSecret(bytes))
        } else {
            Err(format!("must be at least {SHORTEST} random bytes, such as `openssl rand -base64 32` prints"))
        }
    }
}

impl fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningSecret(…)")
    }
}

/// The signed parts of a message: headers and body.
#[derive(Clone, Copy, Debug)]
pub struct SignedMessage<'a> {
    pub id: &'a str,
    /// Seconds since 1970, as written in the header.
    pub timestamp: &'a str,
    pub body: &'a [u8],
}

/// Why a message is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSignature {
    #[error("The headers webhook-id, webhook-timestamp and webhook-signature have to be there.")]
    Missing,
    #[error(
        "The time in webhook-timestamp is more than 5 minutes from the server's: sign each message when you send it."
    )]
    Stale,
    #[error("The signature is not that of this id, time and body under the provider's secret.")]
    Wrong,
}

impl SigningSecret {
    fn mac(&self, message: SignedMessage<'_>) -> Option<Hmac<Sha256>> {
        // HMAC takes keys of any length.
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).ok()?;
        for part in [message.id.as_bytes(), b".", message.timestamp.as_bytes(), b".", message.body] {
            mac.update(part);
        }
        Some(mac)
    }

    /// The signature of a message, in the header's format.
    pub fn sign(&self, message: SignedMessage<'_>) -> String {
        let code = self.mac(message).map(|mac| mac.finalize().into_bytes());
        format!("v1,{}", BASE64_STANDARD.encode(code.unwrap_or_default()))
    }

    /// Checks that one of the signatures in a header (separated by blanks) matches the message, and that its timestamp
    /// is recent. Compares in constant time.
    ///
    /// # Errors
    /// Why the message is not accepted.
    pub fn verify(&self, message: SignedMessage<'_>, signatures: &str, now: Timestamp) -> Result<(), BadSignature> {
        if message.id.is_empty() || message.timestamp.is_empty() || signatures.trim().is_empty() {
            return Err(BadSignature::Missing);
        }
        let is_plain = message.timestamp.bytes().all(|byte| byte.is_ascii_digit());
        let sent = message.timestamp.parse::<i64>().ok().filter(|_| is_plain).ok_or(BadSignature::Stale)?;
        if (now.micros().div_euclid(1_000_000)).abs_diff(sent) > TOLERANCE_SECONDS.unsigned_abs() {
            return Err(BadSignature::Stale);
        }
        let matches = |signature: &str| {
            let code = signature.strip_prefix("v1,").and_then(|encoded| BASE64_STANDARD.decode(encoded).ok());
            code.zip(self.mac(message)).is_some_and(|(code, mac)| mac.verify_slice(&code).is_ok())
        };
        if signatures.split_whitespace().any(matches) { Ok(()) } else { Err(BadSignature::Wrong) }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const NOW: i64 = 1_614_265_330;

    fn secret(text: &str) -> SigningSecret {
        text.parse().expect("a secret")
    }

    /// The example of the specification of Standard Webhooks.
    const SPECIFIED: (&str, &str, &str, &str) = (
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        r#"{"test": 2432232314}"#,
        "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    );

    fn message<'a>(timestamp: &'a str, body: &'a str) -> SignedMessage<'a> {
        SignedMessage { id: SPECIFIED.1, timestamp, body: body.as_bytes() }
    }

    #[test]
    fn signs_as_specified() {
        let (key, _, body, signature) = SPECIFIED;
        assert_eq!(secret(key).sign(message("1614265330", body)), signature);
    }

    #[rstest]
    #[case("1614265330", SPECIFIED.3, 0, Ok(()))]
    #[case("1614265330", SPECIFIED.3, 300, Ok(()))]
    #[case("1614265330", SPECIFIED.3, -300, Ok(()))]
    #[case("1614265330", SPECIFIED.3, 301, Err(BadSignature::Stale))]
    #[case("1614265330", SPECIFIED.3, -301, Err(BadSignature::Stale))]
    #[case("1614265331", SPECIFIED.3, 0, Err(BadSignature::Wrong))]
    #[case("+1614265330", SPECIFIED.3, 0, Err(BadSignature::Stale))]
    #[case("", SPECIFIED.3, 0, Err(BadSignature::Missing))]
    #[case("yesterday", SPECIFIED.3, 0, Err(BadSignature::Stale))]
    #[case("99999999999999999999", SPECIFIED.3, 0, Err(BadSignature::Stale))]
    #[case("1614265330", "", 0, Err(BadSignature::Missing))]
    #[case("1614265330", "v1,AAAA", 0, Err(BadSignature::Wrong))]
    #[case("1614265330", "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", 0, Err(BadSignature::Wrong))]
    #[case("1614265330", "v2,x v1,AAAA v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", 0, Ok(()))]
    fn verifies(
        #[case] timestamp: &str,
        #[case] signatures: &str,
        #[case] seconds_later: i64,
        #[case] expected: Result<(), BadSignature>,
    ) {
        let now = Timestamp::from_micros((NOW + seconds_later) * 1_000_000);
        let verdict = secret(SPECIFIED.0).verify(message(timestamp, SPECIFIED.2), signatures, now);
        assert_eq!(verdict, expected);
    }

    #[test]
    fn another_body_or_secret_has_another_signature() {
        let now = Timestamp::from_micros(NOW * 1_000_000);
        let other = secret(SPECIFIED.0).verify(message("1614265330", r#"{"test":2432232314}"#), SPECIFIED.3, now);
        assert_eq!(other, Err(BadSignature::Wrong));
        let other = secret(&"x".repeat(24)).verify(message("1614265330", SPECIFIED.2), SPECIFIED.3, now);
        assert_eq!(other, Err(BadSignature::Wrong));
    }

    #[test]
    fn secrets_are_long_and_told_to_nobody() {
        for short in ["", "short", "whsec_", "whsec_c2hvcnQ=", "whsec_%%%"] {
            assert!(short.parse::<SigningSecret>().is_err(), "{short}");
        }
        assert_eq!(format!("{:?}", secret(SPECIFIED.0)), "SigningSecret(…)");
    }
}
