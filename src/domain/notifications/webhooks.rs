//! Defines webhook endpoints: their URL, subscribed events, status and limits.

use std::fmt;
use std::net::IpAddr;

use url::{Host, Url};

use super::events::{EventSet, EventType};
use crate::domain::values::addresses::is_public;
use crate::domain::values::fields::FieldError;
use crate::domain::values::idempotency::InputHash;
use crate::domain::values::named_enum::named_enum;
use crate::domain::values::sid::{BusinessSid, WebhookSid};
use crate::domain::values::text::LongText;
use crate::domain::values::time::Timestamp;

/// The most endpoints of a business.
const WEBHOOKS_MAX: i64 = 20;

/// For how many hours a replaced secret may go on signing.
const OVERLAP_HOURS_MAX: i64 = 168;

/// The longest URL, in bytes.
const URL_LENGTH_MAX: usize = 2_048;

/// The name that subscribes to every event, future ones included.
const EVERY_EVENT: &str = "*";

named_enum! {
    pub enum WebhookStatus {
        Enabled = "ENABLED",
        /// By its owner, or because its receiver answered 410 Gone.
        Disabled = "DISABLED",
        /// By the server, because deliveries failed for days.
        Failed = "FAILED",
    }
}

impl WebhookStatus {
    /// The status that an owner sets.
    pub fn of(is_enabled: bool) -> WebhookStatus {
        if is_enabled { WebhookStatus::Enabled } else { WebhookStatus::Disabled }
    }
}

/// A webhook endpoint of a business.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    pub sid: WebhookSid,
    pub business: BusinessSid,
    pub url: WebhookUrl,
    pub description: LongText,
    pub events: EventSet,
    pub status: WebhookStatus,
    /// Until when the previous secret signs too.
    pub previous_until: Option<Timestamp>,
    /// Since when every delivery has failed.
    pub failing_since: Option<Timestamp>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

impl Webhook {
    /// A new endpoint. `allow_private`: as for [`WebhookUrl::parse`].
    ///
    /// # Errors
    /// Names the first invalid field.
    pub fn new(
        sid: WebhookSid,
        business: BusinessSid,
        new: NewWebhook,
        allow_private: bool,
        now: Timestamp,
    ) -> Result<Webhook, FieldError> {
        Ok(Webhook {
            sid,
            business,
            url: url_of(&new.url, allow_private)?,
            description: new.description,
            events: events_of(&new.events)?,
            status: WebhookStatus::of(new.enabled),
            previous_until: None,
            failing_since: None,
            created_at: now,
            updated_at: now,
        })
    }

    /// The input that an idempotency key stands for.
    pub fn hash(&self) -> InputHash {
        let events = self.events.bits().to_string();
        InputHash::of(&[self.url.as_str(), self.description.as_str(), &events, self.status.as_str()])
    }

    /// Checks that messages are sent to it.
    ///
    /// # Errors
    /// [`WebhookRefusal::Disabled`].
    pub fn check_enabled(&self) -> Result<(), WebhookRefusal> {
        if self.status == WebhookStatus::Enabled { Ok(()) } else { Err(WebhookRefusal::Disabled) }
    }

    /// Whether it is enabled and was not before.
    pub fn is_enabled_since(&self, before: &Webhook) -> bool {
        self.status == WebhookStatus::Enabled && before.status != WebhookStatus::Enabled
    }
}

/// An endpoint to create; URL and names of events are not parsed yet.
#[derive(Clone, Debug)]
pub struct NewWebhook {
    pub url: String,
    pub events: Vec<String>,
    pub description: LongText,
    pub enabled: bool,
}

/// Changes to an endpoint, not parsed yet. Fields left out stay as they are.
#[derive(Clone, Debug, Default)]
pub struct WebhookChanges {
    pub url: Option<String>,
    pub events: Option<Vec<String>>,
    pub description: Option<LongText>,
    pub enabled: Option<bool>,
}

impl WebhookChanges {
    /// Parses them. `allow_private`: as for [`WebhookUrl::parse`].
    ///
    /// # Errors
    /// Names the first invalid field.
    pub fn check(self, allow_private: bool) -> Result<CheckedChanges, FieldError> {
        Ok(CheckedChanges {
            url: self.url.map(|text| url_of(&text, allow_private)).transpose()?,
            events: self.events.map(|names| events_of(&names)).transpose()?,
            description: self.description,
            enabled: self.enabled,
        })
    }
}

/// Changes to an endpoint, parsed.
#[derive(Clone, Debug, Default)]
pub struct CheckedChanges {
    url: Option<WebhookUrl>,
    events: Option<EventSet>,
    description: Option<LongText>,
    enabled: Option<bool>,
}

impl CheckedChanges {
    /// The changed endpoint, with `now` as the time of change; equal to `before` where nothing changes. Enabled again,
    /// or at another URL, it counts as not failing.
    pub fn apply_to(self, before: &Webhook, now: Timestamp) -> Webhook {
        let mut after = before.clone();
        after.url = self.url.unwrap_or(after.url);
        after.events = self.events.unwrap_or(after.events);
        after.description = self.description.unwrap_or(after.description);
        after.status = match self.enabled {
            // Disabled by the server stays so until it is enabled.
            Some(false) if before.status != WebhookStatus::Enabled => before.status,
            Some(enabled) => WebhookStatus::of(enabled),
            None => before.status,
        };
        if after.is_enabled_since(before) || after.url != before.url {
            after.failing_since = None;
        }
        if after != *before {
            after.updated_at = now;
        }
        after
    }
}

/// Why an endpoint cannot be created or sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WebhookRefusal {
    #[error("The business has {max} webhooks already; delete one that it does not use.", max = WEBHOOKS_MAX)]
    TooMany,
    #[error("The webhook is disabled, so nothing is sent to it: enable it first.")]
    Disabled,
}

impl WebhookRefusal {
    /// The code of the refusal on the wire.
    pub fn code(self) -> &'static str {
        match self {
            WebhookRefusal::TooMany => "too_many_webhooks",
            WebhookRefusal::Disabled => "webhook_disabled",
        }
    }
}

/// Checks that a business with so many endpoints may have one more.
///
/// # Errors
/// [`WebhookRefusal::TooMany`].
pub fn check_room(webhooks: i64) -> Result<(), WebhookRefusal> {
    if webhooks < WEBHOOKS_MAX { Ok(()) } else { Err(WebhookRefusal::TooMany) }
}

/// Until when a secret that is replaced now goes on signing, by hours from now; `None` for 0 hours.
///
/// # Errors
/// Names the field `overlap_hours` below 0 and above a week.
pub fn overlap_until(hours: i64, now: Timestamp) -> Result<Option<Timestamp>, FieldError> {
    if (0..=OVERLAP_HOURS_MAX).contains(&hours) {
        return Ok((hours > 0).then(|| now.plus_seconds(hours * 3_600)));
    }
    Err(FieldError::new("overlap_hours", format!("must be a whole number from 0 to {OVERLAP_HOURS_MAX}")))
}

fn url_of(text: &str, allow_private: bool) -> Result<WebhookUrl, FieldError> {
    WebhookUrl::parse(text, allow_private).map_err(|problem| FieldError::new("url", problem))
}

fn events_of(names: &[String]) -> Result<EventSet, FieldError> {
    parse_events(names).map_err(|problem| FieldError::new("events", problem))
}

/// The URL of an endpoint, normalised. `Debug` does not show all of it: it may hold a token.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookUrl(Url);

impl WebhookUrl {
    /// Parses a URL. `allow_private`: whether it may lead to private addresses, and be `http`.
    ///
    /// # Errors
    /// What the URL must be.
    pub fn parse(text: &str, allow_private: bool) -> Result<WebhookUrl, String> {
        let url = Url::parse(text.trim()).map_err(|_| "must be a URL such as https://example.com/hooks".to_owned())?;
        let is_http = url.scheme() == "http";
        if url.scheme() != "https" && !(is_http && allow_private) {
            return Err("must begin with https://".to_owned());
        }
        if url.as_str().len() > URL_LENGTH_MAX || text.len() > URL_LENGTH_MAX {
            return Err(format!("must be at most {URL_LENGTH_MAX} characters long"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("must hold no user and no password: messages are signed instead".to_owned());
        }
        if url.fragment().is_some() {
            return Err("must hold no fragment (#…): it would not be sent".to_owned());
        }
        let url = WebhookUrl(url);
        if url.address().is_some_and(|address| !allow_private && !is_public(address)) {
            return Err("must not lead to a private, loopback or otherwise special address".to_owned());
        }
        Ok(url)
    }

    /// Parses a URL that was stored.
    ///
    /// # Errors
    /// Where it is not a URL.
    pub fn of_stored(text: &str) -> Result<WebhookUrl, String> {
        WebhookUrl::parse(text, true)
    }

    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    pub fn url(&self) -> &Url {
        &self.0
    }

    /// The IP address, where the host is one, in whatever notation.
    pub fn address(&self) -> Option<IpAddr> {
        match self.0.host()? {
            Host::Ipv4(address) => Some(address.into()),
            Host::Ipv6(address) => Some(address.into()),
            Host::Domain(_) => None,
        }
    }

    /// The part without a token: scheme, host and port.
    pub fn origin(&self) -> String {
        self.0.origin().ascii_serialization()
    }
}

impl fmt::Debug for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WebhookUrl({}/…)", self.origin())
    }
}

/// Parses the names of subscribed events.
///
/// # Errors
/// Where there are none, or one is unknown.
fn parse_events(names: &[String]) -> Result<EventSet, String> {
    if names.iter().any(|name| name == EVERY_EVENT) {
        return if names.len() == 1 {
            Ok(EventSet::EVERY)
        } else {
            Err(format!("must hold nothing beside {EVERY_EVENT}, which stands for all events"))
        };
    }
    let events = names.iter().map(|name| name.parse::<EventType>()).collect::<Result<Vec<_>, _>>();
    let asked = events.ok().map(EventSet::of).filter(|set| !set.is_empty() && !set.contains(EventType::Test));
    asked.ok_or_else(|| {
        let names: Vec<_> = EventType::ALL.iter().filter(|event| **event != EventType::Test).collect();
        let list = names.iter().map(|event| event.as_str()).collect::<Vec<_>>().join(", ");
        format!("must be [\"{EVERY_EVENT}\"] for all events, or name some of {list}")
    })
}

/// The names of the subscribed events.
pub fn event_names(events: EventSet) -> Vec<&'static str> {
    if events == EventSet::EVERY { vec![EVERY_EVENT] } else { events.iter().map(EventType::as_str).collect() }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("https://example.com/hooks?token=x")]
    #[case("https://example.com:8443/")]
    #[case("https://8.8.8.8/")]
    #[case("https://[2606:4700:4700::1111]/")]
    #[case("https://b\u{fc}ro.example/")]
    fn good_urls(#[case] text: &str) {
        assert!(WebhookUrl::parse(text, false).is_ok(), "{text}");
    }

    /// Also every spelling of an address that a browser understands.
    #[rstest]
    #[case("")]
    #[case("example.com/hooks")]
    #[case("/hooks")]
    #[case("http://example.com/")]
    #[case("ftp://example.com/")]
    #[case("file:///etc/passwd")]
    #[case("javascript:alert(1)")]
    #[case("https://")]
    #[case("https://user@example.com/")]
    #[case("https://user:secret@example.com/")]
    #[case("https://example.com/#x")]
    #[case("https://127.0.0.1/")]
    #[case("https://127.1/")]
    #[case("https://2130706433/")]
    #[case("https://0x7f000001/")]
    #[case("https://0x7f.1/")]
    #[case("https://0177.0.0.1/")]
    #[case("https://017700000001/")]
    #[case("https://\u{ff11}27.0.0.1/")]
    #[case("https://127%2e0%2e0%2e1/")]
    #[case("https://0/")]
    #[case("https://10.1.2.3/")]
    #[case("https://169.254.169.254/latest/meta-data/")]
    #[case("https://[::1]/")]
    #[case("https://[::]/")]
    #[case("https://[::ffff:127.0.0.1]/")]
    #[case("https://[::ffff:7f00:1]/")]
    #[case("https://[fd00:ec2::254]/")]
    #[case("https://[fe80::1]/")]
    #[case("https://[64:ff9b::a00:1]/")]
    fn bad_urls(#[case] text: &str) {
        assert!(WebhookUrl::parse(text, false).is_err(), "{text}");
    }

    #[test]
    fn private_where_it_is_allowed() {
        for text in ["http://127.0.0.1:9000/hook", "https://10.0.0.1/", "http://localhost/"] {
            assert!(WebhookUrl::parse(text, true).is_ok(), "{text}");
        }
        assert!(WebhookUrl::parse("ftp://127.0.0.1/", true).is_err());
        assert!(WebhookUrl::parse(&format!("https://example.com/{}", "x".repeat(2_048)), true).is_err());
    }

    #[test]
    fn a_token_is_not_told() {
        let url = WebhookUrl::parse("https://example.com:444/hooks/token", false).expect("a URL");
        assert_eq!(format!("{url:?}"), "WebhookUrl(https://example.com:444/…)");
    }

    const NOW: Timestamp = Timestamp::from_micros(2);

    fn webhook(status: WebhookStatus, failing_since: Option<Timestamp>) -> Webhook {
        let new = NewWebhook {
            url: "https://example.com/hooks".to_owned(),
            events: vec![EVERY_EVENT.to_owned()],
            description: LongText::default(),
            enabled: true,
        };
        let (sid, business) = (WebhookSid::new(uuid::Uuid::nil()), "biz_test_001".parse().expect("a SID"));
        let made = Webhook::new(sid, business, new, false, Timestamp::from_micros(1)).expect("a webhook");
        Webhook { status, failing_since, ..made }
    }

    /// What it was, what its owner wants, what it is.
    #[rstest]
    #[case(WebhookStatus::Enabled, Some(false), WebhookStatus::Disabled)]
    #[case(WebhookStatus::Enabled, None, WebhookStatus::Enabled)]
    #[case(WebhookStatus::Failed, Some(false), WebhookStatus::Failed)]
    #[case(WebhookStatus::Failed, None, WebhookStatus::Failed)]
    #[case(WebhookStatus::Failed, Some(true), WebhookStatus::Enabled)]
    #[case(WebhookStatus::Disabled, Some(true), WebhookStatus::Enabled)]
    fn statuses(#[case] before: WebhookStatus, #[case] enabled: Option<bool>, #[case] expected: WebhookStatus) {
        let before = webhook(before, Some(NOW));
        let changes = WebhookChanges { enabled, ..WebhookChanges::default() }.check(false).expect("changes");
        let after = changes.apply_to(&before, NOW);
        assert_eq!(after.status, expected);
        let is_enabled_now = after.is_enabled_since(&before);
        assert_eq!(after.failing_since, if is_enabled_now { None } else { Some(NOW) });
        assert_eq!(after == before, after.updated_at == before.updated_at);
    }

    #[test]
    fn another_address_has_not_failed_yet() {
        let before = webhook(WebhookStatus::Enabled, Some(NOW));
        let change = |url: &str| WebhookChanges { url: Some(url.to_owned()), ..WebhookChanges::default() }.check(false);
        assert_eq!(change("https://example.com/hooks").expect("the same").apply_to(&before, NOW), before);
        let after = change("https://example.com/other").expect("another").apply_to(&before, NOW);
        assert_eq!((after.failing_since, after.updated_at), (None, NOW));
        assert_eq!(change("http://example.com/").map(|_| ()).map_err(|error| error.field), Err("url".to_owned()));
    }

    #[test]
    fn room_and_overlap() {
        assert_eq!((check_room(WEBHOOKS_MAX - 1), check_room(WEBHOOKS_MAX)), (Ok(()), Err(WebhookRefusal::TooMany)));
        assert_eq!(overlap_until(0, NOW), Ok(None));
        assert_eq!(overlap_until(1, NOW), Ok(Some(NOW.plus_seconds(3_600))));
        assert!(overlap_until(OVERLAP_HOURS_MAX, NOW).is_ok());
        assert!(overlap_until(-1, NOW).is_err() && overlap_until(OVERLAP_HOURS_MAX + 1, NOW).is_err());
    }

    #[test]
    fn events() {
        let parse = |names: &[&str]| parse_events(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        assert_eq!(parse(&["*"]), Ok(EventSet::EVERY));
        assert_eq!(event_names(EventSet::EVERY), ["*"]);
        let some = parse(&["charge.refunded", "wallet.low_balance", "charge.refunded"]).expect("events");
        assert_eq!(event_names(some), ["wallet.low_balance", "charge.refunded"]);
        for bad in [&[][..], &["*", "alert.created"], &["alert"], &["webhook.test"], &[""]] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
        assert!(EventType::ALL.iter().all(|event| EventSet::EVERY.contains(*event)));
    }
}
