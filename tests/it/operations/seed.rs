//! Tests the sample data.

use serde_json::json;
use wecall_billing::seed::{self, Loaded};

use crate::support::on_each_database;

on_each_database! {
    async fn is_what_it_should_be(server) {
        assert_eq!(server.number("SELECT count(*) FROM pricing_plans").await, 3);
        assert_eq!(server.number("SELECT count(*) FROM rate_cards").await, 17);
        assert_eq!(server.number("SELECT count(*) FROM wallets").await, 2);
        let professional = &server.get("/api/billing/pricing-plans/").await[1]["sid"].clone();
        for (business, balance) in [("biz_test_001", 1000), ("biz_test_002", 500)] {
            let wallet = server.get(&format!("/api/billing/wallet/{business}/")).await;
            assert_eq!((&wallet["balance"], &wallet["currency"]), (&json!(balance), &json!("USD")));
            let entries = server.get(&format!("/api/billing/transactions/{business}/")).await;
            assert_eq!(entries.as_array().unwrap().len(), 1);
            assert_eq!((&entries[0]["type"], &entries[0]["amount"]), (&json!("TOPUP"), &json!(balance)));
            assert_eq!(&wallet["pricing_plan_sid"] == professional, business == "biz_test_002");
        }
        let sum = "SELECT CAST(SUM(amount) AS BIGINT) FROM transactions";
        assert_eq!(server.number(sum).await, 1_500_000_000, "the ledger adds up");
    }

    async fn again_changes_nothing(server) {
        let before = server.row_counts().await;
        assert_eq!(seed::load(&server.billing, true).await.unwrap(), Loaded::default());
        assert_eq!(server.row_counts().await, before);
    }

    /// A wallet that somebody opened before is theirs: no sample money goes into it.
    async fn a_wallet_in_use_is_left_alone(server) {
        server.execute("DELETE FROM seeded_items WHERE item = 'wallet biz_test_001'").await.unwrap();
        let before = server.row_counts().await;
        assert_eq!(seed::load(&server.billing, true).await.unwrap(), Loaded::default());
        let claimed = server.number("SELECT count(*) FROM seeded_items WHERE item = 'wallet biz_test_001'").await;
        assert_eq!(claimed, 1);
        let after = server.row_counts().await;
        assert_eq!(after.last(), before.last(), "no money moved");
    }

    /// What a person edited or deleted since stays so.
    async fn what_people_did_stays(server) {
        server.execute("UPDATE pricing_plans SET name = 'Beginner', base_price_per_sms = 1 WHERE name = 'Starter'").await.unwrap();
        server.execute("DELETE FROM pricing_plans WHERE name = 'Enterprise'").await.unwrap();
        server.execute("DELETE FROM rate_cards WHERE country_code = 'KE'").await.unwrap();
        server.top_up("biz_test_001", "1").await;
        let before = server.row_counts().await;
        seed::load(&server.billing, true).await.unwrap();
        assert_eq!(server.row_counts().await, before);
        assert_eq!(server.get("/api/billing/wallet/biz_test_001/").await["balance"], json!(1001));
    }
}
