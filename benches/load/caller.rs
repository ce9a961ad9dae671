//! Sends one request after the other, and times each.

use std::net::SocketAddr;

use crate::Result;
use crate::calls::{AMOUNT, Ask, Businesses, Charges, Random};
use crate::client::Client;
use crate::messages::Body;
use crate::pressure::{Done, Worker};

/// The number of requests built beforehand, so that a caller charges many wallets.
const SINGLES: usize = 64;
const BATCHES: usize = 2;

pub(crate) struct Caller {
    client: Client,
    businesses: Businesses,
    ask: Ask,
    bodies: Vec<Body>,
    /// Whether the server answers: the bare handler says nothing about single messages.
    is_server: bool,
}

impl Caller {
    pub(crate) async fn many(
        address: SocketAddr,
        businesses: &Businesses,
        ask: Ask,
        count: usize,
        is_server: bool,
    ) -> Result<Vec<Caller>> {
        let mut callers = Vec::with_capacity(count);
        for number in 0..count {
            let client = Client::connect(address).await?;
            let mut random = Random::new(number as u64);
            let bodies = match ask {
                Ask::Charge(charges) => {
                    let bodies = if charges.size == 1 { SINGLES } else { BATCHES };
                    (0..bodies).map(|_| Body::new(businesses, charges, &mut random)).collect()
                }
                _ => Vec::new(),
            };
            callers.push(Caller { client, businesses: businesses.clone(), ask, bodies, is_server });
        }
        Ok(callers)
    }

    async fn charge(&mut self, charges: Charges, random: &mut Random) -> Result<Done> {
        let chosen = random.below(self.bodies.len() as u64) as usize;
        let body = &mut self.bodies[chosen];
        body.renew(random);
        let answer = self.client.post(body.charges_path(), body.charges()).await?;
        if self.is_server && charges.size > 1 {
            all_are(answer, "\"status\":201", charges.size)?;
        }
        if charges.reported {
            let (path, reports) = body.reports();
            let answer = self.client.post(&path, reports).await?;
            if self.is_server {
                all_are(answer, "\"recorded\":true", charges.size)?;
            }
        }
        Ok(Done::charges(charges.size as u64))
    }

    async fn read(&mut self, random: &mut Random) -> Result<Done> {
        match random.below(3) {
            0 => self.one(Ask::Wallet, random).await,
            1 => self.one(Ask::Transactions, random).await,
            _ => self.one(Ask::Usage, random).await,
        }
    }

    async fn one(&mut self, ask: Ask, random: &mut Random) -> Result<Done> {
        match ask {
            Ask::Wallet => {
                let business = self.businesses.any(random);
                self.client.get(&format!("/api/billing/wallet/{business}/")).await?;
            }
            Ask::Transactions => {
                let business = self.businesses.any_busy(random);
                self.client.get(&format!("/api/billing/transactions/{business}/?limit=50")).await?;
            }
            Ask::Usage => {
                let business = self.businesses.any_busy(random);
                self.client.get(&format!("/api/billing/usage/{business}/?period=THIS_MONTH")).await?;
            }
            Ask::RateCards => {
                self.client.get("/api/billing/rate-cards/").await?;
            }
            Ask::TopUp | Ask::TopUpWithKey => {
                let key = format!("{:016x}{:016x}", random.next(), random.next());
                let key = (ask == Ask::TopUpWithKey).then_some(key.as_str());
                self.client.top_up(&self.businesses.any(random), key).await?;
                return Ok(Done::credit(AMOUNT));
            }
            Ask::Charge(charges) => return self.charge(charges, random).await,
        }
        Ok(Done::request())
    }
}

impl Worker for Caller {
    async fn work(&mut self, random: &mut Random) -> Result<Done> {
        match self.ask {
            Ask::Charge(charges) if charges.mixed && random.below(5) == 0 => self.read(random).await,
            ask => self.one(ask, random).await,
        }
    }
}

/// Checks that each item of an answer succeeded, or else fails with the answer. Nothing is parsed: that would take
/// processor time from the server.
fn all_are(answer: &[u8], mark: &str, count: usize) -> Result<()> {
    let text = std::str::from_utf8(answer)?;
    if text.matches(mark).count() == count {
        return Ok(());
    }
    let at = text.find("\"error\":").unwrap_or(0);
    let excerpt: String = text.get(at..).unwrap_or(text).chars().take(600).collect();
    Err(format!("not all of {count} items were answered {mark}: {excerpt}").into())
}
