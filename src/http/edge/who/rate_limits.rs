//! Limits how many requests a caller makes per minute, and writes the rate limit headers.
//! Each server counts for itself, in memory: several on one database allow that much each.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use governor::clock::{Clock, DefaultClock};

use super::buckets::{Buckets, Level};
use super::client_address::counted_as;
use crate::domain::access::rights::Role;
use crate::http::edge::answer::error::Problem;

const RATELIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATELIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// The name of the limit that callers at one address share.
const ADDRESS: &str = "address";

/// Requests per minute; 0 is no limit.
#[derive(Clone, Copy, Debug)]
pub struct RateLimitSettings {
    pub client: u32,
    pub reseller: u32,
    pub admin: u32,
    pub gateway: u32,
    /// For all callers at one address together.
    pub address: u32,
}

/// The limits, and the requests that each caller has left.
///
/// A whole minute's worth may be used at once: that is what `q=600;w=60` promises, and a page that loads six things at
/// once should not have to know more. A request refused by the caller's own limit does not count against the address's
/// limit, which others share.
#[derive(Debug)]
pub struct RateLimits<C: Clock = DefaultClock> {
    client: Option<Policy<C>>,
    reseller: Option<Policy<C>>,
    admin: Option<Policy<C>>,
    gateway: Option<Policy<C>>,
    address: Option<Policy<C>>,
}

#[derive(Debug)]
struct Policy<C: Clock> {
    name: &'static str,
    per_minute: NonZeroU32,
    buckets: Buckets<C>,
}

impl<C: Clock> Policy<C> {
    fn take(&self, key: impl std::hash::Hash) -> Limit {
        Limit { name: self.name, per_minute: self.per_minute, level: self.buckets.take(key) }
    }
}

impl RateLimits {
    pub fn new(settings: RateLimitSettings) -> RateLimits {
        RateLimits::with_clock(settings, &DefaultClock::default())
    }
}

impl<C: Clock + Clone> RateLimits<C> {
    fn with_clock(settings: RateLimitSettings, clock: &C) -> RateLimits<C> {
        let policy = |name, per_minute| {
            let per_minute = NonZeroU32::new(per_minute)?;
            Some(Policy { name, per_minute, buckets: Buckets::new(per_minute, clock.clone()) })
        };
        RateLimits {
            client: policy("client", settings.client),
            reseller: policy("reseller", settings.reseller),
            admin: policy("admin", settings.admin),
            gateway: policy("gateway", settings.gateway),
            address: policy(ADDRESS, settings.address),
        }
    }

    /// Counts a request, and returns whether it may proceed. `caller` tells callers of a role apart: a key, a user.
    ///
    /// The limit of an address counts only callers that have a limit of their own, and never a gateway, which sends
    /// everybody's messages from one place.
    pub fn check(&self, role: Role, caller: &str, address: IpAddr) -> Verdict {
        let own = match role {
            Role::Client => &self.client,
            Role::Reseller => &self.reseller,
            Role::Admin => &self.admin,
            Role::Gateway => &self.gateway,
        };
        let Some(own) = own.as_ref().map(|policy| policy.take(caller)) else { return Verdict::default() };
        let counts_address = role != Role::Gateway && !own.level.is_refused;
        let address = self.address.as_ref().filter(|_| counts_address).map(|policy| policy.take(counted_as(address)));
        Verdict { own: Some(own), address }
    }
}

/// The verdict on a request: ask first whether it is refused, and then for the headers of its answer.
#[derive(Clone, Copy, Debug, Default)]
#[must_use]
pub struct Verdict {
    own: Option<Limit>,
    address: Option<Limit>,
}

/// A limit, and what is left of it.
#[derive(Clone, Copy, Debug)]
struct Limit {
    name: &'static str,
    per_minute: NonZeroU32,
    level: Level,
}

impl Verdict {
    /// The limit that the caller meets first: one that refused, or else the one with less left.
    fn tightest(&self) -> Option<&Limit> {
        self.own.iter().chain(&self.address).min_by_key(|limit| (!limit.level.is_refused, limit.level.remaining))
    }

    /// The answer to a refused request: 429 `rate_limited`, with `Retry-After`.
    pub fn refusal(&self) -> Option<Problem> {
        let limit = self.tightest().filter(|limit| limit.level.is_refused)?;
        let (allowed, seconds) = (limit.per_minute, whole_seconds(limit.level.wait));
        let who = if limit.name == ADDRESS { "All callers at your address together" } else { "You" };
        let detail =
            format!("{who} made more requests than the {allowed} a minute that are allowed; try again in {seconds} s.");
        let mut problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", detail);
        problem.retry_after_seconds = Some(seconds);
        Some(problem)
    }

    /// Adds the rate limit headers to an answer (draft-ietf-httpapi-ratelimit-headers-11): `q` requests in `w` seconds;
    /// `r` requests are left, and after `t` seconds there is one more. Without a limit there are none.
    pub fn add_headers(&self, headers: &mut HeaderMap) {
        let Some(limit) = self.tightest() else { return };
        let policy = |limit: &Limit| format!(r#""{}";q={};w=60"#, limit.name, limit.per_minute);
        let policies = self.own.iter().chain(&self.address).map(policy).collect::<Vec<_>>().join(", ");
        let seconds = whole_seconds(limit.level.wait);
        let left = format!(r#""{}";r={};t={seconds}"#, limit.name, limit.level.remaining);
        for (name, value) in [(RATELIMIT_POLICY, policies), (RATELIMIT, left)] {
            // Names of ours and numbers are always a header's value.
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(name, value);
            }
        }
    }
}

/// Rounded up, because a caller that comes back too early is refused again.
fn whole_seconds(wait: Duration) -> u16 {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    u16::try_from(seconds.max(1)).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use governor::clock::FakeRelativeClock;
    use rstest::rstest;

    use super::*;

    const SETTINGS: RateLimitSettings =
        RateLimitSettings { client: 600, reseller: 30, admin: 0, gateway: 0, address: 1_000 };
    const HOME: &str = "203.0.113.7";

    fn limits(settings: RateLimitSettings) -> (RateLimits<FakeRelativeClock>, FakeRelativeClock) {
        let clock = FakeRelativeClock::default();
        (RateLimits::with_clock(settings, &clock), clock)
    }

    fn check(limits: &RateLimits<FakeRelativeClock>, role: Role, caller: &str, address: &str) -> Verdict {
        limits.check(role, caller, address.parse().expect("an address"))
    }

    /// `RateLimit-Policy`, `RateLimit`, and the seconds after which a refused request may come again.
    fn said(verdict: Verdict) -> (String, String, Option<u16>) {
        let mut headers = HeaderMap::new();
        verdict.add_headers(&mut headers);
        let text = |name| headers.get(name).map_or("", |value| value.to_str().expect("a text")).to_owned();
        let problem = verdict.refusal();
        if let Some(problem) = &problem {
            assert_eq!((problem.status.as_u16(), problem.code), (429, "rate_limited"));
        }
        let seconds = problem.map(|problem| problem.retry_after_seconds.expect("word of when to ask again"));
        (text(RATELIMIT_POLICY), text(RATELIMIT), seconds)
    }

    #[test]
    fn says_what_is_left() {
        let (limits, clock) = limits(RateLimitSettings { address: 0, ..SETTINGS });
        let ask = || said(check(&limits, Role::Client, "key-1", HOME));
        let policy = r#""client";q=600;w=60"#.to_owned();
        assert_eq!(ask(), (policy.clone(), r#""client";r=599;t=1"#.to_owned(), None));
        for _ in 0..598 {
            assert_eq!(ask().2, None);
        }
        assert_eq!(ask(), (policy.clone(), r#""client";r=0;t=1"#.to_owned(), None));
        assert_eq!(ask(), (policy, r#""client";r=0;t=1"#.to_owned(), Some(1)));
        clock.advance(Duration::from_millis(100));
        assert_eq!(ask().2, None);
        assert_eq!(ask().2, Some(1));
    }

    #[test]
    fn each_caller_has_its_own_limit() {
        let (limits, clock) = limits(SETTINGS);
        let ask = |role, caller| check(&limits, role, caller, HOME).refusal().is_some();
        let refused = (0..100).filter(|_| ask(Role::Reseller, "a")).count();
        assert_eq!(refused, 70);
        assert!(!ask(Role::Reseller, "b"));
        assert!(!ask(Role::Client, "a"), "the same name in another role is somebody else");
        clock.advance(Duration::from_secs(60));
        let (_, left, _) = said(check(&limits, Role::Reseller, "a", HOME));
        assert_eq!(left, r#""reseller";r=29;t=2"#);
    }

    #[rstest]
    #[case(Role::Admin)]
    #[case(Role::Gateway)]
    fn zero_is_no_limit(#[case] role: Role) {
        let (limits, _) = limits(SETTINGS);
        for _ in 0..5_000 {
            assert_eq!(said(check(&limits, role, "key", HOME)), (String::new(), String::new(), None));
        }
        let (_, _, refused) = said(check(&limits, Role::Client, "key", HOME));
        assert_eq!(refused, None, "and does not count for its address");
    }

    #[test]
    fn callers_share_their_address() {
        let settings = RateLimitSettings { client: 10, gateway: 100, address: 15, ..SETTINGS };
        let (limits, _) = limits(settings);
        let ask = |caller: &str, address: &str| said(check(&limits, Role::Client, caller, address));
        let policies = r#""client";q=10;w=60, "address";q=15;w=60"#.to_owned();
        assert_eq!(ask("a", HOME), (policies.clone(), r#""client";r=9;t=6"#.to_owned(), None));
        for _ in 0..20 {
            ask("a", HOME);
        }
        // What was refused by its own limit left the rest of the address to others.
        assert_eq!(ask("b", HOME), (policies.clone(), r#""address";r=4;t=4"#.to_owned(), None));
        for _ in 0..4 {
            assert_eq!(ask("b", HOME).2, None);
        }
        assert_eq!(ask("b", HOME), (policies, r#""address";r=0;t=4"#.to_owned(), Some(4)));
        assert_eq!(ask("b", "203.0.113.8").2, None);
        for _ in 0..100 {
            let (policies, _, refused) = said(check(&limits, Role::Gateway, "g", HOME));
            assert_eq!((policies.as_str(), refused), (r#""gateway";q=100;w=60"#, None), "no matter from where");
        }
        assert_eq!(said(check(&limits, Role::Gateway, "g", HOME)).2, Some(1));
    }

    #[test]
    fn a_network_is_one_address() {
        let (limits, _) = limits(RateLimitSettings { address: 2, ..SETTINGS });
        let ask = |address| check(&limits, Role::Client, "key", address).refusal().is_some();
        assert!(!ask("2001:db8::1") && !ask("2001:db8::2") && ask("2001:db8::3"));
        assert!(!ask("2001:db8:0:1::1"), "another network");
    }
}
