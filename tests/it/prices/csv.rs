//! Tests export and import of plans and rate cards as CSV.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Database, Server, on_each_database};

const CARDS_OUT: &str = "/api/admin/rate-cards/export/";
const CARDS_IN: &str = "/api/admin/rate-cards/import/";
const PLANS_OUT: &str = "/api/admin/plans/export/";
const PLANS_IN: &str = "/api/admin/plans/import/";

const HEADER: &str = "country_code,operator,mcc_mnc,price_per_sms,currency,effective_from,notes\r\n";

fn cards(lines: &str) -> String {
    format!("{HEADER}{lines}")
}

/// Bodies that are no sheet of rate cards, and how the sentence begins.
const NO_SHEETS: &[(&[u8], &str)] = &[
    (b"", "The header lacks the column country_code"),
    (b"{}", "The header names a column"),
    (b"country_code,operator\n", "The header lacks the column mcc_mnc"),
    (
        b"country_code,operator,mcc_mnc,price,currency,effective_from,notes\n",
        "The header names a column \u{ab}price\u{bb}",
    ),
    (
        b"country_code,operator,mcc_mnc,price_per_sms,currency,effective_from,notes\nKE,T\xe9l,,1,USD,2026-04-01,\n",
        "Line 2 is not UTF-8",
    ),
];

on_each_database! {
    /// What was exported changes nothing, however a spreadsheet wrote it.
    async fn rate_cards_come_back_as_they_were(server) {
        let admin = server.admin().await;
        for (operator, notes) in [("=cmd|' /C calc'!A0", "+1"), ("Comma, \"quoted\"; T\u{e9}l", "-5 %"), ("'Quote", "'@x"), ("", "")] {
            let networks = if operator.is_empty() { json!([]) } else { json!([{"mcc": "645", "mnc": "01"}, {"mcc": "645", "mnc": "002"}]) };
            let body = json!({"country_code": "ZM", "operator": operator, "networks": networks, "price_per_sms": 0.000001,
                "currency": "KWD", "effective_from": "2001-02-03", "notes": notes});
            assert_eq!(admin.post("/api/admin/rate-cards/", &body).await.status, StatusCode::CREATED, "{body}");
        }
        let response = admin.request(Method::GET, CARDS_OUT).send().await.unwrap();
        assert_eq!(response.headers()["content-type"], "text/csv; charset=utf-8; header=present");
        assert_eq!(response.headers()["content-disposition"], "attachment; filename=\"rate-cards.csv\"");
        let sheet = response.text().await.unwrap();
        assert!(sheet.starts_with(HEADER), "{sheet}");
        assert_eq!(sheet.lines().count(), 1 + 17 + 4);
        assert!(sheet.contains("KE,Airtel,639-03 639-05,0.018,USD,2024-01-01,\r\n"), "{sheet}");
        assert!(sheet.contains("ZM,'=cmd|' /C calc'!A0,645-01 645-002,0.000001,KWD,2001-02-03,'+1\r\n"), "no formula: {sheet}");
        let before = server.row_counts().await;
        let semicolons: String = HEADER.replace(',', ";")
            + &sheet.lines().skip(1).filter(|line| line.starts_with("KE")).map(|line| line.replace(',', ";").replace("0.0", "0,0") + "\n").collect::<String>();
        for (text, count) in [(sheet.clone(), 21), (format!("\u{feff}{sheet}"), 21), (sheet.replace("\r\n", "\n"), 21), (semicolons, 3)] {
            for query in ["?dry_run=true", ""] {
                let import = admin.import(&format!("{CARDS_IN}{query}"), &text).await;
                assert_eq!(import.status, StatusCode::OK, "{import:?}");
                let expected = json!({"dry_run": !query.is_empty(), "added": [], "unchanged": count, "refused": []});
                assert_eq!(import.body, expected);
            }
        }
        assert_eq!(server.row_counts().await, before);
        let some = admin.text(&format!("{CARDS_OUT}?country_code=KE&search=saf&limit=1")).await;
        assert_eq!(some.lines().count(), 2, "{some}");
    }

    /// A dry run says what the import does, and does nothing.
    async fn rate_cards_are_added(server) {
        let admin = server.admin().await;
        let sheet = cards(
            "KE,Safaricom,639-01 639-02,0.025,USD,2026-03-18,Contract\r\nKE,Airtel,639-03 639-05,0.018,USD,2024-01-01,\r\n\
             KE,Safaricom,,0.03,USD,2027-01-01,\r\nZM,,,0.04,USD,2020-01-01,\r\n,,,,,,\r\n",
        );
        let before = server.row_counts().await;
        let mut tried = admin.import(&format!("{CARDS_IN}?dry_run=true"), &sheet).await;
        assert_eq!(tried.body, json!({
            "dry_run": true,
            "added": [
                {"line": 2, "country_code": "KE", "operator": "Safaricom", "currency": "USD", "effective_from": "2026-03-18",
                 "price_before": 0.02, "price_after": 0.025},
                {"line": 4, "country_code": "KE", "operator": "Safaricom", "currency": "USD", "effective_from": "2027-01-01",
                 "price_before": 0.02, "price_after": 0.03},
                {"line": 5, "country_code": "ZM", "operator": "", "currency": "USD", "effective_from": "2020-01-01",
                 "price_after": 0.04},
            ],
            "unchanged": 1, "refused": [],
        }));
        assert_eq!(server.row_counts().await, before);
        let done = admin.import(&format!("{CARDS_IN}?reason=New%20list"), &sheet).await;
        tried.body["dry_run"] = json!(false);
        assert_eq!((done.status, &done.body), (StatusCode::OK, &tried.body));
        assert_eq!(server.number("SELECT count(*) FROM rate_cards").await, 20);
        let noted = "SELECT count(*) FROM audit_log WHERE action = 'rate_card.created' AND reason = 'New list'";
        assert_eq!(server.number(noted).await, 3);
        let message = json!({"business_sid": "biz_test_001", "message_sid": "m", "mcc": "639", "mnc": "02", "segments": 1});
        assert_eq!(server.charge(message).await["rating"]["total"], json!(0.025), "charged by it at once");
        let again = admin.import(CARDS_IN, &sheet).await;
        assert_eq!(again.body, json!({"dry_run": false, "added": [], "unchanged": 4, "refused": []}));
    }

    /// One bad line, and nothing is stored; each bad line says all that is wrong with it.
    async fn one_bad_line_and_nothing_is_stored(server) {
        let admin = server.admin().await;
        let sheet = cards(
            "KE,Safaricom,,0.025,USD,2026-04-01,\r\nXX,MTN,,x,USD,2026-04-01,\r\nKE,Safaricom,,0.03,USD,2024-01-01,\r\n\
             KE,safaricom,,0.025,USD,2026-04-01,\r\nKE,Telkom\r\n",
        );
        let before = server.row_counts().await;
        let tried = admin.import(&format!("{CARDS_IN}?dry_run=1"), &sheet).await;
        assert_eq!((tried.status, tried.body["added"].as_array().unwrap().len()), (StatusCode::OK, 1));
        let refused: Vec<(u64, Vec<&String>)> = tried.body["refused"].as_array().unwrap().iter()
            .map(|line| (line["line"].as_u64().unwrap(), line["errors"].as_object().unwrap().keys().collect()))
            .collect();
        let expected: Vec<(u64, Vec<&str>)> =
            vec![(3, vec!["country_code", "price_per_sms"]), (4, vec!["effective_from"]), (5, vec!["line"]), (6, vec!["line"])];
        assert_eq!(format!("{refused:?}"), format!("{expected:?}"));
        let done = admin.import(CARDS_IN, &sheet).await;
        assert_eq!(done.refusal(), (422, "lines_refused"), "{done:?}");
        assert_eq!(done.body["errors"].as_object().unwrap().keys().collect::<Vec<_>>(), ["line 3", "line 4", "line 5", "line 6"]);
        assert_eq!(done.body["errors"]["line 3"].as_array().unwrap().len(), 2);
        assert!(done.body["detail"].as_str().unwrap().starts_with("4 lines cannot be taken, so nothing was stored. Line 3: country_code "));
        assert_eq!(server.row_counts().await, before);
    }

    /// What is no sheet of ours at all.
    async fn what_is_no_sheet(server) {
        let admin = server.admin().await;
        let before = server.row_counts().await;
        let send = async |content_type: &'static str, body: Vec<u8>| {
            let request = admin.request(Method::POST, CARDS_IN).header("content-type", content_type);
            admin.send(request.body(body)).await
        };
        for (body, told) in NO_SHEETS {
            let answer = send("text/csv", body.to_vec()).await;
            assert_eq!(answer.refusal(), (400, "malformed_csv"), "{answer:?}");
            assert!(answer.body["detail"].as_str().unwrap().starts_with(told), "{answer:?}");
        }
        for content_type in ["application/json", "multipart/form-data; boundary=x", "text/plain"] {
            assert_eq!(send(content_type, HEADER.into()).await.refusal(), (415, "unsupported_media_type"), "{content_type}");
        }
        assert_eq!(send("text/csv", vec![b'x'; (1 << 20) + 1]).await.refusal(), (413, "payload_too_large"));
        let flag = admin.import(&format!("{CARDS_IN}?dry_run=maybe"), HEADER).await;
        assert!(flag.body["errors"]["dry_run"].is_array(), "{flag:?}");
        let empty = admin.import(CARDS_IN, HEADER).await;
        assert_eq!(empty.body, json!({"dry_run": false, "added": [], "unchanged": 0, "refused": []}));
        assert_eq!(server.row_counts().await, before);
    }

    /// A price list as large as they come, twice at once: each row is stored once.
    async fn a_large_list_twice_at_once(server) {
        let admin = server.admin().await;
        let lines: String = (0..3_000).map(|number| format!("ZM,Operator {number},,0.01,USD,2020-01-01,\r\n")).collect();
        let sheet = cards(&lines);
        let (one, other) = tokio::join!(admin.import(CARDS_IN, &sheet), admin.import(CARDS_IN, &sheet));
        assert_eq!((one.status, other.status), (StatusCode::OK, StatusCode::OK), "who comes later finds them there");
        let added = |import: &Value| import["added"].as_array().map_or(0, Vec::len);
        let mut counts = [added(&one.body), added(&other.body)];
        counts.sort_unstable();
        assert_eq!(counts, [0, 3_000]);
        assert_eq!(server.number("SELECT count(*) FROM rate_cards").await, 3_017);
        assert_eq!(server.number("SELECT count(*) FROM audit_log WHERE action = 'rate_card.created'").await, 3_017);
    }

    async fn plans_come_back_as_they_were(server) {
        let admin = server.admin().await;
        let odd = json!({"name": "=Odd, \"plan\"", "description": "-x", "type": "POSTPAID", "base_price_per_sms": 1,
            "features": ["a|b", "c\\", "+d"], "card_discount_percent": 12.25, "failed_refund_percent": 0});
        assert_eq!(admin.post("/api/admin/plans/", &odd).await.status, StatusCode::CREATED);
        let sheet = admin.text(PLANS_OUT).await;
        assert_eq!(sheet.lines().count(), 1 + 3 + 3 + 1 + 1, "{sheet}");
        assert!(sheet.contains(",10001,,0.04,20\r\n") && sheet.contains("'=Odd"), "{sheet}");
        let before = server.row_counts().await;
        for query in ["?dry_run=true", ""] {
            let import = admin.import(&format!("{PLANS_IN}{query}"), &sheet).await;
            let expected = json!({"dry_run": !query.is_empty(), "added": [], "changed": [], "unchanged": 4, "refused": []});
            assert_eq!(import.body, expected);
        }
        assert_eq!(server.row_counts().await, before);
        assert_eq!(admin.text(&format!("{PLANS_OUT}?type=PREPAID&search=start")).await.lines().count(), 4);
    }

    async fn plans_are_added_and_changed(server) {
        let admin = server.admin().await;
        let header = admin.text(PLANS_OUT).await.lines().next().unwrap().to_owned();
        let sheet = format!("{header}\nSchool,,PREPAID,0.045,5,100,Reports,1,100,0.045,0\nSchool,,,,,,,101,,0.04,10\n\
            Starter,Pay as you go,PREPAID,0.06,0,100,,1,,0.061,0\nEnterprise,\"For high volumes, on invoice\",POSTPAID,0.03,40,100,x,,,,\n");
        let before = server.row_counts().await;
        let mut tried = admin.import(&format!("{PLANS_IN}?dry_run=true"), &sheet).await;
        assert_eq!(tried.status, StatusCode::OK, "{tried:?}");
        assert_eq!((&tried.body["added"][0]["line"], &tried.body["added"][0]["after"]["name"]), (&json!(2), &json!("School")));
        assert_eq!(tried.body["changed"].as_array().unwrap().len(), 2);
        let starter = &tried.body["changed"][0];
        assert_eq!((&starter["before"]["base_price_per_sms"], &starter["after"]["base_price_per_sms"]), (&json!(0.05), &json!(0.06)));
        assert_eq!(server.row_counts().await, before);
        let done = admin.import(&format!("{PLANS_IN}?reason=Spring"), &sheet).await;
        tried.body["dry_run"] = json!(false);
        assert_eq!((done.status, &done.body), (StatusCode::OK, &tried.body));
        let noted = "SELECT count(*) FROM audit_log WHERE action IN ('plan.created', 'plan.changed') AND reason = 'Spring'";
        assert_eq!(server.number(noted).await, 3);
        let message = json!({"business_sid": "biz_test_001", "message_sid": "m", "country_code": "KE", "operator": "Telkom", "segments": 1});
        assert_eq!(server.charge(message).await["rating"]["total"], json!(0.061), "charged by it at once");
        assert_eq!(server.get("/api/billing/pricing-plans/").await.as_array().unwrap().len(), 4, "Professional is still there");
        let postpaid = format!("{header}\nStarter,,POSTPAID,0.06,0,100,,,,,\nSchool,,PREPAID,0.1,0,100,,,,,\n");
        let refused = admin.import(PLANS_IN, &postpaid).await;
        assert_eq!(refused.refusal(), (422, "lines_refused"), "new wallets get Starter: {refused:?}");
        assert!(refused.body["errors"]["line 2"].is_array());
        assert_eq!(admin.import(PLANS_IN, &sheet).await.body["unchanged"], 3);
    }
}

/// A list that a spreadsheet brings to another server makes the same catalogue there, its past included.
#[tokio::test]
async fn a_catalogue_moves_to_another_server() {
    let (from, to) = (Server::start(Database::Sqlite, &[]).await, Server::start(Database::Sqlite, &[]).await);
    let newer = json!({"country_code": "KE", "operator": "Safaricom", "price_per_sms": 0.03, "currency": "USD",
        "effective_from": "2026-03-18"});
    from.admin().await.post("/api/admin/rate-cards/", &newer).await;
    to.execute("DELETE FROM rate_cards").await.unwrap();
    let sheet = from.admin().await.text(CARDS_OUT).await;
    let import = to.admin().await.import(CARDS_IN, &sheet).await;
    assert_eq!(import.body["added"].as_array().unwrap().len(), 18, "{import:?}");
    assert_eq!(to.admin().await.text(CARDS_OUT).await, sheet);
}
