//! Encrypts secrets that must be read back, so that the database holds none in clear.
//! XChaCha20-Poly1305 (RFC 8439 with the long nonce of draft-irtf-cfrg-xchacha) under a key derived from `SECRET_KEY`.

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use sha2::{Digest, Sha256};

/// The prefix of an encrypted text, which names the method.
const VERSION: &str = "v1.";

const NONCE_BYTES: usize = 24;

/// Encrypts and decrypts secrets. `Debug` shows nothing of the key.
#[derive(Clone)]
pub struct Sealer(XChaCha20Poly1305);

impl Sealer {
    /// `secret` has to be hard to guess: it is hashed, not stretched.
    pub fn new(secret: &[u8]) -> Sealer {
        let mut hash = Sha256::new();
        hash.update(b"wecall-billing: sealing of stored secrets, v1\0");
        hash.update(secret);
        Sealer(XChaCha20Poly1305::new(&hash.finalize()))
    }

    /// Encrypts a secret. `context` names what it belongs to: it can be decrypted with that context only. `nonce` must
    /// be random, and new each time.
    pub fn seal(&self, context: &str, secret: &str, nonce: [u8; NONCE_BYTES]) -> Option<String> {
        let payload = Payload { msg: secret.as_bytes(), aad: context.as_bytes() };
        let sealed = self.0.encrypt(&XNonce::from(nonce), payload).ok()?;
        Some(format!("{VERSION}{}", BASE64_URL_SAFE_NO_PAD.encode([&nonce[..], &sealed].concat())))
    }

    /// Decrypts a secret; `None` where it was encrypted under another key or for another context, or was changed.
    pub fn open(&self, context: &str, sealed: &str) -> Option<String> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(sealed.strip_prefix(VERSION)?).ok()?;
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE_BYTES>()?;
        let payload = Payload { msg: sealed, aad: context.as_bytes() };
        String::from_utf8(self.0.decrypt(&XNonce::from(*nonce), payload).ok()?).ok()
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealer(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_only_what_it_sealed_and_where() {
        let sealer = Sealer::new(b"a long and secret key");
        let sealed = sealer.seal("key_1", "sk_live_secret", [7; NONCE_BYTES]).expect("sealed");
        assert!(!sealed.contains("secret"));
        assert_eq!(sealer.open("key_1", &sealed).as_deref(), Some("sk_live_secret"));
        assert_eq!(sealer.open("key_2", &sealed), None);
        assert_eq!(Sealer::new(b"another key").open("key_1", &sealed), None);
        let changed = sealed.replace('A', "B");
        assert!(changed == sealed || sealer.open("key_1", &changed).is_none());
        for nonsense in ["", "v1.", "v1.AAAA", "v2.AAAA", "plain"] {
            assert_eq!(sealer.open("key_1", nonsense), None);
        }
    }
}
