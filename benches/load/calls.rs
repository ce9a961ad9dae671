//! What is asked, and of whom: the businesses of one run, and the requests about them.

use wecall_billing::clock::Clock;
use wecall_billing::domain::money::Money;

use crate::Result;

pub(crate) const WALLETS: u64 = 1_000;

/// The first so many wallets have a history of more than one page.
pub(crate) const BUSY_WALLETS: u64 = 50;

/// What every top-up adds.
pub(crate) const AMOUNT: Money = Money::from_micros(1_250_000);

/// What one request is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    Wallet,
    Transactions,
    Usage,
    RateCards,
    TopUp,
    TopUpWithKey,
    /// Four reads of a wallet to one top-up.
    Mixed,
}

impl Ask {
    /// The requests a mixed one is made of are told apart here, so that nobody else meets a mixed one.
    pub(crate) fn pick(self, random: &mut Random) -> Ask {
        match self {
            Ask::Mixed if random.below(5) == 0 => Ask::TopUp,
            Ask::Mixed => Ask::Wallet,
            ask => ask,
        }
    }

    pub(crate) fn credits(self) -> bool {
        matches!(self, Ask::TopUp | Ask::TopUpWithKey)
    }
}

/// The businesses of one run. Their names are new each time, so that a database may be used again.
#[derive(Clone, Debug)]
pub(crate) struct Businesses {
    prefix: String,
}

impl Businesses {
    pub(crate) fn new() -> Businesses {
        // The front of such an id is the time; its end is what no other run has.
        let id = Clock::system().new_id().simple().to_string();
        Businesses { prefix: format!("bench{}", id.get(20..).unwrap_or(&id)) }
    }

    pub(crate) fn name(&self, number: u64) -> String {
        format!("{}-{number}", self.prefix)
    }

    /// For SQL's LIKE.
    pub(crate) fn pattern(&self) -> String {
        format!("{}-%", self.prefix)
    }

    pub(crate) fn any(&self, random: &mut Random) -> String {
        self.name(random.below(WALLETS))
    }

    pub(crate) fn any_busy(&self, random: &mut Random) -> String {
        self.name(random.below(BUSY_WALLETS))
    }
}

/// Numbers that need no more than to differ (xorshift64*).
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        Random((seed + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        (self.next() >> 32) % bound
    }
}

/// # Errors
/// Where a name is no business SID, which would be a mistake here.
pub(crate) fn sid(name: &str) -> Result<wecall_billing::domain::businesses::BusinessSid> {
    Ok(name.parse()?)
}
