//! Blocks addresses that guess credentials, for a while.

use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Mutex, MutexGuard, PoisonError};

use axum::http::StatusCode;
use governor::clock::{Clock, DefaultClock};

use super::buckets::Buckets;
use super::client_address::counted_as;
use crate::http::edge::answer::error::Problem;

/// The most addresses that are blocked. Each is for a second only, so there are seldom more than a few.
const BLOCKED_MAX: usize = 100_000;

/// Counts wrong credentials by client address. Requests without any do not count.
#[derive(Debug)]
pub struct FailedCredentials<C: Clock = DefaultClock> {
    /// `None` where there is no limit.
    failures: Option<Buckets<C>>,
    clock: C,
    /// Until when an address is blocked.
    blocked: Mutex<HashMap<IpAddr, C::Instant>>,
}

impl FailedCredentials {
    /// Allows `per_minute` wrong credentials from an address; 0 is no limit.
    pub fn new(per_minute: u32) -> FailedCredentials {
        FailedCredentials::with_clock(per_minute, DefaultClock::default())
    }

    /// The answer to a blocked address.
    pub fn problem() -> Problem {
        let detail = "Too many requests with wrong credentials came from your address; try again in a minute.";
        let mut problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", detail);
        problem.retry_after_seconds = Some(60);
        problem
    }
}

impl FailedCredentials {
    /// The answer to an address with too many logins.
    pub fn too_many_logins() -> Problem {
        let detail = "Too many logins came from your address; try again in a minute.";
        let mut problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", detail);
        problem.retry_after_seconds = Some(60);
        problem
    }
}

impl<C: Clock + Clone> FailedCredentials<C> {
    fn with_clock(per_minute: u32, clock: C) -> FailedCredentials<C> {
        let failures = NonZeroU32::new(per_minute).map(|per_minute| Buckets::new(per_minute, clock.clone()));
        FailedCredentials { failures, clock, blocked: Mutex::default() }
    }

    /// Whether credentials from an address are ignored, right ones too: else a guesser would learn which are right.
    pub fn is_blocked(&self, address: IpAddr) -> bool {
        let blocked = self.blocked();
        // Nearly always there is nobody.
        !blocked.is_empty() && blocked.get(&counted_as(address)).is_some_and(|until| self.now() < *until)
    }

    /// Counts wrong credentials from an address.
    pub fn count(&self, address: IpAddr) {
        let address = counted_as(address);
        let Some(level) = self.failures.as_ref().map(|failures| failures.take(address)) else { return };
        if level.remaining > 0 {
            return;
        }
        let now = self.now();
        let mut blocked = self.blocked();
        if blocked.len() >= BLOCKED_MAX {
            blocked.retain(|_, until| now < *until);
        }
        if blocked.len() >= BLOCKED_MAX {
            blocked.clear();
        }
        blocked.insert(address, now + level.wait.into());
    }

    fn now(&self) -> C::Instant {
        self.clock.now()
    }

    fn blocked(&self) -> MutexGuard<'_, HashMap<IpAddr, C::Instant>> {
        self.blocked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use governor::clock::FakeRelativeClock;

    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn sixty_failures_a_minute() {
        let clock = FakeRelativeClock::default();
        let failed = FailedCredentials::with_clock(60, clock.clone());
        let (guesser, neighbour) = (ip("203.0.113.7"), ip("203.0.113.8"));
        for _ in 0..60 {
            assert!(!failed.is_blocked(guesser));
            failed.count(guesser);
        }
        assert!(failed.is_blocked(guesser) && !failed.is_blocked(neighbour));
        // After that, one a second.
        let mut tries = 0;
        for _ in 0..600 {
            clock.advance(Duration::from_millis(100));
            if !failed.is_blocked(guesser) {
                failed.count(guesser);
                tries += 1;
            }
        }
        assert_eq!(tries, 60);
        // Tries that were under way together, when the last was counted, are not forgiven.
        failed.count(guesser);
        assert!(failed.is_blocked(guesser));
        clock.advance(Duration::from_secs(60));
        assert!(!failed.is_blocked(guesser));
    }

    #[test]
    fn a_network_is_one_address() {
        let failed = FailedCredentials::with_clock(60, FakeRelativeClock::default());
        for last in 0..60 {
            failed.count(ip(&format!("2001:db8::{last:x}")));
        }
        assert!(failed.is_blocked(ip("2001:db8::ffff")) && !failed.is_blocked(ip("2001:db8:0:1::1")));
    }

    #[test]
    fn memory_is_bounded() {
        let clock = FakeRelativeClock::default();
        let failed = FailedCredentials::with_clock(60, clock.clone());
        let until = clock.now() + Duration::from_secs(1);
        for number in 0..u32::try_from(BLOCKED_MAX).expect("a number") {
            failed.blocked().insert(IpAddr::V4(number.into()), until);
        }
        let guesser = ip("2001:db8::1");
        for _ in 0..60 {
            failed.count(guesser);
        }
        assert!(failed.is_blocked(guesser));
        assert_eq!(failed.blocked().len(), 1);
    }
}
