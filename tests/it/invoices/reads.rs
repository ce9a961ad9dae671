//! Tests how the invoice of a month is read.

use serde_json::json;

use crate::reports::usage::roll_up;
use crate::support::{Server, on_each_database};

const PATH: &str = "/api/billing/invoices/biz_test_001/";

async fn finalise(server: &Server, status: &str) {
    let sql = format!(
        "UPDATE invoices SET status = '{status}', number = 'INV-2026-000001', total = 12340000, \
         due_date = '2026-04-14' WHERE period_start = '2026-03-01'"
    );
    assert_eq!(server.execute(&sql).await.unwrap(), 1);
}

on_each_database! {
    /// Without a period this month's draft, the same one at every look, its lines following the usage.
    async fn this_months_draft(server) {
        let first = server.get(PATH).await;
        assert_eq!((&first["period_start"], &first["period_end"]), (&json!("2026-03-01"), &json!("2026-03-31")));
        assert_eq!((&first["invoice_number"], &first["status"]), (&json!("DRAFT"), &json!("DRAFT")));
        assert_eq!((&first["due_date"], &first["paid_date"]), (&json!(null), &json!(null)), "null, not left out");
        assert_eq!((&first["total_amount"], &first["line_items"]), (&json!(0), &json!([])));

        roll_up(server, "'2026-03-02', 'KE', 'Safaricom', 20000, 10, 0, 0, 12, 240000").await;
        roll_up(server, "'2026-03-31', 'KE', 'Safaricom', 20000, 1, 0, 0, 1, 20000").await;
        roll_up(server, "'2026-03-02', 'KE', 'Safaricom', 18000, 1, 0, 0, 3, 54000").await;
        roll_up(server, "'2026-03-03', 'GB', '', 35000, 1, 0, 0, 1, 35000").await;
        roll_up(server, "'2026-02-28', 'KE', 'Safaricom', 20000, 9, 0, 0, 9, 180000").await;
        let second = server.get(PATH).await;
        assert_eq!(second["sid"], first["sid"]);
        assert_eq!(second["line_items"], json!([
            {"description": "SMS to United Kingdom, other operators", "quantity": 1, "unit_price": 0.035, "total": 0.04,
             "category": "SMS", "details": {"country_code": "GB", "country_name": "United Kingdom", "operator": "",
             "messages": 1}},
            {"description": "SMS to Kenya, Safaricom", "quantity": 13, "unit_price": 0.02, "total": 0.26,
             "category": "SMS", "details": {"country_code": "KE", "country_name": "Kenya", "operator": "Safaricom",
             "messages": 11}},
            {"description": "SMS to Kenya, Safaricom", "quantity": 3, "unit_price": 0.018, "total": 0.05,
             "category": "SMS", "details": {"country_code": "KE", "country_name": "Kenya", "operator": "Safaricom",
             "messages": 1}},
        ]));
        assert_eq!(second["total_amount"], json!(0.35), "the sum of the rounded lines");
    }

    async fn which_period_is_meant(server) {
        for (query, start, end, kept) in [
            ("period_start=2026-03-01&period_end=2026-03-31", "2026-03-01", "2026-03-31", true),
            ("period_start=2026-02-28T21:00:00.000Z&period_end=2026-03-31T20:59:59.999Z", "2026-03-01", "2026-03-31", true),
            ("period_start=2026-01-01&period_end=2026-01-31", "2026-01-01", "2026-01-31", true),
            ("period_start=2026-04-01&period_end=2026-04-30", "2026-04-01", "2026-04-30", false),
            ("period_start=2026-03-01&period_end=2026-03-18", "2026-03-01", "2026-03-18", false),
            ("period_start=2026-02-01&period_end=2026-03-31", "2026-02-01", "2026-03-31", false),
            ("period_start=2026-03-05T00:00:00Z&period_end=2026-03-06T00:00:00Z", "2026-03-05", "2026-03-06", false),
        ] {
            let invoice = server.get(&format!("{PATH}?{query}")).await;
            assert_eq!((&invoice["period_start"], &invoice["period_end"]), (&json!(start), &json!(end)), "{query}");
            assert_eq!(invoice["sid"] != "inv_preview", kept, "{query}");
            assert_eq!((&invoice["invoice_number"], &invoice["status"]), (&json!("DRAFT"), &json!("DRAFT")));
        }
        assert_eq!(server.number("SELECT count(*) FROM invoices").await, 2);
    }

    async fn a_preview_is_computed_and_not_kept(server) {
        roll_up(server, "'2026-03-02', 'KE', 'Safaricom', 20000, 10, 0, 0, 12, 240000").await;
        let before = server.row_counts().await;
        let invoice = server.get(&format!("{PATH}?period_start=2026-03-02&period_end=2026-03-02")).await;
        assert_eq!(invoice["total_amount"], json!(0.24));
        let nobody = "/api/billing/invoices/nobody/?period_start=2026-03-02&period_end=2026-03-02";
        assert_eq!(server.get(nobody).await["total_amount"], json!(0));
        assert_eq!(server.row_counts().await, before);
    }

    async fn made_once_however_many_ask(server) {
        let looks = (0..50).map(|_| server.get("/api/billing/invoices/crowd/"));
        let invoices = futures_util::future::join_all(looks).await;
        assert!(invoices.iter().all(|invoice| invoice["sid"] == invoices[0]["sid"]));
        assert_eq!(server.number("SELECT count(*) FROM invoices").await, 1);
        assert_eq!(server.number("SELECT count(*) FROM audit_log WHERE action = 'invoice.drafted'").await, 1);
    }

    /// A finalised invoice is what it was frozen as, whatever the usage says since.
    async fn a_finalised_one_is_frozen(server) {
        server.get(PATH).await;
        let line = "INSERT INTO invoice_line_items (invoice_id, position, description, quantity, unit_price, total, \
                    category, details) SELECT id, 1, 'Support', 1, 12340000, 12340000, 'SUPPORT', '{}' FROM invoices";
        server.execute(line).await.unwrap();
        finalise(server, "SENT").await;
        roll_up(server, "'2026-03-02', 'KE', 'Safaricom', 20000, 10, 0, 0, 12, 240000").await;
        let invoice = server.get(PATH).await;
        assert_eq!(invoice["invoice_number"], "INV-2026-000001");
        assert_eq!((&invoice["total_amount"], &invoice["due_date"]), (&json!(12.34), &json!("2026-04-14")));
        assert_eq!(invoice["line_items"][0]["description"], "Support");
        assert_eq!(invoice["line_items"].as_array().unwrap().len(), 1);

        for change in ["total = 1", "number = 'X'", "due_date = NULL", "period_end = '2026-03-30'"] {
            let refused = server.execute(&format!("UPDATE invoices SET {change}")).await.unwrap_err().to_string();
            assert!(refused.contains("finalised invoice"), "{change}: {refused}");
        }
        assert!(server.execute("DELETE FROM invoices").await.is_err());
        assert!(server.execute("UPDATE invoice_line_items SET total = 1").await.is_err());
        assert!(server.execute("DELETE FROM invoice_line_items").await.is_err());
        server.execute("UPDATE invoices SET status = 'PAID', paid_date = '2026-04-02', updated_at = 1").await.unwrap();
        assert_eq!(server.get(PATH).await["paid_date"], "2026-04-02");
    }

    /// A cancelled invoice keeps its number and makes room for another of the month.
    async fn a_cancelled_one_makes_room(server) {
        let first = server.get(PATH).await;
        finalise(server, "CANCELLED").await;
        let second = server.get(PATH).await;
        assert_ne!(second["sid"], first["sid"]);
        assert_eq!(second["status"], "DRAFT");
    }
}

/// A currency without decimals rounds to whole units.
#[tokio::test]
async fn lines_round_to_the_currency() {
    use crate::support::Database;
    let server = Server::start(Database::Sqlite, &["--default-currency", "UGX"]).await;
    server.get("/api/billing/wallet/ug/").await;
    let columns = "wallet_id, day, country_code, operator, unit_price, messages_sent, messages_delivered, \
                   messages_failed, segments, cost";
    let row = format!(
        "INSERT INTO usage_metrics ({columns}) SELECT id, '2026-03-02', 'UG', 'MTN', 35500000, 1, 0, 0, 1, 35500000 \
         FROM wallets WHERE currency = 'UGX'"
    );
    server.execute(&row).await.unwrap();
    let invoice = server.get("/api/billing/invoices/ug/").await;
    assert_eq!((&invoice["currency"], &invoice["total_amount"]), (&json!("UGX"), &json!(36)));
}
