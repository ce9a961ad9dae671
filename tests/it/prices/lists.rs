//! Tests how plans and rate cards are listed.

use serde_json::{Value, json};

use crate::support::{Database, Server, on_each_database};

async fn add_card(server: &Server, operator: &str, currency: &str, price: i64, from: &str) {
    let uid = match server.database {
        Database::Sqlite => "randomblob(16)",
        Database::Postgres => "gen_random_uuid()",
    };
    let sql = format!(
        "INSERT INTO rate_cards (uid, country_code, operator, operator_key, networks, price_per_sms, currency, \
         effective_from, notes, created_at) VALUES ({uid}, 'KE', '{operator}', '{}', '[]', {price}, '{currency}', \
         '{from}', '', 0)",
        operator.to_lowercase()
    );
    server.execute(&sql).await.unwrap();
}

fn prices(cards: &Value) -> Vec<(&str, &str, f64)> {
    cards
        .as_array()
        .unwrap()
        .iter()
        .map(|card| {
            let text = |name: &str| card[name].as_str().unwrap();
            (text("operator"), text("currency"), card["price_per_sms"].as_f64().unwrap())
        })
        .collect()
}

on_each_database! {
    async fn all_of_them(server) {
        let cards = server.get("/api/billing/rate-cards/").await;
        assert_eq!(cards.as_array().unwrap().len(), 17);
        let countries: Vec<&str> = cards.as_array().unwrap().iter().map(|card| card["country_code"].as_str().unwrap()).collect();
        assert!(countries.is_sorted());
    }

    /// Filters are optional and do not care about letter case.
    async fn filters(server) {
        for (query, expected) in [
            ("country_code=KE", 3),
            ("country_code=ke&operator=SAFARICOM", 1),
            ("operator=airtel", 5),
            ("operator=at%26t", 1),
            ("country_code=US&operator=AT%26T", 1),
            ("country_code=&operator=", 17),
            ("country_code=FR", 0),
            ("operator=Nobody", 0),
            ("nonsense=1", 17),
        ] {
            let cards = server.get(&format!("/api/billing/rate-cards/?{query}")).await;
            assert_eq!(cards.as_array().unwrap().len(), expected, "{query}");
        }
    }

    /// One row per destination and currency: the newest that is in force on the day.
    async fn what_is_in_force(server) {
        add_card(server, "SAFARICOM", "USD", 25_000, "2026-03-18").await;
        add_card(server, "Safaricom", "USD", 30_000, "2026-03-19").await;
        add_card(server, "Safaricom", "KES", 2_500_000, "2020-01-01").await;
        add_card(server, "", "USD", 40_000, "2026-01-01").await;
        let path = "/api/billing/rate-cards/?country_code=KE&operator=safaricom";
        let today = server.get(path).await;
        assert_eq!(prices(&today), [("Safaricom", "KES", 2.5), ("SAFARICOM", "USD", 0.025)]);
        let tomorrow = server.get(&format!("{path}&as_of=2026-03-19")).await;
        assert_eq!(prices(&tomorrow)[1], ("Safaricom", "USD", 0.03));
        let before = server.get(&format!("{path}&as_of=2026-03-17")).await;
        assert_eq!(prices(&before)[1], ("Safaricom", "USD", 0.02));
        let ancient = server.get(&format!("{path}&as_of=2019-12-31")).await;
        assert_eq!(ancient, json!([]));
        let country = server.get("/api/billing/rate-cards/?country_code=KE").await;
        assert_eq!(prices(&country)[0], ("", "USD", 0.04), "a card for the whole country has no operator");
    }

    /// The order is that of bytes on either database, whatever the server's locale.
    async fn order_does_not_depend_on_the_locale(server) {
        for operator in ["econet", "MTN", "T-Mobile", "TMobile", "\u{e9}mobile"] {
            let uid = match server.database {
                Database::Sqlite => "randomblob(16)",
                Database::Postgres => "gen_random_uuid()",
            };
            let sql = format!(
                "INSERT INTO rate_cards (uid, country_code, operator, operator_key, networks, price_per_sms, currency, \
                 effective_from, notes, created_at) VALUES ({uid}, 'ZW', '{operator}', '{}', '[]', 1, 'USD', '2024-01-01', \
                 '', 0)",
                operator.to_lowercase()
            );
            server.execute(&sql).await.unwrap();
        }
        let cards = server.get("/api/billing/rate-cards/?country_code=ZW").await;
        let operators: Vec<&str> = prices(&cards).iter().map(|(operator, ..)| *operator).collect();
        assert_eq!(operators, ["econet", "MTN", "T-Mobile", "TMobile", "\u{e9}mobile"]);
    }

    async fn plans_with_their_tiers(server) {
        let plans = server.get("/api/billing/pricing-plans/").await;
        assert_eq!(plans.as_array().unwrap().len(), 3);
        assert_eq!(plans[0]["volume_tiers"], json!([
            {"min_messages": 1, "max_messages": 1000, "price_per_sms": 0.05},
            {"min_messages": 1001, "max_messages": 10000, "price_per_sms": 0.045, "discount_percent": 10},
            {"min_messages": 10001, "price_per_sms": 0.04, "discount_percent": 20},
        ]));
        assert_eq!(plans[2]["volume_tiers"], json!([]));
        assert_eq!((&plans[2]["type"], &plans[2]["card_discount_percent"]), (&json!("POSTPAID"), &json!(40)));
    }
}
