//! Measures the close of a month of 10,000 businesses with 1,000,000 charges, and how long messages wait meanwhile:
//!
//! ```sh
//! cargo build --release
//! CLOSE_PROGRAM=$PWD/target/release/wecall-billing cargo test --test it month_close_load -- --ignored --nocapture
//! ```
//!
//! Without `CLOSE_PROGRAM` the program that was built with the tests closes the month. Nothing here fails for being
//! slow.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::gateway::assert_reconciles;
use crate::support::process::{program, text};
use crate::support::{Database, Server, postgres};

const BUSINESSES: i64 = 10_000;
const CHARGES_EACH: i64 = 100;

/// Between two rows of the ledger: all of them lie in November 2025.
const STEP_MICROS: i64 = 2_500_000;
const START_MICROS: i64 = 1_761_955_200_000_000;

struct Dialect {
    series: String,
    day: &'static str,
}

impl Dialect {
    fn of(database: Database) -> Dialect {
        match database {
            Database::Sqlite => Dialect {
                series: format!(
                    "WITH RECURSIVE series (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM series WHERE n + 1 < {BUSINESSES}) "
                ),
                day: "date(t.created_at / 1000000, 'unixepoch')",
            },
            Database::Postgres => Dialect {
                series: format!("WITH series (n) AS (SELECT generate_series(0::BIGINT, {BUSINESSES} - 1)) "),
                day: "CAST(to_timestamp(t.created_at / 1000000) AT TIME ZONE 'UTC' AS DATE)",
            },
        }
    }
}

/// An id of a row and of the moment it was made at, as UUIDs version 7 are.
fn id(database: Database, row: &str) -> String {
    let millis = format!("(({START_MICROS} + ({row}) * {STEP_MICROS}) / 1000)");
    match database {
        Database::Sqlite => format!("unhex(printf('%012x70008000%012x', {millis}, {row}))"),
        Database::Postgres => {
            format!(
                "CAST(LPAD(TO_HEX({millis}), 12, '0') || '70008000' || LPAD(TO_HEX(CAST({row} AS BIGINT)), 12, '0') AS UUID)"
            )
        }
    }
}

/// The wallets, each topped up and then charged in turns for messages to the destinations of the sample.
async fn load(server: &Server) {
    let (database, Dialect { series, day }) = (server.database, Dialect::of(server.database));
    server.set_clock("2025-10-30T10:00:00Z");
    server.top_up("sample", "10").await;
    let numbers = ["+254712345678", "+254733123456", "+250788123456", "+250730123456", "+256772123456"];
    for (number, to) in numbers.iter().enumerate() {
        server
            .charge(json!({"business_sid": "sample", "message_sid": format!("m-{number}"), "to": to, "segments": 1}))
            .await;
    }
    let number = if database == Database::Sqlite { "printf('%05d', n)" } else { "LPAD(CAST(n AS TEXT), 5, '0')" };
    let execute = async |sql: String| server.execute(&sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    execute(format!(
        "{series} INSERT INTO businesses (sid, kind, status, name, email, address, country_code, tax_id, created_at, updated_at) \
         SELECT 'load_' || {number}, 'CLIENT', 'ACTIVE', '', '', '', '', '', {START_MICROS}, {START_MICROS} FROM series ORDER BY n"
    ))
    .await;
    let wallet = id(database, "-1 - n - 1000000");
    let wallet = wallet.replace("TO_HEX(CAST(-1 - n - 1000000 AS BIGINT))", "TO_HEX(CAST(n + 1 AS BIGINT))");
    let wallet = wallet.replace("-1 - n - 1000000)", "n + 1)");
    execute(format!(
        "{series} INSERT INTO wallets (uid, business_id, pricing_plan_id, currency, balance, credit_limit, auto_recharge_enabled, \
         auto_recharge_amount, auto_recharge_threshold, last_seq, created_at, updated_at) SELECT {wallet}, b.id, \
         s.pricing_plan_id, s.currency, 0, 0, s.auto_recharge_enabled, 0, 0, 0, {START_MICROS}, {START_MICROS} FROM series \
         JOIN businesses b ON b.sid = 'load_' || {number} CROSS JOIN businesses o JOIN wallets s ON s.business_id = o.id \
         WHERE o.sid = 'sample' ORDER BY n"
    ))
    .await;
    let of_sample = "t.type = 'SMS_DEBIT' AND t.wallet_id = (SELECT w.id FROM wallets w JOIN businesses b \
                     ON b.id = w.business_id WHERE b.sid = 'sample')";
    execute(format!(
        "CREATE TABLE sample AS SELECT t.seq - 2 AS slot, t.rate_id, t.amount, t.input_hash, t.sent_to, \
         CAST(SUM(t.amount) OVER (ORDER BY t.seq) AS BIGINT) AS total FROM transactions t WHERE {of_sample}"
    ))
    .await;
    let first = server
        .number("SELECT MIN(w.id) FROM wallets w JOIN businesses b ON b.id = w.business_id WHERE b.sid LIKE 'load_%'")
        .await;
    let count = numbers.len() as i64;
    for round in 0..=CHARGES_EACH {
        let row = format!("(n + {round} * {BUSINESSES})");
        let (uid, previous) = (id(database, &row), id(database, &format!("({row} - {BUSINESSES})")));
        let at = format!("{START_MICROS} + {row} * {STEP_MICROS}");
        if round == 0 {
            execute(format!(
                "{series} INSERT INTO transactions (uid, wallet_id, seq, type, amount, balance_after, created_at, actor, reference) \
                 SELECT {uid}, {first} + n, 1, 'TOPUP', 100000000, 100000000, {at}, 'load', '' FROM series ORDER BY n"
            ))
            .await;
            continue;
        }
        let (cycles, slot) = ((round - 1) / count, (round - 1) % count);
        execute(format!(
            "{series} INSERT INTO transactions (uid, wallet_id, seq, previous_uid, type, amount, balance_after, created_at, actor, \
             reference, message_sid, input_hash, rate_id, segments, sent_to) SELECT {uid}, {first} + n, {round} + 1, {previous}, \
             'SMS_DEBIT', s.amount, 100000000 + s.total + {cycles} * (SELECT SUM(amount) FROM sample), {at}, 'load', '', \
             'l-' || {row}, s.input_hash, s.rate_id, 1, s.sent_to FROM series CROSS JOIN sample s WHERE s.slot = {slot} ORDER BY n"
        ))
        .await;
    }
    execute(
        "INSERT INTO transaction_marks (wallet_id, seq, uid, created_at) SELECT wallet_id, seq, uid, created_at \
         FROM transactions WHERE seq = 64"
            .to_owned(),
    )
    .await;
    let most = 1_000;
    for from in (first..first + BUSINESSES).step_by(most as usize) {
        execute(format!(
            "INSERT INTO usage_metrics (wallet_id, day, country_code, operator, unit_price, messages_sent, messages_delivered, \
             messages_failed, segments, cost) SELECT t.wallet_id, {day}, r.country_code, r.operator, r.unit_price, COUNT(*), 0, 0, \
             SUM(t.segments), -SUM(t.amount) FROM transactions t JOIN applied_rates r ON r.id = t.rate_id \
             WHERE t.wallet_id >= {from} AND t.wallet_id < {from} + {most} \
             GROUP BY t.wallet_id, {day}, r.country_code, r.operator, r.unit_price"
        ))
        .await;
    }
    let last = id(database, &format!("((wallets.id - {first}) + {CHARGES_EACH} * {BUSINESSES})"));
    execute(format!(
        "UPDATE wallets SET last_uid = {last}, last_seq = {CHARGES_EACH} + 1, tier_month = '2025-11-01', \
         tier_segments = {CHARGES_EACH} WHERE id >= {first} AND id < {first} + {BUSINESSES}"
    ))
    .await;
    execute(format!(
        "UPDATE wallets SET balance = t.balance_after, updated_at = t.created_at FROM transactions t \
         WHERE t.uid = wallets.last_uid AND wallets.id >= {first} AND wallets.id < {first} + {BUSINESSES}"
    ))
    .await;
    execute("DROP TABLE sample".to_owned()).await;
    if database == Database::Postgres {
        execute("ANALYZE".to_owned()).await;
    }
}

async fn measure(database: Database) {
    let server = Server::start(database, &[]).await;
    load(&server).await;
    server.set_clock("2026-03-18T10:00:00Z");
    let home = tempfile::tempdir().unwrap();
    let mut command = match std::env::var_os("CLOSE_PROGRAM") {
        Some(path) => std::process::Command::new(path),
        None => program(home.path()),
    };
    let args = ["close-month", "2025-11", "--now", "--database-url", &server.database_url];
    let child = command.current_dir(home.path()).args(args).stdout(std::process::Stdio::piped());
    let started = Instant::now();
    let mut child = child.stderr(std::process::Stdio::null()).spawn().unwrap();
    // Messages of all businesses, one after the other, as they are charged meanwhile.
    let mut waits: Vec<Duration> = Vec::new();
    while child.try_wait().unwrap().is_none() {
        let business = format!("load_{:05}", waits.len() as i64 * 37 % BUSINESSES);
        let asked = Instant::now();
        let message = format!("meanwhile-{}", waits.len());
        server
            .charge(json!({"business_sid": business, "message_sid": message, "to": "+254712345678", "segments": 1}))
            .await;
        waits.push(asked.elapsed());
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let took = started.elapsed();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    waits.sort_unstable();
    println!("{database:?}: {:.1} s\n{}", took.as_secs_f64(), text(&output.stdout));
    println!(
        "{} messages charged meanwhile: half within {:?}, 99 % within {:?}, the slowest {:?}",
        waits.len(),
        waits[waits.len() / 2],
        waits[waits.len() * 99 / 100],
        waits[waits.len() - 1]
    );
    assert_eq!(server.number("SELECT invoices FROM closed_months").await, BUSINESSES);
    assert_reconciles(home.path(), &server.database_url);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it takes minutes"]
async fn sqlite() {
    measure(Database::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it takes minutes"]
async fn postgres() {
    if postgres::is_available() {
        measure(Database::Postgres).await;
    }
}
