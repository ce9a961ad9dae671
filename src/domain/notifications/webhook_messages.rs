//! Judges webhook delivery attempts: delivered, retried at which time, or given up.

use super::events::EventType;
use super::webhooks::WebhookStatus;
use crate::domain::values::named_enum::named_enum;
use crate::domain::values::sid::MessageEventSid;
use crate::domain::values::time::Timestamp;

/// Waits after each failed attempt, in seconds; the last one repeats.
const WAITS_SECONDS: [i64; 9] = [5, 30, 120, 600, 1_800, 3_600, 7_200, 14_400, 28_800];

/// How many hours a delivery is retried for.
const TRIED_HOURS: i64 = 24;

/// How many days of failures disable an endpoint.
pub const FAILING_DAYS_MAX: i64 = 3;

/// How many days deliveries are kept.
pub const KEPT_DAYS: i64 = 30;

named_enum! {
    pub enum MessageStatus { Pending = "PENDING", Delivered = "DELIVERED", Failed = "FAILED" }
}

named_enum! {
    /// Why a delivery attempt failed.
    pub enum DeliveryError {
        /// The receiver answered with a status other than 2xx.
        Refused = "refused",
        /// It answered 410: it wants no more.
        Gone = "gone",
        /// It answered with a redirect, which is not followed.
        Redirected = "redirected",
        /// It did not answer in time.
        TimedOut = "timed_out",
        /// Its name resolves to no address.
        NameNotFound = "name_not_found",
        /// Its name resolves to private addresses only.
        AddressNotAllowed = "address_not_allowed",
        /// Nothing accepts connections there, or not with a TLS certificate for its name.
        NotConnected = "not_connected",
        /// It closed the connection early, or does not speak HTTP.
        BrokenAnswer = "broken_answer",
        /// The stored secret cannot be decrypted: `SECRET_KEY` has changed. A new secret helps.
        SecretUnreadable = "secret_unreadable",
    }
}

/// A delivery: an event to be sent to an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub id: i64,
    /// The event's id; the same for each endpoint that gets it.
    pub sid: MessageEventSid,
    pub event: EventType,
    /// The body, byte for byte.
    pub payload: String,
    pub status: MessageStatus,
    pub attempts: i64,
    pub next_attempt_at: Option<Timestamp>,
    /// The start of the present series of attempts; `tries` counts those since then.
    pub tried_since: Timestamp,
    pub tries: i64,
    pub created_at: Timestamp,
}

/// An attempt at a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    pub number: i64,
    pub status_code: Option<i64>,
    /// `None`: it was delivered.
    pub error: Option<DeliveryError>,
    pub duration_micros: i64,
    pub attempted_at: Timestamp,
}

/// The error that a receiver's status code means; `None` for success.
pub fn judge(status_code: u16) -> Option<DeliveryError> {
    match status_code {
        200..=299 => None,
        410 => Some(DeliveryError::Gone),
        300..=399 => Some(DeliveryError::Redirected),
        _ => Some(DeliveryError::Refused),
    }
}

/// The state of a delivery after an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterTry {
    Delivered,
    Again(Timestamp),
    GivenUp,
}

impl AfterTry {
    pub fn status(self) -> MessageStatus {
        match self {
            AfterTry::Delivered => MessageStatus::Delivered,
            AfterTry::Again(_) => MessageStatus::Pending,
            AfterTry::GivenUp => MessageStatus::Failed,
        }
    }

    pub fn next_attempt_at(self) -> Option<Timestamp> {
        match self {
            AfterTry::Again(at) => Some(at),
            AfterTry::Delivered | AfterTry::GivenUp => None,
        }
    }
}

impl Message {
    /// The state after this attempt. The wait varies by a fifth either way with `jitter` (any random number), so that
    /// deliveries that failed together are not retried together; it lasts until `not_before` at least. The last attempt
    /// is at the end of the retry period.
    pub fn after(
        &self,
        error: Option<DeliveryError>,
        not_before: Option<Timestamp>,
        now: Timestamp,
        jitter: u16,
    ) -> AfterTry {
        if error.is_none() {
            return AfterTry::Delivered;
        }
        let end = self.tried_since.plus_seconds(TRIED_HOURS * 3_600);
        if now >= end {
            return AfterTry::GivenUp;
        }
        let step = usize::try_from(self.tries).unwrap_or(0).min(WAITS_SECONDS.len() - 1);
        let percent = 80 + i64::from(jitter) * 40 / i64::from(u16::MAX);
        let wait_micros = WAITS_SECONDS[step] * 10_000 * percent;
        let planned = Timestamp::from_micros(now.micros() + wait_micros);
        AfterTry::Again(not_before.map_or(planned, |not_before| planned.max(not_before)).min(end))
    }
}

/// Until when a receiver asks to be left alone, by its `Retry-After`: seconds, or an HTTP date (RFC 9110, 10.2.3).
pub fn retry_not_before(retry_after: &str, now: Timestamp) -> Option<Timestamp> {
    if let Ok(seconds) = retry_after.trim().parse::<u32>() {
        return Some(now.plus_seconds(i64::from(seconds)));
    }
    let date = chrono::DateTime::parse_from_rfc2822(retry_after.trim()).ok()?;
    Some(Timestamp::from_micros(date.timestamp_micros()))
}

/// The result of some attempts for the health of an endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Health {
    pub came_through: bool,
    pub is_gone: bool,
}

impl Health {
    pub fn of(errors: impl IntoIterator<Item = Option<DeliveryError>>) -> Health {
        errors.into_iter().fold(Health::default(), |health, error| Health {
            came_through: health.came_through || error.is_none(),
            is_gone: health.is_gone || error == Some(DeliveryError::Gone),
        })
    }

    /// Since when nothing has been delivered, after these attempts; `before` is the value until now.
    pub fn failing_since(self, before: Option<Timestamp>, now: Timestamp) -> Option<Timestamp> {
        if self.came_through { None } else { Some(before.unwrap_or(now)) }
    }

    /// The status that ends deliveries to an endpoint: disabled where its receiver is gone, failed where no delivery
    /// succeeded for days. `None`: deliveries go on.
    pub fn ends_as(self, failing_since: Option<Timestamp>, now: Timestamp) -> Option<WebhookStatus> {
        if self.is_gone {
            return Some(WebhookStatus::Disabled);
        }
        has_failed_too_long(failing_since, now).then_some(WebhookStatus::Failed)
    }
}

/// Whether an endpoint has failed so long that it is to be disabled.
fn has_failed_too_long(failing_since: Option<Timestamp>, now: Timestamp) -> bool {
    failing_since.is_some_and(|since| since <= now.minus_days(FAILING_DAYS_MAX))
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn message() -> Message {
        Message {
            id: 1,
            sid: MessageEventSid::new(Uuid::nil()),
            event: EventType::Test,
            payload: "{}".to_owned(),
            status: MessageStatus::Pending,
            attempts: 0,
            next_attempt_at: None,
            tried_since: Timestamp::from_micros(0),
            tries: 0,
            created_at: Timestamp::from_micros(0),
        }
    }

    /// When a message is tried that never comes through, in seconds.
    fn tries(jitter: u16) -> Vec<i64> {
        let (mut message, mut now, mut times) = (message(), Timestamp::from_micros(0), Vec::new());
        loop {
            times.push(now.micros() / 1_000_000);
            match message.after(Some(DeliveryError::Refused), None, now, jitter) {
                AfterTry::Again(next) => now = next,
                _ => return times,
            }
            message.tries += 1;
        }
    }

    #[test]
    fn tried_for_a_day() {
        let middle = u16::MAX / 2 + 1;
        assert_eq!(
            tries(middle),
            [0, 5, 35, 155, 755, 2_555, 6_155, 13_355, 27_755, 56_555, 85_355, 86_400],
            "without jitter"
        );
        for jitter in [0, u16::MAX] {
            let times = tries(jitter);
            assert_eq!(times.last(), Some(&86_400));
            assert!((10..=13).contains(&times.len()), "{times:?}");
            assert!(times.windows(2).all(|pair| pair[0] < pair[1]));
        }
        assert_eq!(tries(0)[1], 4);
        assert_eq!(tries(u16::MAX)[1], 6);
    }

    #[test]
    fn receivers_may_ask_for_more_time() {
        let (now, end) = (Timestamp::from_micros(0), 86_400);
        for (retry_after, seconds) in [
            ("", 4),
            ("soon", 4),
            ("-1", 4),
            ("1", 4),
            ("77", 77),
            ("4294967295", end),
            ("Thu, 01 Jan 1970 00:05:00 GMT", 300),
            ("Wed, 31 Dec 1969 00:05:00 GMT", 4),
        ] {
            let after = message().after(Some(DeliveryError::Refused), retry_not_before(retry_after, now), now, 0);
            assert_eq!(after, AfterTry::Again(Timestamp::from_micros(seconds * 1_000_000)), "{retry_after}");
        }
    }

    #[test]
    fn what_came_through_is_over() {
        assert_eq!(message().after(None, None, Timestamp::from_micros(1), 0), AfterTry::Delivered);
    }

    #[test]
    fn answers() {
        for (status, error) in [
            (200, None),
            (204, None),
            (299, None),
            (301, Some(DeliveryError::Redirected)),
            (308, Some(DeliveryError::Redirected)),
            (400, Some(DeliveryError::Refused)),
            (410, Some(DeliveryError::Gone)),
            (500, Some(DeliveryError::Refused)),
            (100, Some(DeliveryError::Refused)),
        ] {
            assert_eq!(judge(status), error, "{status}");
        }
    }

    #[test]
    fn endpoints_fail_from_their_first_failure_on() {
        let at = Timestamp::from_micros;
        let failed = Health::of([Some(DeliveryError::Refused), Some(DeliveryError::TimedOut)]);
        assert_eq!(failed.failing_since(None, at(5)), Some(at(5)));
        assert_eq!(failed.failing_since(Some(at(3)), at(5)), Some(at(3)));
        let some = Health::of([Some(DeliveryError::Gone), None]);
        assert_eq!((some.failing_since(Some(at(3)), at(5)), some.is_gone), (None, true));
        let day = 24 * 3_600_000_000;
        assert!(!has_failed_too_long(None, at(9 * day)));
        assert!(!has_failed_too_long(Some(at(0)), at(3 * day - 1)));
        assert!(has_failed_too_long(Some(at(0)), at(3 * day)));
        assert_eq!(failed.ends_as(Some(at(0)), at(3 * day)), Some(WebhookStatus::Failed));
        assert_eq!(failed.ends_as(Some(at(1)), at(3 * day)), None);
        assert_eq!(some.ends_as(None, at(5)), Some(WebhookStatus::Disabled));
    }
}
