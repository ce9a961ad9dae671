//! Builds the requests of a run, about its own businesses.

use wecall_billing::clock::Clock;
use wecall_billing::domain::values::money::Money;
use wecall_billing::domain::values::sid::BusinessSid;

use crate::Result;

pub(crate) const WALLETS: u64 = 1_000;

/// The number of wallets that have a history of more than one page, whatever was loaded.
pub(crate) const BUSY_WALLETS: u64 = 50;

/// The amount of each measured top-up.
pub(crate) const AMOUNT: Money = Money::from_micros(1_250_000);

/// The initial balance of each wallet: more than any run can charge.
pub(crate) const FUNDS: Money = Money::from_units(10_000_000);

/// The kind of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    Wallet,
    Transactions,
    Usage,
    RateCards,
    TopUp,
    TopUpWithKey,
    Charge(Charges),
}

/// The messages to charge, and the requests that go with them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Charges {
    /// 1: a request for each; else a batch of so many.
    pub(crate) size: usize,
    pub(crate) ids: Ids,
    /// All on one wallet.
    pub(crate) hot: bool,
    /// Each charge is followed by its delivery report.
    pub(crate) reported: bool,
    /// One request in five reads a wallet, its history or its usage instead.
    pub(crate) mixed: bool,
}

impl Charges {
    /// Messages of all wallets, with rising ids, and nothing else.
    pub(crate) const fn of(size: usize) -> Charges {
        Charges { size, ids: Ids::Rising, hot: false, reported: false, mixed: false }
    }
}

/// The kind of message ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ids {
    /// UUIDs version 7: ordered by time.
    Rising,
    /// UUIDs version 4.
    Random,
}

/// How long the text of a UUID is.
pub(crate) const ID_LENGTH: usize = 36;

impl Ids {
    /// Writes a new id over `text`, which is as long as one.
    pub(crate) fn write(self, text: &mut [u8], clock: &Clock, random: &mut Random) {
        let noise = (u128::from(random.next()) << 64 | u128::from(random.next())).to_be_bytes();
        let id = match self {
            Ids::Random => uuid::Builder::from_random_bytes(noise).into_uuid(),
            Ids::Rising => {
                let millis = u64::try_from(clock.now().micros() / 1_000).unwrap_or(0);
                let mut ten = [0; 10];
                ten.copy_from_slice(&noise[..10]);
                uuid::Builder::from_unix_timestamp_millis(millis, &ten).into_uuid()
            }
        };
        id.hyphenated().encode_lower(text);
    }
}

/// The businesses of one run. Their names are new each time, so that a database may be used again, and of equal length.
#[derive(Clone, Debug)]
pub(crate) struct Businesses {
    tag: u32,
}

impl Businesses {
    pub(crate) fn new() -> Businesses {
        let mut random = Random::new(Clock::system().now().micros().unsigned_abs());
        Businesses { tag: (random.next() >> 40) as u32 }
    }

    /// 24 bits that no other run has.
    pub(crate) fn tag(&self) -> u32 {
        self.tag
    }

    pub(crate) fn prefix(&self) -> String {
        format!("bench{:06x}-", self.tag)
    }

    /// For SQL's LIKE.
    pub(crate) fn pattern(&self) -> String {
        format!("{}%", self.prefix())
    }

    pub(crate) fn name(&self, number: u64) -> String {
        format!("{}{number:03}", self.prefix())
    }

    /// The sample business, whose few charges are the pattern of all loaded ones.
    pub(crate) fn sample(&self) -> String {
        format!("{}sample", self.prefix())
    }

    /// A business whose rows are written without the server.
    pub(crate) fn direct(&self, number: usize) -> String {
        format!("{}direct-{number}", self.prefix())
    }

    pub(crate) fn any(&self, random: &mut Random) -> String {
        self.name(random.below(WALLETS))
    }

    pub(crate) fn any_busy(&self, random: &mut Random) -> String {
        self.name(random.below(BUSY_WALLETS))
    }
}

/// Numbers that only need to differ (xorshift64*).
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        Random(seed.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15))
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
pub(crate) fn sid(name: &str) -> Result<BusinessSid> {
    Ok(name.parse()?)
}
