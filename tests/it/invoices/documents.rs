//! Tests invoices by their SID: JSON, HTML and PDF.

use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};

use crate::reports::usage::roll_up;
use crate::support::bills::Bill;
use crate::support::{Database, Server, on_each_database};

const INVOICES: &str = "/api/billing/invoices/biz_test_001/";

/// The address of this month's invoice, with something in it.
async fn address(server: &Server) -> String {
    roll_up(server, "'2026-03-02', 'KE', 'Safaricom', 20000, 10, 0, 0, 12, 240000").await;
    let invoice = server.get(INVOICES).await;
    format!("{INVOICES}{}/", invoice["sid"].as_str().unwrap())
}

async fn finalise(server: &Server) {
    let line = "INSERT INTO invoice_line_items (invoice_id, position, description, quantity, unit_price, total, \
                category, details) SELECT id, 1, 'Support', 1, 12340000, 12340000, 'SUPPORT', '{}' FROM invoices";
    server.execute(line).await.unwrap();
    let close = "UPDATE invoices SET status = 'SENT', number = 'INV-2026-000001', total = 12340000, \
                 due_date = '2026-04-14' WHERE period_start = '2026-03-01'";
    assert_eq!(server.execute(close).await.unwrap(), 1);
}

async fn ask(server: &Server, path: &str, accept: &str) -> Response {
    server.request(Method::GET, path).header("accept", accept).send().await.unwrap()
}

fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

on_each_database! {
    async fn the_form_asked_for(server) {
        let path = address(server).await;
        let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
        for (accept, content_type) in [
            ("*/*", "application/json"),
            ("application/json", "application/json"),
            ("text/html", "text/html; charset=utf-8"),
            (browser, "text/html; charset=utf-8"),
            ("application/pdf", "application/pdf"),
            ("text/html;q=0.4, application/pdf;q=0.5", "application/pdf"),
        ] {
            let response = ask(server, &path, accept).await;
            assert_eq!(response.status(), StatusCode::OK, "{accept}");
            assert_eq!(header(&response, "content-type"), content_type, "{accept}");
            let varies = response.headers().get_all("vary").iter().any(|value| value == "accept");
            assert!(varies, "{accept}");
            assert_eq!(header(&response, "cache-control"), "no-store");
        }
        let none = ask(server, &path, "image/png").await;
        crate::edge::bad_inputs::check(none, 406, "not_acceptable", "", "image/png").await;
    }

    async fn json_is_the_invoice(server) {
        let path = address(server).await;
        let mut expected = server.get(INVOICES).await;
        expected["kind"] = json!("INVOICE");
        assert_eq!(server.get(&path).await, expected);
    }

    /// A draft says that it is one; a closed one shows what it was frozen as.
    async fn pages_and_files(server) {
        server.execute("UPDATE businesses SET name = 'Acme <script>' WHERE sid = 'biz_test_001'").await.unwrap();
        let path = address(server).await;
        let draft = ask(server, &format!("{path}html/"), "*/*").await;
        assert_eq!(header(&draft, "content-disposition"), "inline; filename=\"DRAFT-2026-03.html\"");
        let policy = header(&draft, "content-security-policy").to_owned();
        assert!(policy.starts_with("default-src 'none'; style-src 'sha256-") && !policy.contains("unsafe"), "{policy}");
        let page = draft.text().await.unwrap();
        assert!(page.contains("DRAFT") && page.contains("SMS to Kenya, Safaricom"), "{page}");
        assert!(page.contains("Acme &lt;script&gt;") && !page.contains("<script"), "{page}");

        finalise(server).await;
        let page = ask(server, &format!("{path}html"), "*/*").await.text().await.unwrap();
        assert!(!page.contains("DRAFT") && page.contains("INV-2026-000001") && page.contains("12.34"), "{page}");
        assert!(page.contains("14 April 2026"), "{page}");

        let file = ask(server, &format!("{path}pdf/"), "*/*").await;
        assert_eq!(header(&file, "content-type"), "application/pdf");
        assert_eq!(header(&file, "content-disposition"), "inline; filename=\"INV-2026-000001.pdf\"");
        assert_eq!(header(&file, "content-security-policy"), "default-src 'none'; frame-ancestors 'none'");
        let bytes = file.bytes().await.unwrap();
        assert!(bytes.starts_with(b"%PDF-1.7"));
        let again = ask(server, &format!("{path}pdf/"), "*/*").await.bytes().await.unwrap();
        assert_eq!(bytes, again, "the same invoice is the same file");
    }

    /// A credit note names the invoice that it takes from, with its date; the invoice names none.
    async fn a_credit_note_names_its_invoice(server) {
        let invoice = Bill::of("biz_test_001").insert(server).await;
        let path = format!("{INVOICES}{invoice}/credit-notes/");
        let (status, written) = server.post_as_admin(&path, r#"{"reason": "test", "amount": 5}"#).await;
        assert_eq!(status, StatusCode::CREATED, "{written}");
        let note = written["credit_note"]["sid"].as_str().unwrap();
        let page = server.get_text(&format!("{INVOICES}{note}/html/")).await;
        let page = page.replace('\u{a0}', " ");
        assert!(page.contains("For invoice") && page.contains("INV-2026-000001 of 1 January 2026"), "{page}");
        let file = ask(server, &format!("{INVOICES}{note}/pdf/"), "*/*").await.bytes().await.unwrap();
        let file = lopdf::Document::load_mem(&file).unwrap().extract_text(&[1]).unwrap();
        let words: String = file.split_whitespace().collect();
        assert!(words.contains("Forinvoice") && words.contains("INV-2026-000001of1January2026"), "{file}");
        let page = server.get_text(&format!("{INVOICES}{invoice}/html/")).await;
        assert!(!page.contains("For invoice"), "{page}");
    }

    /// Another's invoice is as one that does not exist.
    async fn missing_ones(server) {
        let path = address(server).await;
        let sid = path.trim_end_matches('/').rsplit('/').next().unwrap();
        let nothing = format!("inv_{}", "0".repeat(32));
        for form in ["", "html/", "pdf/"] {
            let mut answers = Vec::new();
            for invoice in [sid, &nothing] {
                let path = format!("/api/billing/invoices/biz_test_002/{invoice}/{form}");
                let response = ask(server, &path, "*/*").await;
                assert_eq!(response.status(), StatusCode::NOT_FOUND, "{path}");
                let mut answer: Value = response.json().await.unwrap();
                answer["request_id"] = Value::Null;
                answers.push(answer);
            }
            assert_eq!(answers[0], answers[1]);
            assert_eq!(answers[0]["code"], "invoice_not_found");
            let bad = ask(server, &format!("{INVOICES}inv_x/{form}"), "*/*").await;
            crate::edge::bad_inputs::check(bad, 400, "invalid_request", "invoice_sid", form).await;
        }
    }

    /// Who buys from a reseller is billed by it.
    async fn a_reseller_is_the_seller(server) {
        let path = address(server).await;
        let page = server.get_text(&format!("{path}html/")).await;
        assert!(!page.contains("From"), "nobody said who sells");
        crate::access::rights::business(server, "reseller", "RESELLER", "ACTIVE", None).await;
        for change in [
            "name = 'Savanna Messaging', tax_id = 'T-1' WHERE sid = 'reseller'",
            "parent_id = (SELECT id FROM businesses WHERE sid = 'reseller') WHERE sid = 'biz_test_001'",
        ] {
            assert_eq!(server.execute(&format!("UPDATE businesses SET {change}")).await.unwrap(), 1);
        }
        let page = server.get_text(&format!("{path}html/")).await;
        assert!(page.contains("Savanna Messaging") && page.contains("Tax ID T-1"), "{page}");
    }
}

/// The settings say who sells; a logo that cannot be shown is a reason not to start.
#[tokio::test]
async fn the_seller_of_the_settings() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("logo.png");
    std::fs::write(&file, include_bytes!("../../../src/documents/fixtures/logo.png")).unwrap();
    let logo = file.to_str().unwrap();
    let args = ["--seller-name", "Wecall Ltd", "--seller-country", "KE", "--seller-logo", logo];
    let server = Server::start(Database::Sqlite, &args).await;
    let path = address(&server).await;
    let page = server.get_text(&format!("{path}html/")).await;
    assert!(page.contains("Wecall Ltd") && page.contains("Kenya") && page.contains("data:image/png;base64,"), "{page}");
    assert_eq!(ask(&server, &format!("{path}pdf/"), "*/*").await.status(), StatusCode::OK);

    std::fs::write(&file, "no picture").unwrap();
    for path in [logo, "/nowhere/logo.png"] {
        let settings = crate::support::settings("sqlite://unused.db", &["--seller-logo", path]);
        let refused = settings.seller_logo().unwrap_err().to_string();
        assert!(refused.contains("SELLER_LOGO") && refused.contains(path) && refused.contains("PNG"), "{refused}");
    }
}
