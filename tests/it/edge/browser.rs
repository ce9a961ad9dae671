//! Tests in a real browser: the documentation page, and a page of another origin that calls the API.

use std::io::Write;
use std::path::PathBuf;
use std::process::Command;

use axum::Router;
use axum::response::Html;
use axum::routing::get;

use crate::support::{Database, Server};

/// Chromium, or nothing: `TEST_REQUIRE_BROWSER=1` makes that a failure.
fn chromium() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let found =
        std::env::split_paths(&path).flat_map(|folder| names.map(|name| folder.join(name))).find(|file| file.is_file());
    if found.is_none() {
        assert!(
            std::env::var("TEST_REQUIRE_BROWSER").is_err(),
            "TEST_REQUIRE_BROWSER is set, but there is no Chromium"
        );
        let _ = writeln!(std::io::stderr(), "\n=== no Chromium is installed here: the browser tests test nothing ===");
    }
    found
}

/// The document a page has become once its scripts have run.
async fn document(browser: PathBuf, url: String) -> String {
    let profile = tempfile::tempdir().unwrap();
    let mut command = Command::new(browser);
    command.args(["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-quic", "--disable-sync"]);
    command.args(["--disable-background-networking", "--disable-component-update", "--virtual-time-budget=20000"]);
    command.arg(format!("--user-data-dir={}", profile.path().display())).arg("--dump-dom").arg(url);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The page is there with every operation on it, its scripts allowed by our own policy.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_documentation_page_shows_every_operation() {
    let Some(browser) = chromium() else { return };
    let server = Server::start(Database::Sqlite, &[]).await;
    let page = document(browser, format!("{}/docs/", server.base_url)).await;
    for path in wecall_billing::http::routes::ROUTES.iter().map(|route| route.path) {
        // The page puts break opportunities between the parts of a path.
        let last_part = path.trim_end_matches('/').rsplit('/').next().unwrap();
        assert!(page.contains(last_part), "{path} is not on the page:\n{page}");
    }
    assert!(page.contains("Top up a wallet"), "{page}");
    assert!(!page.contains("Failed to load"), "{page}");
}

/// What a page looks like.
async fn picture(browser: &PathBuf, url: String) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("page.png");
    let mut command = Command::new(browser);
    command.args(["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]);
    command.args(["--hide-scrollbars", "--window-size=900,900", "--timeout=3000"]);
    command.arg(format!("--user-data-dir={}", folder.path().join("profile").display()));
    command.arg(format!("--screenshot={}", file.display())).arg(url);
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    std::fs::read(file).unwrap()
}

/// Letters of a name are letters, and not the same box for each: a system without a font for them shows them too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invoice_shows_names_in_ethiopic_letters() {
    let Some(browser) = chromium() else { return };
    let server = Server::start(Database::Sqlite, &[]).await;
    let invoice = server.get("/api/billing/invoices/biz_test_001/").await;
    let url =
        format!("{}/api/billing/invoices/biz_test_001/{}/html/", server.base_url, invoice["sid"].as_str().unwrap());
    let mut pictures = Vec::new();
    for name in ["ግግግ", "ግግግ", "ዕዕዕ"] {
        server.execute(&format!("UPDATE businesses SET name = '{name}' WHERE sid = 'biz_test_001'")).await.unwrap();
        pictures.push(picture(&browser, url.clone()).await);
    }
    assert!(pictures[0] == pictures[1], "the same page is the same picture");
    assert!(pictures[0] != pictures[2], "two names look alike");
}

const PAGE: &str = r#"<!doctype html><pre id="out"></pre><script>
const api = "API";
async function main() {
    const out = {};
    const topup = (key, amount) => fetch(api + "/api/billing/topup", {
        method: "POST", credentials: "include",
        headers: {"Content-Type": "application/json", "Idempotency-Key": key},
        body: JSON.stringify({business_sid: "AC_CLIENT_2001", amount, reference: "CLIENT_TOPUP"}),
    });
    const first = await topup("k", 12.34);
    out.balance = (await first.json()).balance.toFixed(2);
    out.replayed = (await topup("k", 12.34)).headers.get("idempotent-replayed");
    out.refused = (await (await topup("k2", Number("9".repeat(22)))).json()).detail;
    out.missing = (await (await fetch(api + "/api/billing/nothing")).json()).detail;
    const page = await fetch(api + "/api/billing/transactions/biz_test_001?limit=1", {credentials: "include"});
    out.request_id = page.headers.get("x-request-id").length;
    const usage = await (await fetch(api + "/api/billing/usage/AC_CLIENT_2001?period=THIS_MONTH")).json();
    out.success = (usage.success_rate * 100).toFixed(1);
    document.getElementById("out").textContent = JSON.stringify(out);
}
main().catch(error => { document.getElementById("out").textContent = "broken: " + error; });
</script>"#;

/// Serves [`PAGE`] from an origin of its own, and tells what it made of the API.
async fn page_from_elsewhere(browser: PathBuf, server: &Server, listener: tokio::net::TcpListener) -> String {
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let page = PAGE.replace("API", &server.base_url);
    let router = Router::new().route("/", get(|| async move { Html(page) }));
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    document(browser, origin).await
}

/// A page of an allowed origin reads, writes, and is told what went wrong; one of any other origin is kept out, and
/// moves no money.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_of_other_origins() {
    let Some(browser) = chromium() else { return };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let server = Server::start(Database::Sqlite, &["--cors-origins", &origin]).await;
    let page = page_from_elsewhere(browser.clone(), &server, listener).await;
    for part in [
        r#""balance":"12.34""#,
        r#""replayed":"true""#,
        r#""refused":"amount is too large a number""#,
        r#""missing":"There is nothing at this address"#,
        r#""request_id":36"#,
        r#""success":"0.0""#,
    ] {
        assert!(page.contains(part), "{part} is not in {page}");
    }
    let stranger = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let page = page_from_elsewhere(browser, &server, stranger).await;
    assert!(page.contains("broken: TypeError"), "{page}");
    assert_eq!(server.get("/api/billing/wallet/AC_CLIENT_2001/").await["balance"], 12.34);
}
