//! Counts events per key with token buckets, in bounded memory.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use foldhash::fast::RandomState;
use governor::clock::{Clock, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::nanos::Nanos;
use governor::state::StateStore;
use governor::state::keyed::ShrinkableKeyedStateStore;
use governor::{Quota, RateLimiter};

/// The most keys in memory, which take a few megabytes.
const KEYS_MAX: usize = 100_000;

/// After how many takes expired keys are removed.
const TAKES_BETWEEN_SWEEPS: u32 = 4_096;

/// The level of a key's bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    pub is_refused: bool,
    pub remaining: u32,
    /// The time until one more may be taken.
    pub wait: Duration,
}

/// A token bucket per key, with a minute's worth of tokens, refilled evenly (the generic cell rate algorithm): after a
/// quiet minute all may be taken at once.
#[derive(Debug)]
pub struct Buckets<C: Clock = DefaultClock> {
    limiter: RateLimiter<u64, States, C, StateInformationMiddleware>,
    /// Keys are remembered by their hashes, which are small. The seed is random, so nobody can choose keys that
    /// collide.
    hasher: RandomState,
    takes: AtomicU32,
    refill: Duration,
}

impl<C: Clock> Buckets<C> {
    pub fn new(per_minute: NonZeroU32, clock: C) -> Buckets<C> {
        let quota = Quota::per_minute(per_minute);
        Buckets {
            limiter: RateLimiter::new(quota, States::default(), clock),
            hasher: RandomState::default(),
            takes: AtomicU32::new(0),
            refill: quota.replenish_interval(),
        }
    }

    /// Takes one, if one is left; a refusal takes nothing.
    pub fn take(&self, key: impl Hash) -> Level {
        if self.takes.fetch_add(1, Ordering::Relaxed).is_multiple_of(TAKES_BETWEEN_SWEEPS) {
            self.limiter.retain_recent();
        }
        match self.limiter.check_key(&self.hasher.hash_one(key)) {
            Ok(state) => Level { is_refused: false, remaining: state.remaining_burst_capacity(), wait: self.refill },
            Err(refusal) => {
                let wait = refusal.wait_time_from(self.clock().now());
                Level { is_refused: true, remaining: 0, wait }
            }
        }
    }

    pub fn clock(&self) -> &C {
        self.limiter.clock()
    }
}

/// When each bucket will be full again. It is governor's own store with a bound: when a new key finds it full, all keys
/// are removed. Each then has a minute's worth again; to refuse the new key would shut out callers because of others.
#[derive(Debug, Default)]
struct States(Mutex<HashMap<u64, Nanos, RandomState>>);

impl States {
    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Nanos, RandomState>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StateStore for States {
    type Key = u64;

    fn measure_and_replace<T, F, E>(&self, key: &u64, measure: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let mut states = self.lock();
        let known = states.get_mut(key);
        let (outcome, next) = measure(known.as_deref().copied())?;
        match known {
            Some(state) => *state = next,
            None => {
                if states.len() >= KEYS_MAX {
                    states.clear();
                }
                states.insert(*key, next);
            }
        }
        Ok(outcome)
    }
}

impl ShrinkableKeyedStateStore<u64> for States {
    fn retain_recent(&self, drop_below: Nanos) {
        self.lock().retain(|_, state| *state >= drop_below);
    }

    fn shrink_to_fit(&self) {
        self.lock().shrink_to_fit();
    }

    fn len(&self) -> usize {
        self.lock().len()
    }

    fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }
}

#[cfg(test)]
mod tests {
    use governor::clock::FakeRelativeClock;

    use super::*;

    const MILLISECOND: Duration = Duration::from_millis(1);

    fn buckets(per_minute: u32) -> (Buckets<FakeRelativeClock>, FakeRelativeClock) {
        let clock = FakeRelativeClock::default();
        (Buckets::new(NonZeroU32::new(per_minute).expect("a quota"), clock.clone()), clock)
    }

    #[test]
    fn a_minutes_worth_at_once_and_then_evenly() {
        let (buckets, clock) = buckets(60);
        for remaining in (0..60).rev() {
            let level = buckets.take("a");
            assert_eq!((level.is_refused, level.remaining), (false, remaining));
        }
        let refused = Level { is_refused: true, remaining: 0, wait: Duration::from_secs(1) };
        assert_eq!(buckets.take("a"), refused);
        assert_eq!(buckets.take("a"), refused, "to ask again costs nothing");
        assert!(!buckets.take("b").is_refused, "others have their own");
        clock.advance(Duration::from_secs(1) - MILLISECOND);
        assert_eq!(buckets.take("a").wait, MILLISECOND);
        clock.advance(MILLISECOND);
        assert!(!buckets.take("a").is_refused);
        assert!(buckets.take("a").is_refused);
        clock.advance(Duration::from_secs(3_600));
        assert_eq!(buckets.take("a").remaining, 59, "no more than a minute's worth is saved up");
    }

    #[test]
    fn what_is_over_is_forgotten() {
        let (buckets, clock) = buckets(60);
        for key in 0..TAKES_BETWEEN_SWEEPS - 1 {
            buckets.take(key);
        }
        clock.advance(Duration::from_secs(10));
        buckets.take("the last one before the sweep");
        assert_eq!(buckets.limiter.len(), TAKES_BETWEEN_SWEEPS as usize);
        buckets.take("the one that sweeps");
        assert_eq!(buckets.limiter.len(), 2);
    }

    #[test]
    fn memory_is_bounded() {
        let (buckets, _) = buckets(1);
        for key in 0..KEYS_MAX {
            assert!(!buckets.take(key).is_refused);
        }
        assert!(buckets.take(0).is_refused, "it is remembered, and a key that is known needs no room");
        assert_eq!(buckets.limiter.len(), KEYS_MAX);
        assert!(!buckets.take(KEYS_MAX).is_refused);
        assert_eq!(buckets.limiter.len(), 1);
        assert!(!buckets.take(0).is_refused, "all of them begin anew");
    }
}
