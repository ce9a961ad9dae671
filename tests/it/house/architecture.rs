//! Checks the rules of `src/lib.rs`: layers, order of subjects, services apart, a pure domain, no import circles.
//!
//! The rules are made from the folders. A file that is added falls under them by its address; none is listed here.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use rstest::rstest;

use super::imports::{self, File, Named, Source};

/// Bottom to top. Inside `domain` and `storage` one names only those before it. `limits`, `resellers` and the face `web`
/// are rooms to come: their places are kept.
const SUBJECTS: [&str; 16] = [
    "values",
    "audit",
    "jobs",
    "businesses",
    "access",
    "posting",
    "prices",
    "notifications",
    "wallets",
    "payments",
    "invoices",
    "limits",
    "charges",
    "resellers",
    "reports",
    "operations",
];

/// The layers whose folders are subjects.
const PARTED: [&str; 3] = ["domain", "services", "storage"];

/// What stands below all subjects of storage.
const DATABASE: &str = "db";

/// What every service may use of other subjects' services.
const SHARED_SERVICES: [&str; 2] = ["posting", "prices::book"];

/// May run any service.
const RUNS_ANY_SERVICE: &str = "operations";

/// The world outside: these know the domain and each other.
const WORLD: [&str; 4] = ["clock", "error", "outbound", "random"];

/// What the tests of every layer may use of this crate: how often they repeat what is random.
const TEST_SUPPORT: &str = "repetition";

/// A layer, what it may use of this crate besides itself, and which words no line of it may hold.
struct Layer {
    name: &'static str,
    may_use: &'static [&'static str],
    world: &'static [&'static str],
    without: &'static [&'static str],
}

const LAYERS: [Layer; 6] = [
    Layer {
        name: "domain",
        may_use: &[],
        world: &[],
        without: &[
            "sqlx", "rusqlite", "axum", "tokio", "utoipa", "reqwest", "hyper", "tracing", "async", "await", "println",
            "eprintln",
        ],
    },
    Layer {
        name: "documents",
        may_use: &["domain"],
        world: &[],
        without: &["sqlx", "rusqlite", "axum", "tokio", "utoipa", "reqwest", "hyper", "async", "await"],
    },
    Layer {
        name: "storage",
        may_use: &["domain"],
        world: &["error"],
        without: &["axum", "utoipa", "reqwest", "hyper"],
    },
    Layer {
        name: "services",
        may_use: &["storage", "domain"],
        world: &WORLD,
        without: &["axum", "sqlx", "rusqlite", "utoipa"],
    },
    Layer {
        name: "http",
        may_use: &["services", "documents", "domain"],
        world: &WORLD,
        without: &["sqlx", "rusqlite"],
    },
    Layer {
        name: "web",
        may_use: &["http::edge", "http::state", "services", "documents", "domain"],
        world: &WORLD,
        without: &["sqlx", "rusqlite", "utoipa"],
    },
];

/// The faces: each speaks to callers of its own, and uses no other.
const FACES: [&str; 3] = ["http::api", "http::admin", "web"];

/// The only file of `http` that knows the faces.
const ROUTE_TABLE: &str = "http/routes.rs";

/// What reads the disk, the network, the environment or a clock, and so is none of the domain's.
const OUTSIDE: [&str; 10] = [
    "std::env",
    "std::fs",
    "std::io",
    "std::net::TcpListener",
    "std::net::TcpStream",
    "std::net::UdpSocket",
    "std::process",
    "std::thread",
    "std::time::Instant",
    "std::time::SystemTime",
];

/// What the types and variants of one database's own begin with, in `sqlx` and in `storage::db`.
const ONE_DATABASE: [&str; 6] = ["Sqlite", "sqlite", "Postgres", "postgres", "Pg", "Local"];

/// What the name of a statement for one database ends with.
const STATEMENTS_FOR_ONE: [&str; 2] = ["_ON_SQLITE", "_ON_POSTGRES"];

/// Each breach of a rule, as a sentence that begins with the file.
fn breaches(sources: &[Source]) -> Vec<String> {
    let files = imports::read(sources);
    let mut found = Vec::new();
    for file in &files {
        found.extend(unknown_folder(file));
        words(file, &mut found);
        for named in &file.named {
            let rules = [layers, order, services, faces, purity, dialects];
            let broken = rules.into_iter().filter_map(|rule| rule(file, named));
            let place = |sentence: &str| format!("{}:{} {sentence}: {}", file.path, named.line, named.path.join("::"));
            found.extend(broken.map(|sentence| place(&sentence)));
        }
    }
    for layer in PARTED.into_iter().chain(["http", "web"]) {
        let inside: Vec<&File> = files.iter().filter(|file| layer_of(file) == layer).collect();
        found.extend(circles(&inside));
    }
    found
}

fn parts(file: &File) -> Vec<&str> {
    file.path.trim_end_matches(".rs").split('/').collect()
}

fn layer_of(file: &File) -> &str {
    parts(file)[0]
}

/// None for files directly in a layer, such as `mod.rs`: they belong to no subject.
fn subject_of(file: &File) -> Option<&str> {
    let parts = parts(file);
    let is_subject = parts.len() > 2 || SUBJECTS.contains(parts.get(1)?);
    (PARTED.contains(&parts[0]) && is_subject).then(|| parts[1])
}

/// The subject that a path leads into, of the same layer.
fn subject_named<'a>(file: &File, named: &'a Named) -> Option<&'a str> {
    let subject = inside_of(named, layer_of(file))?.first()?.as_str();
    (place_of(subject).is_some()).then_some(subject)
}

/// What of a path lies inside a module of this crate.
fn inside_of<'a>(named: &'a Named, module: &str) -> Option<&'a [String]> {
    let [root, first, rest @ ..] = named.path.as_slice() else { return None };
    (root == "crate" && first == module).then_some(rest)
}

fn place_of(subject: &str) -> Option<usize> {
    if subject == DATABASE {
        Some(0)
    } else {
        SUBJECTS.iter().position(|known| *known == subject).map(|place| place + 1)
    }
}

fn unknown_folder(file: &File) -> Option<String> {
    let subject = subject_of(file)?;
    let known = SUBJECTS.contains(&subject) || (layer_of(file) == "storage" && subject == DATABASE);
    (!known).then(|| format!("{} lies in a folder that is no subject: {subject}", file.path))
}

fn words(file: &File, found: &mut Vec<String>) {
    let Some(layer) = LAYERS.iter().find(|layer| layer.name == layer_of(file)) else { return };
    for word in file.words.iter().filter(|word| layer.without.contains(&word.text.as_str())) {
        found.push(format!("{}:{} holds a word that is none of its layer's: {}", file.path, word.line, word.text));
    }
}

fn layers(file: &File, named: &Named) -> Option<String> {
    let name = layer_of(file);
    let [root, used @ ..] = named.path.as_slice() else { return None };
    let allowed = match LAYERS.iter().find(|layer| layer.name == name) {
        Some(layer) => layer.may_use.iter().chain(layer.world).any(|path| begins(used, path)),
        None if WORLD.contains(&name) => begins(used, "domain") || WORLD.iter().any(|path| begins(used, path)),
        None => true,
    };
    let own = used.is_empty() || begins(used, name) || (named.in_tests && begins(used, TEST_SUPPORT));
    (root == "crate" && !own && !allowed).then(|| format!("names what {name} may not use"))
}

fn begins(path: &[String], beginning: &str) -> bool {
    let mut path = path.iter();
    beginning.split("::").all(|part| path.next().is_some_and(|next| next == part))
}

fn order(file: &File, named: &Named) -> Option<String> {
    let (subject, other) = (subject_of(file)?, subject_named(file, named)?);
    let upwards = layer_of(file) != "services" && !named.in_tests && place_of(other) > place_of(subject);
    upwards.then(|| format!("names a subject after {subject}"))
}

fn services(file: &File, named: &Named) -> Option<String> {
    let (subject, other) = (subject_of(file)?, subject_named(file, named)?);
    let shared = SHARED_SERVICES.iter().any(|path| begins(&named.path[2..], path));
    let apart = layer_of(file) == "services" && subject != RUNS_ANY_SERVICE && subject != other && !shared;
    apart.then(|| format!("is a service of {subject} and names one of {other}"))
}

/// What faces share uses none of them; the route table alone names all.
fn faces(file: &File, named: &Named) -> Option<String> {
    let parts = parts(file);
    let is_apart = (parts.len() > 2 || ["http", "web"].contains(&layer_of(file))) && file.path != ROUTE_TABLE;
    let [root, used @ ..] = named.path.as_slice() else { return None };
    let other = FACES.iter().find(|face| begins(used, face))?;
    let own = other.split("::").eq(parts.iter().take(other.split("::").count()).copied());
    (root == "crate" && is_apart && !own).then(|| format!("stands apart from the face {other}"))
}

fn purity(file: &File, named: &Named) -> Option<String> {
    let outside = OUTSIDE.iter().any(|path| begins(&named.path, path));
    let asks_a_clock = named.path.len() > 1 && named.path.last().is_some_and(|name| name == "now");
    (layer_of(file) == "domain" && (outside || asks_a_clock)).then(|| "names what is outside the domain".to_owned())
}

/// Only `storage/db` knows that there are two databases and which one is open; other files of storage hand it both
/// texts.
fn dialects(file: &File, named: &Named) -> Option<String> {
    let is_database = file.path.starts_with("storage/db/");
    let leads_there = begins(&named.path, "sqlx") || begins(&named.path, "crate::storage::db");
    let of_one = |part: &String| ONE_DATABASE.iter().any(|beginning| part.starts_with(beginning));
    let knows = !is_database && leads_there && named.path.iter().any(of_one);
    let is_statement = named.path.last().is_some_and(|name| STATEMENTS_FOR_ONE.iter().any(|end| name.ends_with(end)));
    let says = is_statement && layer_of(file) != "storage";
    (knows || says).then(|| "knows which database is open".to_owned())
}

/// Files that lead back to themselves. Tests are left out: they may use what uses what they test.
fn circles(files: &[&File]) -> Vec<String> {
    let uses: BTreeMap<&str, BTreeSet<&str>> = files
        .iter()
        .map(|file| {
            let used = file.named.iter().filter(|named| !named.in_tests).filter_map(|named| named.file.as_deref());
            (file.path.as_str(), used.filter(|used| *used != file.path).collect())
        })
        .collect();
    let reach: BTreeMap<&str, BTreeSet<&str>> = uses.keys().map(|file| (*file, reach(file, &uses))).collect();
    let mut found = BTreeSet::new();
    for (file, reached) in reach.iter().filter(|(file, reached)| reached.contains(*file)) {
        let circle: Vec<&str> = reached.iter().filter(|other| reach[*other].contains(file)).copied().collect();
        found.insert(format!("{} import each other in a circle", circle.join(", ")));
    }
    found.into_iter().collect()
}

/// The files of the same layer that a file uses, directly or through others.
fn reach<'a>(file: &str, uses: &BTreeMap<&'a str, BTreeSet<&'a str>>) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut next: Vec<&str> = uses[file].iter().copied().collect();
    while let Some(file) = next.pop() {
        if let Some(further) = uses.get(file).filter(|_| reached.insert(file)) {
            next.extend(further);
        }
    }
    reached
}

pub fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

#[test]
fn the_sources_keep_the_rules() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let read = |path: PathBuf| Source {
        path: path.strip_prefix(&folder).unwrap().to_str().unwrap().to_owned(),
        text: std::fs::read_to_string(&path).unwrap(),
    };
    let sources: Vec<Source> = sources(&folder).into_iter().map(read).collect();
    for layer in PARTED {
        assert!(sources.iter().filter(|source| source.path.starts_with(layer)).count() > 20, "{layer} is where it was");
    }
    let breaches = breaches(&sources);
    assert!(breaches.is_empty(), "\n{}", breaches.join("\n"));
}

/// A house without a breach, small enough to be read.
const HOUSE: &[(&str, &str)] = &[
    ("app.rs", "use crate::http::routes; use crate::storage::db::open::open;"),
    ("clock.rs", "pub fn now() -> i64 { std::time::SystemTime::now() }"),
    ("error.rs", "use crate::domain::values::fields::FieldError; pub enum Error { Database(sqlx::Error) }"),
    ("domain/mod.rs", "pub mod values; pub mod jobs; pub mod prices; pub mod wallets;"),
    ("domain/values/mod.rs", "pub mod fields; pub mod money;"),
    ("domain/values/money.rs", "pub struct Money(i64); // as crate::storage::db says\n/* async /* sqlx */ tokio */"),
    ("domain/values/fields.rs", "pub struct FieldError<'a> { text: &'a str, sign: char } const QUOTE: char = '\"';"),
    ("domain/jobs.rs", "use super::values::money::Money;"),
    ("domain/prices/mod.rs", "pub mod plans;"),
    ("domain/prices/plans.rs", "use crate::domain::values::{fields::FieldError, money::{self, Money as Price}};"),
    ("domain/wallets/mod.rs", "pub mod watch; pub struct Wallet;"),
    (
        "domain/wallets/watch.rs",
        "use super::Wallet; #[cfg(test)] mod tests { use super::super::watch; use crate::domain::operations::reconcile; }",
    ),
    ("domain/operations/reconcile.rs", "use crate::domain::wallets::Wallet; const TEXT: &str = r#\"sqlx \" async\"#;"),
    ("storage/mod.rs", "pub mod columns; pub mod db; pub mod prices; pub mod wallets;"),
    ("storage/columns.rs", "use crate::domain::values::money::Money;"),
    ("storage/db/mod.rs", "pub mod open; pub enum Conn { Sqlite, Postgres }"),
    ("storage/db/open.rs", "use super::Conn; fn open() { Conn::Sqlite }"),
    (
        "storage/prices/mod.rs",
        "use super::db::Conn; pub const FIND_ON_SQLITE: &str = \"\"; fn f() { conn.choose(FIND_ON_SQLITE, FIND_ON_POSTGRES) }",
    ),
    ("storage/wallets/mod.rs", "use crate::storage; pub fn find() { storage::prices::find() }"),
    ("services/mod.rs", "pub mod billing; pub mod posting; pub mod prices; pub mod wallets; pub mod operations;"),
    ("services/billing.rs", "use super::prices::book::PriceBook; use crate::clock::Clock;"),
    ("services/posting/mod.rs", "use crate::services::prices::book::PriceBook;"),
    ("services/prices/mod.rs", "pub mod book;"),
    ("services/prices/book.rs", "pub struct PriceBook;"),
    ("services/wallets/mod.rs", "use crate::services::{billing::Billing, posting, prices::book}; use crate::storage;"),
    ("services/operations/mod.rs", "use crate::services::wallets; fn run() { wallets::run() }"),
    ("http/mod.rs", "pub mod edge; pub mod api; pub mod admin; pub mod routes; pub mod state;"),
    ("http/routes.rs", "use super::{admin, api}; fn routes() { admin::plans::list(); api::plans::list() }"),
    ("http/state.rs", "pub struct AppState;"),
    ("http/edge/mod.rs", "pub mod ask; pub fn pass() { ask::read() }"),
    ("http/edge/ask.rs", "use crate::error::Error; use axum::Json;"),
    ("http/bodies/plans.rs", "pub struct PlanBody;"),
    ("http/api/plans.rs", "use crate::http::edge::ask; use crate::services::prices; use super::super::bodies::plans;"),
    ("http/admin/plans.rs", "use crate::http::{bodies::plans::PlanBody, edge::ask, state::AppState};"),
    ("web/mod.rs", "use crate::http::edge::ask; use crate::http::state::AppState; use crate::services::wallets;"),
];

/// What is found in the house with one file more, or with another text in one of its files.
fn found_with(path: &str, text: &str) -> Vec<String> {
    let house = HOUSE.iter().copied().filter(|(known, _)| *known != path).chain([(path, text)]);
    let sources = house.map(|(path, text)| Source { path: path.to_owned(), text: text.to_owned() });
    breaches(&sources.collect::<Vec<_>>())
}

#[rstest]
#[case::as_it_is("domain/jobs.rs", "")]
#[case::only_a_text("domain/jobs.rs", "const A: &str = \"crate::storage::db\"; // use sqlx;")]
#[case::only_seen_by("storage/db/open.rs", "pub(in crate::storage) struct Open;")]
#[case::up_in_a_test("domain/jobs.rs", "#[cfg(test)] #[rstest] fn f() { use crate::domain::wallets::Wallet; }")]
#[case::repetition_in_a_test("domain/jobs.rs", "#[cfg(test)] mod tests { fn f() { crate::repetition::cases(9) } }")]
#[case::of_its_own("domain/jobs.rs", "mod wallets { pub struct A; } use self::wallets::A;")]
fn what_keeps_the_rules_passes(#[case] path: &str, #[case] text: &str) {
    assert_eq!(found_with(path, text), Vec::<String>::new());
}

#[rstest]
#[case("domain/jobs.rs", "use crate::repetition::cases;", "names what domain may not use: crate::repetition::cases")]
#[case("domain/jobs.rs", "use crate::clock::Clock;", "names what domain may not use: crate::clock::Clock")]
#[case("domain/jobs.rs", "fn f() { crate::error::Error::Lost }", "names what domain may not use: crate::error")]
#[case("storage/jobs.rs", "use crate::{\n  domain::A,\n  services::posting,\n};", ":3 names what storage may not use")]
#[case("storage/jobs.rs", "use super::super::config;", "names what storage may not use: crate::config")]
#[case("services/jobs.rs", "use crate::http;", "names what services may not use: crate::http")]
#[case("services/jobs.rs", "use crate::app::run as go;", "names what services may not use: crate::app::run")]
#[case("services/jobs.rs", "#[serde(with = \"crate::http::x\")] struct A;", "names what services may not use")]
#[case("services/jobs.rs", "fn f() { sqlx::query(SQL) }", "a word that is none of its layer's: sqlx")]
#[case("http/api/plans.rs", "pub use crate::storage::FIND;", "names what http may not use: crate::storage::FIND")]
#[case(
    "http/api/plans.rs",
    "use crate as c; fn f() { c::storage::f() }",
    "names what http may not use: crate::storage::f"
)]
#[case("documents/html.rs", "use crate::services::wallets;", "names what documents may not use")]
#[case("web/mod.rs", "use crate::http::routes;", "names what web may not use: crate::http::routes")]
#[case(
    "web/mod.rs",
    "use crate::http::{state, schema::Page};",
    "names what web may not use: crate::http::schema::Page"
)]
#[case("error.rs", "use crate::storage::db::Conn;", "names what error may not use: crate::storage::db::Conn")]
fn a_layer_that_uses_another_is_refused(#[case] path: &str, #[case] text: &str, #[case] sentence: &str) {
    refused(path, text, sentence);
}

#[rstest]
#[case(
    "domain/mod.rs",
    "use crate::storage; use storage::db::Conn;",
    "names what domain may not use: crate::storage::db::Conn"
)]
#[case(
    "http/mod.rs",
    "pub mod edge; use crate::storage as s; fn f() { s::f() }",
    "names what http may not use: crate::storage::f"
)]
#[case(
    "domain/values/mod.rs",
    "pub mod money; use money::Money; use super::jobs::Job;",
    "names a subject after values"
)]
#[case(
    "storage/db/mod.rs",
    "pub mod open; use super::columns::Money; use open::Open;",
    "storage/db/open.rs import each other"
)]
fn a_bare_path_in_a_mod_rs_is_an_import(#[case] path: &str, #[case] text: &str, #[case] sentence: &str) {
    refused(path, text, sentence);
}

#[rstest]
#[case(
    "domain/prices/plans.rs",
    "use crate::domain::wallets::Wallet;",
    "names a subject after prices: crate::domain::wallets"
)]
#[case(
    "domain/prices/plans.rs",
    "use super::super::{values, wallets};",
    "names a subject after prices: crate::domain::wallets"
)]
#[case("domain/prices/mod.rs", "use crate::domain; fn f() { domain::wallets::f() }", "names a subject after prices")]
#[case("domain/values/money.rs", "fn f(job: crate::domain::jobs::Job) {}", "names a subject after values")]
#[case(
    "storage/prices/mod.rs",
    "use crate::storage::wallets;",
    "names a subject after prices: crate::storage::wallets"
)]
#[case("storage/db/open.rs", "use crate::storage::prices::FIND;", "names a subject after db: crate::storage::prices")]
#[case("domain/pricing/mod.rs", "", "no subject: pricing")]
#[case("domain/db/mod.rs", "", "no subject: db")]
#[case("services/tools/mod.rs", "", "no subject: tools")]
fn a_subject_that_names_a_later_one_is_refused(#[case] path: &str, #[case] text: &str, #[case] sentence: &str) {
    refused(path, text, sentence);
}

#[rstest]
#[case("services/prices/plans.rs", "use crate::services::wallets;", "a service of prices and names one of wallets")]
#[case(
    "services/audit.rs",
    "fn f() { crate::services::prices::plans::f() }",
    "a service of audit and names one of prices"
)]
#[case("services/audit.rs", "use super::operations::health;", "a service of audit and names one of operations")]
#[case("services/posting/mod.rs", "use super::wallets::read;", "a service of posting and names one of wallets")]
fn a_service_that_names_another_is_refused(#[case] path: &str, #[case] text: &str, #[case] sentence: &str) {
    refused(path, text, sentence);
}

#[rstest]
#[case("http/admin/plans.rs", "use crate::http::api::plans::PlanBody;", "apart from the face http::api")]
#[case("http/admin/plans.rs", "use super::super::api::plans;", "apart from the face http::api")]
#[case("http/api/plans.rs", "use crate::http::{edge::ask, admin::plans::list};", "apart from the face http::admin")]
#[case("http/edge/ask.rs", "use crate::http; fn f() { http::admin::plans::list() }", "apart from the face http::admin")]
#[case("http/bodies/plans.rs", "use crate::http::api::plans;", "apart from the face http::api")]
#[case("http/state.rs", "use crate::http::api::plans::List;", "apart from the face http::api")]
#[case("web/plans.rs", "use crate::http::api::plans;", "apart from the face http::api")]
#[case("services/wallets/mod.rs", "use crate::web::plans;", "apart from the face web")]
fn a_face_that_uses_another_is_refused(#[case] path: &str, #[case] text: &str, #[case] sentence: &str) {
    refused(path, text, sentence);
}

#[rstest]
#[case("pub async fn f() {}", "a word that is none of its layer's: async")]
#[case("#[derive(sqlx::Type)] struct A;", "a word that is none of its layer's: sqlx")]
#[case("use std::{collections, fs};", "names what is outside the domain: std::fs")]
#[case(
    "use std::time::{self, Duration}; fn f() { time::Instant::now() }",
    "names what is outside the domain: std::time"
)]
#[case("use chrono::Utc; fn f() { Utc::now() }", "names what is outside the domain: chrono::Utc::now")]
fn a_domain_that_is_not_pure_is_refused(#[case] text: &str, #[case] sentence: &str) {
    refused("domain/jobs.rs", text, sentence);
}

#[rstest]
#[case("storage/jobs.rs", "use crate::storage::db::Conn; fn f() { match c { Conn::Postgres(_) => FIND } }")]
#[case("storage/jobs.rs", "use super::db; fn f() { if let db::BulkConn::Local(c) = c {} }")]
#[case("storage/columns.rs", "use sqlx::{Row, postgres::PgRow};")]
#[case("services/audit.rs", "use crate::storage::db::{self, Db}; fn f() { Db::Sqlite { .. } }")]
#[case("services/audit.rs", "use crate::storage::wallets; fn f() { wallets::FIND_AND_LOCK_ON_POSTGRES }")]
#[case("app.rs", "use crate::storage::db::open::DatabaseUrl; fn f() { DatabaseUrl::Sqlite }")]
fn to_know_which_database_is_open_is_refused(#[case] path: &str, #[case] text: &str) {
    refused(path, text, "knows which database is open");
}

#[rstest]
#[case(
    "domain/values/money.rs",
    "use super::FieldError;",
    "domain/values/mod.rs",
    "pub mod money; pub use money::Money;"
)]
#[case("domain/values/a.rs", "use super::b::B;", "domain/values/b.rs", "fn f() -> super::a::A {}")]
#[case("storage/wallets/a.rs", "use super::*;", "storage/wallets/mod.rs", "mod a; fn f() { a::f() }")]
#[case(
    "storage/wallets/a.rs",
    "use super::b; fn f() { b::f() }",
    "storage/wallets/b.rs",
    "use super::a; fn f() { a::f() }"
)]
#[case(
    "services/payments/mod.rs",
    "mod settlement; use crate::services::billing::Billing; pub use settlement::confirm;",
    "services/payments/settlement.rs",
    "use super::Billing;"
)]
#[case("http/state.rs", "use crate::http::edge::ask::Budget;", "http/edge/ask.rs", "use crate::http::state::AppState;")]
fn a_circle_is_refused(#[case] one: &str, #[case] its: &str, #[case] other: &str, #[case] others: &str) {
    let house = HOUSE.iter().copied().filter(|(known, _)| *known != one && *known != other);
    let planted = house.chain([(one, its), (other, others)]);
    let sources = planted.map(|(path, text)| Source { path: path.to_owned(), text: text.to_owned() });
    let found = breaches(&sources.collect::<Vec<_>>());
    assert!(found.iter().any(|found| found.contains("import each other in a circle")), "{found:#?}");
}

fn refused(path: &str, text: &str, sentence: &str) {
    let found = found_with(path, text);
    assert!(found.iter().any(|found| found.starts_with(path) && found.contains(sentence)), "{found:#?}");
}
