//! Signs webhook deliveries with an endpoint's secret, by Standard Webhooks (https://www.standardwebhooks.com).

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The prefix of a secret, so that it is recognised where it should not be.
const PREFIX: &str = "whsec_";

/// How many random bytes a new secret has.
pub const SECRET_BYTES: usize = 32;

/// The secret that an endpoint shares with the server. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookSecret(Vec<u8>);

impl WebhookSecret {
    pub fn from_random(bytes: [u8; SECRET_BYTES]) -> WebhookSecret {
        WebhookSecret(bytes.to_vec())
    }

    /// Parses a secret; `None` where the text is none.
    pub fn parse(text: &str) -> Option<WebhookSecret> {
        BASE64_STANDARD.decode(text.strip_prefix(PREFIX)?).ok().map(WebhookSecret)
    }

    /// The secret as text, for its holder.
    pub fn reveal(&self) -> String {
        format!("{PREFIX}{}", BASE64_STANDARD.encode(&self.0))
    }

    /// The signature of a delivery, prefixed with the version of the scheme.
    fn sign(&self, id: &str, unix_seconds: i64, payload: &str) -> Option<String> {
        // A key of any length is one to HMAC.
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).ok()?;
        mac.update(format!("{id}.{unix_seconds}.{payload}").as_bytes());
        Some(format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes())))
    }
}

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookSecret(…)")
    }
}

/// The header `webhook-signature`: one signature per secret.
pub fn signatures(secrets: &[WebhookSecret], id: &str, unix_seconds: i64, payload: &str) -> String {
    let signed: Vec<_> = secrets.iter().filter_map(|secret| secret.sign(id, unix_seconds, payload)).collect();
    signed.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vector of the reference implementations.
    #[test]
    fn the_known_vector() {
        let secret = WebhookSecret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("a secret");
        let payload = r#"{"test": 2432232314}"#;
        let header = signatures(std::slice::from_ref(&secret), "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, payload);
        assert_eq!(header, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        assert_eq!(secret.reveal(), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    }

    #[test]
    fn two_secrets_sign_side_by_side() {
        let [one, other] = [1, 2].map(|byte| WebhookSecret::from_random([byte; SECRET_BYTES]));
        let alone = signatures(std::slice::from_ref(&other), "msg_1", 1, "{}");
        let both = signatures(&[one.clone(), other], "msg_1", 1, "{}");
        assert!(both.ends_with(&format!(" {alone}")) && both.split(' ').count() == 2);
        assert!(!format!("{one:?}").contains('1'));
    }

    #[test]
    fn what_is_no_secret() {
        for bad in ["", "whsec_", "sk_live_x", "whsec_*"] {
            assert!(WebhookSecret::parse(bad).is_none_or(|secret| secret.0.is_empty()), "{bad}");
        }
    }
}
