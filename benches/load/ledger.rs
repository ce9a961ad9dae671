//! Loads the wallets of a run and a long past of charges, in bulk.
//!
//! The server charges one business, the sample, for a message to each of several destinations. All that is loaded is
//! made after those rows, by the database itself: each wallet is opened with the sample's top-up, 28 days ago, and was
//! then charged for the sample's messages again and again until last midnight. The wallets take turns, so that the rows
//! of the ledger are in the order of time, as they would be. Chains, marks, usage and what wallets know of themselves
//! follow, so that nothing tells a loaded ledger from one that grew.

use std::time::Instant;

use chrono::NaiveDate;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};
use wecall_billing::domain::values::time::days_before;
use wecall_billing::services::Billing;

use crate::Result;
use crate::calls::{Businesses, FUNDS, Ids, WALLETS, sid};
use crate::client::Client;
use crate::messages::NUMBERS;

const DAYS: u64 = 28;

/// How many messages of the sample are charged.
const SAMPLE: i64 = 8;

/// Opens the sample and charges its messages; returns the millionths put in.
pub(crate) async fn charge_sample(client: &mut Client, businesses: &Businesses) -> Result<i64> {
    let business = businesses.sample();
    let top_up = format!(r#"{{"business_sid":"{business}","amount":{FUNDS},"reference":"LOAD"}}"#);
    client.post("/api/billing/topup/", top_up.as_bytes()).await?;
    for number in 0..SAMPLE as usize {
        let to = NUMBERS[number % NUMBERS.len()];
        let segments = 1 + number / NUMBERS.len();
        let message = format!(
            r#"{{"business_sid":"{business}","message_sid":"sample-{number}","to":"{to}","segments":{segments}}}"#
        );
        client.post("/api/billing/charges/", message.as_bytes()).await?;
    }
    Ok(FUNDS.micros())
}

/// How many messages the sample was charged for.
pub(crate) const fn sample_charges() -> u64 {
    SAMPLE as u64
}

/// The result of loading.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Loaded {
    pub(crate) charges: u64,
    pub(crate) credit: i64,
}

/// Opens the wallets and charges them for `transactions` messages, rounded up to as many for each.
pub(crate) async fn load(
    billing: &Billing,
    database_url: &str,
    businesses: &Businesses,
    transactions: u64,
) -> Result<Loaded> {
    let started = Instant::now();
    let mut loader = Loader::connect(billing, database_url, businesses, transactions).await?;
    loader.open_wallets().await?;
    for day in (1..=DAYS).rev().map(|ago| days_before(billing.today(), ago)) {
        let rows = loader.timing.rows_before(billing.rules.calendar.start_of(day).micros())
            ..loader.timing.rows_before(billing.rules.calendar.end_of(day).micros() + 1);
        loader.append(rows, day).await?;
    }
    loader.finish().await?;
    let charges = (loader.timing.rows - WALLETS as i64).unsigned_abs();
    println!("{charges} transactions loaded in {:.0} s", started.elapsed().as_secs_f64());
    Ok(Loaded { charges, credit: FUNDS.micros() * WALLETS as i64 })
}

/// The time of each row, by its number.
#[derive(Clone, Copy, Debug)]
struct Timing {
    starts: i64,
    step: i64,
    /// The number of rows to load.
    rows: i64,
}

impl Timing {
    /// How many rows were made before an instant.
    fn rows_before(self, micros: i64) -> i64 {
        ((micros - self.starts + self.step - 1) / self.step).clamp(0, self.rows)
    }
}

enum Connected {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

struct Loader {
    connection: Connected,
    businesses: Businesses,
    timing: Timing,
    ids: Ids,
    first_wallet: i64,
}

impl Loader {
    async fn connect(
        billing: &Billing,
        database_url: &str,
        businesses: &Businesses,
        transactions: u64,
    ) -> Result<Loader> {
        let rounds = 1 + transactions.div_ceil(WALLETS);
        let rows = i64::try_from(rounds * WALLETS)?;
        let starts = billing.rules.calendar.start_of(days_before(billing.today(), DAYS)).micros();
        let ends = billing.rules.calendar.start_of(billing.today()).micros();
        let connection = if database_url.starts_with("sqlite") {
            // What is lost with the power is loaded again.
            let options: SqliteConnectOptions = database_url.parse()?;
            let options = options
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Off)
                .pragma("cache_size", "-200000");
            Connected::Sqlite(SqliteConnection::connect_with(&options).await?)
        } else {
            let mut connection = PgConnection::connect(database_url).await?;
            sqlx::query("SET synchronous_commit = off").execute(&mut connection).await?;
            Connected::Postgres(connection)
        };
        let timing = Timing { starts, step: (ends - starts) / rows, rows };
        let ids = match std::env::var("BENCH_LEDGER_IDS").as_deref() {
            Err(_) | Ok("rising") => Ids::Rising,
            Ok("random") => Ids::Random,
            Ok(_) => return Err("BENCH_LEDGER_IDS must be rising or random".into()),
        };
        Ok(Loader { connection, businesses: businesses.clone(), timing, ids, first_wallet: 0 })
    }

    fn is_sqlite(&self) -> bool {
        matches!(self.connection, Connected::Sqlite(_))
    }

    async fn execute(&mut self, sql: String) -> Result<u64> {
        let sql = AssertSqlSafe(sql);
        Ok(match &mut self.connection {
            Connected::Sqlite(connection) => sqlx::query(sql).execute(connection).await?.rows_affected(),
            Connected::Postgres(connection) => sqlx::query(sql).execute(connection).await?.rows_affected(),
        })
    }

    async fn number(&mut self, sql: String) -> Result<i64> {
        let sql = AssertSqlSafe(sql);
        Ok(match &mut self.connection {
            Connected::Sqlite(connection) => sqlx::query_scalar(sql).fetch_one(connection).await?,
            Connected::Postgres(connection) => sqlx::query_scalar(sql).fetch_one(connection).await?,
        })
    }

    /// A table `series (n)` of the numbers from `first` up to before `end`.
    fn series(&self, first: i64, end: i64) -> String {
        if self.is_sqlite() {
            format!(
                "WITH RECURSIVE series (n) AS (SELECT {first} WHERE {first} < {end} \
                 UNION ALL SELECT n + 1 FROM series WHERE n + 1 < {end}) "
            )
        } else {
            format!("WITH series (n) AS (SELECT generate_series({first}::BIGINT, {end}::BIGINT - 1)) ")
        }
    }

    /// The text of a UUID version 7: the time of the row, the run, the kind of object, and the row.
    fn id_text(&self, row: &str, kind: u8) -> String {
        let tag = self.businesses.tag();
        let middle = format!("7{:03x}-8{:03x}", tag >> 12, tag & 0xfff);
        let Timing { starts, step, .. } = self.timing;
        let millis = format!("(({starts} + ({row}) * CAST({step} AS BIGINT)) / 1000)");
        if self.is_sqlite() {
            format!("printf('%08x-%04x-{middle}-{kind:02x}%010x', {millis} >> 16, {millis} & 65535, {row})")
        } else {
            format!(
                "(LPAD(TO_HEX({millis} >> 16), 8, '0') || '-' || LPAD(TO_HEX({millis} & 65535), 4, '0') \
                 || '-{middle}-{kind:02x}' || LPAD(TO_HEX(({row})::BIGINT), 10, '0'))"
            )
        }
    }

    fn id(&self, row: &str, kind: u8) -> String {
        let text = self.id_text(row, kind);
        if self.is_sqlite() { format!("unhex({text}, '-')") } else { format!("{text}::UUID") }
    }

    /// Message ids as gateways make them: rising with time, or else at random all over the index.
    fn message_text(&self) -> String {
        match (self.ids, self.is_sqlite()) {
            (Ids::Rising, _) => self.id_text("n", 2),
            (Ids::Random, true) => "lower(hex(randomblob(16)))".to_owned(),
            (Ids::Random, false) => "gen_random_uuid()::TEXT".to_owned(),
        }
    }

    fn transaction_id(&self, row: &str) -> String {
        self.id(row, 1)
    }

    async fn open_wallets(&mut self) -> Result<()> {
        let (prefix, sample) = (self.businesses.prefix(), sid(&self.businesses.sample())?);
        let (series, starts, count) = (self.series(0, WALLETS as i64), self.timing.starts, WALLETS as i64);
        let number = if self.is_sqlite() { "printf('%03d', n)" } else { "LPAD(n::TEXT, 3, '0')" };
        self.execute(format!(
            "{series} INSERT INTO businesses (sid, kind, status, parent_id, name, email, address, country_code, tax_id, \
             created_at, updated_at) SELECT '{prefix}' || {number}, b.kind, b.status, b.parent_id, b.name, b.email, \
             b.address, b.country_code, b.tax_id, {starts}, {starts} FROM series \
             CROSS JOIN businesses b WHERE b.sid = '{sample}' ORDER BY n"
        ))
        .await?;
        let id = self.id("n", 0);
        self.execute(format!(
            "{series} INSERT INTO wallets (uid, business_id, pricing_plan_id, currency, balance, credit_limit, \
             auto_recharge_enabled, auto_recharge_amount, auto_recharge_threshold, last_seq, created_at, updated_at) \
             SELECT {id}, b.id, w.pricing_plan_id, w.currency, 0, w.credit_limit, w.auto_recharge_enabled, \
             w.auto_recharge_amount, w.auto_recharge_threshold, 0, {starts}, {starts} FROM series \
             JOIN businesses b ON b.sid = '{prefix}' || {number} \
             CROSS JOIN businesses s JOIN wallets w ON w.business_id = s.id WHERE s.sid = '{sample}' ORDER BY n"
        ))
        .await?;
        let of_these = format!(
            "FROM wallets w JOIN businesses b ON b.id = w.business_id \
             WHERE b.sid LIKE '{prefix}%' AND b.sid <> '{sample}'"
        );
        self.first_wallet = self.number(format!("SELECT MIN(w.id) {of_these}")).await?;
        let last = self.number(format!("SELECT MAX(w.id) {of_these}")).await?;
        if last - self.first_wallet + 1 != count {
            return Err("somebody else opens wallets in this database".into());
        }
        self.execute(format!(
            "CREATE TEMPORARY TABLE sample AS SELECT t.seq - 1 AS slot, t.type, t.amount, t.actor, t.request_id, \
             t.reference, t.details, t.rate_id, t.segments, t.encoding, t.sent_to, t.input_hash, \
             CAST(SUM(t.amount) OVER (ORDER BY t.seq) AS BIGINT) AS total \
             FROM transactions t JOIN wallets w ON w.id = t.wallet_id JOIN businesses b ON b.id = w.business_id \
             WHERE b.sid = '{sample}'"
        ))
        .await?;
        if !self.is_sqlite() {
            self.execute("ANALYZE sample".to_owned()).await?;
        }
        Ok(())
    }

    /// Appends rows that were all made on one day, with their marks and usage.
    async fn append(&mut self, rows: std::ops::Range<i64>, day: NaiveDate) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        let (first, end) = (rows.start, rows.end);
        let Timing { starts, step, .. } = self.timing;
        let (count, first_wallet) = (WALLETS, self.first_wallet);
        let (series, id, previous) =
            (self.series(first, end), self.transaction_id("n"), self.transaction_id(&format!("n - {count}")));
        let message = self.message_text();
        self.execute("BEGIN".to_owned()).await?;
        // A wallet's first row is the sample's first; the next are the sample's others, over and over.
        self.execute(format!(
            "{series}, made (n, wallet_id, round) AS (SELECT n, {first_wallet} + n % {count}, n / {count} FROM series) \
             INSERT INTO transactions (uid, wallet_id, seq, previous_uid, type, amount, balance_after, created_at, actor, \
             request_id, reference, details, message_sid, input_hash, rate_id, segments, encoding, sent_to) \
             SELECT {id}, wallet_id, round + 1, CASE WHEN round > 0 THEN {previous} END, s.type, s.amount, \
             s.total + (round - 1) / {SAMPLE} * (SELECT SUM(amount) FROM sample WHERE slot > 0), \
             {starts} + n * {step}, s.actor, s.request_id, s.reference, s.details, \
             CASE WHEN round > 0 THEN {message} END, s.input_hash, s.rate_id, s.segments, s.encoding, s.sent_to \
             FROM made CROSS JOIN sample s \
             WHERE s.slot = CASE WHEN round = 0 THEN 0 ELSE 1 + (round - 1) % {SAMPLE} END"
        ))
        .await?;
        let within = format!(
            "t.uid >= {} AND t.uid <= {}",
            self.transaction_id(&first.to_string()),
            self.transaction_id(&(end - 1).to_string())
        );
        self.execute(format!(
            "INSERT INTO transaction_marks (wallet_id, seq, uid, created_at) \
             SELECT t.wallet_id, t.seq, t.uid, t.created_at FROM transactions t WHERE {within} AND t.seq % 64 = 0"
        ))
        .await?;
        self.execute(format!(
            "INSERT INTO usage_metrics (wallet_id, day, country_code, operator, unit_price, messages_sent, \
             messages_delivered, messages_failed, segments, cost) \
             SELECT t.wallet_id, '{day}', r.country_code, r.operator, r.unit_price, COUNT(*), 0, 0, SUM(t.segments), \
             -SUM(t.amount) FROM transactions t JOIN applied_rates r ON r.id = t.rate_id WHERE {within} \
             GROUP BY t.wallet_id, r.country_code, r.operator, r.unit_price"
        ))
        .await?;
        self.execute("COMMIT".to_owned()).await?;
        Ok(())
    }

    /// Updates each wallet's last row and tier counter.
    async fn finish(&mut self) -> Result<()> {
        let last_round = self.transaction_id(&(self.timing.rows - WALLETS as i64).to_string());
        let last = self.transaction_id(&(self.timing.rows - 1).to_string());
        let updated = self
            .execute(format!(
                "UPDATE wallets SET balance = t.balance_after, last_seq = t.seq, last_uid = t.uid, \
                 updated_at = t.created_at FROM transactions t \
                 WHERE t.uid >= {last_round} AND t.uid <= {last} AND t.wallet_id = wallets.id"
            ))
            .await?;
        if updated != WALLETS {
            return Err(format!("{updated} wallets were loaded instead of {WALLETS}").into());
        }
        let month_of_last = if self.is_sqlite() {
            "DATE(MAX(u.day), 'start of month')"
        } else {
            "CAST(DATE_TRUNC('month', MAX(u.day)) AS DATE)"
        };
        let (first, end) = (self.first_wallet, self.first_wallet + WALLETS as i64);
        for (column, value) in [
            ("tier_month", format!("SELECT {month_of_last} FROM usage_metrics u WHERE u.wallet_id = wallets.id")),
            (
                "tier_segments",
                "SELECT COALESCE(SUM(u.segments), 0) FROM usage_metrics u \
                 WHERE u.wallet_id = wallets.id AND u.day >= wallets.tier_month"
                    .to_owned(),
            ),
        ] {
            self.execute(format!("UPDATE wallets SET {column} = ({value}) WHERE id >= {first} AND id < {end}")).await?;
        }
        let tidy: &[&str] = if self.is_sqlite() {
            &["DROP TABLE sample", "PRAGMA wal_checkpoint(TRUNCATE)"]
        } else {
            // What a server would have done long since is done before anything is measured, not meanwhile.
            &["DROP TABLE sample", "VACUUM (ANALYZE) transactions", "VACUUM (ANALYZE) usage_metrics", "ANALYZE"]
        };
        for sql in tidy {
            self.execute((*sql).to_owned()).await?;
        }
        Ok(())
    }
}
