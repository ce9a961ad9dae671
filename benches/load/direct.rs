//! Inserts the rows of charges straight into the database, to measure the database alone.
//!
//! Each caller has a wallet of its own and continues its chain, so the rows are as true as any. What else a charge
//! changes (wallet, usage, marks) is written once, in the end.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::NaiveDate;
use sqlx::AssertSqlSafe;
use tokio::sync::Mutex;
use uuid::Uuid;
use wecall_billing::domain::charges::usage::UsageCounts;
use wecall_billing::domain::values::money::Money;
use wecall_billing::domain::values::sid::TransactionSid;
use wecall_billing::domain::values::time::DayRange;
use wecall_billing::domain::wallets::ledger::Entry;
use wecall_billing::services::Billing;
use wecall_billing::storage;
use wecall_billing::storage::charges::usage::RollupKey;
use wecall_billing::storage::db::{Conn, Tx};
use wecall_billing::storage::wallets::accounts::StoredAccount;
use wecall_billing::storage::wallets::transactions::{GivenMarks, INSERT_MARKS};

use crate::Result;
use crate::calls::{Businesses, Charges, ID_LENGTH, Random, sid};
use crate::pressure::{Done, Worker};

/// The columns that all rows of a caller share with the sample's first charge.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct Model {
    rate_id: i64,
    amount: i64,
    actor: String,
    request_id: Option<String>,
    sent_to: Option<String>,
    input_hash: Vec<u8>,
    country_code: String,
    operator: String,
    unit_price: i64,
}

impl Model {
    pub(crate) async fn read(billing: &Billing, businesses: &Businesses) -> Result<Model> {
        const SQL: &str = "SELECT t.rate_id, t.amount, t.actor, t.request_id, t.sent_to, t.input_hash, r.country_code, \
             r.operator, r.unit_price FROM businesses b JOIN wallets w ON w.business_id = b.id \
             JOIN transactions t ON t.wallet_id = w.id JOIN applied_rates r ON r.id = t.rate_id \
             WHERE b.sid = $1 AND t.seq = 2";
        Ok(match billing.db.begin().await? {
            Tx::Sqlite(mut tx, _) => sqlx::query_as(SQL).bind(businesses.sample()).fetch_one(&mut *tx).await?,
            Tx::Postgres(mut tx) => sqlx::query_as(SQL).bind(businesses.sample()).fetch_one(&mut *tx).await?,
        })
    }
}

/// A wallet whose rows are written here.
#[derive(Debug)]
pub(crate) struct Chain {
    stored: StoredAccount,
    /// The `seq` that the database knows.
    seq_before: i64,
    marks: Vec<Entry>,
    messages: BTreeMap<NaiveDate, i64>,
}

impl Chain {
    /// The chain of a business that has a wallet.
    pub(crate) async fn of(billing: &Billing, name: &str) -> Result<Arc<Mutex<Chain>>> {
        let mut reader = billing.db.read().await?;
        let stored = storage::wallets::accounts::load(&mut reader.conn().bulk(), &[sid(name)?]).await?.pop();
        let stored = stored.ok_or("a wallet is gone")?;
        let seq_before = stored.account.head.last_seq;
        Ok(Arc::new(Mutex::new(Chain { stored, seq_before, marks: Vec::new(), messages: BTreeMap::new() })))
    }

    /// Updates the wallet, usage and marks after the rows.
    pub(crate) async fn finish(&mut self, billing: &Billing, model: &Model) -> Result<()> {
        let wallet_id = self.stored.wallet_id;
        let account = &mut self.stored.account;
        if let Some((last, _)) = self.messages.last_key_value() {
            let month = DayRange::month_of(*last).first;
            account.tiers.month = Some(month);
            account.tiers.segments = self.messages.range(month..).map(|(_, count)| count).sum();
        }
        let mut tx = billing.db.begin().await?;
        storage::wallets::accounts::update(&mut tx.conn().bulk(), &[(wallet_id, self.seq_before, account)]).await?;
        let marks: Vec<_> = self.marks.iter().map(|mark| (wallet_id, mark)).collect();
        INSERT_MARKS.execute(&mut tx.conn().bulk(), GivenMarks::of(&marks)).await?;
        for (day, messages) in &self.messages {
            let key = RollupKey {
                wallet_id,
                day: *day,
                country: model.country_code.parse()?,
                operator: model.operator.as_str().into(),
                unit_price: Money::from_micros(model.unit_price),
            };
            let rollups = storage::charges::usage::open_rollups(&mut tx.conn().bulk(), &[&key]).await?;
            let cost = Money::from_micros(-model.amount * messages);
            let counts = UsageCounts { messages_sent: *messages, segments: *messages, cost, ..UsageCounts::default() };
            let counts: Vec<_> = rollups.iter().map(|(_, id)| (*id, counts)).collect();
            storage::charges::usage::add(&mut tx.conn().bulk(), &counts).await?;
        }
        Ok(tx.commit().await?)
    }
}

/// Appends rows to a chain, a fixed number in each transaction.
pub(crate) struct Appender {
    billing: Billing,
    model: Arc<Model>,
    chain: Arc<Mutex<Chain>>,
    charges: Charges,
}

impl Appender {
    pub(crate) fn new(billing: &Billing, model: &Arc<Model>, chain: &Arc<Mutex<Chain>>, charges: Charges) -> Appender {
        Appender { billing: billing.clone(), model: model.clone(), chain: chain.clone(), charges }
    }
}

/// The columns that differ from row to row.
struct Row {
    entry: Entry,
    message: String,
}

impl Worker for Appender {
    async fn work(&mut self, random: &mut Random) -> Result<Done> {
        let Appender { billing, model, charges, .. } = self;
        let mut chain = self.chain.lock().await;
        let mut head = chain.stored.account.head;
        let now = billing.clock.now();
        let mut rows = Vec::with_capacity(charges.size);
        for _ in 0..charges.size {
            let mut message = [0; ID_LENGTH];
            charges.ids.write(&mut message, &billing.clock, random);
            let message = String::from_utf8(message.to_vec())?;
            let uid = TransactionSid::new(billing.clock.new_id());
            rows.push(Row { entry: head.enter(Money::from_micros(model.amount), uid, now)?, message });
        }
        let mut tx = billing.db.begin().await?;
        insert(&mut tx.conn(), chain.stored.wallet_id, model, &rows).await?;
        tx.commit().await?;
        chain.stored.account.head = head;
        chain.marks.extend(rows.iter().map(|row| row.entry).filter(|entry| entry.seq % 64 == 0));
        *chain.messages.entry(billing.rules.calendar.day_of(now)).or_default() += rows.len() as i64;
        Ok(Done::charges(rows.len() as u64))
    }
}

const INTO: &str = "INSERT INTO transactions (uid, wallet_id, seq, previous_uid, type, amount, balance_after, created_at, \
     actor, request_id, reference, message_sid, input_hash, rate_id, segments, encoding, sent_to)";

/// One statement for all rows: as VALUES on SQLite, as arrays on Postgres.
async fn insert(conn: &mut Conn<'_>, wallet_id: i64, model: &Model, rows: &[Row]) -> Result<()> {
    match conn {
        Conn::Sqlite(connection) => {
            const ROW: &str = "(?, ?, ?, ?, 'SMS_DEBIT', ?, ?, ?, ?, ?, '', ?, ?, ?, 1, 'GSM-7', ?)";
            let sql = format!("{INTO} VALUES {}", vec![ROW; rows.len()].join(", "));
            let mut query = sqlx::query(AssertSqlSafe(sql));
            for Row { entry, message } in rows {
                query = query
                    .bind(entry.sid)
                    .bind(wallet_id)
                    .bind(entry.seq)
                    .bind(entry.previous)
                    .bind(entry.amount)
                    .bind(entry.balance_after)
                    .bind(entry.created_at)
                    .bind(model.actor.as_str())
                    .bind(model.request_id.as_deref())
                    .bind(message.as_str())
                    .bind(model.input_hash.as_slice())
                    .bind(model.rate_id)
                    .bind(model.sent_to.as_deref());
            }
            query.execute(&mut **connection).await?;
        }
        Conn::Postgres(connection) => {
            let sql = format!(
                "{INTO} SELECT uid, $1, seq, previous_uid, 'SMS_DEBIT', $2, balance_after, created_at, $3, $4, '', \
                 message_sid, $5, $6, 1, 'GSM-7', $7 FROM UNNEST($8::UUID[], $9::BIGINT[], $10::UUID[], $11::BIGINT[], \
                 $12::BIGINT[], $13::TEXT[]) AS given (uid, seq, previous_uid, balance_after, created_at, message_sid)"
            );
            let ids: Vec<Uuid> = rows.iter().map(|row| row.entry.sid.uuid()).collect();
            let previous: Vec<Option<Uuid>> =
                rows.iter().map(|row| row.entry.previous.map(TransactionSid::uuid)).collect();
            sqlx::query(AssertSqlSafe(sql))
                .bind(wallet_id)
                .bind(model.amount)
                .bind(&model.actor)
                .bind(&model.request_id)
                .bind(&model.input_hash)
                .bind(model.rate_id)
                .bind(&model.sent_to)
                .bind(ids)
                .bind(rows.iter().map(|row| row.entry.seq).collect::<Vec<_>>())
                .bind(previous)
                .bind(rows.iter().map(|row| row.entry.balance_after.micros()).collect::<Vec<_>>())
                .bind(rows.iter().map(|row| row.entry.created_at.micros()).collect::<Vec<_>>())
                .bind(rows.iter().map(|row| row.message.clone()).collect::<Vec<_>>())
                .execute(&mut **connection)
                .await?;
        }
    }
    Ok(())
}
