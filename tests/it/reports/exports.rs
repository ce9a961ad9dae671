//! Tests CSV exports of transactions, charges and usage: complete or broken off, never silently short.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::TcpStream;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use wecall_billing::domain::access::rights::{Reach, Tenant};
use wecall_billing::domain::wallets::transactions::TransactionFilter;
use wecall_billing::services;

use super::usage::roll_up;
use crate::support::gateway::{Random, message};
use crate::support::repetition::seed;
use crate::support::{Database, Server, on_each_database};

const TRANSACTIONS: &str = "/api/billing/transactions/biz_test_001/export.csv";
const CHARGES: &str = "/api/billing/charges/biz_test_001/export.csv";
const USAGE: &str = "/api/billing/usage/biz_test_001/export.csv";

/// The lines of a sheet, as cells by column.
type Lines = Vec<HashMap<String, String>>;

fn parse(sheet: &str) -> Lines {
    let mut reader = csv::Reader::from_reader(sheet.as_bytes());
    reader.deserialize().map(Result::unwrap).collect()
}

async fn export(server: &Server, address: &str) -> Lines {
    let response = server.request(Method::GET, address).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK, "{address}");
    parse(&response.text().await.unwrap())
}

/// All pages of the history.
async fn listed(server: &Server, query: &str) -> Vec<Value> {
    let mut path = format!("/api/billing/transactions/biz_test_001/?limit=1000&{query}");
    let mut rows = Vec::new();
    loop {
        let response = server.request(Method::GET, &path).send().await.unwrap();
        let link = response.headers().get("link").map(|link| link.to_str().unwrap().to_owned());
        rows.extend(response.json::<Vec<Value>>().await.unwrap());
        let Some(link) = link else { return rows };
        path = link.trim_start_matches('<').split('>').next().unwrap().to_owned();
    }
}

/// A value of JSON as a cell shows it; texts with their apostrophe.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) if text.starts_with(['=', '+', '-', '@', '\'']) => format!("'{text}"),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn same(line: &HashMap<String, String>, column: &str, value: &Value) {
    let expected = cell(value);
    // The JSON parser of the test makes 1000.0 of 1000; what the server wrote is compared as it stands elsewhere.
    let is_same = line[column] == expected || (value.is_number() && line[column].parse::<f64>().ok() == value.as_f64());
    assert!(is_same, "{column}: {} instead of {expected} in {line:?}", line[column]);
}

fn same_transaction(line: &HashMap<String, String>, row: &Value) {
    for column in ["sid", "seq", "created_at", "type", "amount", "balance_after", "currency", "reference", "status"] {
        same(line, column, &row[column]);
    }
    let is_debit = row["type"] == "SMS_DEBIT";
    for column in ["messages", "segments", "price_per_sms", "country_code", "operator", "to"] {
        same(line, column, if is_debit { &row["details"][column] } else { &Value::Null });
    }
    same(line, "message_sid", if is_debit { &row["reference"] } else { &Value::Null });
}

async fn batch(server: &Server, path: &str, name: &str, items: Vec<Value>) {
    let (status, answer) = server.post(path, &json!({name: items}).to_string()).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let statuses: Vec<u64> =
        answer["results"].as_array().unwrap().iter().map(|item| item["status"].as_u64().unwrap()).collect();
    assert!(statuses.iter().all(|status| [200, 201, 402].contains(status)), "{answer}");
}

/// Some thousand rows of every kind, minutes apart; the messages that were charged.
async fn mixed(server: &Server, rounds: u64) -> Vec<String> {
    let mut random = Random(seed());
    let mut messages = Vec::new();
    server.top_up("biz_test_001", "5000").await;
    for round in 0..rounds {
        let (hour, minute) = (10 + round / 60, round % 60);
        server.set_clock(&format!("2026-03-18T{hour:02}:{minute:02}:00Z"));
        let new: Vec<String> = (0..100).map(|number| format!("m{round}-{number}")).collect();
        batch(
            server,
            "/api/billing/charges/batch/",
            "charges",
            new.iter().map(|sid| message("biz_test_001", sid)).collect(),
        )
        .await;
        messages.extend(new);
        let reports = (0..40).map(|_| {
            let failed = random.below(4) == 0;
            let (status, code) = if failed { ("failed", "=cmd|'/C calc'!A0") } else { ("delivered", "000") };
            json!({"business_sid": "biz_test_001", "message_sid": random.pick(&messages).as_str(), "status": status,
                   "error_code": code})
        });
        batch(server, "/api/billing/deliveries/batch/", "deliveries", reports.collect()).await;
        let reference = *random.pick(&["=1+1", "+255", "-5", "@SUM(A1:A9)", "a, \"quoted\" text", "'apostrophe", ""]);
        let top_up = json!({"business_sid": "biz_test_001", "amount": 0.000_001, "reference": reference});
        assert_eq!(server.post("/api/billing/topup/", &top_up.to_string()).await.0, StatusCode::OK);
        let refunded = random.pick(&messages).as_str();
        let path = format!("/api/billing/charges/biz_test_001/{refunded}/refund/");
        server.post_as_admin(&path, r#"{"amount": 0.001, "reason": "=half"}"#).await;
    }
    messages
}

on_each_database! {
    /// What is exported is what is listed, row by row, whatever happened and whatever is asked for.
    async fn shows_what_is_listed(server) {
        let messages = mixed(server, 25).await;
        for query in [
            "", "type=TOPUP", "type=SMS_DEBIT", "type=REFUND", "type=COMMISSION", "type=fee", "from=2026-03-18", "to=2026-03-17",
            "from=2026-03-18T10:05:00Z&to=2026-03-18T10:15:00Z", "to=2026-03-18T10:20:00Z&type=SMS_DEBIT",
            "from=2026-03-18T10:20:00Z&type=REFUND", "from=2026-03-18T10:09:00Z&to=2026-03-18T10:09:00Z",
        ] {
            let (lines, rows) = (export(server, &format!("{TRANSACTIONS}?{query}")).await, listed(server, query).await);
            assert_eq!(lines.len(), rows.len(), "{query}");
            lines.iter().zip(&rows).for_each(|(line, row)| same_transaction(line, row));
        }
        let all = listed(server, "").await;
        assert!(all.len() > 2 * 1_024, "several pages");
        let text = server.get_text(TRANSACTIONS).await;
        assert!(text.lines().any(|line| line.contains(",SMS_DEBIT,-") && !line.contains("'-0")), "amounts are numbers");
        assert!(!parse(&text).iter().flat_map(HashMap::values).any(|cell| cell.starts_with(['=', '+', '@'])));

        let lines = export(server, CHARGES).await;
        let debits: Vec<&Value> = all.iter().filter(|row| row["type"] == "SMS_DEBIT").collect();
        assert_eq!((lines.len(), lines.len()), (debits.len(), messages.len()));
        let mut straddling = 0;
        for (number, (line, debit)) in lines.iter().zip(debits).enumerate() {
            for column in ["sid", "created_at", "amount", "currency"] {
                same(line, column, &debit[column]);
            }
            if number % 20 != 0 && line["segments"] != "255" {
                continue;
            }
            let message = debit["reference"].as_str().unwrap();
            let shown = server.get(&format!("/api/billing/charges/biz_test_001/{message}/")).await;
            straddling += usize::from(shown["rating"]["parts"].as_array().unwrap().len() > 1);
            same(line, "message_sid", &shown["message_sid"]);
            same(line, "refunded", &shown["refunded"]);
            for (column, value) in [("delivery_status", "status"), ("error_code", "error_code"), ("reported_at", "reported_at")] {
                same(line, column, &shown["delivery"][value]);
            }
            for column in ["segments", "encoding", "price_per_sms", "country_code", "operator"] {
                same(line, column, &shown["rating"][column]);
            }
            same(line, "to", &debit["details"]["to"]);
        }
        eprintln!("{straddling} messages across a bound");
        assert!(lines.iter().any(|line| line["error_code"].starts_with("'=cmd")), "no formula");
        let within = export(server, &format!("{CHARGES}?from=2026-03-18T10:05:00Z&to=2026-03-18T10:15:00Z")).await;
        assert_eq!(within.len(), 1_000);

        let usage = server.get("/api/billing/usage/biz_test_001/").await;
        let lines = export(server, USAGE).await;
        for (column, total) in [
            ("messages_sent", "total_messages_sent"), ("delivered", "total_messages_delivered"),
            ("failed", "total_messages_failed"), ("segments", "segments"),
        ] {
            let sum: i64 = lines.iter().map(|line| line[column].parse::<i64>().unwrap()).sum();
            assert_eq!(json!(sum), usage[total], "{column}");
        }
    }

    /// A message across the bound of a tier is one line, at the price it cost on average.
    async fn a_message_across_a_bound(server) {
        server.execute("UPDATE wallets SET tier_month = '2026-03-01', tier_segments = 999 WHERE id = 1").await.unwrap();
        server.charge(json!({"business_sid": "biz_test_001", "message_sid": "m", "to": "+254712345678", "segments": 3})).await;
        let line = export(server, CHARGES).await.remove(0);
        let shown = server.get("/api/billing/charges/biz_test_001/m/").await;
        assert_eq!(shown["rating"]["parts"].as_array().unwrap().len(), 2);
        same(&line, "amount", &shown["transaction"]["amount"]);
        same(&line, "price_per_sms", &shown["rating"]["price_per_sms"]);
        assert_eq!((line["segments"].as_str(), line["delivery_status"].as_str(), line["refunded"].as_str()), ("3", "", "0"));
    }

    async fn usage_by_day_and_destination(server) {
        roll_up(server, "'2026-03-17', 'KE', 'Safaricom', 20000, 10, 8, 1, 12, 240000").await;
        roll_up(server, "'2026-03-17', 'KE', 'Safaricom', 18000, 5, 4, 1, 5, 90000").await;
        roll_up(server, "'2026-03-16', 'UG', '', 18000, 20, 20, 0, 20, -1").await;
        roll_up(server, "'2026-02-28', 'RW', 'MTN', 9000, 7, 7, 0, 7, 63000").await;
        let header = "day,country_code,country_name,operator,unit_price,messages_sent,delivered,failed,segments,cost,currency\r\n";
        let sixteenth = "2026-03-16,UG,Uganda,Other,0.018,20,20,0,20,-0.000001,USD\r\n";
        let seventeenth = "2026-03-17,KE,Kenya,Safaricom,0.018,5,4,1,5,0.09,USD\r\n\
                           2026-03-17,KE,Kenya,Safaricom,0.02,10,8,1,12,0.24,USD\r\n";
        for (query, lines) in [
            ("", format!("{sixteenth}{seventeenth}")),
            ("?period=YESTERDAY", seventeenth.to_owned()),
            ("?period=CUSTOM&start=2026-02-01&end=2026-03-16",
             format!("2026-02-28,RW,Rwanda,MTN,0.009,7,7,0,7,0.063,USD\r\n{sixteenth}")),
            ("?period=TODAY", String::new()),
        ] {
            assert_eq!(server.get_text(&format!("{USAGE}{query}")).await, format!("{header}{lines}"), "{query}");
        }
    }

    /// More lines than a page: none is lost or told twice between pages.
    async fn long_usage(server) {
        let days = (1..=17).map(|day| format!("2026-03-{day:02}"));
        let rows = days.flat_map(|day| (0..400).map(move |price| format!("(1, '{day}', 'KE', 'O{}', {price}, 1, 0, 0, 1, {price})", price % 7)));
        let rows: Vec<String> = rows.collect();
        for some in rows.chunks(500) {
            server
                .execute(&format!(
                    "INSERT INTO usage_metrics (wallet_id, day, country_code, operator, unit_price, messages_sent, \
                     messages_delivered, messages_failed, segments, cost) VALUES {}", some.join(", ")
                ))
                .await
                .unwrap();
        }
        let lines = export(server, USAGE).await;
        assert_eq!(lines.len(), 17 * 400);
        let key = |line: &HashMap<String, String>| {
            (line["day"].clone(), line["operator"].clone(), (line["unit_price"].parse::<f64>().unwrap() * 1e6) as i64)
        };
        assert!(lines.is_sorted_by(|one, other| key(one) < key(other)));
    }

    /// With a slash or without; only asked about; of a business that nobody has used; by an old protocol.
    async fn as_files(server) {
        server.charge(json!({"business_sid": "biz_test_001", "message_sid": "m", "to": "+254712345678", "segments": 1})).await;
        for (address, name) in [(TRANSACTIONS, "transactions"), (CHARGES, "charges"), (USAGE, "usage")] {
            let [one, other] = [server.get_text(address).await, server.get_text(&format!("{address}/")).await];
            assert!(one == other && one.lines().count() > 1, "{one}");
            for method in [Method::GET, Method::HEAD] {
                let response = server.request(method, address).send().await.unwrap();
                let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
                assert_eq!(response.status(), StatusCode::OK);
                assert_eq!(header("content-type"), "text/csv; charset=utf-8; header=present");
                assert_eq!(header("content-disposition"), format!("attachment; filename=\"{name}-biz_test_001-2026-03-18.csv\""));
                assert_eq!(header("cache-control"), "no-store");
            }
            let wallets = server.number("SELECT count(*) FROM wallets").await;
            let nobody = server.get_text(&address.replace("biz_test_001", "nobody")).await;
            assert_eq!(nobody.lines().collect::<Vec<_>>(), [one.lines().next().unwrap()], "only the header");
            assert_eq!(server.number("SELECT count(*) FROM wallets").await, wallets);

            let mut stream = TcpStream::connect(server.base_url.trim_start_matches("http://")).unwrap();
            write!(stream, "GET {address} HTTP/1.0\r\nhost: x\r\n\r\n").unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            assert!(answer.starts_with("HTTP/1.0 505 ") && answer.contains("\"http_version_not_supported\""), "{answer}");
        }
    }

    /// What is exported while messages are charged is what was there at one moment, and the later export has all of the
    /// earlier one.
    async fn while_charging_goes_on(server) {
        mixed(server, 12).await;
        let charging = async {
            for round in 0..8 {
                let new = (0..50).map(|number| message("biz_test_001", &format!("n{round}-{number}"))).collect();
                batch(server, "/api/billing/charges/batch/", "charges", new).await;
            }
        };
        let exporting = async {
            let first = export(server, TRANSACTIONS).await;
            (first, export(server, TRANSACTIONS).await)
        };
        let ((), (first, second)) = tokio::join!(charging, exporting);
        for lines in [&first, &second] {
            let seqs: Vec<usize> = lines.iter().map(|line| line["seq"].parse().unwrap()).collect();
            assert_eq!(seqs, (1..=lines.len()).rev().collect::<Vec<_>>());
        }
        assert!(first.len() > 1_024 && second.len() >= first.len());
        assert_eq!(second[second.len() - first.len()..], first[..]);
    }

    /// A refund or a report that came after the export began is not in it.
    async fn charges_as_they_were_when_it_began(server) {
        mixed(server, 12).await;
        let tenant = Tenant::admit(&Reach::All, "biz_test_001".parse().unwrap(), false).unwrap();
        let mut export = services::reports::exports::charges(&server.billing, &tenant, None, None).await.unwrap();
        let before = server.get_text(CHARGES).await;
        server.set_clock("2026-03-18T20:00:00Z");
        let reports = (0..100).map(|number| json!({
            "business_sid": "biz_test_001", "message_sid": format!("m0-{number}"), "status": "failed", "error_code": "late",
        }));
        batch(server, "/api/billing/deliveries/batch/", "deliveries", reports.collect()).await;
        let mut sheet = Vec::new();
        while let Some(piece) = export.next().await.unwrap() {
            sheet.extend(piece);
        }
        assert_eq!(String::from_utf8(sheet).unwrap(), before);
        assert!(server.get_text(CHARGES).await.contains(",failed,late,2026-03-18T20:00:00"));
    }

    /// The database goes away half-way: the rest is an error, not an end.
    async fn a_database_that_goes_away(server) {
        mixed(server, 25).await;
        let tenant = Tenant::admit(&Reach::All, "biz_test_001".parse().unwrap(), false).unwrap();
        let filter = TransactionFilter::default();
        let mut export = services::reports::exports::transactions(&server.billing, &tenant, filter).await.unwrap();
        assert!(export.next().await.unwrap().is_some());
        match &server.billing.db {
            wecall_billing::storage::db::Db::Sqlite { readers, .. } => readers.close().await,
            wecall_billing::storage::db::Db::Postgres(pool) => pool.close().await,
        }
        // One piece may have been read ahead.
        let rest = [export.next().await, export.next().await];
        assert!(rest.iter().any(Result::is_err), "{rest:?}");
        let response = server.request(Method::GET, TRANSACTIONS).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE, "what fails at once is told as ever");
    }

    /// A body that cannot be finished ends the connection: no client takes it for whole. Here a mark is gone.
    async fn what_breaks_off_does_not_look_whole(server) {
        mixed(server, 25).await;
        for address in [TRANSACTIONS, CHARGES] {
            assert!(server.request(Method::GET, address).send().await.unwrap().text().await.is_ok());
        }
        server.execute("DELETE FROM transaction_marks WHERE wallet_id = 1 AND seq = 640").await.unwrap();
        for address in [TRANSACTIONS, CHARGES] {
            for encoding in ["identity", "gzip"] {
                let request = server.request(Method::GET, address).header("accept-encoding", encoding);
                let response = request.send().await.unwrap();
                assert_eq!(response.status(), StatusCode::OK, "{address}");
                assert!(response.bytes().await.is_err(), "{address} {encoding} looks whole");
            }
        }
        let top_ups = export(server, &format!("{TRANSACTIONS}?type=TOPUP")).await;
        assert_eq!(top_ups.len(), 27, "what is whole is sent");
    }
}

/// Nobody reads who else is exporting: a place is given back with its connection.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn places_come_back() {
    let server = Server::start(Database::Sqlite, &[]).await;
    for _ in 0..30 {
        assert_eq!(export(&server, TRANSACTIONS).await.len(), 1);
    }
}
