//! Defines messages as the gateway submits them: id, size, destination and submission time, checked before rating.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::Serialize;

use super::destinations::Destination;
use super::lookup::GivenDestination;
use super::rating::PriceBook;
use super::segments::{self, Encoding, SEGMENTS_MAX};
use crate::domain::values::countries::CountryCode;
use crate::domain::values::fields::FieldError;
use crate::domain::values::idempotency::InputHash;
use crate::domain::values::json::JsonObject;
use crate::domain::values::named_enum::deserialize_from_str;
use crate::domain::values::sid::BusinessSid;
use crate::domain::values::text::{OperatorName, Reference};
use crate::domain::values::time::Timestamp;

/// How far back the submission time of a message may lie, in microseconds: 72 hours.
const SUBMITTED_BEFORE_MICROS: i64 = 72 * 3_600 * 1_000_000;
/// How far ahead the gateway's clock may be, in microseconds: 5 minutes.
const SUBMITTED_AHEAD_MICROS: i64 = 5 * 60 * 1_000_000;

/// The gateway's id of a message: 1 to 128 characters of `A-Z a-z 0-9 _ . : -`, unique within a business for as long as
/// the ledger exists.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MessageSid(Arc<str>);

impl MessageSid {
    const MAX_LENGTH: usize = 128;

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for MessageSid {
    type Err = String;

    fn from_str(text: &str) -> Result<MessageSid, String> {
        let is_fit = (1..=MessageSid::MAX_LENGTH).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.:-".contains(&byte));
        if is_fit {
            Ok(MessageSid(Arc::from(text)))
        } else {
            Err("must be 1 to 128 letters (A-Z, a-z), digits, `_`, `.`, `:` or `-`".to_owned())
        }
    }
}

deserialize_from_str!(MessageSid);

impl Serialize for MessageSid {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// A debit's reference is the id of its message.
impl From<&MessageSid> for Reference {
    fn from(message: &MessageSid) -> Reference {
        // Every name of a message is fit for a reference, which may be longer.
        message.as_str().parse().unwrap_or_default()
    }
}

impl fmt::Display for MessageSid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The key of a charge: no business is charged twice for one message.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ChargeKey {
    pub business: BusinessSid,
    pub message: MessageSid,
}

/// The first half of a SHA-256 over a charge's parsed input: equal inputs have equal digests.
pub type InputDigest = [u8; 16];

/// The size of a message, which determines its cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageSize {
    /// 1 to 255.
    pub segments: u16,
    /// `None` where the caller gave the segments, and not the text.
    pub encoding: Option<Encoding>,
}

/// A message as a caller describes it: its destination and its size.
#[derive(Clone, Debug, Default)]
pub struct OfferedMessage {
    pub given: GivenDestination,
    pub segments: Option<u16>,
    pub body: Option<String>,
    pub submitted_at: Option<Timestamp>,
    pub metadata: JsonObject,
}

/// A message that can be rated.
#[derive(Clone, Debug)]
pub struct RatableMessage {
    pub destination: Destination,
    pub size: MessageSize,
}

/// Checks the submission time of a message.
///
/// # Errors
/// [`FieldError`] where it lies more than 72 hours back or over 5 minutes ahead.
pub fn check_submitted_at(submitted_at: Option<Timestamp>, now: Timestamp) -> Result<(), FieldError> {
    let Some(submitted_at) = submitted_at else { return Ok(()) };
    let age_micros = now.micros().saturating_sub(submitted_at.micros());
    if (-SUBMITTED_AHEAD_MICROS..=SUBMITTED_BEFORE_MICROS).contains(&age_micros) {
        Ok(())
    } else {
        Err(FieldError::new("submitted_at", "must lie at most 72 hours back and 5 minutes ahead"))
    }
}

/// The latest submission time that is accepted now.
pub fn latest_submission(now: Timestamp) -> Timestamp {
    Timestamp::from_micros(now.micros().saturating_add(SUBMITTED_AHEAD_MICROS))
}

impl OfferedMessage {
    /// Identifies the destination, and measures the message.
    ///
    /// # Errors
    /// [`FieldError`] with the first field at fault.
    pub fn resolve(&self, book: &PriceBook, now: Timestamp) -> Result<RatableMessage, FieldError> {
        let size = self.measure(now)?;
        Ok(RatableMessage { destination: self.given.resolve(book, self.submitted_at.unwrap_or(now))?, size })
    }

    /// Checks the submission time, and counts the segments where only the text is given.
    ///
    /// # Errors
    /// [`FieldError`] with the first field at fault.
    pub fn measure(&self, now: Timestamp) -> Result<MessageSize, FieldError> {
        check_submitted_at(self.submitted_at, now)?;
        self.size()
    }

    /// The size, from the segments given or else from the text.
    ///
    /// # Errors
    /// [`FieldError`] where neither or both are given, or there are too many segments.
    pub fn size(&self) -> Result<MessageSize, FieldError> {
        let invalid = |field, problem: String| Err(FieldError::new(field, problem));
        match (self.segments, &self.body) {
            (Some(segments @ 1..=SEGMENTS_MAX), None) => Ok(MessageSize { segments, encoding: None }),
            (Some(_), None) => invalid("segments", format!("must be a whole number from 1 to {SEGMENTS_MAX}")),
            (None, Some(body)) => match segments::count(body) {
                Ok(counted) => Ok(MessageSize { segments: counted.segments, encoding: Some(counted.encoding) }),
                Err(too_long) => invalid("body", too_long.to_string()),
            },
            (None, None) => {
                invalid("segments", "is missing; give it, or the message's body to count it from".to_owned())
            }
            (Some(_), Some(_)) => {
                invalid("segments", "must be left out where body is given, or body left out".to_owned())
            }
        }
    }

    /// The digest of the charge's input, the same for equal input however it was spelled.
    pub fn digest(&self, key: &ChargeKey) -> InputDigest {
        let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
        let network = self.given.network.as_ref();
        let number = |value: Option<i64>| value.map(|number| number.to_string()).unwrap_or_default();
        // A body that is given, even an empty one, is another input than segments.
        let body = self.body.as_ref().map(|body| format!("={body}")).unwrap_or_default();
        InputHash::of(&[
            key.business.as_str(),
            key.message.as_str(),
            self.given.to.as_ref().map_or("", |to| to.digits()),
            self.given.country.map_or("", CountryCode::as_str),
            &OperatorName::key(&text(self.given.operator.as_ref().map(OperatorName::as_str))),
            network.map_or("", |network| network.mcc.as_str()),
            network.map_or("", |network| network.mnc.as_str()),
            &number(self.segments.map(i64::from)),
            &body,
            &number(self.submitted_at.map(Timestamp::micros)),
            &self.metadata.canonical(),
        ])
        .first_half()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for good in ["a", "SM0195a1b2c3d47e5f8091a2b3c4d5e6f7", "a_b.c:d-e", &"x".repeat(128)] {
            assert!(good.parse::<MessageSid>().is_ok(), "{good}");
        }
        for bad in ["", "a b", "a/b", "é", &"x".repeat(129)] {
            assert!(bad.parse::<MessageSid>().is_err(), "{bad}");
        }
    }

    #[test]
    fn when_a_message_may_have_been_submitted() {
        let now = Timestamp::from_micros(1_800_000_000_000_000);
        let at = |seconds: i64| Timestamp::from_micros(now.micros() + seconds * 1_000_000);
        for (seconds, fine) in [(0, true), (300, true), (301, false), (-72 * 3_600, true), (-72 * 3_600 - 1, false)] {
            assert_eq!(check_submitted_at(Some(at(seconds)), now).is_ok(), fine, "{seconds} s");
        }
    }
}
