//! Kills the real server while it charges: nothing acknowledged is lost, and nothing happens twice.
//!
//! `TEST_SCALE` has it killed so many times as often; `TEST_SEED` repeats what an earlier run did, as far as timing allows.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::path::Path;
use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::gateway::{Random, assert_reconciles, ledger, message};
use crate::support::postgres;
use crate::support::process::ServerProcess;
use crate::support::repetition::{scaled, seed};

const BUSINESSES: [&str; 3] = ["crash_a", "crash_b", "crash_c"];

const CLIENTS: u64 = 5;

/// A message by whose it is and its name.
type Key = (String, String);

/// Something a client wants done, until it hears that it is.
#[derive(Clone, Debug)]
enum Ask {
    Charge(Key),
    Batch(Vec<Key>),
    Report(Key, &'static str),
    TopUp { business: &'static str, key: String },
}

/// Who sends one request after the other, and what it was told.
struct Client {
    name: u64,
    random: Random,
    made: u64,
    /// What was sent and not acknowledged.
    open: VecDeque<Ask>,
    /// Charged messages and the transaction that was answered.
    charged: BTreeMap<Key, String>,
    /// Messages whose report is under way or acknowledged. One message is never reported in two ways.
    reported: HashMap<Key, &'static str>,
    top_ups: Vec<String>,
    /// How many answers were lost: the charge had been made, and asking again found it.
    found: u64,
}

/// The server is gone, or had no time.
struct NoAnswer;

impl Client {
    fn new(name: u64, seed: u64) -> Client {
        let mut client = Client {
            name,
            random: Random(seed ^ name),
            made: 0,
            open: VecDeque::new(),
            charged: BTreeMap::new(),
            reported: HashMap::new(),
            top_ups: Vec::new(),
            found: 0,
        };
        for business in BUSINESSES {
            client.open.push_back(Ask::TopUp { business, key: format!("first-{name}-{business}") });
        }
        client
    }

    /// The next thing to ask: what is still open comes first.
    fn next(&mut self) -> Ask {
        if let Some(open) = self.open.pop_front() {
            return open;
        }
        match self.random.below(100) {
            0..45 => Ask::Charge(self.new_message()),
            45..70 => {
                let count = 1 + self.random.below(40);
                Ask::Batch((0..count).map(|_| self.new_message()).collect())
            }
            70..80 if !self.charged.is_empty() => Ask::Charge(self.known_message()),
            80..92 if !self.charged.is_empty() => {
                let key = self.known_message();
                let status = *self.random.pick(&["delivered", "failed"]);
                let status = *self.reported.entry(key.clone()).or_insert(status);
                Ask::Report(key, status)
            }
            _ => {
                self.made += 1;
                let business = *self.random.pick(&BUSINESSES);
                Ask::TopUp { business, key: format!("more-{}-{}", self.name, self.made) }
            }
        }
    }

    fn new_message(&mut self) -> Key {
        self.made += 1;
        let business = *self.random.pick(&BUSINESSES);
        // Some rise with time, as they should, and some do not.
        let message = match self.random.below(3) {
            0 => format!("{:016x}", self.random.next()),
            _ => format!("m-{}-{:06}", self.name, self.made),
        };
        (business.to_owned(), message)
    }

    fn known_message(&mut self) -> Key {
        let position = self.random.below(self.charged.len() as u64) as usize;
        self.charged.keys().nth(position).unwrap().clone()
    }

    /// Asks one thing after the other until the server is gone, or nothing is open and no more is wanted.
    async fn work(&mut self, base_url: &str, only_what_is_open: bool) {
        let http = wecall_billing::outbound::tls::client().timeout(Duration::from_secs(30)).build().unwrap();
        while !(only_what_is_open && self.open.is_empty()) {
            let ask = self.next();
            if self.send(&http, base_url, &ask).await.is_err() {
                self.open.push_front(ask);
                if !only_what_is_open {
                    return;
                }
            }
        }
    }

    async fn send(&mut self, http: &reqwest::Client, base_url: &str, ask: &Ask) -> Result<(), NoAnswer> {
        match ask {
            Ask::Charge(key) => {
                let url = format!("{base_url}/api/billing/charges/");
                let (status, replayed, answer) = post(http.post(url), &message(&key.0, &key.1)).await?;
                assert_eq!(status, StatusCode::CREATED, "{answer}");
                self.charge_is_acknowledged(key, &answer, replayed);
            }
            Ask::Batch(keys) => {
                let url = format!("{base_url}/api/billing/charges/batch/");
                let charges: Vec<Value> = keys.iter().map(|key| message(&key.0, &key.1)).collect();
                let (status, _, answer) = post(http.post(url), &json!({ "charges": charges })).await?;
                assert_eq!(status, StatusCode::OK, "{answer}");
                let results = answer["results"].as_array().unwrap();
                assert_eq!(results.len(), keys.len());
                if results.iter().any(|result| result["status"] == 503) {
                    return Err(NoAnswer);
                }
                for (key, result) in keys.iter().zip(results) {
                    assert_eq!(result["status"], 201, "{result}");
                    self.charge_is_acknowledged(key, &result["charge"], result["idempotent_replayed"] == true);
                }
            }
            Ask::Report((business, message), delivery) => {
                let url = format!("{base_url}/api/billing/charges/{business}/{message}/delivery/");
                let (status, _, answer) = post(http.post(url), &json!({ "status": delivery })).await?;
                assert_eq!(status, StatusCode::OK, "{answer}");
                assert_eq!(answer["status"], *delivery);
            }
            Ask::TopUp { business, key } => {
                let request = http.post(format!("{base_url}/api/billing/topup/")).header("idempotency-key", key);
                let body = json!({"business_sid": business, "amount": 100_000, "reference": key});
                let (status, _, answer) = post(request, &body).await?;
                assert_eq!(status, StatusCode::OK, "{answer}");
                self.top_ups.push(key.clone());
            }
        }
        Ok(())
    }

    fn charge_is_acknowledged(&mut self, key: &Key, charge: &Value, replayed: bool) {
        let sid = charge["transaction"]["sid"].as_str().unwrap().to_owned();
        assert_eq!(charge["message_sid"], key.1.as_str());
        assert!(replayed || !self.charged.contains_key(key), "{key:?} was acknowledged, lost, and charged again");
        self.found += u64::from(replayed && !self.charged.contains_key(key));
        if let Some(earlier) = self.charged.insert(key.clone(), sid.clone()) {
            assert_eq!(earlier, sid, "{key:?} is another transaction than before");
        }
    }
}

/// The status, whether it is an earlier answer again, and the answer.
async fn post(request: reqwest::RequestBuilder, body: &Value) -> Result<(StatusCode, bool, Value), NoAnswer> {
    let request = request.header("content-type", "application/json").body(body.to_string());
    let response = request.send().await.map_err(|_| NoAnswer)?;
    let status = response.status();
    let replayed = response.headers().contains_key("idempotent-replayed");
    let answer = response.text().await.map_err(|_| NoAnswer)?;
    if status == StatusCode::SERVICE_UNAVAILABLE {
        return Err(NoAnswer);
    }
    Ok((status, replayed, serde_json::from_str(&answer).unwrap()))
}

/// Everything that was acknowledged is in the ledger, once and as it was told; and there is nothing else.
async fn verify(database_url: &str, clients: &[Client]) {
    let mut charged: HashMap<Key, &str> = HashMap::new();
    let mut reported: HashMap<&Key, &str> = HashMap::new();
    let mut top_ups: HashMap<&str, u64> = HashMap::new();
    for client in clients {
        charged.extend(client.charged.iter().map(|(key, sid)| (key.clone(), sid.as_str())));
        reported.extend(client.reported.iter().map(|(key, status)| (key, *status)));
        top_ups.extend(client.top_ups.iter().map(|key| (key.as_str(), 0)));
    }
    for entry in ledger(database_url).await {
        match entry.kind.as_str() {
            "SMS_DEBIT" => {
                let key = (entry.business, entry.message.unwrap());
                let sid = charged.remove(&key);
                assert_eq!(sid, Some(entry.sid.as_str()), "{key:?} was charged twice, or nobody was told");
                assert_eq!(entry.delivery.as_deref(), reported.get(&key).copied(), "{key:?}");
            }
            "TOPUP" => {
                let seen = top_ups.get_mut(entry.reference.as_str()).map(|seen| std::mem::replace(seen, 1));
                let is_sample = entry.business.starts_with("biz_test");
                assert!(is_sample || seen == Some(0), "{}: seen {seen:?}", entry.reference);
            }
            "REFUND" => {}
            other => panic!("a {other}"),
        }
    }
    assert!(charged.is_empty(), "acknowledged and lost: {charged:?}");
    assert!(top_ups.values().all(|seen| *seen == 1), "acknowledged and lost: {top_ups:?}");
}

async fn crash_again_and_again(home: &Path, database_url: &str) {
    let cycles = scaled(10);
    let seed = seed();
    let mut random = Random(seed);
    let mut clients: Vec<Client> = (1..=CLIENTS).map(|name| Client::new(name, seed)).collect();
    let args = ["--database-url", database_url, "--log-level", "error"];
    let mut broken_off = 0;
    let server = ServerProcess::start(home, &args);
    for client in &mut clients {
        // Money first.
        client.work(&server.base_url, true).await;
    }
    drop(server);
    for cycle in 0..cycles {
        let mut server = ServerProcess::start(home, &args);
        let base_url = server.base_url.clone();
        let working = clients.into_iter().map(|mut client| {
            let base_url = base_url.clone();
            tokio::spawn(async move {
                client.work(&base_url, false).await;
                client
            })
        });
        let working: Vec<_> = working.collect();
        tokio::time::sleep(Duration::from_micros(20_000 + random.below(380_000))).await;
        server.child.kill().unwrap();
        server.child.wait().unwrap();
        clients = Vec::new();
        for worker in working {
            clients.push(worker.await.unwrap());
        }
        broken_off += clients.iter().filter(|client| !client.open.is_empty()).count();
        eprintln!("cycle {cycle}: {} charged", clients.iter().map(|client| client.charged.len()).sum::<usize>());
        assert_reconciles(home, database_url);
    }
    let server = ServerProcess::start(home, &args);
    for client in &mut clients {
        client.work(&server.base_url, true).await;
    }
    server.signal("-TERM");
    let mut server = server;
    assert!(server.child.wait().unwrap().success());
    verify(database_url, &clients).await;
    assert_reconciles(home, database_url);
    let sum = |count: fn(&Client) -> usize| clients.iter().map(count).sum::<usize>();
    eprintln!(
        "{cycles} crashes broke off {broken_off} requests; {} messages charged, {} of them by requests that were broken off, \
         {} reported, {} top-ups",
        sum(|client| client.charged.len()),
        sum(|client| client.found as usize),
        sum(|client| client.reported.len()),
        sum(|client| client.top_ups.len()),
    );
    assert!(sum(|client| client.charged.len()) > 0 && broken_off > 0, "there was load when it was killed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_or_doubled_on_sqlite() {
    let home = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", home.path().join("billing.db").display());
    crash_again_and_again(home.path(), &url).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_or_doubled_on_postgres() {
    if postgres::is_available() {
        let home = tempfile::tempdir().unwrap();
        crash_again_and_again(home.path(), &postgres::create_database().await).await;
    }
}
