//! Simulates M-Pesa as this server reaches it: an adapter for Safaricom's Daraja, and a Daraja.
//!
//! `adapter.rs` and `client.rs` are what an operator would write, but that they hold in memory what belongs into a
//! database; `daraja.rs` is what Safaricom has. The adapter asks for one thing, an STK push: the payer's phone asks for
//! the PIN, and the money goes from there to the operator's pay bill.

mod adapter;
mod client;
mod daraja;

use std::sync::{Arc, OnceLock};

use chrono::DateTime;
use chrono_tz::{Africa::Nairobi, Tz};
use wecall_billing::clock::Clock;
use wecall_billing::domain::values::time::Timestamp;

use adapter::Adapter;
use daraja::Daraja;
pub use daraja::PAID;

use super::{Database, Server};

/// The time of the server, which stands still until a test sets it. There is none before the server runs.
#[derive(Clone, Debug, Default)]
pub struct Time(Arc<OnceLock<Clock>>);

impl Time {
    fn now(&self) -> Timestamp {
        self.0.get().expect("the server runs before anybody asks for the time").now()
    }

    /// As the clocks of Kenya show it.
    fn in_nairobi(&self) -> DateTime<Tz> {
        DateTime::from_timestamp(self.now().unix_seconds(), 0).unwrap().with_timezone(&Nairobi)
    }
}

/// A server whose wallets are in shillings, with an adapter for M-Pesa.
pub struct Stage {
    pub daraja: Daraja,
    pub adapter: Adapter,
    pub server: Server,
}

impl Stage {
    pub async fn start(database: Database) -> Stage {
        let time = Time::default();
        let daraja = Daraja::start(time.clone()).await;
        let adapter = Adapter::start(daraja.account(), time.clone()).await;
        let provider = adapter.provider();
        let secret = format!("mpesa={}", super::MPESA_SECRET);
        let settings = ["--payment-providers", &provider, "--payment-secrets", &secret, "--default-currency", "KES"];
        let server = Server::start(database, &settings).await;
        time.0.set(server.billing.clock.clone()).expect("one server");
        adapter.confirms_to(&server.base_url);
        Stage { daraja, adapter, server }
    }
}
