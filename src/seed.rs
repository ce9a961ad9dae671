//! Loads the sample data in `seeds/`, through the domain's rules, in one transaction.
//! Each item is loaded once in the life of a database: what a person edits or deletes afterwards stays so.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::domain::audit::{Actor, AuditAction, AuditEntry};
use crate::domain::prices::plans::{PlanType, PricingPlan, VolumeTier, VolumeTiers};
use crate::domain::prices::rate_cards::{Network, RateCard};
use crate::domain::values::countries::CountryCode;
use crate::domain::values::currency::Currency;
use crate::domain::values::json::JsonObject;
use crate::domain::values::money::{BasisPoints, Money};
use crate::domain::values::sid::{BusinessSid, PlanSid, RateCardSid};
use crate::domain::values::text::Reference;
use crate::domain::values::time::Timestamp;
use crate::domain::wallets::OpeningTerms;
use crate::domain::wallets::transactions::{Posting, TransactionType};
use crate::error::{Error, Result};
use crate::services::Billing;
use crate::services::posting::{self, NewPosting};
use crate::storage;
use crate::storage::db::Conn;
use crate::storage::wallets::Opening;

const PLANS: &str = include_str!("../seeds/plans.json");
const RATE_CARDS: &str = include_str!("../seeds/rate_cards.json");
const WALLETS: &str = include_str!("../seeds/wallets.json");

/// How many items of each kind were new.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    pub plans: usize,
    pub rate_cards: usize,
    pub wallets: usize,
}

#[derive(Deserialize)]
struct PlanSeed {
    name: String,
    description: String,
    #[serde(rename = "type")]
    plan_type: PlanType,
    base_price_per_sms: Money,
    card_discount_percent: i64,
    tiers: Vec<TierSeed>,
    features: Vec<String>,
}

#[derive(Deserialize)]
struct TierSeed {
    up_to: Option<i64>,
    price_per_sms: Money,
    discount_percent: i64,
}

#[derive(Deserialize)]
struct RateCardSeed {
    country_code: CountryCode,
    operator: String,
    price_per_sms: Money,
    currency: Currency,
    effective_from: chrono::NaiveDate,
    networks: Vec<Network>,
    notes: String,
}

#[derive(Deserialize)]
struct WalletSeed {
    business_sid: BusinessSid,
    plan: String,
    currency: Currency,
    opening_balance: Money,
}

/// Loads the items that were not loaded before.
///
/// # Errors
/// Those of the database; then nothing was loaded.
pub async fn load(billing: &Billing, with_wallets: bool) -> Result<Loaded> {
    let loader = Loader { billing, now: billing.clock.now(), actor: Actor::seed() };
    let mut loaded = Loaded::default();
    let mut tx = billing.db.begin().await?;
    let mut conn = tx.conn();
    for plan in parse::<PlanSeed>(PLANS)? {
        loaded.plans += usize::from(loader.plan(&mut conn, plan).await?);
    }
    for card in parse::<RateCardSeed>(RATE_CARDS)? {
        loaded.rate_cards += usize::from(loader.rate_card(&mut conn, card).await?);
    }
    if with_wallets {
        for wallet in parse::<WalletSeed>(WALLETS)? {
            loaded.wallets += usize::from(loader.wallet(&mut conn, wallet).await?);
        }
    }
    tx.commit().await?;
    billing.live.prices.refresh().await?;
    Ok(loaded)
}

fn parse<T: DeserializeOwned>(text: &str) -> Result<Vec<T>> {
    serde_json::from_str(text).map_err(|error| Error::Corrupt(format!("the sample data: {error}")))
}

struct Loader<'a> {
    billing: &'a Billing,
    now: Timestamp,
    actor: Actor,
}

impl Loader<'_> {
    async fn plan(&self, conn: &mut Conn<'_>, seed: PlanSeed) -> Result<bool> {
        if !storage::db::seeds::claim(conn, &format!("plan {}", seed.name), self.now).await? {
            return Ok(false);
        }
        let tier = |tier: TierSeed| VolumeTier {
            up_to: tier.up_to,
            price_per_sms: tier.price_per_sms,
            discount: BasisPoints::from_percent(tier.discount_percent),
        };
        let plan = PricingPlan {
            sid: PlanSid::new(self.billing.clock.new_id()),
            tiers: VolumeTiers::new(seed.tiers.into_iter().map(tier).collect()).map_err(Error::Corrupt)?,
            name: seed.name,
            description: seed.description,
            plan_type: seed.plan_type,
            base_price_per_sms: seed.base_price_per_sms,
            card_discount: BasisPoints::from_percent(seed.card_discount_percent),
            failed_refund: BasisPoints::WHOLE,
            features: seed.features,
            created_at: self.now,
            updated_at: self.now,
        };
        plan.validate().map_err(Error::Corrupt)?;
        let is_new = storage::prices::plans::insert(conn, &plan).await?;
        if is_new {
            let after = json!({"name": plan.name, "type": plan.plan_type});
            self.audit(conn, AuditEntry::created(AuditAction::PlanCreated, plan.sid.to_string(), after)).await?;
        }
        Ok(is_new)
    }

    async fn rate_card(&self, conn: &mut Conn<'_>, seed: RateCardSeed) -> Result<bool> {
        let item = format!("rate card {} {}", seed.country_code, seed.operator);
        if !storage::db::seeds::claim(conn, &item, self.now).await? {
            return Ok(false);
        }
        let card = RateCard {
            sid: RateCardSid::new(self.billing.clock.new_id()),
            country: seed.country_code,
            operator: seed.operator,
            networks: seed.networks,
            price_per_sms: seed.price_per_sms,
            currency: seed.currency,
            effective_from: seed.effective_from,
            notes: seed.notes,
        };
        card.validate().map_err(Error::Corrupt)?;
        let is_new = storage::prices::rate_cards::insert(conn, &card, self.now).await?;
        if is_new {
            let after = json!({"country_code": card.country, "operator": card.operator, "currency": card.currency});
            self.audit(conn, AuditEntry::created(AuditAction::RateCardCreated, card.sid.to_string(), after)).await?;
        }
        Ok(is_new)
    }

    async fn wallet(&self, conn: &mut Conn<'_>, seed: WalletSeed) -> Result<bool> {
        if !storage::db::seeds::claim(conn, &format!("wallet {}", seed.business_sid), self.now).await? {
            return Ok(false);
        }
        if storage::wallets::lock(conn, &seed.business_sid).await?.is_some() {
            // A business of this name is in use already: its wallet stays as it is.
            return Ok(false);
        }
        let terms = OpeningTerms { currency: seed.currency, plan_name: seed.plan };
        let opening = Opening {
            business: &seed.business_sid,
            terms: &terms,
            wallet_id: self.billing.clock.new_id(),
            now: self.now,
            actor: &self.actor,
        };
        storage::wallets::lock_or_open(conn, &opening).await?;
        let posting = Posting {
            transaction_type: TransactionType::Topup,
            reference: "Opening balance".parse::<Reference>().map_err(Error::Corrupt)?,
            details: JsonObject::default(),
            metadata: JsonObject::default(),
        };
        let new = NewPosting { amount: seed.opening_balance, posting, actor: &self.actor, events: Vec::new() };
        posting::enter(self.billing, conn, &seed.business_sid, new, self.now).await?;
        Ok(true)
    }

    async fn audit(&self, conn: &mut Conn<'_>, entry: AuditEntry) -> Result<()> {
        storage::audit::append(&mut conn.bulk(), &entry, &self.actor, self.now).await
    }
}
