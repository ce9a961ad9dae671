//! Tests how a wallet is read.

use serde_json::json;

use crate::support::{Database, on_each_database};

on_each_database! {
    /// The first look at a business opens its wallet, once, and leaves word of it.
    async fn opened_on_first_use(server) {
        let wallet = server.get("/api/billing/wallet/AC_CLIENT_2001/").await;
        assert_eq!(wallet["balance"], json!(0));
        assert_eq!(wallet["currency"], json!("USD"));
        assert_eq!(wallet["type"], json!("PREPAID"));
        let plans = server.get("/api/billing/pricing-plans/").await;
        assert_eq!(wallet["pricing_plan_sid"], plans[0]["sid"], "new wallets get the default plan");
        assert_eq!(server.get("/api/billing/wallet/AC_CLIENT_2001").await, wallet, "and stay what they are");
        let trail = "SELECT count(*) FROM audit_log WHERE action = 'wallet.created' AND actor = 'anonymous' \
                     AND request_id IS NOT NULL AND address = '127.0.0.1'";
        assert_eq!(server.number(trail).await, 1);
    }

    /// A hundred first looks at once make one wallet.
    async fn opened_once_however_many_ask(server) {
        let looks = (0..100).map(|_| server.get("/api/billing/wallet/crowd/"));
        let wallets = futures_util::future::join_all(looks).await;
        assert!(wallets.iter().all(|wallet| wallet == &wallets[0]));
        assert_eq!(server.number("SELECT count(*) FROM businesses WHERE sid = 'crowd'").await, 1);
    }

    /// Reads of many wallets at once, some of which do not exist: each gets its own, and sees what was written before.
    async fn many_readers_each_get_their_own(server) {
        for number in 0..20 {
            server.top_up(&format!("reader_{number}"), &(number + 1).to_string()).await;
        }
        for round in 0..5 {
            let reads = (0..200).map(|turn| async move {
                let number = turn % 20;
                let wallet = server.get(&format!("/api/billing/wallet/reader_{number}/")).await;
                assert_eq!(wallet["business_sid"], json!(format!("reader_{number}")));
                assert_eq!(wallet["balance"], json!(number + 1 + round));
            });
            let fresh = (0..20).map(|number| async move {
                let wallet = server.get(&format!("/api/billing/wallet/fresh_{round}_{number}/")).await;
                assert_eq!(wallet["balance"], json!(0));
            });
            futures_util::future::join(futures_util::future::join_all(reads), futures_util::future::join_all(fresh)).await;
            for number in 0..20 {
                server.top_up(&format!("reader_{number}"), "1").await;
            }
        }
    }

    async fn available_includes_credit(server) {
        server.execute("UPDATE wallets SET credit_limit = 250000001 WHERE id = 1").await.unwrap();
        let text = server.get_text("/api/billing/wallet/biz_test_001/").await;
        assert!(text.contains(r#""credit_limit":250.000001,"available":1250.000001,"#), "{text}");
    }

    /// Without the default plan a wallet has none, and the field is left out.
    async fn without_a_plan(server) {
        server.execute("UPDATE wallets SET pricing_plan_id = NULL").await.unwrap();
        server.execute("DELETE FROM pricing_plans").await.unwrap();
        let wallet = server.get("/api/billing/wallet/planless/").await;
        assert!(wallet.get("pricing_plan_sid").is_none());
        assert_eq!(wallet["type"], json!("PREPAID"));
    }

    /// Other endpoints that only read make nothing.
    async fn reading_elsewhere_opens_nothing(server) {
        let before = server.row_counts().await;
        assert_eq!(server.get("/api/billing/transactions/nobody/").await, json!([]));
        assert_eq!(server.get("/api/billing/alerts/nobody/").await, json!([]));
        assert_eq!(server.get("/api/billing/usage/nobody/").await["total_cost"], json!(0));
        assert_eq!(server.row_counts().await, before);
    }

    /// A client's wallet is in the currency of the reseller it stands below, however it comes to be.
    async fn the_currency_of_the_reseller(server) {
        crate::access::rights::business(server, "r", "RESELLER", "ACTIVE", None).await;
        server.top_up("r", "1").await;
        // No wallet changes its currency: this one is made as another default would have made it.
        let uid = match server.database { Database::Sqlite => "randomblob(16)", Database::Postgres => "gen_random_uuid()" };
        crate::access::rights::business(server, "k", "RESELLER", "ACTIVE", None).await;
        server.execute(&format!(
            "INSERT INTO wallets (uid, business_id, currency, balance, credit_limit, auto_recharge_enabled, \
             auto_recharge_amount, auto_recharge_threshold, last_seq, created_at, updated_at) \
             SELECT {uid}, id, 'KES', 0, 0, FALSE, 0, 0, 0, 0, 0 FROM businesses WHERE sid = 'k'"
        )).await.unwrap();
        for (sid, parent) in [("below_r", "r"), ("below_k", "k"), ("topped_up", "k")] {
            crate::access::rights::business(server, sid, "CLIENT", "ACTIVE", Some(parent)).await;
        }
        assert_eq!(server.top_up("topped_up", "5").await["currency"], "KES");
        for (sid, currency) in [("below_r", "USD"), ("below_k", "KES")] {
            assert_eq!(server.get(&format!("/api/billing/wallet/{sid}/")).await["currency"], currency);
        }
    }
}
