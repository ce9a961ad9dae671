//! Simulates SMS gateways: repeatable random numbers, and checks of the database they leave.

use serde_json::{Value, json};
use sqlx::Row;
use uuid::Uuid;
use wecall_billing::storage::db::Db;
use wecall_billing::storage::db::open::IfMissing;

use super::process::{run, text};

/// Numbers that look random and follow from a seed (SplitMix64).
#[derive(Clone, Debug)]
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len() as u64) as usize]
    }

    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last as u64 + 1) as usize);
        }
    }
}

/// A seed from `variable`, or a new one; printed, so that a failure can be repeated.
pub fn seed(variable: &str) -> u64 {
    use std::hash::{BuildHasher, Hasher};
    let given = std::env::var(variable).ok().map(|text| text.parse().expect("a whole number"));
    let seed = given.unwrap_or_else(|| std::collections::hash_map::RandomState::new().build_hasher().finish());
    eprintln!("{variable}={seed}");
    seed
}

/// Numbers in several countries, with operators and without.
const NUMBERS: [&str; 6] =
    ["+254712345678", "+254733123456", "+250788123456", "+250730123456", "+256772123456", "+255754123456"];

/// A message to charge; the same arguments make the same message.
pub fn message(business: &str, message_sid: &str) -> Value {
    let mut random = Random(message_sid.bytes().fold(7, |sum: u64, byte| sum.wrapping_mul(31) ^ u64::from(byte)));
    let to = *random.pick(&NUMBERS);
    let segments = if random.below(50) == 0 { 255 } else { 1 + random.below(3) };
    json!({"business_sid": business, "message_sid": message_sid, "to": to, "segments": segments})
}

/// A row of the ledger: business, type, amount in millionths, reference, details, message, and the SID.
pub struct Entry {
    pub business: String,
    pub kind: String,
    pub amount: i64,
    pub reference: String,
    pub details: Value,
    pub message: Option<String>,
    pub sid: String,
    pub delivery: Option<String>,
}

async fn open(database_url: &str) -> Db {
    let settings = super::settings(database_url, &[]);
    let db = wecall_billing::storage::db::open::open(&settings.database_url, settings.pools(), IfMissing::Fail);
    db.await.unwrap()
}

/// Every row of the ledger.
pub async fn ledger(database_url: &str) -> Vec<Entry> {
    const ALL: &str = "SELECT b.sid, t.type, t.reference, t.message_sid, t.uid, d.status, t.amount, \
         CAST(t.details AS TEXT) FROM transactions t JOIN wallets w ON w.id = t.wallet_id \
         JOIN businesses b ON b.id = w.business_id LEFT JOIN deliveries d ON d.charge_uid = t.uid";
    let details = |text: Option<String>| text.map_or(Value::Null, |text| serde_json::from_str(&text).unwrap());
    macro_rules! entries {
        ($pool:expr) => {{
            let rows = sqlx::query(ALL).fetch_all($pool).await.unwrap();
            let entry = |row: &_| Entry {
                business: Row::get(row, 0),
                kind: Row::get(row, 1),
                reference: Row::get(row, 2),
                message: Row::get(row, 3),
                sid: format!("txn_{}", Row::get::<Uuid, _>(row, 4).simple()),
                delivery: Row::get(row, 5),
                amount: Row::get(row, 6),
                details: details(Row::get(row, 7)),
            };
            rows.iter().map(entry).collect()
        }};
    }
    let db = open(database_url).await;
    let entries = match &db {
        Db::Sqlite { readers, .. } => entries!(readers),
        Db::Postgres(pool) => entries!(pool),
    };
    db.close().await;
    entries
}

/// Ends the leases of a killed server's jobs, so that tests need not wait for them.
pub async fn end_leases(database_url: &str) {
    const END: &str = "UPDATE jobs SET claimed_until = NULL";
    let db = open(database_url).await;
    match &db {
        Db::Sqlite { writer, .. } => drop(sqlx::query(END).execute(writer).await.unwrap()),
        Db::Postgres(pool) => drop(sqlx::query(END).execute(pool).await.unwrap()),
    }
    db.close().await;
}

/// Asserts that the `reconcile` command finds nothing.
pub fn assert_reconciles(home: &std::path::Path, database_url: &str) {
    let output = run(home, &["reconcile", "--database-url", database_url]);
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
}
